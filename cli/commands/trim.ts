/** `tailrace trim`: removes the oldest records of a stream. */

import type { Command } from 'commander';
import { trimRecord } from '../../src/client/records.ts';
import { addCommandRecordOptions, appendCommandRecord, type CommandRecordOptions } from '../command-record.ts';
import { wholeNumber } from '../flags/arguments.ts';

const EXAMPLES = `
Trimming appends a command record, and cannot be undone. The space is freed in the background.

Examples:
  tailrace trim my-app 1000                          removes records 0 to 999
  tailrace trim my-app 1000 -f writer-1              only while writer-1 is the fencing token`;

export function addTrim(program: Command): void {
  const command = program
    .command('trim')
    .summary('remove the oldest records of a stream')
    .description('Removes all records before a sequence number.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .argument('<seq-num>', 'the first sequence number that is kept', wholeNumber)
    .addHelpText('after', EXAMPLES);
  addCommandRecordOptions(command).action((stream: string, seqNum: number, _options, self: Command) =>
    appendCommandRecord(stream, trimRecord(seqNum), 'trimmed', self.optsWithGlobals<CommandRecordOptions>()),
  );
}
