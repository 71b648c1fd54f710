/** Values of unknown keys: read as strictly as any JSON, and left out (OTLP: unknown fields are ignored). */

import { NESTING_MAX } from '../../model/limits.ts';
import { syntaxFault, tooDeep } from './fault.ts';
import { numberEnd } from './integers.ts';
import { CLOSE_BRACE, COMMA, copyText, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipColon, skipSpace } from './text.ts';
import type { Tape } from './transcode-buffer.ts';

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

/**
 * Skips the value at `at`, inside an object at level `depth`; returns what is behind it.
 * @throws TailraceError `bad_json` when it is not JSON, or nested too deep.
 */
export function skipValue(tape: Tape, at: number, depth: number): number {
  const { open } = tape;
  let level = 0;
  for (;;) {
    const byte = tape.view.getUint8(at);
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth + level >= NESTING_MAX) throw tooDeep(tape, at);
      // The closing brackets are two above the opening ones.
      const closing = byte + 2;
      open[level++] = closing;
      at = skipSpace(tape, at + 1);
      if (tape.view.getUint8(at) !== closing) {
        if (closing === CLOSE_BRACE) at = skipKey(tape, at);
        continue;
      }
      level--;
      at++;
    } else {
      at = skipScalar(tape, at, byte);
    }
    // Behind a value: what it was in may go on or end, and that is a value again.
    for (;;) {
      if (level === 0) return at;
      at = skipSpace(tape, at);
      const closing = open[level - 1] as number;
      const next = tape.view.getUint8(at++);
      if (next === COMMA) {
        at = skipSpace(tape, at);
        if (closing === CLOSE_BRACE) at = skipKey(tape, at);
        break;
      }
      if (next !== closing) throw syntaxFault(tape, at - 1, closing === CLOSE_BRACE ? "',' or '}'" : "',' or ']'");
      level--;
    }
  }
}

/** Behind `null` at `at`. */
export function skipNull(tape: Tape, at: number): number {
  return skipLiteral(tape, at, NULL);
}

/** Behind `true` or `false` at `at`; 0 when there is neither. */
export function skipBoolean(tape: Tape, at: number): number {
  const byte = tape.view.getUint8(at);
  if (byte === TRUE[0]) return skipLiteral(tape, at, TRUE);
  return byte === FALSE[0] ? skipLiteral(tape, at, FALSE) : 0;
}

/** Behind the key at `at`, its colon and the space around it. */
function skipKey(tape: Tape, at: number): number {
  if (tape.view.getUint8(at) !== QUOTE) throw syntaxFault(tape, at, 'a key in double quotes');
  return skipColon(tape, skipString(tape, at + 1));
}

function skipString(tape: Tape, at: number): number {
  const out = tape.out;
  const behind = copyText(tape, at, out);
  tape.out = out;
  return behind;
}

function skipScalar(tape: Tape, at: number, byte: number): number {
  if (byte === QUOTE) return skipString(tape, at + 1);
  if (byte === NULL[0]) return skipNull(tape, at);
  const behind = skipBoolean(tape, at);
  if (behind > 0) return behind;
  const end = numberEnd(tape.view, at);
  if (!NUMBER.test(tape.text(at, end))) throw syntaxFault(tape, at, 'a JSON value');
  return end;
}

function skipLiteral(tape: Tape, at: number, literal: Uint8Array): number {
  for (const byte of literal) {
    if (tape.view.getUint8(at++) !== byte) throw syntaxFault(tape, at - 1, `'${Buffer.from(literal)}'`);
  }
  return at;
}
