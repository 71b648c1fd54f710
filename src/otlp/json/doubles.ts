/** Doubles, as JSON numbers or strings, rounded as the standard says. */

import { valueFault } from './fault.ts';
import { numberEnd } from './integers.ts';
import { keyOf } from './tables.ts';
import { copyText, QUOTE } from './text.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

const ZERO = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;

/** Up to so many digits are a whole number below 2^53, exact as a double. */
const EXACT_DIGITS = 15;
/** So few digits are never beyond the range of doubles. */
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
 * Writes the double at `at`; returns what is behind it.
 * @throws TailraceError `bad_json` when it is none, or finite but beyond the range of doubles.
 */
export function readDouble(buffer: TranscodeBuffer, at: number, field: number): number {
  const { view } = buffer;
  const negative = view.getUint8(at) === MINUS;
  const first = negative ? at + 1 : at;
  const behindWhole = digitsEnd(view, first);
  const hasPoint = view.getUint8(behindWhole) === POINT;
  const behind = hasPoint ? digitsEnd(view, behindWhole + 1) : behindWhole;
  if (!isDecimal(view, first, behindWhole, behind)) return readOddDouble(buffer, at, field);
  if (behind - first > EXACT_DIGITS) {
    writeDouble(buffer, Number(buffer.bytes.toString('latin1', at, behind)));
    return behind;
  }
  let value = 0;
  for (let i = first; i < behind; i++) {
    if (i !== behindWhole) value = value * 10 + (view.getUint8(i) - ZERO);
  }
  if (hasPoint) value /= POWERS[behind - behindWhole - 1] as number;
  writeDouble(buffer, negative ? -value : value);
  return behind;
}

function writeDouble(buffer: TranscodeBuffer, value: number): void {
  buffer.view.setFloat64(buffer.out, value, true);
  buffer.out += 8;
}

/** Whether [first, behind) is a decimal number without an exponent, its point (if any) at `behindWhole`. */
function isDecimal(view: DataView, first: number, behindWhole: number, behind: number): boolean {
  if (behindWhole === first || behind === behindWhole + 1 || behind - first > DIGITS_MAX) return false;
  if (behindWhole > first + 1 && view.getUint8(first) === ZERO) return false;
  return numberEnd(view, behind) === behind;
}

function digitsEnd(view: DataView, at: number): number {
  while ((view.getUint8(at) - ZERO) >>> 0 <= 9) at++;
  return at;
}

/** Strings, exponents, very many digits, and what is no number at all. */
function readOddDouble(buffer: TranscodeBuffer, at: number, field: number): number {
  const quoted = buffer.view.getUint8(at) === QUOTE;
  const out = buffer.out;
  const behind = quoted ? copyText(buffer, at + 1, out) : numberEnd(buffer.view, at);
  const text = quoted ? buffer.text(out, buffer.out) : buffer.text(at, behind);
  buffer.out = out;
  const special = quoted ? SPECIAL.get(text) : undefined;
  if (special === undefined && !NUMBER.test(text)) {
    throw valueFault(
      buffer,
      at,
      keyOf(field),
      'must be a number, or one of "NaN", "Infinity" and "-Infinity" in quotes',
    );
  }
  const value = special ?? Number(text);
  if (special === undefined && !Number.isFinite(value)) {
    throw valueFault(
      buffer,
      at,
      keyOf(field),
      'is beyond the range of a double: send "Infinity" or "-Infinity" for it',
    );
  }
  writeDouble(buffer, value);
  return behind;
}
