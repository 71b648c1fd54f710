/** Turns a planned block into payload and index. A whole resource is a view of the body, a part of one is rebuilt. */

import { varintBytes, writeVarint } from '../encoding/varint.ts';
import { type BlockDraft, OtlpLayout, type RecordCut, writeCuts } from '../storage/block/seal.ts';
import { type ChangedHeads, cell, type ScannedRequest } from './scan/columns.ts';
import { ITEM_TAG, RESOURCE_TAG, SCOPE_TAG } from './scan/tables.ts';
import { NEXT, readLength, readTag } from './scan/wire.ts';
import { summarize } from './summarize.ts';

/** Items [from, to) of one scope. */
export interface Run {
  readonly row: number;
  readonly scope: number;
  readonly from: number;
  to: number;
  /** Of the items, with their tags and lengths. */
  bytes: number;
}

/** What goes into one block. */
export interface PlannedBlock {
  readonly runs: Run[];
  count: number;
  /** Of the records that S2 readers get cut, by their numbers in the block. */
  readonly cuts: Map<number, RecordCut>;
  /** Upper bound of the payload. */
  bytes: number;
  meteredBytes: number;
}

/** Most bytes that the tag and length of a container take. */
export const FRAME_BYTES_MAX = 6;
/** Most starts and ends of pieces of a head that is stored as it came: encoders write one or two pieces. */
const PIECES_MAX = 2 * 4;

/** Shared by all calls: drafting has no `await`, so only one call uses them at a time. */
const layout = new OtlpLayout();
const pieces: number[] = [];

/** The draft of a block. Its payload refers to the body where possible. */
export function emitBlock(scanned: ScannedRequest, block: PlannedBlock, summaryBytesMin?: number): BlockDraft {
  layout.reset();
  const payload = new Payload(scanned.body);
  const timestamps = new Float64Array(block.count);
  let written = 0;
  for (let first = 0; first < block.runs.length; ) {
    const runs = runsOfOneResource(block.runs, first);
    first += runs.length;
    if (!isWhole(scanned, runs)) emitRebuilt(scanned, runs, payload);
    else if (scanned.changedHeads === undefined) emitWhole(scanned, runs, payload);
    else emitChanged(scanned, scanned.changedHeads, runs, payload);
    for (const run of runs) {
      for (let item = run.from; item < run.to; item++) timestamps[written++] = scanned.itemMs[item] ?? 0;
    }
  }
  return {
    kind: scanned.signal,
    count: block.count,
    timestamps,
    meteredBytes: block.meteredBytes,
    idsChecked: scanned.oddIds.size === 0 && !scanned.hasGroups,
    ...summarize(scanned, block, summaryBytesMin),
    ...indexOf(block),
    payload: payload.finish(),
  };
}

function indexOf({ cuts }: PlannedBlock): Pick<BlockDraft, 'hasCuts' | 'layout'> {
  if (cuts.size === 0) return { layout: layout.finish() };
  return { hasCuts: true, layout: Buffer.concat([writeCuts(cuts), layout.finish()]) };
}

/** Bytes of all pieces of a head. */
export function piecesBytes(column: Uint32Array, from: Uint32Array, row: number): number {
  let total = 0;
  const end = cell(from, row + 1);
  for (let piece = cell(from, row); piece < end; piece += 2) total += cell(column, piece + 1) - cell(column, piece);
  return total;
}

/** Bytes of the head of a resource as it will be stored. */
export function resourceHeadBytes(scanned: ScannedRequest, row: number): number {
  const heads = scanned.changedHeads;
  if (heads !== undefined) return cell(heads.ends, row) - cell(heads.starts, row);
  return piecesBytes(scanned.resourcePieces, scanned.resourcePiecesFrom, row);
}

/** Bytes of a message with its length and its tag of one byte. */
export function framedBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function runsOfOneResource(runs: readonly Run[], first: number): readonly Run[] {
  const row = runs[first]?.row;
  let last = first;
  while (runs[last]?.row === row && last < runs.length) last++;
  return first === 0 && last === runs.length ? runs : runs.slice(first, last);
}

/**
 * Whether the runs are the whole resource, and the resource may be stored as it came: it holds hardly anything else,
 * such as many empty scopes, and its heads are not in many pieces, which every reader of a record would have to join.
 */
function isWhole(scanned: ScannedRequest, runs: readonly Run[]): boolean {
  const row = runs[0]?.row ?? 0;
  if (cell(scanned.resourcePiecesFrom, row + 1) - cell(scanned.resourcePiecesFrom, row) > PIECES_MAX) return false;
  const firstScope = cell(scanned.resourceScopesFrom, row);
  const lastScope = cell(scanned.resourceScopesFrom, row + 1);
  const items = cell(scanned.scopeItemsFrom, lastScope) - cell(scanned.scopeItemsFrom, firstScope);
  let here = 0;
  let bytes = piecesBytes(scanned.resourcePieces, scanned.resourcePiecesFrom, row) + FRAME_BYTES_MAX;
  for (const run of runs) {
    here += run.to - run.from;
    bytes += run.bytes;
  }
  if (here !== items) return false;
  for (let scope = firstScope; scope < lastScope; scope++) {
    if (cell(scanned.scopePiecesFrom, scope + 1) - cell(scanned.scopePiecesFrom, scope) > PIECES_MAX) return false;
    bytes += scopeHeadBytes(scanned, scope) + FRAME_BYTES_MAX;
  }
  return cell(scanned.resourceEnd, row) - cell(scanned.resourceField, row) <= bytes;
}

function emitWhole(scanned: ScannedRequest, runs: readonly Run[], payload: Payload): void {
  const row = runs[0]?.row ?? 0;
  const field = cell(scanned.resourceField, row);
  const shift = payload.length - field;
  payload.view(field, cell(scanned.resourceEnd, row));
  layout.resource(pieces, shifted(scanned.resourcePieces, scanned.resourcePiecesFrom, row, shift));
  layoutRuns(scanned, runs, shift);
}

/** Indexes scopes and items that are in the payload as in the body, `shift` bytes further on. */
function layoutRuns(scanned: ScannedRequest, runs: readonly Run[], shift: number): void {
  for (const run of runs) {
    layout.scope(pieces, shifted(scanned.scopePieces, scanned.scopePiecesFrom, run.scope, shift));
    for (let item = run.from; item < run.to; item++) {
      const start = cell(scanned.itemStart, item);
      layout.item(start + shift, cell(scanned.itemEnd, item) - start);
    }
  }
}

/** A whole resource with a changed head: the head is new bytes, the scopes are a view of the body. */
function emitChanged(scanned: ScannedRequest, heads: ChangedHeads, runs: readonly Run[], payload: Payload): void {
  const row = runs[0]?.row ?? 0;
  const scopes = scopesExtent(scanned, row);
  if (scopes === undefined) {
    emitRebuilt(scanned, runs, payload);
    return;
  }
  const head = cell(heads.ends, row) - cell(heads.starts, row);
  const length = head + scopes.end - scopes.start;
  const out = new Writer(scanned, payload.length, framedBytes(length) - length + head);
  out.frame(RESOURCE_TAG, length);
  out.resourceHead(row);
  layout.resource(pieces, out.headPairs);
  payload.bytes(out.finish());
  const shift = payload.length - scopes.start;
  payload.view(scopes.start, scopes.end);
  layoutRuns(scanned, runs, shift);
}

/** Where the scopes of a resource are; undefined when fields of its head are between them, which no encoder writes. */
function scopesExtent(scanned: ScannedRequest, row: number): { start: number; end: number } | undefined {
  const { view, resourcePieces: column } = scanned;
  let end = cell(scanned.resourceEnd, row);
  readTag(view, cell(scanned.resourceField, row), end);
  readLength(view, NEXT[0] as number, end);
  let start = NEXT[0] as number;
  const last = cell(scanned.resourcePiecesFrom, row + 1);
  for (let piece = cell(scanned.resourcePiecesFrom, row); piece < last; piece += 2) {
    if (cell(column, piece) === start) start = cell(column, piece + 1);
    else if (cell(column, piece + 1) === end) end = cell(column, piece);
    else return undefined;
  }
  return { start, end };
}

/** Fills `pieces` with the positions of a head's pieces in the payload; returns the number of pairs. */
function shifted(column: Uint32Array, from: Uint32Array, row: number, shift: number): number {
  const first = cell(from, row);
  const end = cell(from, row + 1);
  for (let piece = first; piece < end; piece++) pieces[piece - first] = cell(column, piece) + shift;
  return (end - first) / 2;
}

function emitRebuilt(scanned: ScannedRequest, runs: readonly Run[], payload: Payload): void {
  const row = runs[0]?.row ?? 0;
  const scopes = scopeLengths(scanned, runs);
  let length = resourceHeadBytes(scanned, row);
  for (const bytes of scopes.values()) length += framedBytes(bytes);
  const out = new Writer(scanned, payload.length, framedBytes(length));
  out.frame(RESOURCE_TAG, length);
  out.resourceHead(row);
  layout.resource(pieces, out.headPairs);
  let scope = -1;
  for (const run of runs) {
    if (run.scope !== scope) {
      scope = run.scope;
      out.frame(SCOPE_TAG, scopes.get(scope) ?? 0);
      out.head(scanned.scopePieces, scanned.scopePiecesFrom, scope);
      layout.scope(pieces, out.headPairs);
    }
    out.items(run.from, run.to);
  }
  payload.bytes(out.finish());
}

/** Length of each scope's message with the items of the runs only. */
function scopeLengths(scanned: ScannedRequest, runs: readonly Run[]): ReadonlyMap<number, number> {
  const lengths = new Map<number, number>();
  for (const run of runs) {
    lengths.set(run.scope, (lengths.get(run.scope) ?? scopeHeadBytes(scanned, run.scope)) + run.bytes);
  }
  return lengths;
}

function scopeHeadBytes(scanned: ScannedRequest, scope: number): number {
  return piecesBytes(scanned.scopePieces, scanned.scopePiecesFrom, scope);
}

/** The buffers of a payload; neighbouring views become one. */
class Payload {
  length = 0;
  readonly #body: Uint8Array;
  readonly #parts: Uint8Array[] = [];
  #start = 0;
  #end = 0;

  constructor(body: Uint8Array) {
    this.#body = body;
  }

  view(start: number, end: number): void {
    if (start !== this.#end) {
      this.#flush();
      this.#start = start;
    }
    this.#end = end;
    this.length += end - start;
  }

  bytes(part: Uint8Array): void {
    this.#flush();
    this.#parts.push(part);
    this.length += part.length;
  }

  finish(): readonly Uint8Array[] {
    this.#flush();
    return this.#parts;
  }

  #flush(): void {
    if (this.#end > this.#start) this.#parts.push(this.#body.subarray(this.#start, this.#end));
    this.#start = 0;
    this.#end = 0;
  }
}

/** Writes one rebuilt resource of known size, and tells the layout where the items are. */
class Writer {
  /** The number of pairs that `head` wrote to `pieces`. */
  headPairs = 0;
  readonly #scanned: ScannedRequest;
  readonly #target: Uint8Array;
  /** Where the target begins in the payload. */
  readonly #base: number;
  #at = 0;

  constructor(scanned: ScannedRequest, base: number, bytes: number) {
    this.#scanned = scanned;
    this.#base = base;
    this.#target = new Uint8Array(bytes);
  }

  frame(tag: number, length: number): void {
    this.#target[this.#at++] = tag;
    this.#at = writeVarint(this.#target, this.#at, length);
  }

  resourceHead(row: number): void {
    const { changedHeads: heads, resourcePieces, resourcePiecesFrom } = this.#scanned;
    const start = this.#at;
    if (heads === undefined) this.head(resourcePieces, resourcePiecesFrom, row);
    else {
      this.#copy(heads.bytes, cell(heads.starts, row), cell(heads.ends, row));
      this.#recordHead(start);
    }
  }

  head(column: Uint32Array, from: Uint32Array, row: number): void {
    const start = this.#at;
    const end = cell(from, row + 1);
    for (let piece = cell(from, row); piece < end; piece += 2) {
      this.#copy(this.#scanned.body, cell(column, piece), cell(column, piece + 1));
    }
    this.#recordHead(start);
  }

  #recordHead(start: number): void {
    pieces[0] = this.#base + start;
    pieces[1] = this.#base + this.#at;
    this.headPairs = this.#at > start ? 1 : 0;
  }

  /** Copies items; neighbours whose tags and lengths are as we would write them are copied in one go. */
  items(from: number, to: number): void {
    const { itemStart, itemEnd } = this.#scanned;
    for (let item = from; item < to; ) {
      const start = cell(itemStart, item);
      let end = cell(itemEnd, item);
      this.frame(ITEM_TAG, end - start);
      const shift = this.#base + this.#at - start;
      layout.item(start + shift, end - start);
      for (item++; item < to; item++) {
        const next = cell(itemStart, item);
        const length = cell(itemEnd, item) - next;
        if (next - end !== framedBytes(length) - length) break;
        layout.item(next + shift, length);
        end = next + length;
      }
      this.#copy(this.#scanned.body, start, end);
    }
  }

  finish(): Uint8Array {
    return this.#target;
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    this.#target.set(source.subarray(start, end), this.#at);
    this.#at += end - start;
  }
}
