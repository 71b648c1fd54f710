/** Streams of many small blocks of logs, some of which hold a record of one trace, and the rows of summaries about them. */

import { expect } from '@jest/globals';
import type { Log } from '../../src/log/log.ts';
import type { Stream } from '../../src/log/stream.ts';
import { loadFilter } from '../../src/readers/filter/load-filter.ts';
import type { BlockDraft } from '../../src/storage/block/seal.ts';
import type { Engine, Entry, ScanOptions } from '../../src/storage/engine.ts';
import { FAMILY, summaryRowRange } from '../../src/storage/keys.ts';
import { FROM_START, type Harness, HeldEngine, openHarness } from './log-harness.ts';
import { otlpBytes, otlpDraft } from './socket-blocks.ts';

export const RARE = '5b8efff798038103d269b633813fc60c';
/** Records of each block. */
export const PER_BLOCK = 2;

/** Counts the blocks that the log looks at. */
export class LookedAtEngine extends HeldEngine {
  blocks = 0;

  override async scan(scan: ScanOptions) {
    const found = await super.scan(scan);
    if (scan.from[0] === FAMILY.blocks) this.blocks += found.length;
    return found;
  }
}

/** Logs of two traces, the second of which may be the one that is looked for. */
export function smallBlock(block: number, isHolder: boolean, level = 9): BlockDraft {
  const logRecords = Array.from({ length: PER_BLOCK }, (_, i) => ({
    timeUnixNano: `${block + 1}000000`,
    severityNumber: level,
    body: { stringValue: `record ${i} of block ${block}` },
    traceId: Buffer.from(isHolder && i === 1 ? RARE : `${7 * block + i + 1}`.padStart(32, '0'), 'hex'),
  }));
  return otlpDraft('logs', otlpBytes('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
}

/** Appends blocks [from, to). */
export async function appendBlocks(log: Log, stream: Stream, from: number, to: number, holders: readonly number[]) {
  for (let block = from; block < to; block++) {
    await log.append([{ stream, drafts: [smallBlock(block, holders.includes(block))] }]);
  }
}

export function rowsIn(engine: Engine, stream: Stream): Promise<readonly Entry[]> {
  return engine.scan({ ...summaryRowRange(Number(stream.id)), limit: 10_000 });
}

/** What a read with a filter finds. */
export async function foundForwards(log: Log, stream: Stream, text: string, seqNum = 0): Promise<number[]> {
  const filter = await loadFilter([text]);
  const found: number[] = [];
  let last = 0;
  const range = { ...FROM_START, start: { seqNum }, count: 1_000_000 };
  for await (const event of log.read(stream, range, new AbortController().signal, { filter })) {
    if (event.type === 'records') {
      for (let i = event.from; i < event.to; i++) found.push(event.block.firstSeq + i);
      last = event.block.firstSeq + event.to;
    } else if (event.type === 'passed') {
      expect(event.to.seqNum).toBeGreaterThan(last);
      last = event.to.seqNum;
    }
  }
  expect(last).toBe((await log.checkTail(stream)).seqNum);
  return found;
}

/** The same backwards, some records at a time. */
export async function foundBackwards(log: Log, stream: Stream, text: string, limit = 1_000): Promise<number[]> {
  const filter = await loadFilter([text]);
  const found: number[] = [];
  const watch = { isOver: () => false, reserve: () => {} };
  for (let before: number | undefined; ; ) {
    const range = { before, clamp: true, limit, bytes: 2 ** 20 };
    const page = await log.readBack(stream, range, watch, { filter });
    const part: number[] = [];
    for (const { block, from, to } of page.parts) for (let i = from; i < to; i++) part.push(block.firstSeq + i);
    found.unshift(...part);
    if (page.isAtStart) return found;
    before = page.start;
  }
}

export interface FilledLog extends Harness {
  readonly a: Awaited<ReturnType<Harness['stream']>>;
  readonly engine: LookedAtEngine;
}

/** A log with small blocks in the stream `a`, of which the holders have a record of the trace, and all rows about them. */
export async function filledLog(blocks: number, holders: readonly number[]): Promise<FilledLog> {
  const engine = new LookedAtEngine();
  const harness = await openHarness(engine);
  const a = await harness.stream('a');
  await appendBlocks(harness.log, a, 0, blocks, holders);
  await harness.log.backgroundSettled();
  return { ...harness, engine, a };
}
