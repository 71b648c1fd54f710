/** The data plane of S2 in plain calls: append a batch, check the tail. Bytes are sent exactly as they are. */

import { type Checks, expectText, expectWholeNumber, optional } from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import type { AppendAck, Position } from '../model/position.ts';
import type { RecordInput } from '../model/record.ts';
import {
  type AppendConditions,
  type AppendRecord,
  appendInput,
  type BinaryRecord,
  CONDITION_CHECKS,
} from './append-input.ts';
import { callApi, expectHeaderText, objectIn, segment } from './calls.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

export interface AppendRequestOptions extends RequestOptions, AppendConditions {
  /** Base64 of 32 bytes, for a stream that is encrypted. */
  readonly encryptionKey?: string | undefined;
}

const APPEND_CHECKS: Checks<AppendRequestOptions> = {
  ...REQUEST_CHECKS,
  ...CONDITION_CHECKS,
  encryptionKey: optional(expectHeaderText),
};

export interface RecordCalls {
  /**
   * Appends a batch, once: all of it or nothing. At most 1,000 records and 1 MiB metered. After `unavailable`,
   * `storage` and `request_timeout` it is unknown whether the batch was appended.
   * @throws TailraceError `seq_num_mismatch` (detail.seqNum), `fencing_token_mismatch` (detail.fencingToken), `invalid`
   * …
   */
  append(stream: string, records: readonly AppendRecord[], options?: AppendRequestOptions): Promise<AppendAck>;
  /** The durable tail: the next sequence number and the last timestamp. */
  checkTail(stream: string, options?: RequestOptions): Promise<Position>;
}

/** The calls on one server. `basinOf` says which basin a call is for. */
export function recordCalls(
  target: ServerTarget,
  basinOf: (options: RequestOptions | undefined) => string | undefined,
): RecordCalls {
  const pathOf = (stream: string) => `/v1/streams/${segment(stream, 'the name of a stream')}/records`;
  return {
    async append(stream, records, options = {}) {
      const path = pathOf(stream);
      const input = appendInput(records, options, APPEND_CHECKS);
      const { signal, encryptionKey } = options;
      const scope = { basin: basinOf(options), signal };
      const key = encryptionKey === undefined ? {} : { 's2-encryption-key': encryptionKey };
      const headers = { 's2-format': 'base64', ...key };
      const json = inputJson(input, options);
      const answer = await callApi(target, { ...scope, method: 'POST', path, headers, json });
      const { start, end, tail } = objectIn(answer.json, 'the ack');
      return { start: positionIn(start), end: positionIn(end), tail: positionIn(tail) };
    },
    async checkTail(stream, options) {
      const scope = { basin: basinOf(options), signal: options?.signal };
      const answer = await callApi(target, { ...scope, method: 'GET', path: `${pathOf(stream)}/tail` });
      return positionIn(objectIn(answer.json, 'the tail').tail);
    },
  };
}

/**
 * A command record that sets the fencing token of its stream; the empty token clears it.
 * @throws TailraceError `invalid` when the token is not a text
 */
export function fenceRecord(token: string): BinaryRecord {
  expectText(token, 'token');
  return command('fence', Buffer.from(token));
}

/**
 * A command record that removes all records before a sequence number.
 * @throws TailraceError `invalid` when it is not a sequence number
 */
export function trimRecord(seqNum: number): BinaryRecord {
  expectWholeNumber(seqNum, 'seqNum');
  const body = Buffer.alloc(8);
  body.writeBigUInt64BE(BigInt(seqNum));
  return command('trim', body);
}

function command(name: string, body: Uint8Array): BinaryRecord {
  return { headers: [[Buffer.alloc(0), Buffer.from(name)]], body };
}

function inputJson(records: readonly RecordInput[], { matchSeqNum, fencingToken }: AppendRequestOptions): unknown {
  return {
    records: records.map(({ body, headers, timestamp }) => ({
      ...(timestamp === undefined ? {} : { timestamp }),
      ...(headers.length === 0 ? {} : { headers: headers.map(([name, value]) => [base64(name), base64(value)]) }),
      body: base64(body),
    })),
    ...(matchSeqNum === undefined ? {} : { match_seq_num: matchSeqNum }),
    ...(fencingToken === undefined ? {} : { fencing_token: fencingToken }),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** @throws TailraceError `internal` when it is no position */
export function positionIn(value: unknown): Position {
  const { seq_num: seqNum, timestamp } = objectIn(value, 'a position');
  if (typeof seqNum === 'number' && typeof timestamp === 'number') return { seqNum, timestamp };
  throw new TailraceError('internal', 'a position in the answer has no seq_num or timestamp');
}
