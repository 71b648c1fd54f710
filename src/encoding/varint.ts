/**
 * Varints of protobuf: seven bits a byte, the least significant first. Messages of S2, stored blocks and OTLP responses are
 * written with these. Readers of hot paths have their own, each with its own limits and errors: `storage/block/format.ts`
 * (8 bytes), `s2/proto-reader.ts` (64 bits) and `otlp/scan/wire.ts` (32 bits); and `otlp/json/` writes at one width.
 */

const TWO_28 = 2 ** 28;
/** Of 64 bits. */
const BYTES_MAX = 10;

/** A number that was read. */
export interface Varint {
  /** Rounded above 2^53. */
  readonly value: number;
  /** Where what follows begins. */
  readonly end: number;
}

/** Bytes of a safe, non-negative integer. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < TWO_28) return 4;
  if (value < 2 ** 35) return 5;
  if (value < 2 ** 42) return 6;
  return value < 2 ** 49 ? 7 : 8;
}

/**
 * Writes a safe, non-negative integer; returns where it ends. What is wider than bit operations reach is split once,
 * between two bytes: a timestamp takes a quarter of the time that it takes by division.
 */
export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  if (value >= TWO_28) {
    rest = Math.floor(value / TWO_28);
    const low = value - rest * TWO_28;
    target[at++] = (low & 0x7f) | 0x80;
    target[at++] = ((low >>> 7) & 0x7f) | 0x80;
    target[at++] = ((low >>> 14) & 0x7f) | 0x80;
    target[at++] = (low >>> 21) | 0x80;
  }
  while (rest >= 0x80) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** The bytes of a safe, non-negative integer, by themselves. */
export function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

/** Reads a number of ten bytes at most; undefined when it is longer or cut short. */
export function readVarint(bytes: Uint8Array, start: number): Varint | undefined {
  let value = 0;
  for (let at = start, scale = 1; at < start + BYTES_MAX; at++, scale *= 128) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}
