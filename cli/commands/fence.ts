/** `tailrace fence` and `tailrace trim`: the two commands that are records themselves. */

import type { Command } from 'commander';
import { type AppendRecord, fenceRecord, trimRecord } from '../../src/client/records.ts';
import { wholeNumber } from '../arguments.ts';
import { type CallOptions, callServer } from '../call.ts';
import { ackJson, addConditionOptions, type ConditionOptions, fencingToken, rangeText } from '../conditions.ts';
import { addConnectionOptions } from '../connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../encryption-key.ts';
import { parseStreamUri } from '../names.ts';

interface CommandOptions extends CallOptions, ConditionOptions, KeyOptions {}

const STREAM = 's2://basin/stream, or a name in the default basin';

const FENCE_EXAMPLES = `
From then on an append that names another token fails; one that names none is not stopped.

Examples:
  tailrace fence my-app writer-2                     writer-2 takes over
  tailrace fence my-app writer-2 -f writer-1         only if writer-1 had it
  tailrace fence my-app ""                           no token any more`;

const TRIM_EXAMPLES = `
Trimming appends a record of its own, and never goes back. The room is freed in the background.

Examples:
  tailrace trim my-app 1000                          records 0 to 999 go
  tailrace trim my-app 1000 -f writer-1              only while writer-1 is in force`;

export function addFence(program: Command): void {
  const command = program
    .command('fence')
    .summary('set the fencing token of a stream')
    .description('Sets the fencing token of a stream, or clears it.')
    .argument('<stream>', STREAM)
    .argument('<token>', 'the new token, at most 36 bytes; empty clears it', fencingToken)
    .addHelpText('after', FENCE_EXAMPLES);
  addCommandOptions(command).action((stream: string, token: string, _options, self: Command) =>
    appendCommand(stream, fenceRecord(token), `fenced`, self.optsWithGlobals<CommandOptions>()),
  );
}

export function addTrim(program: Command): void {
  const command = program
    .command('trim')
    .summary('let the oldest records of a stream go')
    .description('Lets all records before a sequence number go.')
    .argument('<stream>', STREAM)
    .argument('<seq-num>', 'the first sequence number that is kept', wholeNumber)
    .addHelpText('after', TRIM_EXAMPLES);
  addCommandOptions(command).action((stream: string, seqNum: number, _options, self: Command) =>
    appendCommand(stream, trimRecord(seqNum), 'trimmed', self.optsWithGlobals<CommandOptions>()),
  );
}

function addCommandOptions(command: Command): Command {
  return addConnectionOptions(addKeyOption(addConditionOptions(command)).option('--json', 'JSON instead of text'));
}

function appendCommand(name: string, record: AppendRecord, done: string, options: CommandOptions): Promise<void> {
  const { basin, stream } = parseStreamUri(name);
  const { matchSeqNum, fencingToken } = options;
  const key = encryptionKey(options);
  return callServer(options, { basin, stream }, async ({ client, print }) => {
    const conditions = { basin, matchSeqNum, fencingToken, encryptionKey: key };
    const ack = await client.append(stream, [record], conditions);
    await print(ackJson(ack), `${done}: ${rangeText(ack)}`);
  });
}
