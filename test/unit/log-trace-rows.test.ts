/** Rows of trace ids: a read of one trace passes over most of a stream by few of them, and they go with their blocks. */

import { beforeAll, expect, test } from '@jest/globals';
import { SUMMARY_ROW_BLOCKS, SUMMARY_ROWS_DUE_BLOCKS, TRACE_ROWS_JOINED } from '../../src/model/limits.ts';
import { traceRowRange } from '../../src/storage/keys.ts';
import { TraceRow } from '../../src/storage/trace-rows.ts';
import { BASIN, openHarness, texts } from '../support/log-harness.ts';
import { otlpBytes, otlpDraft } from '../support/socket-blocks.ts';
import {
  appendBlocks,
  type FilledLog,
  filledLog,
  foundBackwards,
  foundForwards,
  LookedAtEngine,
  PER_BLOCK,
  RARE,
  smallBlock,
} from '../support/summary-rows.ts';

/** Of so many blocks some rows are joined, and some are not yet. */
const RUNS = TRACE_ROWS_JOINED + 4;
const BLOCKS = RUNS * SUMMARY_ROW_BLOCKS;
const HOLDERS = [0, 70, 71, 300, BLOCKS - 1];
const WANTED = HOLDERS.map((block) => block * PER_BLOCK + 1);
const TRACE = `trace_id=${RARE}`;
const RUN_RECORDS = SUMMARY_ROW_BLOCKS * PER_BLOCK;

const filled = (blocks = BLOCKS): Promise<FilledLog> => filledLog(blocks, HOLDERS);

async function rowsOf({ engine, a }: FilledLog): Promise<TraceRow[]> {
  const entries = await engine.scan({ ...traceRowRange(Number(a.id)), limit: 1_000 });
  return entries.map((entry) => new TraceRow(entry));
}

/** Nothing changes this one. */
let shared: FilledLog;

beforeAll(async () => {
  shared = await filled();
});

test('rows are about all blocks that fill whole runs, each once, and those of equal size are joined', async () => {
  const rows = await rowsOf(shared);
  expect(rows.map(({ runs }) => runs.length)).toEqual([TRACE_ROWS_JOINED, 1, 1, 1, 1]);
  const ends = rows.flatMap(({ runs }) => runs.map(({ firstSeq, end }) => [firstSeq, end]));
  expect(ends).toEqual(Array.from({ length: RUNS }, (_, i) => [i * RUN_RECORDS, (i + 1) * RUN_RECORDS]));
});

test('a read finds a trace with a look at the blocks of few runs, from anywhere, forwards and backwards', async () => {
  const { log, a, engine } = shared;
  for (const find of [foundForwards, foundBackwards]) {
    engine.blocks = 0;
    expect(await find(log, a, TRACE)).toEqual(WANTED);
    expect(engine.blocks).toBeLessThan(BLOCKS / 8);
  }
  expect(await foundBackwards(log, a, TRACE, 1)).toEqual(WANTED);
  for (const seqNum of [1, RUN_RECORDS - 1, RUN_RECORDS, RUN_RECORDS + 1, 300 * PER_BLOCK, 9 * RUN_RECORDS + 7])
    expect(await foundForwards(log, a, TRACE, seqNum)).toEqual(WANTED.filter((wanted) => wanted >= seqNum));
});

test('a read of one trace until a time ends where it would without rows', async () => {
  const { log, a } = shared;
  const { loadFilter } = await import('../../src/readers/filter/load-filter.ts');
  const filter = await loadFilter([TRACE]);
  for (const until of [1, 71, 72, 301, 9 * SUMMARY_ROW_BLOCKS]) {
    const range = { start: { seqNum: 0 }, clamp: false, count: 1_000, bytes: undefined, until, waitMs: 0 };
    const found: number[] = [];
    for await (const event of log.read(a, range, new AbortController().signal, { filter })) {
      if (event.type === 'records') for (let i = event.from; i < event.to; i++) found.push(event.block.firstSeq + i);
      // One block may tell that the time is over.
      else if (event.type === 'passed') expect(event.to.seqNum).toBeLessThanOrEqual(until * PER_BLOCK);
    }
    expect(found).toEqual(WANTED.filter((seqNum) => (seqNum - 1) / PER_BLOCK + 1 < until));
  }
});

test('rows go with the blocks that a trim removes, joined ones with the last of theirs, and with their stream', async () => {
  const own = await filled();
  const joined = TRACE_ROWS_JOINED * RUN_RECORDS;
  await own.log.trim(own.a, joined - 1);
  expect(await rowsOf(own)).toHaveLength(5);
  expect(await foundForwards(own.log, own.a, TRACE, joined)).toEqual(WANTED.slice(4));
  await own.log.trim(own.a, joined);
  expect((await rowsOf(own)).map(({ firstSeq }) => firstSeq)).toEqual([8, 9, 10, 11].map((run) => run * RUN_RECORDS));
  expect(await foundBackwards(own.log, own.a, TRACE)).toEqual(WANTED.slice(4));
  await own.log.deleteStream(own.basin, 'a');
  await own.log.backgroundSettled();
  expect(await rowsOf(own)).toEqual([]);
});

test('rows go on after a restart behind the blocks that were forgotten, which are found all the same', async () => {
  const own = await filled(SUMMARY_ROWS_DUE_BLOCKS + 10);
  await own.log.close();
  const { log } = await own.reopen();
  const a = await log.openStream(own.basin, 'a', 'append');
  await appendBlocks(log, a, SUMMARY_ROWS_DUE_BLOCKS + 10, BLOCKS, HOLDERS);
  await log.backgroundSettled();
  const runs = (await rowsOf(own)).flatMap((row) => row.runs.map(({ firstSeq }) => firstSeq / RUN_RECORDS));
  expect(runs).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]);
  expect(await foundForwards(log, a, TRACE)).toEqual(WANTED);
  expect(await foundBackwards(log, a, TRACE)).toEqual(WANTED);
});

test('a damaged row is passed by, and rows behind it are joined without it', async () => {
  const own = await filled(SUMMARY_ROWS_DUE_BLOCKS);
  const [entry] = await own.engine.scan({ ...traceRowRange(Number(own.a.id)), limit: 1 });
  if (entry === undefined) throw new Error('no row');
  await own.engine.commit([{ type: 'put', key: entry.key, value: Buffer.alloc(3) }]);
  expect(await foundForwards(own.log, own.a, TRACE)).toEqual(WANTED.slice(0, 3));
  await appendBlocks(own.log, own.a, SUMMARY_ROWS_DUE_BLOCKS, BLOCKS, HOLDERS);
  await own.log.backgroundSettled();
  const range = traceRowRange(Number(own.a.id), 1);
  const rows = (await own.engine.scan({ ...range, limit: 99 })).map((one) => new TraceRow(one));
  expect(rows.map(({ runs }) => runs.length)).toEqual([1, 1, 1, TRACE_ROWS_JOINED]);
  expect(await foundForwards(own.log, own.a, TRACE)).toEqual(WANTED);
  expect(await foundBackwards(own.log, own.a, TRACE)).toEqual(WANTED);
});

test('there are none about runs with a block of S2 records, nor about encrypted ones', async () => {
  const encryptionKey = Buffer.alloc(32, 7);
  const records = [{ timestamp: undefined, headers: [], body: Buffer.from('x') }];
  for (const streamCipher of [undefined, 'aes-256-gcm'] as const) {
    const engine = new LookedAtEngine();
    const harness = await openHarness(engine, undefined, { ...BASIN, streamCipher });
    const a = await harness.stream('a');
    // With one among them nothing is known of its run.
    for (let block = 0; block < SUMMARY_ROWS_DUE_BLOCKS; block++) {
      const isPlain = streamCipher === undefined;
      if (!isPlain) await harness.log.appendRecords({ stream: a, records, encryptionKey });
      else await harness.log.append([{ stream: a, drafts: [block % 64 === 9 ? texts('x') : smallBlock(block, true)] }]);
    }
    await harness.log.backgroundSettled();
    expect(await rowsOf({ ...harness, engine, a })).toEqual([]);
  }
});

test('ids are known of small blocks too, and of none with an id of another length', () => {
  const draftOf = (bytes: number) => {
    const logRecords = [bytes, 16].map((length, i) => ({ traceId: Buffer.alloc(length, i + 1) }));
    return otlpDraft('logs', otlpBytes('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }), 4_096);
  };
  expect(draftOf(16).traceHashes).toHaveLength(2);
  expect(draftOf(16).summary).toBeUndefined();
  expect(draftOf(0).traceHashes).toHaveLength(1);
  expect(draftOf(8).traceHashes).toBeUndefined();
});
