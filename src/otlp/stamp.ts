/**
 * Resource attributes that the server sets (access.md, Tokens): heads of resources are written anew, without whatever
 * the sender put under those keys. Nothing else of a request changes: scopes and items stay where they are.
 */

import { writeVarint } from '../encoding/varint.ts';
import { TailraceError } from '../model/error.ts';
import { STAMPED_BYTES_MAX } from '../model/limits.ts';
import { FRAME_BYTES_MAX, framedBytes } from './emit-block.ts';
import { contentAt, isEqual } from './routing/attributes.ts';
import { type ChangedHeads, cell, type ScannedRequest } from './scan/columns.ts';
import { RESOURCE_TAG } from './scan/tables.ts';
import { NEXT, readTag, skipValue } from './scan/wire.ts';

/** Attributes to set, made ready once. */
export interface Stamps {
  readonly keys: readonly Uint8Array[];
  /** All of them as fields of a Resource message. */
  readonly fields: Uint8Array;
}

/** In a container: its Resource. In that: an attribute. In that: the key. All have the same number. */
const INNER = RESOURCE_TAG;
const FIRST_CAPACITY = 1_024;

const prepared = new WeakMap<ReadonlyMap<string, string>, Stamps>();

/** Undefined where there is nothing to set. The map is kept in mind and must not change. */
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
 * Writes the heads of one request's resources anew, row by row. Means what decoders mean: all occurrences of the
 * Resource become one, in which each stamped key stands exactly once. Lives until the request is stored.
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

  /** `reserve` hears how much memory all heads take together, before it is taken; what it throws ends the matter. */
  constructor(stamps: Stamps, resourceCount: number, reserve?: (bytes: number) => void) {
    this.#stamps = stamps;
    this.#reserve = reserve;
    this.starts = new Uint32Array(resourceCount);
    this.ends = new Uint32Array(resourceCount);
  }

  /**
   * Writes the head of resource number `row`, whose pieces hold `headBytes`; answers how long it is now.
   * @throws TailraceError `too_large` when all stamps together are, which a few bytes for each resource could bring about
   */
  stamp(scanned: ScannedRequest, row: number, headBytes: number): number {
    const { fields } = this.#stamps;
    this.#added += fields.length;
    if (this.#added > STAMPED_BYTES_MAX) throw tooMany(scanned.resourceCount);
    this.#ensure(headBytes + fields.length + 2 * FRAME_BYTES_MAX);
    // The frame comes last, when the length is known: right before the content.
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

  /** Copies what is in the Resource but for those attributes, or what stands beside it. */
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

  /** Copies one Resource message without the attributes that are set anew, neighbours in one go. */
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
    // They stand here and, where whole resources are stored, once more in blocks.
    this.#reserve?.(2 * length);
    const larger = new Uint8Array(length);
    larger.set(this.bytes.subarray(0, this.#at));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** Whether a KeyValue has one of the keys: of its key fields the last counts. None of the keys is empty. */
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

/** In a KeyValue. */
const VALUE_TAG = 0x12;

function framed(tag: number, content: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(FRAME_BYTES_MAX + content.length);
  bytes.set(content, FRAME_BYTES_MAX);
  return bytes.subarray(writeFrame(bytes, FRAME_BYTES_MAX, tag, content.length));
}

/** Writes tag and length of a message that begins at `content` right before it; answers where they begin. */
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
