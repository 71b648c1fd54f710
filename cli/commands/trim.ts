/** `tailrace trim`: the oldest records of a stream go. */

import type { Command } from 'commander';
import { trimRecord } from '../../src/client/records.ts';
import { addCommandRecordOptions, appendCommandRecord, type CommandRecordOptions } from '../command-record.ts';
import { wholeNumber } from '../flags/arguments.ts';

const EXAMPLES = `
Trimming appends a record of its own, and never goes back. The room is freed in the background.

Examples:
  tailrace trim my-app 1000                          records 0 to 999 go
  tailrace trim my-app 1000 -f writer-1              only while writer-1 is in force`;

export function addTrim(program: Command): void {
  const command = program
    .command('trim')
    .summary('let the oldest records of a stream go')
    .description('Lets all records before a sequence number go.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .argument('<seq-num>', 'the first sequence number that is kept', wholeNumber)
    .addHelpText('after', EXAMPLES);
  addCommandRecordOptions(command).action((stream: string, seqNum: number, _options, self: Command) =>
    appendCommandRecord(stream, trimRecord(seqNum), 'trimmed', self.optsWithGlobals<CommandRecordOptions>()),
  );
}
