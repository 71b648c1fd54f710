/** Doubles, as JSON numbers or strings, rounded correctly (IEEE 754, to nearest). */

import { QUOTE, ZERO } from '../../encoding/json-characters.ts';
import { spoilScalar } from './spoiled.ts';
import { copyText, numberEnd } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const MINUS = 0x2d;
const POINT = 0x2e;

/** A whole number of at most this many digits is below 2^53, so it is exact as a double. */
const EXACT_DIGITS = 15;
/** A number of at most this many digits, without an exponent, is never beyond the range of doubles. */
const DIGITS_MAX = 300;
/** Powers of ten that are exact as doubles; dividing an exact number by one rounds once, so correctly. */
const POWERS = new Float64Array(EXACT_DIGITS + 1);
for (let i = 0, power = 1; i <= EXACT_DIGITS; i++, power *= 10) POWERS[i] = power;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const SPECIAL: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/**
 * Writes the double at `at`; returns the position after it.
 * @throws TailraceError `bad_json` when it is not a double, or is finite but beyond the range of doubles.
 */
export function readDouble(buffer: TranscodeBuffer, at: number, field: number): number {
  const { view } = buffer;
  const negative = view.getUint8(at) === MINUS;
  const first = negative ? at + 1 : at;
  const afterWhole = digitsEnd(view, first);
  const hasPoint = view.getUint8(afterWhole) === POINT;
  const after = hasPoint ? digitsEnd(view, afterWhole + 1) : afterWhole;
  if (!isDecimal(view, first, afterWhole, after)) return readOddDouble(buffer, at, field);
  if (after - first > EXACT_DIGITS) {
    writeDouble(buffer, Number(buffer.bytes.toString('latin1', at, after)));
    return after;
  }
  let value = 0;
  for (let i = first; i < after; i++) {
    if (i !== afterWhole) value = value * 10 + (view.getUint8(i) - ZERO);
  }
  if (hasPoint) value /= POWERS[after - afterWhole - 1] as number;
  writeDouble(buffer, negative ? -value : value);
  return after;
}

function writeDouble(buffer: TranscodeBuffer, value: number): void {
  buffer.view.setFloat64(buffer.out, value, true);
  buffer.out += 8;
}

/** Whether [first, after) is a decimal number without an exponent, its point (if any) at `afterWhole`. */
function isDecimal(view: DataView, first: number, afterWhole: number, after: number): boolean {
  if (afterWhole === first || after === afterWhole + 1 || after - first > DIGITS_MAX) return false;
  if (afterWhole > first + 1 && view.getUint8(first) === ZERO) return false;
  return numberEnd(view, after) === after;
}

function digitsEnd(view: DataView, at: number): number {
  while ((view.getUint8(at) - ZERO) >>> 0 <= 9) at++;
  return at;
}

/** Everything else: strings, exponents, very many digits, and what is not a number. */
function readOddDouble(buffer: TranscodeBuffer, at: number, field: number): number {
  const quoted = buffer.view.getUint8(at) === QUOTE;
  const out = buffer.out;
  const after = quoted ? copyText(buffer, at + 1, out) : numberEnd(buffer.view, at);
  const text = quoted ? buffer.text(out, buffer.out) : buffer.text(at, after);
  buffer.out = out;
  const special = quoted ? SPECIAL.get(text) : undefined;
  if (special === undefined && !NUMBER.test(text)) {
    const fix = 'must be a number, or one of "NaN", "Infinity" and "-Infinity" in quotes';
    return spoilScalar(buffer, at, field, fix, quoted ? after : 0);
  }
  const value = special ?? Number(text);
  if (special === undefined && !Number.isFinite(value)) {
    const fix = 'is beyond the range of a double: send "Infinity" or "-Infinity" for it';
    return spoilScalar(buffer, at, field, fix, after);
  }
  writeDouble(buffer, value);
  return after;
}
