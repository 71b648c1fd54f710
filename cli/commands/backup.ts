/** `tailrace backup`: everything in a store as it is now, into one file, while its server goes on. */

import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { loadMaintenance } from '../maintenance.ts';
import { formatBytes } from '../print/format.ts';
import { type Progress, withProgress } from '../print/progress.ts';

const EXAMPLES = `
The file gets its name when it is complete and checked; an older file of that name is replaced. It holds everything but
the root token, so keep it safe. Making one needs the root token.

Examples:
  tailrace backup tailrace.backup
  tailrace backup - | ssh elsewhere 'cat > tailrace.backup'
  tailrace restore tailrace.backup --data-dir restored`;

export function addBackup(program: Command): void {
  const command = program
    .command('backup')
    .summary('copy the whole store of a running server into a file')
    .description('Copies everything that a server stores at this moment into one file; the server goes on meanwhile.')
    .argument('<file>', 'where to; - is stdout')
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((file: string, _options, self: Command) =>
    backup(file, self.optsWithGlobals<CommandOptions>()),
  );
}

function backup(file: string, options: CommandOptions): Promise<void> {
  return callServer(options, {}, async (context) => {
    if (file === '-') return withProgress('backup', options, (progress) => toStdout(context, progress));
    const { saveBackup } = await loadMaintenance();
    const { bytes, rows } = await withProgress('backup', options, (progress) =>
      saveBackup(context.client.backup(), file, progress.at),
    );
    await context.print({ file, bytes, rows }, `${file}: ${formatBytes(bytes)}`);
  });
}

async function toStdout({ client, output }: CallContext, progress: Progress): Promise<void> {
  if (output.isTty) throw new TailraceError('config', 'a backup is not for a terminal: name a file, or use a pipe');
  let bytes = 0;
  for await (const part of client.backup()) {
    await output.write(part);
    bytes += part.length;
    progress.at(bytes);
  }
}
