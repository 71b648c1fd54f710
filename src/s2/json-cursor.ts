/**
 * Reads JSON from its bytes where `JSON.parse` would lose something: 64-bit integers stay exact or are known to be too
 * large, `1.0` and `1e3` are told from `1`, strings are views of the bytes, and nesting costs no stack.
 */

import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  NINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  ZERO,
} from '../encoding/json-characters.ts';
import { TailraceError } from '../model/error.ts';

const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const SMALL_E = 0x65;
const SMALL_U = 0x75;
/** Means the end of the bytes. */
const END = -1;

const U64_MAX = 2n ** 64n - 1n;
const U64_DIGITS_MAX = 20;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** A position in a JSON text that moves forward. All methods throw TailraceError `bad_json`. */
export class JsonCursor {
  readonly #bytes: Buffer;
  readonly #nesting = new Nesting();
  #at = 0;

  /** The bytes must be UTF-8. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Begins an object; returns whether it has a field. */
  openObject(what: string): boolean {
    return this.#open(OPEN_BRACE, CLOSE_BRACE, `${what} must be an object`);
  }

  /** Called after a field: returns whether another one follows. */
  nextField(): boolean {
    return this.#next(CLOSE_BRACE);
  }

  /** Begins an array; returns whether it has an element. */
  openArray(what: string): boolean {
    return this.#open(OPEN_BRACKET, CLOSE_BRACKET, `${what} must be an array`);
  }

  /** Called after an element: returns whether another one follows. */
  nextElement(): boolean {
    return this.#next(CLOSE_BRACKET);
  }

  /** Takes the name of a field and its colon. ASCII names are exact; any other name never equals an ASCII one. */
  key(): string {
    if (this.#peek() !== QUOTE) throw this.bad('a field name must be a string');
    const start = this.#at;
    const isPlain = this.#passString();
    const end = this.#at;
    if (this.#peek() !== COLON) throw this.bad('a colon is missing');
    this.#at++;
    if (isPlain) return this.#bytes.toString('latin1', start + 1, end - 1);
    return String(JSON.parse(this.#bytes.toString('utf8', start, end)));
  }

  /** Takes a string and returns its UTF-8: a view of the bytes when nothing in it is escaped. */
  string(what: string): Buffer {
    if (this.#peek() !== QUOTE) throw this.bad(`${what} must be a string`);
    const start = this.#at;
    const isPlain = this.#passString();
    if (isPlain) return this.#bytes.subarray(start + 1, this.#at - 1);
    const text: unknown = JSON.parse(this.#bytes.toString('utf8', start, this.#at));
    if (typeof text !== 'string' || LONE_SURROGATE.test(text)) throw this.bad(`${what} holds half a surrogate pair`);
    return Buffer.from(text);
  }

  /** Takes an unsigned 64-bit integer. Exact up to 2^53 − 1; a larger one is rounded, but never below 2^53. */
  uint64(what: string): number {
    this.#peek();
    const start = this.#at;
    this.#passNumber();
    const text = this.#bytes.toString('latin1', start, this.#at);
    const isWhole = /^\d+$/.test(text) && text.length <= U64_DIGITS_MAX;
    if (!isWhole || (text.length === U64_DIGITS_MAX && BigInt(text) > U64_MAX)) {
      throw this.bad(`${what} must be a whole number from 0 to 2^64 - 1`);
    }
    return Number(text);
  }

  /** Takes a null, if there is one. */
  takeNull(): boolean {
    if (this.#peek() !== 0x6e) return false;
    this.#passWord('null');
    return true;
  }

  /**
   * Skips a value of any kind and depth, until its end or a little after position `until`. Returns whether it is at the
   * end; if not, the next call must be to go on.
   */
  skip(until: number): boolean {
    const nesting = this.#nesting;
    do {
      if (!this.#enterOrPass(nesting)) this.#leave(nesting);
    } while (nesting.depth > 0 && this.#at < until);
    return nesting.depth === 0;
  }

  /** How far it is. */
  get at(): number {
    return this.#at;
  }

  /** Checks that nothing follows the value. */
  expectEnd(): void {
    if (this.#peek() !== END) throw this.bad('something follows it');
  }

  /** An error that says where the fault is. */
  bad(what: string): TailraceError {
    return new TailraceError('bad_json', `the body is not valid JSON of an append: ${what} (at byte ${this.#at})`);
  }

  /** Skips a scalar or an empty container. Enters any other container and returns true: then a value comes next. */
  #enterOrPass(nesting: Nesting): boolean {
    const byte = this.#peek();
    if (byte === OPEN_BRACE) {
      if (!this.openObject('')) return false;
      nesting.push(CLOSE_BRACE);
      this.#passKey();
      return true;
    }
    if (byte === OPEN_BRACKET) {
      if (!this.openArray('')) return false;
      nesting.push(CLOSE_BRACKET);
      return true;
    }
    if (byte === QUOTE) this.#passString();
    else if (byte === 0x74) this.#passWord('true');
    else if (byte === 0x66) this.#passWord('false');
    else if (byte === 0x6e) this.#passWord('null');
    else this.#passNumber();
    return false;
  }

  /** Called after a value: closes the containers that end there, up to the next comma. */
  #leave(nesting: Nesting): void {
    while (nesting.depth > 0) {
      if (this.#next(nesting.top)) {
        if (nesting.top === CLOSE_BRACE) this.#passKey();
        return;
      }
      nesting.pop();
    }
  }

  #passKey(): void {
    if (this.#peek() !== QUOTE) throw this.bad('a field name must be a string');
    this.#passString();
    if (this.#peek() !== COLON) throw this.bad('a colon is missing');
    this.#at++;
  }

  /** Skips a string and returns whether its bytes are its value. */
  #passString(): boolean {
    const bytes = this.#bytes;
    const length = bytes.length;
    let isPlain = true;
    let at = this.#at + 1;
    while (at < length) {
      const byte = bytes[at] as number;
      if (IS_TEXT[byte] === 1) {
        at++;
      } else if (byte === QUOTE) {
        this.#at = at + 1;
        return isPlain;
      } else if (byte === BACKSLASH) {
        isPlain = false;
        at += this.#escapeLength(at);
      } else {
        this.#at = at;
        throw this.bad('a string holds a control character');
      }
    }
    this.#at = length;
    throw this.bad('it ends within a string');
  }

  #escapeLength(at: number): number {
    const bytes = this.#bytes;
    const byte = bytes[at + 1] ?? 0;
    if (byte === SMALL_U) {
      const hex = isHex(bytes[at + 2]) && isHex(bytes[at + 3]) && isHex(bytes[at + 4]) && isHex(bytes[at + 5]);
      if (hex) return 6;
    } else if (ESCAPED.has(byte)) {
      return 2;
    }
    this.#at = at;
    throw this.bad('there is no such escape');
  }

  #passNumber(): void {
    if (this.#byte() === MINUS) this.#at++;
    if (this.#byte() === ZERO) this.#at++;
    else this.#passDigits();
    if (this.#byte() === DOT) {
      this.#at++;
      this.#passDigits();
    }
    if ((this.#byte() | 0x20) !== SMALL_E) return;
    this.#at++;
    if (this.#byte() === PLUS || this.#byte() === MINUS) this.#at++;
    this.#passDigits();
  }

  #passDigits(): void {
    const start = this.#at;
    for (let byte = this.#byte(); byte >= ZERO && byte <= NINE; byte = this.#byte()) this.#at++;
    if (this.#at === start) throw this.bad('a value is missing');
  }

  #passWord(word: string): void {
    if (this.#bytes.toString('latin1', this.#at, this.#at + word.length) !== word) throw this.bad('a value is missing');
    this.#at += word.length;
  }

  #open(opening: number, closing: number, fault: string): boolean {
    if (this.#peek() !== opening) throw this.bad(fault);
    this.#at++;
    if (this.#peek() !== closing) return true;
    this.#at++;
    return false;
  }

  #next(closing: number): boolean {
    const byte = this.#peek();
    if (byte !== COMMA && byte !== closing) throw this.bad('a comma is missing, or the end of an object or array');
    this.#at++;
    return byte === COMMA;
  }

  #byte(): number {
    return this.#bytes[this.#at] ?? END;
  }

  /** The next byte that is not white space; the position stays before it. */
  #peek(): number {
    const bytes = this.#bytes;
    for (;;) {
      const byte = bytes[this.#at] ?? END;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#at++;
    }
  }
}

/** Bytes that mean themselves in a string. */
const IS_TEXT = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);
const ESCAPED: ReadonlySet<number> = new Set(Buffer.from('"\\/bfnrt'));

function isHex(byte = 0): boolean {
  const letter = byte | 0x20;
  return (byte >= ZERO && byte <= NINE) || (letter >= 0x61 && letter <= 0x66);
}

/** The closing brackets that must still come, one byte for each, because a body may hold millions. */
class Nesting {
  depth = 0;
  #closing = new Uint8Array(64);

  get top(): number {
    return this.#closing[this.depth - 1] ?? 0;
  }

  push(closing: number): void {
    if (this.depth === this.#closing.length) {
      const larger = new Uint8Array(2 * this.depth);
      larger.set(this.#closing);
      this.#closing = larger;
    }
    this.#closing[this.depth++] = closing;
  }

  pop(): void {
    this.depth--;
  }
}
