/** `tailrace root-token reset`: a new root token, when the old one is lost or known to others. */

import path from 'node:path';
import type { Command } from 'commander';
import { type AskOptions, addRemovalOptions, confirmed } from '../confirm.ts';
import { addDataDirOption, dataDirOf, loadMaintenance, type MaintenanceOptions, print } from '../maintenance.ts';
import { createReporter } from '../print/console.ts';

const EXAMPLES = `
The server must be stopped. The old root token is void from then on; other access tokens stay valid. The new one is in
the file that is printed, which only you may read.

Examples:
  tailrace root-token reset
  tailrace root-token reset --data-dir /var/lib/tailrace`;

type ResetOptions = MaintenanceOptions & AskOptions;

export function addRootToken(program: Command): void {
  const group = program
    .command('root-token')
    .summary('replace the root token')
    .description('Replaces the token that may do everything.')
    .addHelpText('after', '\nExample:\n  tailrace root-token reset');
  const command = group
    .command('reset')
    .summary('make a new root token; the old one is void')
    .description(
      'Makes a new root token for a data directory that no server runs on; the old one is void. Asks first at a terminal.',
    );
  addRemovalOptions(addDataDirOption(command))
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES)
    .action((_options, self: Command) => reset(self.optsWithGlobals<ResetOptions>()));
}

async function reset(options: ResetOptions): Promise<void> {
  const reporter = createReporter(options);
  const context = { reporter, print: (json: unknown, text: string) => print(json, text, options) };
  const directory = path.resolve(dataDirOf(options));
  const text = `Make a new root token for the store in ${directory}, and the old one void`;
  if (!(await confirmed(context, options, async () => ({ text, json: { data_dir: directory } })))) return;
  const { resetRootToken } = await loadMaintenance();
  const { file } = await resetRootToken(directory);
  reporter.note('the old root token is void; the new one is in this file:');
  // A token from the environment wins over the one in the store.
  if (process.env.TAILRACE_ROOT_TOKEN || process.env.TAILRACE_ROOT_TOKEN_FILE) {
    reporter.warn(
      'tailrace: TAILRACE_ROOT_TOKEN or TAILRACE_ROOT_TOKEN_FILE is set: a server with it takes that one instead',
    );
  }
  await print({ file, result: 'reset' }, file, options);
}
