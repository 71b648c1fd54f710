/** The rules for a batch of S2 records, and the commands in it. */

import { TailraceError } from '../model/error.ts';
import {
  APPEND_METERED_BYTES_MAX,
  APPEND_RECORDS_MAX,
  FENCING_TOKEN_BYTES_MAX,
  RECORD_METERED_BYTES_MAX,
} from '../model/limits.ts';
import { type Header, meteredBytes, type RecordInput } from '../model/record.ts';
import type { Stream } from './stream.ts';

/** A batch for one stream, and the conditions for accepting it. */
export interface RecordsAppend {
  readonly stream: Stream;
  readonly records: readonly RecordInput[];
  /** The sequence number that the first record must get. */
  readonly matchSeqNum?: number | undefined;
  /** The fencing token that must be in force. The empty one is a condition too. */
  readonly fencingToken?: string | undefined;
  /** 32 bytes; for streams that have a cipher. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** How much one batch may hold; S2's limits when undefined. */
  readonly limits?: AppendLimits | undefined;
}

export interface AppendLimits {
  readonly records: number;
  /** Metered bytes of all records. The limit of a single record stands beside it. */
  readonly bytes: number;
}

const S2_LIMITS: AppendLimits = { records: APPEND_RECORDS_MAX, bytes: APPEND_METERED_BYTES_MAX };

/** A record that, beside being stored, changes its stream. */
export type Command =
  | { readonly index: number; readonly type: 'fence'; readonly token: string }
  | { readonly index: number; readonly type: 'trim'; readonly seqNum: number };

/**
 * Checks a batch without looking at its stream. Returns the commands in it.
 * @throws TailraceError `invalid`
 */
export function checkBatch({
  records,
  fencingToken,
  limits = S2_LIMITS,
}: Pick<RecordsAppend, 'records' | 'fencingToken' | 'limits'>): readonly Command[] {
  if (records.length === 0) throw invalid('record batch must not be empty');
  if (records.length > limits.records) throw invalid(`record batch must not exceed ${limits.records} records`);
  if (fencingToken !== undefined) checkFencingToken(Buffer.byteLength(fencingToken));
  const commands: Command[] = [];
  let total = 0;
  for (const [index, { headers, body, timestamp }] of records.entries()) {
    const metered = meteredBytes(headers, body.length);
    if (metered > RECORD_METERED_BYTES_MAX) throw invalid('record must have metered size less than 1 MiB');
    total += metered;
    if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0)) {
      throw invalid('record timestamp must be a whole number of milliseconds from 0 to 2^53 - 1');
    }
    const command = headers.length === 0 ? undefined : commandOf(index, headers, body);
    if (command !== undefined) commands.push(command);
  }
  if (total > limits.bytes) throw invalid('record batch must not exceed a metered size of 1 MiB');
  return commands;
}

/** The type of command that a record is, if any. Its payload is not checked. */
export function commandType({ headers }: RecordInput): Command['type'] | undefined {
  const [header] = headers;
  if (header === undefined || headers.length > 1 || header[0].length > 0) return undefined;
  const word = Buffer.from(header[1]).toString('latin1');
  return word === 'fence' || word === 'trim' ? word : undefined;
}

const TRIM_BYTES = 8;

function commandOf(index: number, headers: readonly Header[], body: Uint8Array): Command | undefined {
  if (headers.every(([name]) => name.length > 0)) return undefined;
  const [header] = headers;
  if (header === undefined || headers.length > 1) throw invalid('invalid header: empty name');
  const word = Buffer.from(header[1]).toString('latin1');
  if (word === 'fence') return { index, type: 'fence', token: fenceToken(body) };
  if (word === 'trim') return { index, type: 'trim', seqNum: trimPoint(body) };
  throw invalid('unknown command');
}

function fenceToken(body: Uint8Array): string {
  checkFencingToken(body.length);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw new TailraceError('invalid', 'invalid `fence` command: the fencing token must be UTF-8', { cause });
  }
}

/** Clamped to 2^53 - 1: no stream gets that far. */
function trimPoint(body: Uint8Array): number {
  if (body.length !== TRIM_BYTES) {
    throw invalid(`invalid \`trim\` command: earliest seq_num was ${body.length} bytes, must be ${TRIM_BYTES}`);
  }
  const value = Buffer.from(body.buffer, body.byteOffset, body.length).readBigUInt64BE();
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

function checkFencingToken(bytes: number): void {
  if (bytes > FENCING_TOKEN_BYTES_MAX) {
    throw invalid(`fencing token must not exceed ${FENCING_TOKEN_BYTES_MAX} bytes in length`);
  }
}

function invalid(message: string): TailraceError {
  return new TailraceError('invalid', message);
}
