/**
 * JSON with texts of many megabytes, written in pieces between which others run: `JSON.stringify` of one such text takes
 * longer than a turn of the event loop may. The long texts are taken out of a value, what is left is written as usual, and
 * where they were they are put in, escaped piece by piece.
 */

import { randomBytes } from 'node:crypto';
import { YIELD_BYTES } from '../../model/limits.ts';
import type { JsonValue } from './values.ts';

/** Shorter texts stay where they are: a record that S2 readers get cut has so few that they are written in a moment. */
const LONG_TEXT_CHARS_MIN = 64;
/** Escaped at once; a character may take seven bytes. */
const PIECE_CHARS = YIELD_BYTES / 8;
/** No sender knows it, so no text of a record holds it. The letters of a mark may become capitals. */
const SECRET = randomBytes(8).toString('hex');
const MARK = new RegExp(`${SECRET}-(\\d+)[- ]`, 'gi');

/** How a part of a text is written inside a string of JSON. */
export type Escape = (part: string) => string;

/** What `JSON.stringify` makes of it. */
export const jsonEscape: Escape = (part) => JSON.stringify(part).slice(1, -1);

interface LongText {
  readonly text: string;
  readonly by: Escape;
}

export class LongTexts {
  readonly #texts: LongText[] = [];

  /**
   * What stands for the text in a value; a text that is not long stands for itself. It needs no escape anywhere, and has
   * white space only where that is asked for.
   */
  mark(text: string, by: Escape, end: '-' | ' ' = '-'): string {
    if (text.length < LONG_TEXT_CHARS_MIN) return text;
    this.#texts.push({ text, by });
    return `${SECRET}-${this.#texts.length - 1}${end}`;
  }

  /** A value in which long texts are marked, at any depth. The same value where there are none. */
  marked(value: JsonValue, by: Escape): JsonValue {
    if (typeof value === 'string') return this.mark(value, by);
    if (Array.isArray(value)) return value.map((entry: JsonValue) => this.marked(entry, by));
    if (typeof value !== 'object' || value === null) return value;
    const object = Object.create(null) as Record<string, JsonValue>;
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) object[key] = this.marked(member, by);
    }
    return object;
  }

  /** The bytes of a text with marks, with the long texts in place of them. Yields after each piece of work. */
  *bytes(text: string): Generator<void, Buffer> {
    const pieces = new Pieces();
    let kept = 0;
    for (const match of text.matchAll(MARK)) {
      pieces.add(text.slice(kept, match.index));
      kept = match.index + match[0].length;
      const long = this.#texts[Number(match[1])];
      if (long !== undefined) yield* escaped(long, pieces);
    }
    pieces.add(text.slice(kept));
    return yield* pieces.joined();
  }
}

function* escaped({ text, by }: LongText, pieces: Pieces): Generator<void, void> {
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + PIECE_CHARS);
    // The halves of a pair stay together.
    if (end < text.length && isHigh(text.charCodeAt(end - 1))) end++;
    pieces.add(by(text.slice(at, end)));
    at = end;
    if (pieces.isTurnDone(text.length)) yield;
  }
}

/** Text as bytes, of which each piece is made at once. */
class Pieces {
  readonly #parts: Buffer[] = [];
  #text = '';
  #work = 0;

  add(text: string): void {
    this.#text += text;
    this.#work += text.length;
    if (this.#text.length >= PIECE_CHARS) this.#flush();
  }

  /** `chars`: what the last text had before it was escaped. */
  isTurnDone(chars: number): boolean {
    this.#work += Math.min(chars, PIECE_CHARS);
    if (this.#work < PIECE_CHARS) return false;
    this.#work = 0;
    return true;
  }

  *joined(): Generator<void, Buffer> {
    this.#flush();
    yield;
    const target = Buffer.allocUnsafeSlow(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    let pause = PAUSE_BYTES;
    for (const part of this.#parts) {
      at += part.copy(target, at);
      if (at < pause) continue;
      pause = at + PAUSE_BYTES;
      yield;
    }
    return target;
  }

  #flush(): void {
    this.#parts.push(Buffer.from(this.#text));
    this.#text = '';
  }
}

/** Bytes are copied faster than anything else is done with them. */
const PAUSE_BYTES = 8 * YIELD_BYTES;

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
