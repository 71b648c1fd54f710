/**
 * Looks through a large JSON body for a string, a number or white space of many megabytes. The transcoder pauses between
 * values, not within one, so that the usual short ones are fast; and no value so long can be in a record that is stored.
 */

import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from '../../encoding/json-characters.ts';
import { TailraceError } from '../../model/error.ts';
import { JSON_TOKEN_BYTES_MAX } from '../../model/limits.ts';

const STRUCTURE = new Uint8Array(256);
for (const byte of [CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE]) STRUCTURE[byte] = 1;

/** One look at a body, in pieces. It need not be valid JSON. */
export class TokenLengths {
  readonly #body: Uint8Array;
  readonly #stringBytesMax: number;
  #at = 0;
  #tokenAt = 0;
  #isInString = false;

  constructor(body: Uint8Array, stringBytesMax: number = JSON_TOKEN_BYTES_MAX) {
    this.#body = body;
    this.#stringBytesMax = stringBytesMax;
  }

  /**
   * Looks at so many bytes more, or a few more; returns true at the end.
   * @throws TailraceError `too_large`
   */
  step(bytes: number): boolean {
    const body = this.#body;
    const stop = Math.min(body.length, this.#at + bytes);
    let at = this.#at;
    while (at < stop) {
      const byte = body[at] as number;
      if (this.#isInString) {
        if (byte === QUOTE) this.#end(at, false);
        // What follows a backslash does not end the string.
        else if (byte === BACKSLASH) at++;
      } else if (STRUCTURE[byte] === 1) {
        this.#end(at, byte === QUOTE);
      }
      at++;
    }
    this.#at = at;
    this.#expectFits(at);
    return at >= body.length;
  }

  #end(at: number, isInString: boolean): void {
    this.#expectFits(at);
    this.#tokenAt = at + 1;
    this.#isInString = isInString;
  }

  #expectFits(at: number): void {
    const most = this.#isInString ? this.#stringBytesMax : JSON_TOKEN_BYTES_MAX;
    if (at - this.#tokenAt > most) throw tooLong(this.#tokenAt, most);
  }
}

function tooLong(at: number, most: number): TailraceError {
  return new TailraceError(
    'too_large',
    `a string, number or run of white space in the body has more than ${most} bytes (at byte ${at}), more than any record may hold: shorten it`,
  );
}
