/**
 * The rows of a basin that moves, stream by stream, as another partition takes them. A first pass has blocks, while the basin
 * is in use; the last one, when it is sealed, has all else. No snapshot of the store stays open between two pages.
 */

import { goOnWithWork, noteWork } from '../../encoding/turns.ts';
import { MOVE_PAGE_BYTES, MOVE_PAGE_ROWS_MAX, MOVE_STREAM_BYTES, SUMMARY_ROW_BLOCKS } from '../../model/limits.ts';
import { ANSWER_END, answerEndKey, answersOf, readAnswerKey } from '../../storage/answer-rows.ts';
import type { Engine, Entry } from '../../storage/engine.ts';
import {
  blockRange,
  dueKey,
  type KeyRange,
  pendingKey,
  readBlockKey,
  readStreamKey,
  readSummaryRowKey,
  streamKey,
  streamRange,
  streamStateKey,
  summaryRowRange,
  traceRowRange,
  usageKey,
  usageRange,
} from '../../storage/keys.ts';
import { encodeBasinTotal } from '../../storage/usage-rows.ts';
import {
  decodeStream,
  decodeStreamState,
  encodePending,
  encodeStreamState,
  type StreamRow,
  type StreamStateRow,
} from '../../storage/values.ts';
import { scanPages } from '../scan-pages.ts';
import { blockHeaderOf } from '../skip-blocks.ts';
import type { CopiedBlocks, CopiedStream } from './copied-blocks.ts';
import { sampledHours, samplesOf } from './stream-samples.ts';

/** A sample is written when its hour is over, at the latest an hour after that. */
const SETTLED_SECONDS = 2 * 3_600;

const NOTHING_COPIED: CopiedStream = { name: '', blocksTo: 0, summariesTo: 0, bytes: 0, nextSeq: 0, trimPoint: 0 };

export interface MovedBasin {
  readonly engine: Engine;
  /** Of the basin. */
  readonly number: number;
  readonly copied: CopiedBlocks;
  /** The durable tail of a stream that is in memory: the store may show more. */
  tailOf(stream: number): number | undefined;
}

/** Rows in pages that are never empty. */
export async function* inPages(batches: AsyncIterable<readonly Entry[]>): AsyncGenerator<readonly Entry[]> {
  let page: Entry[] = [];
  let bytes = 0;
  for await (const batch of batches) {
    for (const row of batch) {
      const size = row.key.length + row.value.length;
      if (page.length > 0 && (bytes + size > MOVE_PAGE_BYTES || page.length === MOVE_PAGE_ROWS_MAX)) {
        yield page;
        page = [];
        bytes = 0;
      }
      page.push(row);
      bytes += size;
    }
  }
  if (page.length > 0) yield page;
}

/** What the first pass has: streams with their blocks, and rows of summaries and samples of hours that are over. */
export async function* rowsInUse(moved: MovedBasin, nowSeconds: number): AsyncGenerator<readonly Entry[]> {
  const { engine, copied } = moved;
  const hours = (await sampledHours(engine)).filter((hour) => hour < nowSeconds - SETTLED_SECONDS);
  for await (const { entry, row } of streamsOf(moved)) {
    if (copied.isFull) break;
    const state = row.deletedAt === undefined ? await stateOf(engine, row) : undefined;
    if (state === undefined) continue;
    const { trimPoint } = state.row;
    const nextSeq = Math.min(state.row.nextSeq, moved.tailOf(row.number) ?? Number.POSITIVE_INFINITY);
    const stream = copied.add(row.number, readStreamKey(entry.key).name, { nextSeq, trimPoint });
    yield [entry];
    // What comes meanwhile is left to the last pass: else a busy stream would not end.
    yield* blocksOf(engine, row.number, stream, nextSeq);
    yield* summariesOf(engine, row.number, stream);
    yield await samplesOf(engine, row.number, hours);
  }
  copied.hoursTo = (hours.at(-1) ?? -1) + 1;
}

/** What the last pass has: all that the first one did not copy, and what it must take back. */
export async function* rowsAtRest(moved: MovedBasin): AsyncGenerator<readonly Entry[]> {
  const { engine, copied, number } = moved;
  yield* removalsOf(moved);
  const hours = await sampledHours(engine);
  let stored = 0;
  for await (const { entry, row } of streamsOf(moved)) {
    const known = copied.of(row.number);
    const missing = known === undefined ? hours : hours.filter((hour) => hour >= copied.hoursTo);
    yield [entry];
    yield await samplesOf(engine, row.number, missing);
    const state = await stateOf(engine, row);
    // It may be asked for again: what is noted stays what the first pass has copied.
    const stream = { ...NOTHING_COPIED, ...known };
    if (state === undefined) continue;
    // Blocks that are being deleted are not needed, and those that were copied are deleted there.
    if (row.deletedAt === undefined) yield* restOf(engine, row.number, state.row, stream);
    yield await workOf(moved, entry, row, { trimPoint: state.row.trimPoint, copiedFrom: known?.trimPoint });
    // Last of all: a stream with a state has all of its blocks.
    const bytes = row.deletedAt === undefined ? stream.bytes : undefined;
    const meteredBytes = bytes ?? state.row.meteredBytes;
    yield [{ key: state.entry.key, value: encodeStreamState({ ...state.row, meteredBytes }) }];
    stored += meteredBytes ?? 0;
  }
  yield* rowsOfBasin(engine, number);
  yield [{ key: usageKey('basinTotals', number, 0), value: encodeBasinTotal(stored) }];
}

/** Of the streams that were copied, those that were deleted since. */
async function* removalsOf({ engine, copied, number: basin }: MovedBasin): AsyncGenerator<readonly Entry[]> {
  for (const [number, { name }] of copied.all()) {
    if (noteWork(MOVE_STREAM_BYTES)) await goOnWithWork(MOVE_STREAM_BYTES);
    const row = await engine.get(streamKey(basin, name));
    if (row !== undefined && decodeStream(row).number === number) continue;
    yield [{ key: pendingKey('streamRemoval', number), value: encodePending({ basin, name }) }];
  }
}

/** Blocks that were not copied, and the rows about blocks. Those of trace ids are joined later, so all of them are given. */
async function* restOf(
  engine: Engine,
  number: number,
  { nextSeq }: StreamStateRow,
  stream: CopiedStream,
): AsyncGenerator<readonly Entry[]> {
  if (nextSeq > stream.nextSeq) yield* blocksOf(engine, number, stream);
  // So few records are in too few blocks for rows about them.
  if (nextSeq < SUMMARY_ROW_BLOCKS) return;
  yield* summariesOf(engine, number, stream);
  yield* pagesOf(engine, traceRowRange(number));
}

async function* streamsOf({
  engine,
  number,
}: MovedBasin): AsyncGenerator<{ readonly entry: Entry; readonly row: StreamRow }> {
  for await (const page of scanPages(engine, streamRange(number), { limit: MOVE_PAGE_ROWS_MAX })) {
    for (const entry of page) {
      if (noteWork(MOVE_STREAM_BYTES)) await goOnWithWork(MOVE_STREAM_BYTES);
      yield { entry, row: decodeStream(entry.value) };
    }
  }
}

async function stateOf(
  engine: Engine,
  { number }: StreamRow,
): Promise<{ readonly entry: Entry; readonly row: StreamStateRow } | undefined> {
  const key = streamStateKey(number);
  const value = await engine.get(key);
  return value === undefined ? undefined : { entry: { key, value }, row: decodeStreamState(value) };
}

/** Blocks that were not copied. Counts them as copied. */
async function* blocksOf(
  engine: Engine,
  number: number,
  stream: CopiedStream,
  toSeq?: number,
): AsyncGenerator<readonly Entry[]> {
  for await (const page of pagesOf(engine, blockRange(number, stream.blocksTo, toSeq))) {
    for (const { key, value } of page) {
      const header = blockHeaderOf(key, value);
      if (header === undefined || stream.bytes === undefined) stream.bytes = undefined;
      else stream.bytes += header.meteredBytes;
      stream.blocksTo = readBlockKey(key).firstSeq + 1;
    }
    yield page;
  }
}

async function* summariesOf(engine: Engine, number: number, stream: CopiedStream): AsyncGenerator<readonly Entry[]> {
  for await (const page of pagesOf(engine, summaryRowRange(number, stream.summariesTo))) {
    for (const { key } of page) stream.summariesTo = readSummaryRowKey(key).firstSeq + 1;
    yield page;
  }
}

/** What is under way in a stream, and when it is looked at next. */
async function workOf(
  { engine, number: basin }: MovedBasin,
  { key: streamRow }: Entry,
  { number, dueAt, deletedAt }: StreamRow,
  { trimPoint, copiedFrom }: { readonly trimPoint: number; readonly copiedFrom: number | undefined },
): Promise<readonly Entry[]> {
  const value = encodePending({ basin, name: readStreamKey(streamRow).name });
  const rows: Entry[] = dueAt === undefined ? [] : [{ key: dueKey(dueAt, number), value }];
  if (deletedAt !== undefined) rows.push({ key: pendingKey('streamDeletion', number), value });
  if (trimPoint === 0) return rows;
  const key = pendingKey('trim', number);
  // Blocks that are gone here may have been copied.
  const isDue = copiedFrom !== undefined && trimPoint > copiedFrom;
  if (isDue || (await engine.get(key)) !== undefined) rows.push({ key, value });
  return rows;
}

/** Those that are of no stream: usage metrics, and answers to requests. */
export async function* rowsOfBasin(engine: Engine, number: number): AsyncGenerator<readonly Entry[]> {
  for (const kind of ['minutes', 'hours', 'basinStorage'] as const) {
    yield* pagesOf(engine, usageRange(kind, [number, 0], [number + 1, 0]));
  }
  for await (const page of pagesOf(engine, answersOf(number))) {
    yield page.flatMap((row) => [row, { key: answerEndKey(readAnswerKey(row.key)), value: ANSWER_END }]);
  }
}

async function* pagesOf(engine: Engine, range: KeyRange): AsyncGenerator<readonly Entry[]> {
  for (let { from } = range; ; ) {
    const page = await engine.scan({ from, to: range.to, limit: MOVE_PAGE_ROWS_MAX, bytesMax: MOVE_PAGE_BYTES });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    const bytes = page.reduce((sum, { value }) => sum + value.length, 0);
    if (noteWork(bytes)) await goOnWithWork(bytes);
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
