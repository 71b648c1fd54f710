/**
 * Makes the summary of a block (`storage/block/summary.ts`) from what the scanner found: it tells at least what `match/`
 * finds in the stored bytes.
 */

import { SUMMARY_PAYLOAD_BYTES_MIN } from '../model/limits.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import { levelBit, NO_LEVEL_BIT, OTHER_LEVEL_BIT, SummaryBuilder, traceIdHash } from '../storage/block/summary.ts';
import { FOUND, findAttribute, headView, STRING_VALUE } from './routing/attributes.ts';
import { cell, type ScannedRequest } from './scan/columns.ts';
import { TOLD_BY_TEXT } from './scan/item-parts.ts';
import { levelOf } from './views/log-fields.ts';

const SERVICE_NAME = Buffer.from('service.name');

/**
 * Each filter takes at most this part of the payload, which is about three hundredths of what is stored once it is
 * compressed; but a few entries always fit.
 */
const PAYLOAD_SHARE = 80;
const FILTER_BYTES_MIN = 16;

/** By severity number: the bit of its level. */
const BITS = Uint8Array.from({ length: 256 }, (_, severity) => {
  if (severity === TOLD_BY_TEXT) return OTHER_LEVEL_BIT;
  const level = levelOf(severity, '');
  return level === undefined ? NO_LEVEL_BIT : levelBit(level);
});

/** The items that go into a block, as runs of neighbours of one resource, and about how many bytes they take. */
interface ItemsOfBlock {
  readonly runs: readonly { readonly row: number; readonly from: number; readonly to: number }[];
  readonly bytes: number;
}

/** Shared by all calls, which have no `await`. */
const builder = new SummaryBuilder();

/** Resources whose service is in the summary at hand, each at its row modulo their number: most have the same head. */
const added = new Int32Array(64);
const NONE = -1;

/** Hashes of trace ids: those of neighbours are mostly the same, and most of these are left out. */
class HashList {
  #hashes = new Int32Array(1_024);
  #count = 0;
  /** The last one in each place: a hash has its place by its last bits. */
  readonly #seen = new Int32Array(1_024);

  begin(): void {
    this.#count = 0;
    this.#seen.fill(0);
  }

  /** False when it was there already. */
  add(hash: number): boolean {
    const place = hash & (this.#seen.length - 1);
    if (this.#seen[place] === hash && hash !== 0) return false;
    this.#seen[place] = hash;
    if (this.#count === this.#hashes.length) {
      const longer = new Int32Array(2 * this.#count);
      longer.set(this.#hashes);
      this.#hashes = longer;
    }
    this.#hashes[this.#count++] = hash;
    return true;
  }

  finish(): Int32Array {
    return this.#hashes.slice(0, this.#count);
  }
}

const hashes = new HashList();

/**
 * Neither is known where an id has another length or a group may hide a field: only the matcher knows. A block of few bytes
 * has no summary: it is as soon read. Of one that is encrypted nothing may be told; then no size is enough.
 */
export function summarize(
  scanned: ScannedRequest,
  { runs, bytes }: ItemsOfBlock,
  bytesMin: number = SUMMARY_PAYLOAD_BYTES_MIN,
): Pick<BlockDraft, 'summary' | 'traceHashes'> {
  if (bytesMin === Number.POSITIVE_INFINITY || scanned.oddIds.size > 0 || scanned.hasGroups) return {};
  const { view, signal } = scanned;
  const { traceId, name, nameEnd, severity } = scanned.parts;
  const hasSummary = bytes >= bytesMin;
  let levels = 0;
  hashes.begin();
  if (hasSummary) {
    builder.begin(signal === 'logs');
    added.fill(NONE);
  }
  for (const run of runs) {
    const like = cell(scanned.resourceLike, run.row);
    if (hasSummary && added[like % added.length] !== like) {
      added[like % added.length] = like;
      addService(scanned, run.row);
    }
    for (let item = run.from; item < run.to; item++) {
      const id = cell(traceId, item);
      if (id !== 0) {
        const hash = traceIdHash(view, id);
        if (hashes.add(hash) && hasSummary) builder.addTraceId(hash);
      }
      if (!hasSummary) continue;
      const start = cell(name, item);
      if (start !== 0 && cell(nameEnd, item) > start) builder.add('names', view, start, cell(nameEnd, item));
      levels |= BITS[severity[item] as number] as number;
    }
  }
  const traceHashes = hashes.finish();
  if (!hasSummary) return { traceHashes };
  builder.level(levels);
  return { traceHashes, summary: builder.finish(Math.max(FILTER_BYTES_MIN, bytes / PAYLOAD_SHARE)) };
}

function addService(scanned: ScannedRequest, row: number): void {
  if (!findAttribute(scanned, row, SERVICE_NAME)) return;
  if (FOUND.tag === STRING_VALUE) builder.add('services', headView(scanned), FOUND.start, FOUND.end);
  // A filter finds an element of a list, and a number.
  else builder.forget('services');
}
