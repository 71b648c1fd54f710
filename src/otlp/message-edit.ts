/** Goes over the fields of a protobuf message and writes it again with some of them changed; what stays is not copied. */

import { varint } from '../encoding/varint.ts';
import { YIELD_BYTES } from '../model/limits.ts';
import { NEXT, readLength, readTag, skipValue } from './scan/wire.ts';

const LENGTH_DELIMITED = 2;
/** What looking at a field costs besides its bytes. */
export const FIELD_BYTES = 32;

/** The fields of the message that begins at `end`, one after the other. */
export class FieldCursor {
  tag = 0;
  /** The current field is [start, end), its value or the content of its message [content, end). */
  start = 0;
  content = 0;
  end: number;
  readonly #view: DataView;

  constructor(view: DataView, start: number) {
    this.#view = view;
    this.end = start;
  }

  /**
   * Goes to the next field; false at the end of the message.
   * @throws TailraceError `bad_proto`
   */
  next(messageEnd: number): boolean {
    if (this.end >= messageEnd) return false;
    this.start = this.end;
    this.tag = readTag(this.#view, this.start, messageEnd);
    const value = NEXT[0] as number;
    this.end = skipValue(this.#view, value, messageEnd, this.tag);
    this.content = value;
    if ((this.tag & 7) === LENGTH_DELIMITED) {
      readLength(this.#view, value, messageEnd);
      this.content = NEXT[0] as number;
    }
    return true;
  }
}

/**
 * Calls `visit` with the content [start, end) of each field at the end of a path of tags, those of messages within one
 * another, in their order. Yields after each piece of work.
 */
export function* visitFields(
  message: Uint8Array,
  path: readonly number[],
  visit: (start: number, end: number) => void,
): Generator<void, void> {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const levels = [{ fields: new FieldCursor(view, 0), end: message.length }];
  let work = 0;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { fields, end } = level;
    if (!fields.next(end)) {
      levels.pop();
      continue;
    }
    if (fields.tag === path[levels.length - 1]) {
      if (levels.length === path.length) visit(fields.content, fields.end);
      else levels.push({ fields: new FieldCursor(view, fields.content), end: fields.end });
    }
    work += FIELD_BYTES;
    if (work < YIELD_BYTES) continue;
    work = 0;
    yield;
  }
}

/** The content of a message in pieces: views of the old one, and new bytes. */
export interface MessageContent {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
}

/** A message in which fields are replaced, left out or added. Fields are changed in their order. */
export class MessageEdit {
  readonly #bytes: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  #length = 0;
  #isChanged = false;
  /** Where what was not taken over yet begins. */
  #kept: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#kept = start;
  }

  replace({ start, end, tag }: FieldCursor, { parts, length }: MessageContent): void {
    this.#keepUntil(start);
    this.#add(varint(tag));
    this.#add(varint(length));
    // Not as arguments of one call: there may be hundreds of thousands.
    for (const part of parts) this.#add(part);
    this.#kept = end;
    this.#isChanged = true;
  }

  leaveOut({ start, end }: FieldCursor): void {
    this.#keepUntil(start);
    this.#kept = end;
    this.#isChanged = true;
  }

  /** Adds whole fields at the end of the message. */
  append(end: number, ...fields: readonly Uint8Array[]): void {
    this.#keepUntil(end);
    this.#kept = end;
    for (const field of fields) this.#add(field);
    this.#isChanged = true;
  }

  /** The new content; undefined when nothing was changed. */
  finish(end: number): MessageContent | undefined {
    if (!this.#isChanged) return undefined;
    this.#keepUntil(end);
    return { parts: this.#parts, length: this.#length };
  }

  #keepUntil(to: number): void {
    if (to <= this.#kept) return;
    this.#add(this.#bytes.subarray(this.#kept, to));
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#length += part.length;
  }
}
