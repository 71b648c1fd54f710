/**
 * Decodes an AppendInput (`proto/s2/v1/s2.proto`) without copying: bodies and headers are views of the given bytes. It
 * is as strict as S2's own servers: it refuses a known field with a wrong wire type, a length that does not fit and an
 * unfinished varint, and skips unknown fields, groups included.
 */

import { isUtf8 } from 'node:buffer';
import { TailraceError } from '../../model/error.ts';
import { APPEND_RECORDS_MAX } from '../../model/limits.ts';
import type { Header, RecordInput } from '../../model/record.ts';
import { ProtoReader, VARINT } from '../proto-reader.ts';
import { type AppendInput, matchable, NO_BYTES, NO_HEADERS, timestampTooLarge } from './input.ts';

/**
 * Returns the batch in an AppendInput message.
 * @throws TailraceError `bad_proto` when it cannot be decoded, `invalid` for a timestamp above 2^53 − 1
 */
export function decodeAppendInput(bytes: Uint8Array): AppendInput {
  const reader = new ProtoReader(bytes);
  const records: RecordInput[] = [];
  const conditions: { matchSeqNum?: number; fencingToken?: string } = {};
  let isTimeTooLarge = false;
  while (!reader.done) {
    const field = reader.tag();
    if (field === 1) {
      const end = reader.submessage();
      const record = decodeRecord(reader, end);
      if (record.timestamp !== undefined && record.timestamp > Number.MAX_SAFE_INTEGER) isTimeTooLarge = true;
      // Keeps at most one record more than is allowed: enough to refuse the batch, however many records it has.
      if (records.length <= APPEND_RECORDS_MAX) records.push(record);
    } else if (field === 2) {
      reader.expect(VARINT);
      conditions.matchSeqNum = matchable(reader.uint64());
    } else if (field === 3) {
      conditions.fencingToken = textOf(reader.bytes());
    } else {
      reader.skip();
    }
  }
  // Thrown only when the whole message can be decoded, because a bad message comes first.
  if (isTimeTooLarge) throw timestampTooLarge();
  return { records, ...conditions };
}

function decodeRecord(reader: ProtoReader, end: number): RecordInput {
  let timestamp: number | undefined;
  let body = NO_BYTES;
  let headers: Header[] | undefined;
  while (reader.at < end) {
    const field = reader.tag();
    if (field === 3) {
      body = reader.bytes();
    } else if (field === 2) {
      headers ??= [];
      headers.push(decodeHeader(reader, reader.submessage()));
    } else if (field === 1) {
      reader.expect(VARINT);
      timestamp = reader.uint64();
    } else {
      reader.skip();
    }
  }
  reader.expectEnd(end);
  return { body, headers: headers ?? NO_HEADERS, timestamp };
}

function decodeHeader(reader: ProtoReader, end: number): Header {
  let name = NO_BYTES;
  let value = NO_BYTES;
  while (reader.at < end) {
    const field = reader.tag();
    if (field === 1) name = reader.bytes();
    else if (field === 2) value = reader.bytes();
    else reader.skip();
  }
  reader.expectEnd(end);
  return [name, value];
}

function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new TailraceError('bad_proto', 'fencing_token is not UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}
