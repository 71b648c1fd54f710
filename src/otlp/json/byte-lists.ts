/**
 * Bytes in the forms that older SDKs for JavaScript send in place of base64: what `JSON.stringify` makes of a Buffer
 * (`{"type":"Buffer","data":[1,2]}`), of a Uint8Array (`{"0":1,"1":2}`), or a list of numbers.
 */

import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../../encoding/json-characters.ts';
import { syntaxFault, valueFault } from './fault.ts';
import { numberEnd } from './integers.ts';
import { keyOf } from './tables.ts';
import { copyText, endLength, skipColon, skipSpace } from './text.ts';
import type { ByteListLevel, TranscodeBuffer } from './transcode-buffer.ts';

const FIX = 'must be base64 in double quotes, or a list of bytes from 0 to 255 without a gap';

/** Whether a value can be such a list. */
export function isByteList(byte: number): boolean {
  return byte === OPEN_BRACE || byte === OPEN_BRACKET;
}

/**
 * Writes the bytes of the list or object at `at` with a length before them; returns the position after it, or `PAUSED`.
 * @throws TailraceError `bad_json`
 */
export function readByteList(buffer: TranscodeBuffer, at: number, field: number): number {
  const isList = buffer.view.getUint8(at) === OPEN_BRACKET;
  const start = ++buffer.out;
  buffer.byteLists++;
  at = skipSpace(buffer, at + 1);
  if (buffer.view.getUint8(at) === (isList ? CLOSE_BRACKET : CLOSE_BRACE)) return endLength(buffer, at + 1, start);
  return readBytes(buffer, at, { kind: 'bytes', field, start, isList, isObject: !isList }, false);
}

/** Goes on where `readByteList` paused. */
export function readBytes(buffer: TranscodeBuffer, at: number, level: ByteListLevel, isAfterValue: boolean): number {
  const { field, start, isObject } = level;
  let { isList } = level;
  for (;;) {
    if (isAfterValue) isAfterValue = false;
    else {
      at = buffer.ensure(at);
      if (!isList) {
        const key = readKey(buffer, at);
        at = skipColon(buffer, buffer.afterKey);
        if (key === 'data') {
          if (buffer.view.getUint8(at) !== OPEN_BRACKET) throw valueFault(buffer, at, keyOf(field), FIX);
          at = skipSpace(buffer, at + 1);
          if (buffer.view.getUint8(at) !== CLOSE_BRACKET) {
            isList = true;
            continue;
          }
          at++;
        } else if (key === 'type') {
          readKey(buffer, at);
          at = buffer.afterKey;
        } else {
          if (key !== String(buffer.out - start)) throw valueFault(buffer, at, keyOf(field), FIX);
          at = readByte(buffer, at, field);
        }
      } else at = readByte(buffer, at, field);
      if (at >= buffer.pauseAt) return buffer.pause(at, { ...level, isList });
    }
    at = skipSpace(buffer, at);
    const next = buffer.view.getUint8(at);
    if (next === COMMA) {
      at = skipSpace(buffer, at + 1);
      continue;
    }
    if (next !== (isList ? CLOSE_BRACKET : CLOSE_BRACE)) {
      throw syntaxFault(buffer, at, isList ? "',' or ']'" : "',' or '}'");
    }
    at++;
    if (!isList || !isObject) return endLength(buffer, at, start);
    // The list was the data of an object, which goes on.
    isList = false;
    isAfterValue = true;
  }
}

/** The string at `at`, which ends at `buffer.afterKey`. */
function readKey(buffer: TranscodeBuffer, at: number): string {
  if (buffer.view.getUint8(at) !== QUOTE) throw syntaxFault(buffer, at, 'a string in double quotes');
  const out = buffer.out;
  buffer.afterKey = copyText(buffer, at + 1, out);
  const text = buffer.text(out, buffer.out);
  buffer.out = out;
  return text;
}

/** One byte; those of Java have a sign. */
function readByte(buffer: TranscodeBuffer, at: number, field: number): number {
  const end = numberEnd(buffer.view, at);
  const text = buffer.text(at, Math.min(end, at + 5));
  const value = Number(text);
  if (!/^-?\d{1,3}$/.test(text) || value > 255 || value < -128) throw valueFault(buffer, at, keyOf(field), FIX);
  buffer.view.setInt8(buffer.out++, value);
  return end;
}
