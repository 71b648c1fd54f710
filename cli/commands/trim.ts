/** `tailrace trim`: removes the oldest records of a stream. */

import type { Command } from 'commander';
import type { Client } from '../../src/client/client.ts';
import { trimRecord } from '../../src/client/records.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { CallContext } from '../call.ts';
import { addCommandRecordOptions, appendCommandRecord, type CommandRecordOptions } from '../command-record.ts';
import { addRemovalOptions, confirmed, type RemovalOptions } from '../confirm.ts';
import { contentsText, streamContents } from '../contents.ts';
import { wholeNumber } from '../flags/arguments.ts';
import { formatStreamUri, parseStreamUri, type StreamUri } from '../flags/names.ts';
import { counted } from '../print/format.ts';

const EXAMPLES = `
Trimming appends a command record, and cannot be undone. The space is freed in the background.

Examples:
  tailrace trim my-app 1000                          removes records 0 to 999
  tailrace trim my-app 1000 --dry-run                says what would be removed
  tailrace trim my-app 1000 -f writer-1              only while writer-1 is the fencing token`;

export function addTrim(program: Command): void {
  const command = program
    .command('trim')
    .summary('remove the oldest records of a stream')
    .description('Removes all records before a sequence number. Asks first at a terminal.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .argument('<seq-num>', 'the first sequence number that is kept', wholeNumber)
    .addHelpText('after', EXAMPLES);
  addCommandRecordOptions(addRemovalOptions(command)).action(
    (stream: string, seqNum: number, _options, self: Command) =>
      trim(stream, seqNum, self.optsWithGlobals<CommandRecordOptions & RemovalOptions>()),
  );
}

function trim(name: string, seqNum: number, options: CommandRecordOptions & RemovalOptions): Promise<void> {
  const uri = parseStreamUri(name);
  const goesOn = async (context: CallContext) => {
    // The command record would create a stream whose name was mistyped.
    await expectStream(context.client, uri);
    return confirmed(context, options, async () => {
      const contents = await streamContents(context.client, uri);
      const { first = 0, tail = seqNum } = contents;
      const end = Math.min(seqNum, tail);
      const removed = Math.max(0, end - first);
      const range = removed === 0 ? 'none' : `${first} to ${end - 1}`;
      const text = `Remove records before ${seqNum} of ${formatStreamUri(uri)} (${range}): ${counted(removed, 'record')} of ${contentsText(contents)}`;
      return {
        text,
        json: { basin: uri.basin, stream: uri.stream, records: removed, kept_from: Math.max(first, end) },
      };
    });
  };
  return appendCommandRecord(name, trimRecord(seqNum), 'trimmed', options, goesOn);
}

/** @throws TailraceError `stream_not_found`, and what else the server says, unless the token may only trim */
async function expectStream(client: Client, { basin, stream }: StreamUri): Promise<void> {
  try {
    await client.checkTail(stream, { basin });
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'permission_denied') throw error;
  }
}
