/** A batch to append, as callers of the client and of the library write it: checked, and all of it in bytes. */

import {
  bytesIn,
  type Checks,
  checkOptions,
  expectList,
  expectObject,
  expectText,
  expectWholeNumber,
  invalid,
  optional,
} from '../model/arguments.ts';
import type { Header, RecordInput } from '../model/record.ts';

/** A header to append. Texts are stored as UTF-8. */
export type AppendHeader = readonly [name: Uint8Array | string, value: Uint8Array | string];

/** A record to append. */
export interface AppendRecord {
  /** A text is stored as UTF-8. */
  readonly body: Uint8Array | string;
  readonly headers?: readonly AppendHeader[] | undefined;
  /** Milliseconds since the epoch; without one the record gets the time of the server's clock. */
  readonly timestamp?: number | undefined;
}

/** One that holds bytes only. */
export interface BinaryRecord extends AppendRecord {
  readonly body: Uint8Array;
  readonly headers?: readonly Header[] | undefined;
}

/** What an append depends on. */
export interface AppendConditions {
  /** The sequence number that the first record must get, else the append fails with `seq_num_mismatch`. */
  readonly matchSeqNum?: number | undefined;
  /** The fencing token that the stream must have, else the append fails with `fencing_token_mismatch`. */
  readonly fencingToken?: string | undefined;
}

export const CONDITION_CHECKS: Checks<AppendConditions> = {
  matchSeqNum: optional(expectWholeNumber),
  fencingToken: optional(expectText),
};

/**
 * Checks options and records, before anything is done with them.
 * @throws TailraceError `invalid` that names the record by its index
 */
export function appendInput<Options>(
  records: readonly AppendRecord[],
  options: Options | undefined,
  checks: Checks<Options>,
): RecordInput[] {
  checkOptions(options, 'options', checks);
  expectList(records, 'records');
  if (records.length === 0) throw invalid('an append needs at least one record');
  // A loop and not `map`, which leaves out the holes of an array.
  const input: RecordInput[] = [];
  for (let index = 0; index < records.length; index++) input.push(recordIn(records[index], `records[${index}]`));
  return input;
}

function recordIn(record: unknown, name: string): RecordInput {
  expectObject(record, name);
  const { body, headers, timestamp }: { body?: unknown; headers?: unknown; timestamp?: unknown } = record;
  const bytes = bytesIn(body, `${name}.body`);
  optional(expectWholeNumber)(timestamp, `${name}.timestamp`);
  return { body: bytes, headers: headersIn(headers, `${name}.headers`), timestamp: timestamp as number | undefined };
}

function headersIn(headers: unknown, name: string): readonly Header[] {
  if (headers === undefined) return [];
  expectList(headers, name);
  return Array.from(headers, (pair, index): Header => {
    expectList(pair, `${name}[${index}]`);
    if (pair.length !== 2) throw invalid(`${name}[${index}] must be a pair of a name and a value`);
    return [bytesIn(pair[0], `${name}[${index}][0]`), bytesIn(pair[1], `${name}[${index}][1]`)];
  });
}
