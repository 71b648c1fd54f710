/** Records from lines of input, in the formats in which `read` prints them. Holds no more than a line at a time. */

import type { BinaryRecord } from '../../src/client/append-input.ts';
import { TailraceError } from '../../src/model/error.ts';
import { RECORD_METERED_BYTES_MAX } from '../../src/model/limits.ts';
import { type Header, meteredBytes } from '../../src/model/record.ts';
import type { Format } from '../print/printer.ts';

/** A record of 1 MiB whose every byte is an escape takes six times as much in JSON, and its headers count double. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const NEW_LINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Records in groups, as the input comes. In the JSON formats empty lines are skipped; in text each is a record.
 * @throws TailraceError `invalid` that names the line: no record, or one that is too large; records before it were yielded
 */
export async function* recordsIn(
  input: AsyncIterable<Uint8Array>,
  format: Format,
): AsyncGenerator<readonly BinaryRecord[]> {
  let number = 0;
  for await (const lines of linesIn(input)) {
    const records: BinaryRecord[] = [];
    try {
      for (const line of lines) {
        number += 1;
        const record = recordIn(line, format);
        if (record !== undefined) records.push(record);
      }
    } catch (cause) {
      if (records.length > 0) yield records;
      if (!(cause instanceof TailraceError)) throw cause;
      throw new TailraceError(cause.code, `line ${number}: ${cause.message}`, { cause });
    }
    yield records;
  }
}

/** Lines without their ends, as many at a time as a chunk of the input completes. */
async function* linesIn(input: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Uint8Array[]> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEW_LINE); end !== -1; end = chunk.indexOf(NEW_LINE, from)) {
      const rest = chunk.subarray(from, end);
      lines.push(withoutReturn(parts.length === 0 ? rest : Buffer.concat([...parts, rest])));
      parts = [];
      bytes = 0;
      from = end + 1;
    }
    if (lines.length > 0) yield lines;
    if (from === chunk.length) continue;
    parts.push(chunk.subarray(from));
    bytes += chunk.length - from;
    // Longer than any record may be: refused like a whole line, before it fills the memory.
    if (bytes > LINE_BYTES_MAX) yield [Buffer.concat(parts)];
  }
  if (parts.length > 0) yield [withoutReturn(Buffer.concat(parts))];
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
}

/**
 * The record of a line; undefined for an empty one in a JSON format.
 * @throws TailraceError `invalid`
 */
export function recordIn(line: Uint8Array, format: Format): BinaryRecord | undefined {
  const record = format === 'text' ? { body: line } : jsonRecordIn(line, format === 'json' ? 'utf8' : 'base64');
  if (record !== undefined && meteredBytes(record.headers ?? [], record.body.length) > RECORD_METERED_BYTES_MAX) {
    throw new TailraceError('invalid', 'the record is larger than 1 MiB');
  }
  return record;
}

function jsonRecordIn(line: Uint8Array, encoding: 'utf8' | 'base64'): BinaryRecord | undefined {
  if (line.length > LINE_BYTES_MAX) throw new TailraceError('invalid', 'the record is larger than 1 MiB');
  const text = Buffer.from(line.buffer, line.byteOffset, line.length).toString('utf8');
  if (text.trim() === '') return undefined;
  const { body, headers, timestamp } = objectIn(text);
  return {
    body: body === undefined ? new Uint8Array() : bytesIn(body, encoding, 'body'),
    headers: headersIn(headers, encoding),
    timestamp: timestampIn(timestamp),
  };
}

function headersIn(headers: unknown, encoding: 'utf8' | 'base64'): Header[] {
  if (headers === undefined) return [];
  if (!Array.isArray(headers)) throw wrong('"headers" must be a list of [name, value]');
  return headers.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw wrong('a header must be [name, value]');
    return [bytesIn(pair[0], encoding, 'a header'), bytesIn(pair[1], encoding, 'a header')];
  });
}

function bytesIn(value: unknown, encoding: 'utf8' | 'base64', what: string): Uint8Array {
  if (typeof value !== 'string') throw wrong(`${what} must be a string`);
  const bytes = Buffer.from(value, encoding);
  if (encoding === 'base64' && bytes.toString('base64') !== value) throw wrong(`${what} is not base64`);
  return bytes;
}

function timestampIn(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong('"timestamp" must be whole milliseconds since 1970');
}

function objectIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw wrong(`it is not JSON: ${(cause as Error).message.slice(0, 200)}`);
  }
  throw wrong('it is not a JSON object');
}

function wrong(what: string): TailraceError {
  return new TailraceError('invalid', `${what}; a record is {"body":…,"headers":[[…,…]],"timestamp":…}, each optional`);
}
