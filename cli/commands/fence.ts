/** `tailrace fence`: who may write to a stream from now on. */

import type { Command } from 'commander';
import { fenceRecord } from '../../src/client/records.ts';
import { addCommandRecordOptions, appendCommandRecord, type CommandRecordOptions } from '../command-record.ts';
import { fencingToken } from '../flags/conditions.ts';

const EXAMPLES = `
From then on an append that names another token fails; an append that names none still succeeds.

Examples:
  tailrace fence my-app writer-2                     writer-2 takes over
  tailrace fence my-app writer-2 -f writer-1         only if writer-1 had it
  tailrace fence my-app ""                           no token any more`;

export function addFence(program: Command): void {
  const command = program
    .command('fence')
    .summary('set the fencing token of a stream')
    .description('Sets the fencing token of a stream, or clears it.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .argument('<token>', 'the new token, at most 36 bytes; empty clears it', fencingToken)
    .addHelpText('after', EXAMPLES);
  addCommandRecordOptions(command).action((stream: string, token: string, _options, self: Command) =>
    appendCommandRecord(stream, fenceRecord(token), 'fenced', self.optsWithGlobals<CommandRecordOptions>()),
  );
}
