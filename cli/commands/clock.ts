/** `tailrace clock confirm`: records expire again after the clock of the server's machine jumped. */

import type { Command } from 'commander';
import { type CommandOptions, callServer } from '../call.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { escapeControls } from '../print/format.ts';

const EXAMPLES = `
When the clock of the server's machine jumps ahead, no record expires for a day: a wrong clock would delete young
records. Check the clock; if it is right, confirm it, and records expire by it at once. This needs the root token.

Examples:
  tailrace clock confirm`;

export function addClock(program: Command): void {
  const group = program
    .command('clock')
    .summary("confirm the clock of the server's machine")
    .description('Tells a running server that the clock of its machine is right.')
    .addHelpText('after', '\nExample:\n  tailrace clock confirm');
  const command = group
    .command('confirm')
    .summary('confirm that the clock is right: records expire by it')
    .description("Confirms that the clock of the server's machine is right after it jumped.")
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((_options, self: Command) => confirm(self.optsWithGlobals<CommandOptions>()));
}

function confirm(options: CommandOptions): Promise<void> {
  return callServer(options, {}, async ({ client, print }) => {
    const { clock, wasPaused } = await client.confirmClock();
    const before = wasPaused ? 'expiry had stopped and goes on' : 'expiry had not stopped';
    await print({ clock, was_paused: wasPaused }, `confirmed ${escapeControls(clock)}: ${before}`);
  });
}
