/**
 * Writes a message again without the groups of unknown fields in it: OTLP has none, so what holds them is kept as it came,
 * but the Collector's decoder misreads every group that is not empty and refuses the whole request.
 */

import protobuf from 'protobufjs/light.js';
import { writeVarint } from '../encoding/varint.ts';
import type { Signal } from '../model/record.ts';
import { FieldCursor } from './message-edit.ts';
import { MESSAGE_TYPES, REQUESTS } from './message-types.ts';

const GROUP = 3;
const LENGTH_DELIMITED = 2;

/** The messages in a message, by their tag. */
type Children = ReadonlyMap<number, protobuf.Type>;

const children = new Map(MESSAGE_TYPES.map((type): [protobuf.Type, Children] => [type, childrenOf(type)]));

/**
 * The same bytes when there is no group.
 * @throws TailraceError `bad_proto` for bytes that are no message
 */
export function leaveOutGroups(signal: Signal, bytes: Uint8Array): Uint8Array {
  const copy = new GroupFreeCopy(bytes);
  copy.walk(REQUESTS[signal], 0, bytes.length);
  return copy.finish();
}

/**
 * One pass forward, because there may be a group in each of a hundred thousand messages: runs of bytes without a group are
 * copied as a whole, and a length is corrected when its message ends.
 */
class GroupFreeCopy {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** From the first group on; the copy is never longer. */
  #target: Uint8Array | undefined;
  #written = 0;
  /** What was not copied yet begins here. */
  #from = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The content of a message. What is stored is not nested deeper than `NESTING_MAX`. */
  walk(type: protobuf.Type, start: number, end: number): void {
    const inner = children.get(type);
    for (const fields = new FieldCursor(this.#view, start); fields.next(end); ) {
      const wireType = fields.tag & 7;
      if (wireType === GROUP) {
        this.#copyTo(fields.start);
        this.#from = fields.end;
      } else if (wireType === LENGTH_DELIMITED) {
        const child = inner?.get(fields.tag);
        if (child !== undefined) this.#walkChild(child, fields);
      }
    }
  }

  finish(): Uint8Array {
    if (this.#target === undefined) return this.#bytes;
    this.#copyTo(this.#bytes.length);
    return this.#target.subarray(0, this.#written);
  }

  #walkChild(type: protobuf.Type, { content, end }: FieldCursor): void {
    const leftOut = this.#leftOut;
    this.walk(type, content, end);
    const shorter = this.#leftOut - leftOut;
    if (shorter === 0) return;
    const target = this.#copyTo(end);
    const contentAt = content - leftOut;
    const lengthAt = contentAt - lengthBytes(this.#bytes, content);
    const newContentAt = writeVarint(target, lengthAt, end - content - shorter);
    if (newContentAt === contentAt) return;
    target.copyWithin(newContentAt, contentAt, this.#written);
    this.#written -= contentAt - newContentAt;
  }

  /** By how much what was copied, and what waits for it, is shorter than what was read. */
  get #leftOut(): number {
    return this.#from - this.#written;
  }

  #copyTo(end: number): Uint8Array {
    this.#target ??= new Uint8Array(this.#bytes.length);
    this.#target.set(this.#bytes.subarray(this.#from, end), this.#written);
    this.#written += end - this.#from;
    this.#from = end;
    return this.#target;
  }
}

/** Of the length that ends there: of its bytes, and of those of the tag before it, only the last is below 0x80. */
function lengthBytes(bytes: Uint8Array, end: number): number {
  let start = end - 1;
  while (start > 0 && (bytes[start - 1] ?? 0) >= 0x80) start--;
  return end - start;
}

function childrenOf(type: protobuf.Type): Children {
  return new Map(
    type.fieldsArray.flatMap(({ id, resolvedType }) =>
      resolvedType instanceof protobuf.Type ? [[(id << 3) | LENGTH_DELIMITED, resolvedType] as const] : [],
    ),
  );
}
