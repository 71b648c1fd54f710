/**
 * What the scanner found in a request, as columns of numbers: reused from request to request, so that a warm scan
 * allocates nothing. All positions count from the first byte of the body.
 */

import { repairUtf8At } from '../../encoding/utf8.ts';
import { TailraceError } from '../../model/error.ts';
import { RECORD_METERED_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import type { Rejection } from '../rejections.ts';
import { ItemParts } from './item-parts.ts';
import { ACTION, FALLBACK_TIME_SLOT, POINT_TIME_SLOT, TIME_SLOT, TIME_SLOTS } from './tables.ts';

const { ITEM, POINT, SCOPE } = ACTION;

const FIRST_CAPACITY = 64;
/** How many pieces of resource heads are allowed per item. Senders need about two; more would only use up memory. */
const PIECES_PER_ITEM_MAX = 8;
/** To repair a byte takes as long as other work on eight. */
const REPAIR_PIECE_BYTES = YIELD_BYTES / 8;
const EMPTY = new Uint8Array(0);
const NO_VIEW = new DataView(EMPTY.buffer);
const NO_FAULTS: readonly Rejection[] = [];

/** Called before the first string at `at` is repaired; what it throws ends the scan. */
export type BeforeRepair = (signal: Signal, body: Uint8Array, at: number) => void;

/** Heads of resources that the server changed: that of row r is [starts[r], ends[r]) of the bytes, in one piece. */
export interface ChangedHeads {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/**
 * Resources, scopes and items of one request, in its order. Resources and scopes without items are left out, because
 * they hold no record. Columns may be longer than their content. Those named `…From` have one entry more than there are
 * rows: row r has [from[r], from[r + 1]).
 */
export class ScannedRequest {
  signal: Signal = 'logs';
  body: Uint8Array = EMPTY;
  view: DataView = NO_VIEW;
  itemsMax = 0;
  /** A longer string fits into no record: what holds it is rejected, and nothing looks at it. */
  stringBytesMax = RECORD_METERED_BYTES_MAX;
  /** Whether there is anything in the maps and sets below. */
  #isOdd = false;
  #beforeRepair: BeforeRepair | undefined;

  resourceCount = 0;
  /** The first byte of the resource's field in the request: its tag. */
  resourceField = new Uint32Array(FIRST_CAPACITY);
  resourceEnd = new Uint32Array(FIRST_CAPACITY);
  resourceScopesFrom = new Uint32Array(FIRST_CAPACITY);
  resourcePiecesFrom = new Uint32Array(FIRST_CAPACITY);
  /** A resource with the same head, the same one for all of them, as far as that is known (`routing/same-heads.ts`). */
  resourceLike = new Uint32Array(FIRST_CAPACITY);
  /** Heads: pairs of start and end of all fields except the scopes, with their tags, in wire order. */
  resourcePieces = new Uint32Array(FIRST_CAPACITY);
  /** Heads that replace those pieces: for all resources, or undefined. */
  changedHeads: ChangedHeads | undefined = undefined;

  scopeCount = 0;
  scopeItemsFrom = new Uint32Array(FIRST_CAPACITY);
  scopePiecesFrom = new Uint32Array(FIRST_CAPACITY);
  /** The same for scopes: all fields except the items. */
  scopePieces = new Uint32Array(FIRST_CAPACITY);

  itemCount = 0;
  /** The item's message, without tag and length. */
  itemStart = new Uint32Array(FIRST_CAPACITY);
  itemEnd = new Uint32Array(FIRST_CAPACITY);
  /** Milliseconds since the epoch, 0 when the item has no time. */
  itemMs = new Float64Array(FIRST_CAPACITY);
  /** Data points of a metric; 0 for the other signals. */
  itemPoints = new Uint32Array(FIRST_CAPACITY);
  readonly parts = new ItemParts(FIRST_CAPACITY);

  /** By row of a resource: how many strings in it were no UTF-8 and were repaired. Mostly empty. */
  readonly repairedStrings = new Map<number, number>();
  /** Starts and ends of strings that are too long to be repaired at once: see `repairLongStrings`. */
  readonly longStrings: number[] = [];

  /** By row of a resource: how many ids in it do not have their length. Mostly empty. */
  readonly oddIds = new Map<number, number>();
  /** Whether a message in the request holds a group, which can only be an unknown field. */
  hasGroups = false;
  /**
   * What cannot be stored, and why: it is nested too deep, or has a value of the wrong kind. Rows of items, of scopes and of
   * resources that hold items. Mostly empty.
   */
  readonly badItems = new Map<number, Rejection>();
  readonly badScopes = new Map<number, Rejection>();
  readonly badResources = new Map<number, Rejection>();
  /** Of a request that came as JSON: what its marks stand for (`json/spoiled.ts`). Kept until `end`. */
  faults: readonly Rejection[] = NO_FAULTS;

  /**
   * By slot: the position of the times of the current item or data point; one before its message is of another item, and 0
   * of none.
   */
  readonly timeAt = new Int32Array(TIME_SLOTS);

  #resourcePieceEnd = 0;
  #scopePieceEnd = 0;
  /**
   * The end of the last scope of the current resource, and of the last item of the current scope: heads go on there.
   */
  #resourceHeadFrom = 0;
  #scopeHeadFrom = 0;

  /** Starts a new request; forgets the last one. What `beforeRepair` throws at the first bad string ends the scan. */
  begin(
    signal: Signal,
    body: Uint8Array,
    itemsMax: number,
    beforeRepair?: BeforeRepair,
    stringBytesMax: number = RECORD_METERED_BYTES_MAX,
  ): void {
    this.#beforeRepair = beforeRepair;
    this.stringBytesMax = stringBytesMax;
    this.signal = signal;
    this.body = body;
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.itemsMax = itemsMax;
    this.timeAt.fill(0);
    this.parts.begin();
    this.#clear();
  }

  /** Releases the body. */
  end(): void {
    this.body = EMPTY;
    this.view = NO_VIEW;
    this.faults = NO_FAULTS;
    this.#clear();
  }

  /** A resource, scope, item or data point begins. Its tag is at `field`, its content at `start`. */
  open(action: number, field: number, start: number, end: number): void {
    if (action === ITEM) this.#openItem(field, start);
    else if (action === POINT) this.timeAt[POINT_TIME_SLOT] = 0;
    else if (action === SCOPE) this.#openScope(field, start);
    else this.#openResource(field, start, end);
  }

  /** What was last opened ends. */
  close(action: number, end: number): void {
    if (action === ITEM) this.#closeItem(end);
    else if (action === POINT) this.#closePoint();
    else if (action === SCOPE) this.#closeScope(end);
    else this.#closeResource(end);
  }

  /** Repairs a string of the current resource in the body: one that is not UTF-8. */
  repairString(start: number, end: number): void {
    this.#beforeRepair?.(this.signal, this.body, start);
    this.#beforeRepair = undefined;
    this.#isOdd = true;
    if (end - start > RECORD_METERED_BYTES_MAX) this.longStrings.push(start, end);
    else repairUtf8At(this.view, start, end);
    const row = this.resourceCount;
    this.repairedStrings.set(row, (this.repairedStrings.get(row) ?? 0) + 1);
  }

  /** Repairs what was too long for it during the scan. Yields after each piece of work. */
  *repairLongStrings(): Generator<void, void> {
    for (let i = 0; i < this.longStrings.length; i += 2) {
      const end = this.longStrings[i + 1] as number;
      for (let at = this.longStrings[i] as number; at < end; ) {
        at = repairUtf8At(this.view, at, end, Math.min(end, at + REPAIR_PIECE_BYTES));
        yield;
      }
    }
    this.longStrings.length = 0;
  }

  /** An id of the current resource does not have its length. */
  noteOddId(): void {
    this.#isOdd = true;
    const row = this.resourceCount;
    this.oddIds.set(row, (this.oddIds.get(row) ?? 0) + 1);
  }

  noteGroup(): void {
    this.#isOdd = true;
    this.hasGroups = true;
  }

  /** The current item, the head of the current scope, or that of the resource cannot be stored. */
  noteBad(where: number, why: Rejection): void {
    this.#isOdd = true;
    if (where === ITEM) noteFirst(this.badItems, this.itemCount, why);
    else if (where === SCOPE) noteFirst(this.badScopes, this.scopeCount, why);
    else noteFirst(this.badResources, this.resourceCount, why);
  }

  /** Puts back what was found in the same request before its ids were repaired. */
  restore(repairedStrings: Iterable<[number, number]>, oddIds: Iterable<[number, number]>): void {
    this.#isOdd = true;
    for (const [row, count] of repairedStrings) this.repairedStrings.set(row, count);
    for (const [row, count] of oddIds) this.oddIds.set(row, count);
  }

  #openResource(field: number, start: number, end: number): void {
    const row = this.resourceCount;
    if (row + 1 >= this.resourceField.length) this.#growResources();
    this.resourceField[row] = field;
    this.resourceLike[row] = row;
    this.resourceEnd[row] = end;
    this.resourceScopesFrom[row] = this.scopeCount;
    this.resourcePiecesFrom[row] = this.#resourcePieceEnd;
    this.#resourceHeadFrom = start;
  }

  /** A piece of the resource's head ends where a scope begins, or where the resource ends. */
  #resourcePiece(end: number): void {
    if (this.#resourceHeadFrom === end) return;
    const at = this.#resourcePieceEnd;
    // There are at most as many resources with items as items, so only empty scopes between fields can exceed this.
    if (at >= 2 * PIECES_PER_ITEM_MAX * (this.itemsMax + 1)) throw tooTorn(this.itemsMax);
    if (at + 2 > this.resourcePieces.length) this.resourcePieces = grown(this.resourcePieces);
    this.resourcePieces[at] = this.#resourceHeadFrom;
    this.resourcePieces[at + 1] = end;
    this.#resourcePieceEnd = at + 2;
  }

  #closeResource(end: number): void {
    const row = this.resourceCount;
    if (this.scopeCount === cell(this.resourceScopesFrom, row)) {
      this.#resourcePieceEnd = cell(this.resourcePiecesFrom, row);
      if (this.repairedStrings.size > 0) this.repairedStrings.delete(row);
      if (this.badResources.size > 0) this.badResources.delete(row);
      return;
    }
    this.#resourcePiece(end);
    this.resourceCount = row + 1;
    this.resourceScopesFrom[row + 1] = this.scopeCount;
    this.resourcePiecesFrom[row + 1] = this.#resourcePieceEnd;
  }

  #openScope(field: number, start: number): void {
    this.#resourcePiece(field);
    const row = this.scopeCount;
    if (row + 1 >= this.scopeItemsFrom.length) this.#growScopes();
    this.scopeItemsFrom[row] = this.itemCount;
    this.scopePiecesFrom[row] = this.#scopePieceEnd;
    this.#scopeHeadFrom = start;
  }

  #scopePiece(end: number): void {
    if (this.#scopeHeadFrom === end) return;
    const at = this.#scopePieceEnd;
    if (at + 2 > this.scopePieces.length) this.scopePieces = grown(this.scopePieces);
    this.scopePieces[at] = this.#scopeHeadFrom;
    this.scopePieces[at + 1] = end;
    this.#scopePieceEnd = at + 2;
  }

  #closeScope(end: number): void {
    this.#resourceHeadFrom = end;
    const row = this.scopeCount;
    if (this.itemCount === cell(this.scopeItemsFrom, row)) {
      this.#scopePieceEnd = cell(this.scopePiecesFrom, row);
      if (this.badScopes.size > 0) this.badScopes.delete(row);
      return;
    }
    this.#scopePiece(end);
    this.scopeCount = row + 1;
    this.scopeItemsFrom[row + 1] = this.itemCount;
    this.scopePiecesFrom[row + 1] = this.#scopePieceEnd;
  }

  #openItem(field: number, start: number): void {
    this.#scopePiece(field);
    const row = this.itemCount;
    if (row >= this.itemsMax) throw tooMany(this.itemsMax);
    if (row >= this.itemStart.length) this.#growItems();
    this.itemStart[row] = start;
    this.itemMs[row] = 0;
    this.itemPoints[row] = 0;
  }

  #closeItem(end: number): void {
    const row = this.itemCount;
    const start = cell(this.itemStart, row);
    this.#scopeHeadFrom = end;
    this.itemEnd[row] = end;
    if (!this.#recordTime(TIME_SLOT, start)) this.#recordTime(FALLBACK_TIME_SLOT, start);
    this.parts.close(row, start, this.view);
    this.itemCount = row + 1;
  }

  #closePoint(): void {
    const row = this.itemCount;
    this.itemPoints[row] = cell(this.itemPoints, row) + 1;
    this.#recordTime(POINT_TIME_SLOT, 0);
  }

  /**
   * Gives the current item the time of that slot, unless it has a later one. False when there is none after `start`, or it
   * is 0.
   */
  #recordTime(slot: number, start: number): boolean {
    const at = this.timeAt[slot] as number;
    if (at <= start) return false;
    const low = this.view.getUint32(at, true);
    const high = this.view.getUint32(at + 4, true);
    const ms = msFromNanos(high, low);
    if (ms > (this.itemMs[this.itemCount] as number)) this.itemMs[this.itemCount] = ms;
    return low !== 0 || high !== 0;
  }

  #clear(): void {
    this.resourceCount = 0;
    this.changedHeads = undefined;
    if (this.#isOdd) this.#clearOddities();
    this.scopeCount = 0;
    this.itemCount = 0;
    this.#resourcePieceEnd = 0;
    this.#scopePieceEnd = 0;
  }

  #clearOddities(): void {
    this.#isOdd = false;
    this.repairedStrings.clear();
    this.longStrings.length = 0;
    this.oddIds.clear();
    this.hasGroups = false;
    this.badItems.clear();
    this.badScopes.clear();
    this.badResources.clear();
  }

  #growResources(): void {
    this.resourceField = grown(this.resourceField);
    this.resourceEnd = grown(this.resourceEnd);
    this.resourceScopesFrom = grown(this.resourceScopesFrom);
    this.resourcePiecesFrom = grown(this.resourcePiecesFrom);
    this.resourceLike = grown(this.resourceLike);
  }

  #growScopes(): void {
    this.scopeItemsFrom = grown(this.scopeItemsFrom);
    this.scopePiecesFrom = grown(this.scopePiecesFrom);
  }

  #growItems(): void {
    this.itemStart = grown(this.itemStart);
    this.itemEnd = grown(this.itemEnd);
    this.itemPoints = grown(this.itemPoints);
    this.parts.grow(this.itemStart.length);
    const times = new Float64Array(this.itemStart.length);
    times.set(this.itemMs);
    this.itemMs = times;
  }
}

/**
 * Nanoseconds, as two unsigned halves of 64 bits, in whole milliseconds, rounded down. Exact: 2^32 is
 * 4294 · 10^6 + 967296, and no step exceeds 2^53.
 */
export function msFromNanos(high: number, low: number): number {
  return high * 4_294 + Math.floor((high * 967_296 + low) / 1_000_000);
}

/** Reads an entry of a column that is known to be there. */
export function cell(column: Uint32Array, row: number): number {
  return column[row] as number;
}

function grown(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(column.length * 2);
  larger.set(column);
  return larger;
}

function tooTorn(itemsMax: number): TailraceError {
  return new TailraceError(
    'too_large',
    `the heads of the resources are torn into more than ${PIECES_PER_ITEM_MAX} pieces per record that requestRecordsMax (${itemsMax}) allows: write the fields of a resource together`,
  );
}

function tooMany(itemsMax: number): TailraceError {
  return new TailraceError(
    'too_large',
    `the request holds more than ${itemsMax} records, the limit requestRecordsMax: send smaller batches (Collector: send_batch_max_size) or raise --request-records-max`,
  );
}

function noteFirst(rows: Map<number, Rejection>, row: number, why: Rejection): void {
  if (!rows.has(row)) rows.set(row, why);
}
