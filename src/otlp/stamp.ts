/**
 * Sets resource attributes that a token prescribes (`src/access/README.md`): writes the heads of resources again,
 * without what the sender put under those keys. Nothing else of a request changes: scopes and items stay where they
 * are.
 */

import { writeVarint } from '../encoding/varint.ts';
import { TailraceError } from '../model/error.ts';
import { STAMPED_BYTES_MAX } from '../model/limits.ts';
import { FRAME_BYTES_MAX, framedBytes } from './emit-block.ts';
import { contentAt, isEqual } from './routing/attributes.ts';
import { type ChangedHeads, cell, type ScannedRequest } from './scan/columns.ts';
import { RESOURCE_TAG } from './scan/tables.ts';
import { NEXT, readTag, skipValue } from './scan/wire.ts';

/** Attributes to set, encoded once. */
export interface Stamps {
  readonly keys: readonly Uint8Array[];
  /** All attributes as fields of a Resource message. */
  readonly fields: Uint8Array;
}

/**
 * The tag of the Resource in its container, of an attribute in the Resource, and of the key in that: all are the same.
 */
const INNER = RESOURCE_TAG;
const FIRST_CAPACITY = 1_024;

const prepared = new WeakMap<ReadonlyMap<string, string>, Stamps>();

/** Undefined when there is nothing to set. The result is cached by the map, which must not change. */
export function stampsOf(attributes: ReadonlyMap<string, string> | undefined): Stamps | undefined {
  if (attributes === undefined || attributes.size === 0) return undefined;
  const known = prepared.get(attributes);
  if (known !== undefined) return known;
  const stamps = {
    keys: [...attributes.keys()].map((key) => Buffer.from(key)),
    fields: Buffer.concat([...attributes].map(([key, value]) => attributeField(key, value))),
  };
  prepared.set(attributes, stamps);
  return stamps;
}

/**
 * Writes new heads for the resources of one request, row by row. As decoders do, it merges all occurrences of the
 * Resource into one, in which each stamped key is exactly once. Lives until the request is stored.
 */
export class Stamper implements ChangedHeads {
  bytes: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  view = new DataView(this.bytes.buffer);
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly #stamps: Stamps;
  readonly #reserve: ((bytes: number) => void) | undefined;
  #at = 0;
  #added = 0;

  /**
   * `reserve` is called with the memory that all heads take together, before it is taken. If it throws, so does
   * `stamp`.
   */
  constructor(stamps: Stamps, resourceCount: number, reserve?: (bytes: number) => void) {
    this.#stamps = stamps;
    this.#reserve = reserve;
    this.starts = new Uint32Array(resourceCount);
    this.ends = new Uint32Array(resourceCount);
  }

  /**
   * Writes the head of resource number `row`, whose pieces have `headBytes`; returns its new length.
   * @throws TailraceError `too_large` when all stamps together are too large: many tiny resources can make them so
   */
  stamp(scanned: ScannedRequest, row: number, headBytes: number): number {
    const { fields } = this.#stamps;
    this.#added += fields.length;
    if (this.#added > STAMPED_BYTES_MAX) throw tooMany(scanned.resourceCount);
    this.#ensure(headBytes + fields.length + 2 * FRAME_BYTES_MAX);
    // The frame goes right before the content, and is written last, when the length is known.
    const content = this.#at + FRAME_BYTES_MAX;
    this.#at = content;
    this.#pieces(scanned, row, true);
    this.#copy(fields, 0, fields.length);
    const start = writeFrame(this.bytes, content, RESOURCE_TAG, this.#at - content);
    this.#pieces(scanned, row, false);
    this.starts[row] = start;
    this.ends[row] = this.#at;
    return this.#at - start;
  }

  /** Copies the content of the Resource without those attributes, or the other fields of its container. */
  #pieces(scanned: ScannedRequest, row: number, ofResource: boolean): void {
    const { body, view, resourcePieces: pieces } = scanned;
    const last = cell(scanned.resourcePiecesFrom, row + 1);
    for (let piece = cell(scanned.resourcePiecesFrom, row); piece < last; piece += 2) {
      const end = cell(pieces, piece + 1);
      for (let at = cell(pieces, piece); at < end; ) {
        const start = at;
        const tag = readTag(view, at, end);
        const value = NEXT[0] as number;
        at = skipValue(view, value, end, tag);
        if ((tag === INNER) !== ofResource) continue;
        if (ofResource) this.#resource(body, view, contentAt(view, value, end), at);
        else this.#copy(body, start, at);
      }
    }
  }

  /** Copies one Resource message without the attributes that are replaced; neighbours are copied in one go. */
  #resource(body: Uint8Array, view: DataView, start: number, end: number): void {
    let kept = start;
    for (let at = start; at < end; ) {
      const field = at;
      const tag = readTag(view, at, end);
      const value = NEXT[0] as number;
      at = skipValue(view, value, end, tag);
      if (tag !== INNER || !isOneOf(this.#stamps.keys, view, contentAt(view, value, end), at)) continue;
      this.#copy(body, kept, field);
      kept = at;
    }
    this.#copy(body, kept, end);
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.bytes.set(source.subarray(start, end), this.#at);
    this.#at += end - start;
  }

  #ensure(bytes: number): void {
    if (this.#at + bytes <= this.bytes.length) return;
    const length = Math.max(this.bytes.length * 2, this.#at + bytes);
    // The heads are held here and, where whole resources are stored, a second time in blocks.
    this.#reserve?.(2 * length);
    const larger = new Uint8Array(length);
    larger.set(this.bytes.subarray(0, this.#at));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/**
 * Whether a KeyValue has one of the keys, of which none is empty. If it has several key fields, the last one counts.
 */
function isOneOf(keys: readonly Uint8Array[], view: DataView, start: number, end: number): boolean {
  let from = end;
  let to = end;
  for (let at = start; at < end; ) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag !== INNER) continue;
    from = contentAt(view, value, end);
    to = at;
  }
  return keys.some((key) => isEqual(view, from, to, key));
}

/** A KeyValue with a string, as a field of Resource. */
function attributeField(key: string, value: string): Uint8Array {
  const text = framed(INNER, Buffer.from(value));
  return framed(INNER, Buffer.concat([framed(INNER, Buffer.from(key)), framed(VALUE_TAG, text)]));
}

/** The tag of the value in a KeyValue. */
const VALUE_TAG = 0x12;

function framed(tag: number, content: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FRAME_BYTES_MAX + content.length);
  bytes.set(content, FRAME_BYTES_MAX);
  return bytes.subarray(writeFrame(bytes, FRAME_BYTES_MAX, tag, content.length));
}

/** Writes tag and length right before the message that begins at `content`; returns where they begin. */
function writeFrame(target: Uint8Array, content: number, tag: number, length: number): number {
  const start = content - (framedBytes(length) - length);
  target[start] = tag;
  writeVarint(target, start + 1, length);
  return start;
}

function tooMany(resources: number): TailraceError {
  return new TailraceError(
    'too_large',
    `the request holds ${resources} resources, and the attributes that the token sets on each are too large for so many: put records of one resource together, or send smaller batches`,
  );
}
