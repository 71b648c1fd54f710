/**
 * Makes the summary of a block (`storage/block/summary.ts`) from what the scanner found: it tells at least what `match/`
 * finds in the stored bytes.
 */

import { SUMMARY_PAYLOAD_BYTES_MIN } from '../model/limits.ts';
import { levelBit, NO_LEVEL_BIT, OTHER_LEVEL_BIT, SummaryBuilder } from '../storage/block/summary.ts';
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

/**
 * Undefined when there is none: a block of few bytes is as soon read, and where an id has another length or a group may
 * hide a field, only the matcher knows.
 */
export function summarize(
  scanned: ScannedRequest,
  { runs, bytes }: ItemsOfBlock,
  bytesMin: number = SUMMARY_PAYLOAD_BYTES_MIN,
): Uint8Array | undefined {
  if (bytes < bytesMin || scanned.oddIds.size > 0 || scanned.hasGroups) return undefined;
  const { view, signal } = scanned;
  const { traceId, name, nameEnd, severity } = scanned.parts;
  let levels = 0;
  builder.begin(signal === 'logs');
  added.fill(NONE);
  for (const run of runs) {
    const like = cell(scanned.resourceLike, run.row);
    if (added[like % added.length] !== like) {
      added[like % added.length] = like;
      addService(scanned, run.row);
    }
    for (let item = run.from; item < run.to; item++) {
      const id = cell(traceId, item);
      if (id !== 0) builder.addTraceId(view, id);
      const start = cell(name, item);
      if (start !== 0 && cell(nameEnd, item) > start) builder.add('names', view, start, cell(nameEnd, item));
      levels |= BITS[severity[item] as number] as number;
    }
  }
  builder.level(levels);
  return builder.finish(Math.max(FILTER_BYTES_MIN, bytes / PAYLOAD_SHARE));
}

function addService(scanned: ScannedRequest, row: number): void {
  if (!findAttribute(scanned, row, SERVICE_NAME)) return;
  if (FOUND.tag === STRING_VALUE) builder.add('services', headView(scanned), FOUND.start, FOUND.end);
  // A filter finds an element of a list, and a number.
  else builder.forget('services');
}
