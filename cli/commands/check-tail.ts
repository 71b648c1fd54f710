/** `tailrace check-tail`: where a stream ends. */

import type { Command } from 'commander';
import { type CommandOptions, callServer } from '../call.ts';
import { positionJson, positionText } from '../flags/conditions.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseStreamUri } from '../flags/names.ts';

const EXAMPLES = `
Examples:
  tailrace check-tail my-app            the next sequence number and the time of the last record in ms: 3 @ 1771390606217
  tailrace check-tail my-app --json`;

export function addCheckTail(program: Command): void {
  const command = program
    .command('check-tail')
    .summary('show where a stream ends')
    .description('Shows the next sequence number of a stream and the timestamp of its last record.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((stream: string, _options, self: Command) =>
    checkTail(stream, self.optsWithGlobals<CommandOptions>()),
  );
}

function checkTail(name: string, options: CommandOptions): Promise<void> {
  const uri = parseStreamUri(name);
  return callServer(options, uri, async ({ client, print }) => {
    const tail = await client.checkTail(uri.stream, { basin: uri.basin });
    await print(positionJson(tail), positionText(tail));
  });
}
