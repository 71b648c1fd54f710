/** Skips values of unknown keys, which are read as strictly as any JSON. OTLP receivers must ignore unknown fields. */

import { CLOSE_BRACE, CLOSE_BRACKET, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../../encoding/json-characters.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import { syntaxFault } from './fault.ts';
import { copyText, numberEnd, skipColon, skipSpace } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/**
 * Skips the value at `at`, nested as deep as it may be; returns the position after it, or `PAUSED`.
 * @throws TailraceError `bad_json` when it is not JSON.
 */
export function skipValue(buffer: TranscodeBuffer, at: number): number {
  return skipLevels(buffer, at, 0, false);
}

/** Goes on after a value within `level` open brackets. */
export function skipRest(buffer: TranscodeBuffer, at: number, level: number): number {
  return skipLevels(buffer, at, level, true);
}

/** Checks that there is a value at `at`, for the message of an error. Of a long one it looks at the beginning only. */
export function expectValue(buffer: TranscodeBuffer, at: number): void {
  buffer.pauseAt = at + YIELD_BYTES;
  skipValue(buffer, at);
}

function skipLevels(buffer: TranscodeBuffer, at: number, level: number, isAfterValue: boolean): number {
  for (;;) {
    if (isAfterValue) isAfterValue = false;
    else {
      const byte = buffer.view.getUint8(at);
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        // In ASCII a closing brace or bracket is the opening one plus two.
        const closing = byte + 2;
        buffer.openBracket(level++, closing === CLOSE_BRACE);
        at = skipSpace(buffer, at + 1);
        if (buffer.view.getUint8(at) !== closing) {
          if (closing === CLOSE_BRACE) at = skipKey(buffer, at);
          continue;
        }
        level--;
        at++;
      } else {
        at = skipScalar(buffer, at, byte);
      }
      if (at >= buffer.pauseAt && level > 0) return buffer.pause(at, { kind: 'skip', level });
    }
    // After a value, its container goes on or ends; a container that ends is itself a value.
    for (;;) {
      if (level === 0) return at;
      at = skipSpace(buffer, at);
      const closing = buffer.isBrace(level - 1) ? CLOSE_BRACE : CLOSE_BRACKET;
      const next = buffer.view.getUint8(at++);
      if (next === COMMA) {
        at = skipSpace(buffer, at);
        if (closing === CLOSE_BRACE) at = skipKey(buffer, at);
        break;
      }
      if (next !== closing) throw syntaxFault(buffer, at - 1, closing === CLOSE_BRACE ? "',' or '}'" : "',' or ']'");
      level--;
    }
  }
}

/** Returns the position after `null` at `at`. */
export function skipNull(buffer: TranscodeBuffer, at: number): number {
  return skipLiteral(buffer, at, NULL);
}

/** Returns the position after `true` or `false` at `at`; 0 when there is neither. */
export function skipBoolean(buffer: TranscodeBuffer, at: number): number {
  const byte = buffer.view.getUint8(at);
  if (byte === TRUE[0]) return skipLiteral(buffer, at, TRUE);
  return byte === FALSE[0] ? skipLiteral(buffer, at, FALSE) : 0;
}

/** Returns the position after the key at `at`, its colon and the white space around it. */
function skipKey(buffer: TranscodeBuffer, at: number): number {
  if (buffer.view.getUint8(at) !== QUOTE) throw syntaxFault(buffer, at, 'a key in double quotes');
  return skipColon(buffer, skipString(buffer, at + 1));
}

function skipString(buffer: TranscodeBuffer, at: number): number {
  const out = buffer.out;
  const after = copyText(buffer, at, out);
  buffer.out = out;
  return after;
}

function skipScalar(buffer: TranscodeBuffer, at: number, byte: number): number {
  if (byte === QUOTE) return skipString(buffer, at + 1);
  if (byte === NULL[0]) return skipNull(buffer, at);
  const after = skipBoolean(buffer, at);
  if (after > 0) return after;
  const end = numberEnd(buffer.view, at);
  if (!NUMBER.test(buffer.text(at, end))) throw syntaxFault(buffer, at, 'a JSON value');
  return end;
}

function skipLiteral(buffer: TranscodeBuffer, at: number, literal: Uint8Array): number {
  for (const byte of literal) {
    if (buffer.view.getUint8(at++) !== byte) throw syntaxFault(buffer, at - 1, `'${Buffer.from(literal)}'`);
  }
  return at;
}
