/**
 * Pairs of short strings as JSON, from bytes to bytes: what `JSON.stringify` gives for the decoded text, without a call
 * for each, of which a record may need half a million.
 */

import { CLOSE_BRACKET, COMMA, OPEN_BRACKET, QUOTE } from '../../encoding/json-characters.ts';

/** How bytes become JSON strings: `raw` is lossy UTF-8, `base64` keeps every byte. */
export type JsonFormat = 'raw' | 'base64';

/** A byte becomes six at most: a control character. */
const GROWTH = 6;
/** What is around two strings. */
const FRAME_BYTES = 8;
const BYTES_MIN = 1_024;
/** What is kept for the next text. */
const KEPT_BYTES_MAX = 1024 * 1024;

/** By byte: 1 for what stands for itself. */
const PLAIN = new Uint8Array(256).fill(1, 0x20, 0x80);
PLAIN[QUOTE] = 0;
PLAIN[0x5c] = 0;
/** What stands for each other character of ASCII. */
const ESCAPES = Array.from({ length: 0x80 }, (_, code) =>
  Buffer.from(JSON.stringify(String.fromCharCode(code)).slice(1, -1)),
);
const BASE64 = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const PAD = 0x3d;
const REPLACEMENT = Buffer.from('\ufffd');

export class JsonText {
  readonly #isBase64: boolean;
  #out = Buffer.allocUnsafe(BYTES_MIN);
  #at = 0;

  constructor(format: JsonFormat) {
    this.#isBase64 = format === 'base64';
  }

  begin(): void {
    this.#at = 0;
    if (this.#out.length > KEPT_BYTES_MAX) this.#out = Buffer.allocUnsafe(BYTES_MIN);
  }

  /** `,["name","value"]` */
  pair(bytes: Uint8Array, nameAt: number, valueAt: number, end: number): void {
    this.#ensure((end - nameAt) * GROWTH + FRAME_BYTES);
    const out = this.#out;
    out[this.#at++] = COMMA;
    out[this.#at++] = OPEN_BRACKET;
    this.#string(bytes, nameAt, valueAt);
    out[this.#at++] = COMMA;
    this.#string(bytes, valueAt, end);
    out[this.#at++] = CLOSE_BRACKET;
  }

  text(): string {
    return this.#out.toString('utf8', 0, this.#at);
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + bytes));
    larger.set(this.#out.subarray(0, this.#at));
    this.#out = larger;
  }

  #string(bytes: Uint8Array, from: number, to: number): void {
    this.#out[this.#at++] = QUOTE;
    if (this.#isBase64) this.#base64(bytes, from, to);
    else this.#raw(bytes, from, to);
    this.#out[this.#at++] = QUOTE;
  }

  #raw(bytes: Uint8Array, from: number, to: number): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = from; i < to; ) {
      const byte = bytes[i] as number;
      if (PLAIN[byte] === 1) {
        out[at++] = byte;
        i++;
        continue;
      }
      const length = byte < 0x80 ? 1 : characterLength(bytes, i, to);
      const isWhole = length > 0;
      const written = byte < 0x80 ? (ESCAPES[byte] as Buffer) : isWhole ? bytes.subarray(i, i + length) : REPLACEMENT;
      for (let k = 0; k < written.length; k++) out[at++] = written[k] as number;
      i += Math.abs(length);
    }
    this.#at = at;
  }

  #base64(bytes: Uint8Array, from: number, to: number): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = from; i < to; i += 3) {
      const left = to - i;
      const second = left > 1 ? (bytes[i + 1] as number) : 0;
      const word = ((bytes[i] as number) << 16) | (second << 8) | (left > 2 ? (bytes[i + 2] as number) : 0);
      out[at++] = BASE64[word >> 18] as number;
      out[at++] = BASE64[(word >> 12) & 63] as number;
      out[at++] = left > 1 ? (BASE64[(word >> 6) & 63] as number) : PAD;
      out[at++] = left > 2 ? (BASE64[word & 63] as number) : PAD;
    }
    this.#at = at;
  }
}

/**
 * The length of the character of two bytes or more at `at`; where there is none, the negative number of bytes that one
 * replacement character stands for: the longest beginning of a character, or one byte (Unicode, section 3.9).
 */
function characterLength(bytes: Uint8Array, at: number, to: number): number {
  const first = bytes[at] as number;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length === 0) return -1;
  // The second byte has a narrower range after some first ones: overlong forms, surrogates, beyond the last character.
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  for (let i = 1; i < length; i++) {
    const byte = at + i < to ? (bytes[at + i] as number) : 0;
    if (byte < (i === 1 ? least : 0x80) || byte > (i === 1 ? most : 0xbf)) return -i;
  }
  return length;
}
