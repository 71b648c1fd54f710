/**
 * What the scanner found in a request, as columns of numbers: reused from request to request, so that a warm scan
 * allocates nothing. All positions count from the first byte of the body.
 */

import { TailraceError } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import { LATEST_MS, POINTS } from './scan-wire.ts';

const FIRST_CAPACITY = 64;
/** Pieces of resource heads per item allowed. Senders need about two; more only serves to use up memory. */
const PIECES_PER_ITEM_MAX = 8;
const EMPTY = new Uint8Array(0);
const NO_VIEW = new DataView(EMPTY.buffer);

/**
 * Resources, scopes and items of one request, in its order. Resources and scopes without items are left out: they
 * hold no record. Columns are longer than what they hold; those named `…From` have one entry more than there are
 * rows: row r has [from[r], from[r + 1]).
 */
export class ScannedRequest {
  signal: Signal = 'logs';
  body: Uint8Array = EMPTY;
  view: DataView = NO_VIEW;
  itemsMax = 0;

  resourceCount = 0;
  /** First byte of the resource's field in the request, its tag. */
  resourceField = new Uint32Array(FIRST_CAPACITY);
  resourceEnd = new Uint32Array(FIRST_CAPACITY);
  resourceScopesFrom = new Uint32Array(FIRST_CAPACITY);
  resourcePiecesFrom = new Uint32Array(FIRST_CAPACITY);
  /** Heads: pairs of start and end of every field but the scopes, tags included, in wire order. */
  resourcePieces = new Uint32Array(FIRST_CAPACITY);

  scopeCount = 0;
  scopeItemsFrom = new Uint32Array(FIRST_CAPACITY);
  scopePiecesFrom = new Uint32Array(FIRST_CAPACITY);
  /** Likewise for scopes: every field but the items. */
  scopePieces = new Uint32Array(FIRST_CAPACITY);

  itemCount = 0;
  /** The item's message, without tag and length. */
  itemStart = new Uint32Array(FIRST_CAPACITY);
  itemEnd = new Uint32Array(FIRST_CAPACITY);
  /** Milliseconds since the epoch, 0 when the item has no time. */
  itemMs = new Float64Array(FIRST_CAPACITY);
  /** Data points of a metric; 0 for the other signals. */
  itemPoints = new Uint32Array(FIRST_CAPACITY);

  #resourcePieceEnd = 0;
  #scopePieceEnd = 0;
  #firstScope = 0;
  #firstItem = 0;

  /** Forgets what it held; answers the view through which the body is read. */
  begin(signal: Signal, body: Uint8Array, itemsMax: number): DataView {
    this.signal = signal;
    this.body = body;
    this.itemsMax = itemsMax;
    this.resourceCount = 0;
    this.scopeCount = 0;
    this.itemCount = 0;
    this.#resourcePieceEnd = 0;
    this.#scopePieceEnd = 0;
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    return this.view;
  }

  /** Lets go of the body. */
  end(): void {
    this.body = EMPTY;
    this.view = NO_VIEW;
    this.resourceCount = 0;
    this.scopeCount = 0;
    this.itemCount = 0;
  }

  beginResource(field: number, end: number): void {
    const row = this.resourceCount;
    if (row + 1 >= this.resourceField.length) this.#growResources();
    this.resourceField[row] = field;
    this.resourceEnd[row] = end;
    this.resourceScopesFrom[row] = this.scopeCount;
    this.resourcePiecesFrom[row] = this.#resourcePieceEnd;
    this.#firstScope = this.scopeCount;
  }

  resourceHead(start: number, end: number): void {
    const at = this.#resourcePieceEnd;
    if (at > (this.resourcePiecesFrom[this.resourceCount] ?? 0) && this.resourcePieces[at - 1] === start) {
      this.resourcePieces[at - 1] = end;
      return;
    }
    // Resources with items are no more than the items; only empty scopes between fields can break this.
    if (at >= 2 * PIECES_PER_ITEM_MAX * (this.itemsMax + 1)) throw tooTorn(this.itemsMax);
    if (at + 2 > this.resourcePieces.length) this.resourcePieces = grown(this.resourcePieces);
    this.resourcePieces[at] = start;
    this.resourcePieces[at + 1] = end;
    this.#resourcePieceEnd = at + 2;
  }

  endResource(): void {
    if (this.scopeCount === this.#firstScope) {
      this.#resourcePieceEnd = this.resourcePiecesFrom[this.resourceCount] ?? 0;
      return;
    }
    this.resourceCount++;
    this.resourceScopesFrom[this.resourceCount] = this.scopeCount;
    this.resourcePiecesFrom[this.resourceCount] = this.#resourcePieceEnd;
  }

  beginScope(): void {
    const row = this.scopeCount;
    if (row + 1 >= this.scopeItemsFrom.length) this.#growScopes();
    this.scopeItemsFrom[row] = this.itemCount;
    this.scopePiecesFrom[row] = this.#scopePieceEnd;
    this.#firstItem = this.itemCount;
  }

  scopeHead(start: number, end: number): void {
    const at = this.#scopePieceEnd;
    if (at > (this.scopePiecesFrom[this.scopeCount] ?? 0) && this.scopePieces[at - 1] === start) {
      this.scopePieces[at - 1] = end;
      return;
    }
    if (at + 2 > this.scopePieces.length) this.scopePieces = grown(this.scopePieces);
    this.scopePieces[at] = start;
    this.scopePieces[at + 1] = end;
    this.#scopePieceEnd = at + 2;
  }

  endScope(): void {
    if (this.itemCount === this.#firstItem) {
      this.#scopePieceEnd = this.scopePiecesFrom[this.scopeCount] ?? 0;
      return;
    }
    this.scopeCount++;
    this.scopeItemsFrom[this.scopeCount] = this.itemCount;
    this.scopePiecesFrom[this.scopeCount] = this.#scopePieceEnd;
  }

  hasRoomForItem(): boolean {
    return this.itemCount < this.itemsMax;
  }

  /** Notes an item with the time and data points that the wire walk has noted for it. */
  item(start: number, end: number): void {
    const row = this.itemCount++;
    if (row >= this.itemStart.length) this.#growItems();
    this.itemStart[row] = start;
    this.itemEnd[row] = end;
    this.itemMs[row] = LATEST_MS[0] as number;
    this.itemPoints[row] = POINTS[0] as number;
  }

  #growResources(): void {
    this.resourceField = grown(this.resourceField);
    this.resourceEnd = grown(this.resourceEnd);
    this.resourceScopesFrom = grown(this.resourceScopesFrom);
    this.resourcePiecesFrom = grown(this.resourcePiecesFrom);
  }

  #growScopes(): void {
    this.scopeItemsFrom = grown(this.scopeItemsFrom);
    this.scopePiecesFrom = grown(this.scopePiecesFrom);
  }

  #growItems(): void {
    this.itemStart = grown(this.itemStart);
    this.itemEnd = grown(this.itemEnd);
    this.itemPoints = grown(this.itemPoints);
    const times = new Float64Array(this.itemStart.length);
    times.set(this.itemMs);
    this.itemMs = times;
  }
}

/** Reads a column where it is known to have an entry. */
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
