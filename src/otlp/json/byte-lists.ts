/**
 * Bytes in the forms that older SDKs for JavaScript send in place of base64: what `JSON.stringify` makes of a Buffer
 * (`{"type":"Buffer","data":[1,2]}`), of a Uint8Array (`{"0":1,"1":2}`), or a list of numbers.
 */

import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../../encoding/json-characters.ts';
import { syntaxFault } from './fault.ts';
import { skipValue } from './skip.ts';
import { noteFault, writeMark } from './spoiled.ts';
import { copyText, endLength, numberEnd, skipColon, skipSpace } from './text.ts';
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
  return readBytes(buffer, at, { kind: 'bytes', field, start, isList, isObject: !isList, fault: 0 }, false);
}

/** Goes on where `readByteList` paused. */
export function readBytes(buffer: TranscodeBuffer, at: number, level: ByteListLevel, isAfterValue: boolean): number {
  const { field, start, isObject } = level;
  let { isList, fault } = level;
  for (;;) {
    if (isAfterValue) isAfterValue = false;
    else {
      at = buffer.ensure(at);
      let after = 0;
      if (isList) after = readByte(buffer, at);
      else {
        const key = readKey(buffer, at);
        at = skipColon(buffer, buffer.afterKey);
        const byte = buffer.view.getUint8(at);
        if (key === 'data' && byte === OPEN_BRACKET) {
          after = skipSpace(buffer, at + 1);
          if (buffer.view.getUint8(after) !== CLOSE_BRACKET) {
            isList = true;
            at = after;
            continue;
          }
          after++;
        } else if (key === 'type' && byte === QUOTE) {
          readKey(buffer, at);
          after = buffer.afterKey;
        } else if (key === String(buffer.out - start)) after = readByte(buffer, at);
      }
      if (after === 0) {
        fault = noteFault(buffer, at, field, FIX);
        after = skipValue(buffer, at);
      }
      at = after;
      if (at < 0) return buffer.keep({ ...level, isList, fault });
      if (at >= buffer.pauseAt) return buffer.pause(at, { ...level, isList, fault });
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
    if (!isList || !isObject) return endBytes(buffer, at, start, fault);
    // The list was the data of an object, which goes on.
    isList = false;
    isAfterValue = true;
  }
}

function endBytes(buffer: TranscodeBuffer, at: number, start: number, fault: number): number {
  const after = endLength(buffer, at, start);
  if (fault > 0) writeMark(buffer, fault);
  return after;
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

/** Writes one byte; those of Java have a sign. Returns the position after it, or 0 when it is none. */
function readByte(buffer: TranscodeBuffer, at: number): number {
  const end = numberEnd(buffer.view, at);
  const text = buffer.text(at, Math.min(end, at + 5));
  const value = Number(text);
  if (!/^-?\d{1,3}$/.test(text) || value > 255 || value < -128) return 0;
  buffer.view.setInt8(buffer.out++, value);
  return end;
}
