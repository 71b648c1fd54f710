/**
 * The few instructions of WebAssembly (webassembly.github.io/spec/core/binary) that the unpacker is made of, as the bytes
 * of a module: an unpacker that is written here needs neither a compiler nor bytes that cannot be read.
 */

/** Bytes of a module. */
export type Code = readonly number[];

const I32 = 0x7f;
const NO_RESULT = 0x40;
const END = 0x0b;

export const constant = (value: number): Code => [0x41, ...signed(value)];
export const get = (local: number): Code => [0x20, local];
export const set = (local: number, value: Code): Code => [...value, 0x21, local];
export const advance = (local: number, by: Code): Code => set(local, add(get(local), by));

export const add = (a: Code, b: Code): Code => [...a, ...b, 0x6a];
export const subtract = (a: Code, b: Code): Code => [...a, ...b, 0x6b];
export const and = (a: Code, b: Code): Code => [...a, ...b, 0x71];
export const shiftRight = (a: Code, b: Code): Code => [...a, ...b, 0x76];
export const equal = (a: Code, b: Code): Code => [...a, ...b, 0x46];
/** Of numbers without a sign, as the next two. */
export const less = (a: Code, b: Code): Code => [...a, ...b, 0x49];
export const greater = (a: Code, b: Code): Code => [...a, ...b, 0x4b];
export const isZero = (a: Code): Code => [...a, 0x45];

export const load8 = (at: Code): Code => [...at, 0x2d, 0, 0];
export const load16 = (at: Code): Code => [...at, 0x2f, 0, 0];
/** Copies as many bytes at once, from and to any place. */
export const copy1 = (to: Code, from: Code): Code => [...to, ...load8(from), 0x3a, 0, 0];
export const copy8 = (to: Code, from: Code): Code => [...to, ...from, 0x29, 0, 0, 0x37, 0, 0];
/** With the 128 bits of fixed-width SIMD. */
export const copy16 = (to: Code, from: Code): Code => [...to, ...from, 0xfd, 0, 0, 0, 0xfd, 11, 0, 0];

export const when = (condition: Code, ...then: readonly Code[]): Code => [
  ...condition,
  0x04,
  NO_RESULT,
  ...then.flat(),
  END,
];
export const choose = (condition: Code, then: Code, otherwise: Code): Code => [
  ...condition,
  0x04,
  NO_RESULT,
  ...then,
  0x05,
  ...otherwise,
  END,
];
/** Does it once, and again as long as the condition holds then. */
export const repeatWhile = (condition: Code, ...body: readonly Code[]): Code => [
  0x03,
  NO_RESULT,
  ...body.flat(),
  ...condition,
  0x0d,
  0,
  END,
];
export const giveBack = (value: Code): Code => [...value, 0x0f];

/** A module with one function of numbers, `run`, over the memory that it imports as `from.memory`. */
export function moduleOf(parameters: number, locals: number, body: readonly Code[]): Uint8Array {
  const declared = [1, ...unsigned(locals), I32];
  // Control does not come to the end of the function.
  const code = [...declared, ...body.flat(), 0x00, END];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, parameters, ...new Array<number>(parameters).fill(I32), 1, I32]),
    ...section(2, [1, ...name('from'), ...name('memory'), 0x02, 0x00, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name('run'), 0x00, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const name = (text: string): Code => [text.length, ...Buffer.from(text, 'latin1')];

function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  const byte = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && byte < 0x40) || (rest === -1 && byte >= 0x40);
  return isLast ? [byte] : [byte | 0x80, ...signed(rest)];
}
