/**
 * Turns what a request holds for one stream into blocks: views of the body where whole resources fit, rebuilt
 * containers where a block is cut or an item is rejected.
 */

import {
  APPEND_RECORDS_MAX,
  BLOCK_BYTES_MAX,
  ENCRYPTED_REQUEST_BYTES_MAX,
  LARGE_ITEM_BYTES_MAX,
  RECORD_METERED_BYTES_MAX,
} from '../model/limits.ts';
import { meteredBytes, OTLP_HEADERS } from '../model/record.ts';
import type { BlockDraft, RecordCut } from '../storage/block/seal.ts';
import type { RecordCuts } from './cut/cut-records.ts';
import {
  emitBlock,
  FRAME_BYTES_MAX,
  framedBytes,
  type PlannedBlock,
  piecesBytes,
  type Run,
  resourceHeadBytes,
} from './emit-block.ts';
import type { Rejection } from './rejections.ts';
import { cell, type ScannedRequest } from './scan/columns.ts';

/** Heads must not take more than a quarter of a block: then it grows beyond its limit, instead of repeating them. */
const HEAD_SHARE_MAX = 4;

export interface BatchOptions {
  /** Rejects items without a time (timestamping mode `client-require`). */
  readonly timeRequired: boolean;
  /** Called for each rejected item; for a bad one with what the scanner found. */
  reject(why: 'too_large' | 'uncuttable' | 'bad' | 'no_time' | 'too_much', item: number, bad?: Rejection): void;
  /** Largest payload of a block; the default is `BLOCK_BYTES_MAX`. */
  readonly blockBytesMax?: number;
  /** Most metered bytes of a record; the default is `RECORD_METERED_BYTES_MAX`. */
  readonly recordBytesMax?: number;
  /** Smallest payload of a block with a summary; the default is `SUMMARY_PAYLOAD_BYTES_MIN`. */
  readonly summaryBytesMin?: number;
  /** How records that are larger than S2 allows are cut for its readers; one that is not there is rejected. */
  readonly cuts?: RecordCuts | undefined;
  /**
   * For records that are encrypted, each with its resource and scope: the metered bytes of those that the request has
   * taken, to which these are added. Then a block has no more than an append of S2.
   */
  readonly encrypted?: { bytes: number } | undefined;
}

/**
 * The blocks of one stream: all items of the resources `rows` that are not rejected, in the order of the request. Empty
 * when all are rejected. The payloads are views of the body where possible.
 */
export function draftBlocks(scanned: ScannedRequest, rows: readonly number[], options: BatchOptions): BlockDraft[] {
  const plan = new BlockPlan(options.blockBytesMax ?? BLOCK_BYTES_MAX, options.encrypted !== undefined);
  for (const row of rows) planResource(scanned, row, options, plan);
  // What is encrypted has no summary: it would tell of the records.
  const summaryBytesMin = options.encrypted === undefined ? options.summaryBytesMin : Number.POSITIVE_INFINITY;
  return plan.finish().map((block) => emitBlock(scanned, block, summaryBytesMin));
}

function planResource(scanned: ScannedRequest, row: number, options: BatchOptions, plan: BlockPlan): void {
  const { itemStart, itemEnd, itemMs, badItems, badScopes } = scanned;
  const { timeRequired, cuts, encrypted } = options;
  const anyBad = badItems.size + badScopes.size > 0;
  const recordBytesMax = options.recordBytesMax ?? RECORD_METERED_BYTES_MAX;
  const fixed = meteredBytes(OTLP_HEADERS[scanned.signal], 0);
  const resourceHead = resourceHeadBytes(scanned, row);
  const lastScope = cell(scanned.resourceScopesFrom, row + 1);
  for (let scope = cell(scanned.resourceScopesFrom, row); scope < lastScope; scope++) {
    const scopeHead = piecesBytes(scanned.scopePieces, scanned.scopePiecesFrom, scope);
    plan.beginScope(row, scope, resourceHead, scopeHead);
    const lastItem = cell(scanned.scopeItemsFrom, scope + 1);
    for (let item = cell(scanned.scopeItemsFrom, scope); item < lastItem; item++) {
      const framed = framedBytes(cell(itemEnd, item) - cell(itemStart, item));
      const metered = fixed + framedBytes(resourceHead + framedBytes(scopeHead + framed));
      if (metered > recordBytesMax) options.reject('too_large', item);
      else if (anyBad && (badItems.has(item) || badScopes.has(scope)))
        options.reject('bad', item, badItems.get(item) ?? badScopes.get(scope));
      else if (timeRequired && itemMs[item] === 0) options.reject('no_time', item);
      else {
        const cut = cuts === undefined ? undefined : cuts.get(item);
        if (metered > RECORD_METERED_BYTES_MAX && cut === undefined) options.reject('uncuttable', item);
        else if (encrypted !== undefined && !fits(metered, encrypted)) options.reject('too_much', item);
        else plan.item(item, framed, metered, cut);
      }
    }
  }
}

function fits(metered: number, encrypted: { bytes: number }): boolean {
  if (encrypted.bytes + metered > ENCRYPTED_REQUEST_BYTES_MAX) return false;
  encrypted.bytes += metered;
  return true;
}

/** Sorts items into blocks, as runs of neighbours. One plan is for one stream of one request. */
class BlockPlan {
  readonly #blockBytesMax: number;
  readonly #isEncrypted: boolean;
  readonly #blocks: PlannedBlock[] = [];
  #block: PlannedBlock = newBlock();
  #run: Run | undefined;
  #row = -1;
  #scope = -1;
  #resourceHead = 0;
  #scopeHead = 0;
  #bytesMax = 0;

  constructor(blockBytesMax: number, isEncrypted: boolean) {
    this.#blockBytesMax = blockBytesMax;
    this.#isEncrypted = isEncrypted;
  }

  beginScope(row: number, scope: number, resourceHead: number, scopeHead: number): void {
    this.#row = row;
    this.#scope = scope;
    this.#resourceHead = resourceHead;
    this.#scopeHead = scopeHead;
    // Grows with the heads: otherwise a head of almost 1 MiB would be stored again for each small item.
    const heads = resourceHead + scopeHead;
    this.#bytesMax = Math.max(this.#blockBytesMax, Math.min(HEAD_SHARE_MAX * heads, heads + LARGE_ITEM_BYTES_MAX));
    this.#run = undefined;
  }

  item(item: number, framed: number, metered: number, cut: RecordCut | undefined): void {
    let bytes = framed;
    // A run ends with its scope and with its block, so its next item needs no heads.
    if (this.#run === undefined) bytes += this.#headBytes();
    if (this.#block.count > 0 && this.#isFull(bytes, metered)) {
      this.#close();
      bytes = framed + this.#headBytes();
    }
    let run = this.#run;
    if (run?.to !== item) {
      run = { row: this.#row, scope: this.#scope, from: item, to: item, bytes: 0 };
      this.#run = run;
      this.#block.runs.push(run);
    }
    run.to = item + 1;
    run.bytes += framed;
    const block = this.#block;
    block.bytes += bytes;
    if (cut !== undefined) block.cuts.set(block.count, cut);
    block.count++;
    block.meteredBytes += metered;
  }

  finish(): readonly PlannedBlock[] {
    if (this.#block.count > 0) this.#close();
    return this.#blocks;
  }

  #isFull(bytes: number, metered: number): boolean {
    const { count, bytes: before, meteredBytes: meteredBefore } = this.#block;
    if (!this.#isEncrypted) return before + bytes > this.#bytesMax;
    return count === APPEND_RECORDS_MAX || meteredBefore + metered > this.#bytesMax;
  }

  #close(): void {
    this.#blocks.push(this.#block);
    this.#block = newBlock();
    this.#run = undefined;
  }

  /** What the next item adds to the block beside itself: the heads that the block does not have yet. */
  #headBytes(): number {
    const last = this.#block.runs.at(-1);
    if (last?.scope === this.#scope) return 0;
    const scope = this.#scopeHead + FRAME_BYTES_MAX;
    return last?.row === this.#row ? scope : scope + this.#resourceHead + FRAME_BYTES_MAX;
  }
}

function newBlock(): PlannedBlock {
  return { runs: [], count: 0, cuts: new Map(), bytes: 0, meteredBytes: 0 };
}
