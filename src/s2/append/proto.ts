/**
 * Decodes an AppendInput (`proto/s2/v1/s2.proto`) without copying: bodies and headers are views of the given bytes. It
 * is as strict as S2's own servers: it refuses a known field with a wrong wire type, a length that does not fit and an
 * unfinished varint, and skips unknown fields, groups included.
 */

import { isUtf8 } from 'node:buffer';
import { atOnce } from '../../encoding/turns.ts';
import { TailraceError } from '../../model/error.ts';
import { APPEND_RECORDS_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { Header, RecordInput } from '../../model/record.ts';
import { ProtoReader, VARINT } from '../proto-reader.ts';
import { type AppendInput, matchable, NO_BYTES, NO_HEADERS, timestampTooLarge } from './input.ts';

/** A header of a few bytes takes so long that this many bytes of them are a piece. */
const PIECE_BYTES = YIELD_BYTES / 8;

/**
 * Returns the batch in an AppendInput message.
 * @throws TailraceError `bad_proto` when it cannot be decoded, `invalid` for a timestamp above 2^53 − 1
 */
export function decodeAppendInput(bytes: Uint8Array): AppendInput {
  return atOnce(decodingAppendInput(bytes));
}

/** The same in pieces, between which others may run: a record may have hundreds of thousands of headers. */
export function* decodingAppendInput(bytes: Uint8Array): Generator<void, AppendInput> {
  const reader = new ProtoReader(bytes);
  const records: RecordInput[] = [];
  const conditions: { matchSeqNum?: number; fencingToken?: string } = {};
  let isTimeTooLarge = false;
  let pauseAt = PIECE_BYTES;
  while (!reader.done) {
    const field = reader.tag();
    if (field === 1) {
      const end = reader.submessage();
      const record: DecodedRecord = { body: NO_BYTES, headers: undefined, timestamp: undefined };
      while (!decodeRecord(reader, end, record, pauseAt)) {
        pauseAt = reader.at + PIECE_BYTES;
        yield;
      }
      if (record.timestamp !== undefined && record.timestamp > Number.MAX_SAFE_INTEGER) isTimeTooLarge = true;
      // Keeps at most one record more than is allowed: enough to refuse the batch, however many records it has.
      if (records.length <= APPEND_RECORDS_MAX) records.push(finished(record));
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

/** What is known of a record. */
interface DecodedRecord {
  body: Uint8Array;
  headers: Header[] | undefined;
  timestamp: number | undefined;
}

/** Decodes into a record, until its end or position `pauseAt`. Returns whether it is at the end. */
function decodeRecord(reader: ProtoReader, end: number, record: DecodedRecord, pauseAt: number): boolean {
  while (reader.at < end) {
    if (reader.at >= pauseAt) return false;
    const field = reader.tag();
    if (field === 3) {
      record.body = reader.bytes();
    } else if (field === 2) {
      const header = decodeHeader(reader, reader.submessage());
      if (record.headers === undefined) record.headers = [header];
      else record.headers.push(header);
    } else if (field === 1) {
      reader.expect(VARINT);
      record.timestamp = reader.uint64();
    } else {
      reader.skip();
    }
  }
  reader.expectEnd(end);
  return true;
}

function finished({ body, headers, timestamp }: DecodedRecord): RecordInput {
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
