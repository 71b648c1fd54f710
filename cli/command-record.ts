/** What `fence` and `trim` have in common: each appends one record that is a command. */

import type { Command } from 'commander';
import type { AppendRecord } from '../src/client/append-input.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from './call.ts';
import { ackJson, addConditionOptions, type ConditionOptions, rangeText } from './flags/conditions.ts';
import { addConnectionOptions } from './flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from './flags/encryption-key.ts';
import { parseStreamUri } from './flags/names.ts';

export interface CommandRecordOptions extends CommandOptions, ConditionOptions, KeyOptions {}

/** Adds conditions, the key, and where the server is. */
export function addCommandRecordOptions(command: Command): Command {
  return addConnectionOptions(addJsonOption(addKeyOption(addConditionOptions(command))));
}

/** Appends the record and says where it went, unless `goesOn` says no. */
export function appendCommandRecord(
  name: string,
  record: AppendRecord,
  done: string,
  options: CommandRecordOptions,
  goesOn: (context: CallContext) => Promise<boolean> = async () => true,
): Promise<void> {
  const { basin, stream } = parseStreamUri(name);
  const { matchSeqNum, fencingToken } = options;
  const key = encryptionKey(options);
  return callServer(options, { basin, stream }, async (context) => {
    if (!(await goesOn(context))) return;
    const { client, print } = context;
    const conditions = { basin, matchSeqNum, fencingToken, encryptionKey: key };
    const ack = await client.append(stream, [record], conditions);
    await print(ackJson(ack), `${done}: ${rangeText(ack)}`);
  });
}
