/** `tailrace clock confirm`: records expire again after the clock of the server's machine jumped. */

import type { Command } from 'commander';
import { type CallOptions, callServer } from '../call.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { escapeControls } from '../print/format.ts';

const EXAMPLES = `
When the clock of the server's machine jumps ahead, no record expires for a day: a wrong clock would delete what is
young. Look at the clock; if it is right, say so and records expire by it at once. It takes the root token.

Examples:
  tailrace clock confirm`;

export function addClock(program: Command): void {
  const group = program
    .command('clock')
    .summary("say that the clock of the server's machine is right")
    .description("Tells a running server what to think of its machine's clock.");
  const command = group
    .command('confirm')
    .summary('the clock is right: records may expire by it')
    .description("Says that the clock of the server's machine is right after it jumped.")
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((_options, self: Command) => confirm(self.optsWithGlobals<CallOptions>()));
}

function confirm(options: CallOptions): Promise<void> {
  return callServer(options, {}, async ({ client, print }) => {
    const { clock, wasPaused } = await client.confirmClock();
    const before = wasPaused ? 'expiry had stopped and goes on' : 'expiry had not stopped';
    await print({ clock, was_paused: wasPaused }, `confirmed ${escapeControls(clock)}: ${before}`);
  });
}
