/**
 * Decodes the JSON body of an append. Record bodies without escapes are views of the given bytes. A wrong type anywhere
 * is bad JSON; right types with wrong values are invalid.
 */

import { isUtf8 } from 'node:buffer';
import { atOnce } from '../../encoding/turns.ts';
import { TailraceError } from '../../model/error.ts';
import { APPEND_RECORDS_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { Header, RecordInput } from '../../model/record.ts';
import type { JsonFormat } from '../batch/json.ts';
import { JsonCursor } from '../json-cursor.ts';
import { type AppendInput, matchable, NO_BYTES, NO_HEADERS, timestampTooLarge } from './input.ts';

/**
 * Returns the batch in a JSON body.
 * @throws TailraceError `bad_json` when it cannot be decoded; `invalid` for wrong base64 and a timestamp above 2^53 − 1
 */
export function parseAppendJson(bytes: Uint8Array, format: JsonFormat): AppendInput {
  return atOnce(parsingAppendJson(bytes, format));
}

/** The same in pieces, between which others may run: the body may have hundreds of thousands of headers. */
export function* parsingAppendJson(bytes: Uint8Array, format: JsonFormat): Generator<void, AppendInput> {
  if (!isUtf8(bytes)) throw new TailraceError('bad_json', 'the body is not UTF-8');
  return yield* new AppendParser(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), format).parse();
}

/** A header of a few bytes takes so long that this many bytes of them are a piece. */
const PIECE_BYTES = YIELD_BYTES / 4;

class AppendParser {
  readonly #cursor: JsonCursor;
  readonly #format: JsonFormat;
  /** The first wrong value: thrown only when the whole body can be decoded, because bad JSON comes first. */
  #fault: TailraceError | undefined;
  #pauseAt = PIECE_BYTES;

  constructor(bytes: Buffer, format: JsonFormat) {
    this.#cursor = new JsonCursor(bytes);
    this.#format = format;
  }

  *parse(): Generator<void, AppendInput> {
    const cursor = this.#cursor;
    const conditions: { matchSeqNum?: number; fencingToken?: string } = {};
    let records: RecordInput[] | undefined;
    for (let more = cursor.openObject('the body'); more; more = cursor.nextField()) {
      const key = cursor.key();
      if (key === 'records') {
        records = yield* this.#records();
      } else if (key === 'match_seq_num') {
        delete conditions.matchSeqNum;
        if (!cursor.takeNull()) conditions.matchSeqNum = matchable(cursor.uint64(key));
      } else if (key === 'fencing_token') {
        delete conditions.fencingToken;
        if (!cursor.takeNull()) conditions.fencingToken = cursor.string(key).toString('utf8');
      } else {
        yield* this.#skip();
      }
    }
    cursor.expectEnd();
    if (records === undefined) throw cursor.bad('`records` is missing');
    if (this.#fault !== undefined) throw this.#fault;
    return { records, ...conditions };
  }

  /** Keeps at most one record more than is allowed: enough to refuse the batch, however many records it has. */
  *#records(): Generator<void, RecordInput[]> {
    const cursor = this.#cursor;
    const records: RecordInput[] = [];
    for (let more = cursor.openArray('records'); more; more = cursor.nextElement()) {
      if (records.length > APPEND_RECORDS_MAX) yield* this.#skip();
      else records.push(yield* this.#record());
      if (this.#isPieceOver()) yield;
    }
    return records;
  }

  *#record(): Generator<void, RecordInput> {
    const cursor = this.#cursor;
    let body = NO_BYTES;
    let headers = NO_HEADERS;
    let timestamp: number | undefined;
    for (let more = cursor.openObject('a record'); more; more = cursor.nextField()) {
      const key = cursor.key();
      if (key === 'body') body = this.#bytes(key);
      else if (key === 'headers') headers = yield* this.#headers();
      else if (key === 'timestamp') timestamp = this.#timestamp();
      else yield* this.#skip();
    }
    return { body, headers, timestamp };
  }

  *#headers(): Generator<void, readonly Header[]> {
    const cursor = this.#cursor;
    const headers: Header[] = [];
    for (let more = cursor.openArray('headers'); more; more = cursor.nextElement()) {
      headers.push(this.#header());
      if (this.#isPieceOver()) yield;
    }
    return headers;
  }

  *#skip(): Generator<void, void> {
    while (!this.#cursor.skip(this.#pauseAt)) if (this.#isPieceOver()) yield;
  }

  #isPieceOver(): boolean {
    if (this.#cursor.at < this.#pauseAt) return false;
    this.#pauseAt = this.#cursor.at + PIECE_BYTES;
    return true;
  }

  #header(): Header {
    const cursor = this.#cursor;
    const hasName = cursor.openArray('a header');
    const name = hasName ? this.#bytes('a header name') : NO_BYTES;
    const hasValue = hasName && cursor.nextElement();
    const value = hasValue ? this.#bytes('a header value') : NO_BYTES;
    if (!hasValue || cursor.nextElement()) throw cursor.bad('a header must be an array of a name and a value');
    return [name, value];
  }

  #timestamp(): number | undefined {
    if (this.#cursor.takeNull()) return undefined;
    const timestamp = this.#cursor.uint64('timestamp');
    if (timestamp > Number.MAX_SAFE_INTEGER) this.#fault ??= timestampTooLarge();
    return timestamp;
  }

  #bytes(what: string): Uint8Array {
    const text = this.#cursor.string(what);
    if (this.#format === 'raw') return text;
    const encoded = text.toString('latin1');
    const bytes = Buffer.from(encoded, 'base64');
    // Node decodes anything: the text was strict base64 with padding only if it is the same when encoded again.
    if (bytes.toString('base64') !== encoded) {
      this.#fault ??= new TailraceError('invalid', `invalid Base64 encoding in ${what}`);
    }
    return bytes;
  }
}
