/**
 * Finds the records of a request that are larger than S2 allows, in a basin that stores them whole, and how each is cut for
 * S2's readers. The head of a resource or scope is cut only where it takes a large part of a record, and in the same way for
 * all its records: so it is looked at once, and stored once.
 */

import { CUT_HEAD_BYTES_MAX, RECORD_METERED_BYTES_MAX } from '../../model/limits.ts';
import { meteredBytes, OTLP_HEADERS, TRUNCATED_BYTES } from '../../model/record.ts';
import type { HeadCut, RecordCut } from '../../storage/block/seal.ts';
import { framedBytes, piecesBytes, resourceHeadBytes } from '../emit-block.ts';
import { cell, type ScannedRequest } from '../scan/columns.ts';
import { type Shortened, shorten } from './shorten.ts';
import { type SignalPlans, stringPlans } from './string-plans.ts';

/** By item. One that cannot be cut to fit is not there. */
export type RecordCuts = ReadonlyMap<number, RecordCut>;

const NO_CUTS: RecordCuts = new Map();
/** More bytes than a token adds to a resource. */
const STAMPED_MAX = 256 * 1024;
/** Tag and length of each of the three messages of a body below 2 MiB, and digits of the header that counts. */
const FRAMES_BYTES = 3 * 4;
const COUNT_DIGITS = 10;

/** Whether a request may hold a record that is larger than S2 allows: most cannot, since they are small. */
export function mayHoldLarge({ body }: ScannedRequest): boolean {
  return body.length + STAMPED_MAX > RECORD_METERED_BYTES_MAX;
}

/** The cuts of all records of the resources `rows` that have at most so many metered bytes. Yields after each piece of work. */
export function* cutRecords(
  scanned: ScannedRequest,
  rows: readonly number[],
  recordBytesMax: number,
): Generator<void, RecordCuts> {
  let cuts: Map<number, RecordCut> | undefined;
  const cutter = new Cutter(scanned);
  for (const row of rows) {
    const lastScope = cell(scanned.resourceScopesFrom, row + 1);
    for (let scope = cell(scanned.resourceScopesFrom, row); scope < lastScope; scope++) {
      cutter.beginScope(row, scope);
      if (scanned.badScopes.has(scope)) continue;
      const lastItem = cell(scanned.scopeItemsFrom, scope + 1);
      for (let item = cell(scanned.scopeItemsFrom, scope); item < lastItem; item++) {
        const metered = cutter.meteredBytesOf(item);
        if (metered <= RECORD_METERED_BYTES_MAX || metered > recordBytesMax) continue;
        if (scanned.badItems.has(item)) continue;
        const cut = yield* cutter.cut(item);
        if (cut === undefined) continue;
        cuts ??= new Map();
        cuts.set(item, cut);
      }
    }
  }
  return cuts ?? NO_CUTS;
}

/** The heads of a scope, shortened. */
interface ShortHeads {
  readonly cut: HeadCut | undefined;
  readonly resourceBytes: number;
  readonly scopeBytes: number;
}

class Cutter {
  readonly #scanned: ScannedRequest;
  readonly #plans: SignalPlans;
  readonly #fixed: number;
  #row = -1;
  #scope = -1;
  #resourceBytes = 0;
  #scopeBytes = 0;
  #resource: Exclude<Shortened, 'too_large'> | undefined;
  #heads: ShortHeads | undefined;

  constructor(scanned: ScannedRequest) {
    this.#scanned = scanned;
    this.#plans = stringPlans(scanned.signal);
    this.#fixed = meteredBytes(OTLP_HEADERS[scanned.signal], 0);
  }

  beginScope(row: number, scope: number): void {
    const { scopePieces, scopePiecesFrom } = this.#scanned;
    if (row !== this.#row) {
      this.#resourceBytes = resourceHeadBytes(this.#scanned, row);
      this.#resource = undefined;
    }
    this.#row = row;
    this.#scope = scope;
    this.#scopeBytes = piecesBytes(scopePieces, scopePiecesFrom, scope);
    this.#heads = undefined;
  }

  meteredBytesOf(item: number): number {
    const { itemStart, itemEnd } = this.#scanned;
    const framed = framedBytes(cell(itemEnd, item) - cell(itemStart, item));
    return this.#fixed + framedBytes(this.#resourceBytes + framedBytes(this.#scopeBytes + framed));
  }

  /** Undefined when it cannot be cut to fit. */
  *cut(item: number): Generator<void, RecordCut | undefined> {
    const { body, itemStart, itemEnd } = this.#scanned;
    this.#heads ??= yield* this.#shortHeads();
    const { cut: heads, resourceBytes, scopeBytes } = this.#heads;
    const counter = 2 + TRUNCATED_BYTES.length + COUNT_DIGITS;
    const bytesMax = RECORD_METERED_BYTES_MAX - this.#fixed - counter - FRAMES_BYTES - resourceBytes - scopeBytes;
    const content = body.subarray(cell(itemStart, item), cell(itemEnd, item));
    const shortened: Shortened = yield* shorten(content, this.#plans.item, bytesMax);
    return shortened === 'too_large' ? undefined : { heads, item: shortened.cut };
  }

  *#shortHeads(): Generator<void, ShortHeads> {
    const { scopePieces, scopePiecesFrom } = this.#scanned;
    this.#resource ??= yield* this.#short(this.#resourceBytes, () => this.#resourceHead(), this.#plans.resource);
    const joined = (): Uint8Array => this.#joined(scopePieces, scopePiecesFrom, this.#scope);
    const scope: Exclude<Shortened, 'too_large'> = yield* this.#short(this.#scopeBytes, joined, this.#plans.scope);
    const resource = this.#resource;
    const isCut = resource.cut !== undefined || scope.cut !== undefined;
    const cut = isCut ? { resource: resource.cut, scope: scope.cut } : undefined;
    return { cut, resourceBytes: resource.length, scopeBytes: scope.length };
  }

  *#short(
    length: number,
    content: () => Uint8Array,
    plan: SignalPlans['resource'],
  ): Generator<void, Exclude<Shortened, 'too_large'>> {
    if (length <= CUT_HEAD_BYTES_MAX) return { cut: undefined, length };
    const shortened: Shortened = yield* shorten(content(), plan, CUT_HEAD_BYTES_MAX, true);
    return shortened === 'too_large' ? { cut: undefined, length } : shortened;
  }

  #resourceHead(): Uint8Array {
    const { changedHeads: heads, resourcePieces, resourcePiecesFrom } = this.#scanned;
    if (heads === undefined) return this.#joined(resourcePieces, resourcePiecesFrom, this.#row);
    return heads.bytes.subarray(cell(heads.starts, this.#row), cell(heads.ends, this.#row));
  }

  #joined(column: Uint32Array, from: Uint32Array, row: number): Uint8Array {
    const parts: Uint8Array[] = [];
    const end = cell(from, row + 1);
    for (let piece = cell(from, row); piece < end; piece += 2) {
      parts.push(this.#scanned.body.subarray(cell(column, piece), cell(column, piece + 1)));
    }
    return Buffer.concat(parts);
  }
}
