/** Bytes in JSON: ids are hex (OTLP specification, JSON Protobuf Encoding), everything else is base64. */

import { QUOTE } from '../../encoding/json-characters.ts';
import { ODD_ID_LEAD } from '../odd-id.ts';
import { spoilScalar } from './spoiled.ts';
import { FIELDS, TAG, TAG_BYTES, TARGET } from './tables.ts';
import { copyText, writeLength } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

/** Not a digit; the high bits survive an OR over all digits. */
const BAD = 0xff;
const HEX_DIGITS = new Uint8Array(256).fill(BAD);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  HEX_DIGITS[digit.charCodeAt(0)] = value;
  HEX_DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Both base64 alphabets of RFC 4648, sections 4 and 5: protobuf's JSON mapping accepts either. */
const BASE64_DIGITS = new Uint8Array(256).fill(BAD);
for (const last of ['+/', '-_']) {
  const alphabet = `ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${last}`;
  for (const [value, digit] of [...alphabet].entries()) BASE64_DIGITS[digit.charCodeAt(0)] = value;
}
const PAD = 0x3d;

const fields = FIELDS;

/**
 * Writes the id whose opening quote is at `at` as a field; the empty string is no id. Returns the position after it.
 * @throws TailraceError `bad_json` when it is not a JSON string.
 */
export function readId(buffer: TranscodeBuffer, at: number, field: number): number {
  const { view } = buffer;
  const size = fields[field + TARGET] as number;
  const start = buffer.out + (fields[field + TAG_BYTES] as number) + 1;
  const quote = at + 1 + 2 * size;
  let digits = 0;
  let out = start;
  for (let i = at + 1; i < quote; i += 2) {
    const first = HEX_DIGITS[view.getUint8(i)] as number;
    const second = HEX_DIGITS[view.getUint8(i + 1)] as number;
    digits |= first | second;
    view.setUint8(out++, (first << 4) | second);
  }
  if (digits > 0xf || view.getUint8(quote) !== QUOTE) return readOddId(buffer, at, field, size);
  view.setUint16(buffer.out, fields[field + TAG] as number, true);
  view.setUint8(start - 1, size);
  buffer.out = out;
  return quote + 1;
}

/**
 * Writes the base64 whose opening quote is at `at`, with a length before it; returns the position after it.
 * @throws TailraceError `bad_json`.
 */
export function readBase64(buffer: TranscodeBuffer, at: number, field: number): number {
  const start = buffer.out + 1;
  const after = copyText(buffer, at + 1, start);
  const length = decodeBase64(buffer.view, start, buffer.out);
  if (length < 0) {
    buffer.out = start - 1;
    return spoilScalar(buffer, at, field, 'must be base64 (standard or URL-safe, with or without padding)', after);
  }
  buffer.out = start + length;
  writeLength(buffer, start);
  return after;
}

/**
 * Every id that is not simply the right number of hex digits: the empty one, one with escapes, and malformed ones, which
 * are written as their text with a lead, for `otlp/repair-ids.ts`.
 */
function readOddId(buffer: TranscodeBuffer, at: number, field: number, size: number): number {
  const { view, out } = buffer;
  const start = out + (fields[field + TAG_BYTES] as number) + 1;
  const content = start + ODD_ID_LEAD.length;
  const after = copyText(buffer, at + 1, content);
  const text = buffer.text(content, buffer.out);
  if (text === '') {
    buffer.out = out;
    return after;
  }
  view.setUint16(out, fields[field + TAG] as number, true);
  if (text.length === 2 * size && /^[0-9a-fA-F]*$/.test(text)) {
    // Hex after all, with escapes in it.
    buffer.bytes.set(Buffer.from(text, 'hex'), start);
    buffer.out = start + size;
  } else buffer.bytes.set(ODD_ID_LEAD, start);
  writeLength(buffer, start);
  return after;
}

/** Decodes [start, end) in place; returns the decoded length, or -1 when it is not base64. */
function decodeBase64(view: DataView, start: number, end: number): number {
  let stop = end;
  if (end > start && (end - start) % 4 === 0 && view.getUint8(end - 1) === PAD) {
    stop = view.getUint8(end - 2) === PAD ? end - 2 : end - 1;
  }
  const rest = (stop - start) % 4;
  if (rest === 1) return -1;
  let out = start;
  let bits = 0;
  let count = 0;
  for (let at = start; at < stop; at++) {
    const digit = BASE64_DIGITS[view.getUint8(at)] as number;
    if (digit === BAD) return -1;
    bits = (bits << 6) | digit;
    count += 6;
    if (count >= 8) {
      count -= 8;
      view.setUint8(out++, bits >> count);
    }
  }
  return out - start;
}
