/** `tailrace whoami`: what the token in use may do, to find out why something is refused. */

import type { Command } from 'commander';
import { addJsonOption, type CommandOptions, callServer } from '../call.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { whoamiLines } from '../print/token.ts';

const EXAMPLES = `
Examples:
  tailrace whoami
  tailrace whoami --token-file secret`;

export function addWhoami(program: Command): void {
  const command = program
    .command('whoami')
    .summary('show what the token in use may do')
    .description('Shows what the token in use may do, and where it came from.')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command)).action((_options, self: Command) =>
    whoami(self.optsWithGlobals<CommandOptions>()),
  );
}

function whoami(options: CommandOptions): Promise<void> {
  return callServer(options, {}, async ({ client, reporter, endpoint, token, print }) => {
    reporter.note(
      `${endpoint.value} (from ${endpoint.from}), ${token === undefined ? 'no token' : `token from ${token.from}`}`,
    );
    const me = await client.whoami();
    await print(me, whoamiLines(me));
  });
}
