/** Rows of summaries: a read with a filter passes over many blocks by each, they go with their blocks, and damage heals. */

import { beforeAll, describe, expect, test } from '@jest/globals';
import { SUMMARY_ROW_BLOCKS, SUMMARY_ROWS_DUE_BLOCKS } from '../../src/model/limits.ts';
import { blockKey, pendingRange, readSummaryRowKey, traceRowRange } from '../../src/storage/keys.ts';
import { SummaryRow } from '../../src/storage/summary-rows.ts';
import { BASIN, openHarness, texts } from '../support/log-harness.ts';
import {
  appendBlocks,
  type FilledLog,
  filledLog,
  foundBackwards,
  foundForwards,
  LookedAtEngine,
  PER_BLOCK,
  RARE,
  rowsIn,
  smallBlock,
} from '../support/summary-rows.ts';

const BLOCKS = 2 * SUMMARY_ROWS_DUE_BLOCKS;
const HOLDERS = [0, 70, 71, 300, BLOCKS - 1];
const WANTED = HOLDERS.map((block) => block * PER_BLOCK + 1);
const TRACE = `trace_id=${RARE}`;

const filled = (blocks = BLOCKS): Promise<FilledLog> => filledLog(blocks, HOLDERS);

async function lookedAt({ engine }: FilledLog, act: () => Promise<unknown>): Promise<number> {
  engine.blocks = 0;
  await act();
  return engine.blocks;
}

async function firstSeqs({ engine, a }: FilledLog): Promise<number[]> {
  return (await rowsIn(engine, a)).map(({ key }) => readSummaryRowKey(key).firstSeq);
}

/** Nothing changes this one. */
let shared: FilledLog;

beforeAll(async () => {
  shared = await filled();
});

describe('a read', () => {
  test('rows of summaries are about all blocks that fill whole rows, each about as many, one after the other', async () => {
    const rows = (await rowsIn(shared.engine, shared.a)).map((entry) => new SummaryRow(entry));
    expect(rows.map(({ blocks }) => blocks)).toEqual(rows.map(() => SUMMARY_ROW_BLOCKS));
    expect(rows.map(({ firstSeq }) => firstSeq)).toEqual([0, ...rows.slice(0, -1).map(({ end }) => end)]);
    expect(rows.at(-1)?.end).toBe(BLOCKS * PER_BLOCK);
  });

  test('a read finds a trace by rows with a look at few blocks, forwards and backwards', async () => {
    const { log, a } = shared;
    const forwards = await lookedAt(shared, async () => expect(await foundForwards(log, a, TRACE)).toEqual(WANTED));
    expect(forwards).toBeLessThan(BLOCKS / 8);
    const backwards = await lookedAt(shared, async () => expect(await foundBackwards(log, a, TRACE)).toEqual(WANTED));
    expect(backwards).toBeLessThan(BLOCKS / 8);
    expect(await foundBackwards(log, a, TRACE, 1)).toEqual(WANTED);
  });

  test.each([0, 1, 2, 70, 127, 128, 129, 301])(
    'a read by rows may begin anywhere, such as at block %i or inside it',
    async (block) => {
      for (const seqNum of [block * PER_BLOCK, block * PER_BLOCK + 1]) {
        const expected = WANTED.filter((wanted) => wanted >= seqNum);
        expect(await foundForwards(shared.log, shared.a, TRACE, seqNum)).toEqual(expected);
      }
    },
  );
});

describe('in the background', () => {
  test('rows are made when there are enough blocks for some, and not one block before', async () => {
    const own = await filled(SUMMARY_ROWS_DUE_BLOCKS - 1);
    expect(await firstSeqs(own)).toEqual([]);
    await appendBlocks(own.log, own.a, SUMMARY_ROWS_DUE_BLOCKS - 1, SUMMARY_ROWS_DUE_BLOCKS, HOLDERS);
    await own.log.backgroundSettled();
    expect(await firstSeqs(own)).toHaveLength(SUMMARY_ROWS_DUE_BLOCKS / SUMMARY_ROW_BLOCKS);
  });

  test('rows of new blocks are made without a look at one of them, and the same again from the store', async () => {
    const own = await filled(0);
    const fill = () => appendBlocks(own.log, own.a, 0, BLOCKS, HOLDERS).then(() => own.log.backgroundSettled());
    expect(await lookedAt(own, fill)).toBe(0);
    const rows = await rowsIn(own.engine, own.a);
    expect(rows).toHaveLength(BLOCKS / SUMMARY_ROW_BLOCKS);
    await own.engine.commit(rows.map(({ key }) => ({ type: 'delete', key })));
    await own.log.close();
    const again = await own.reopen();
    const a = await again.log.openStream(own.basin, 'a', 'read');
    expect(await foundForwards(again.log, a, TRACE)).toEqual(WANTED);
    await again.log.backgroundSettled();
    expect(await rowsIn(own.engine, own.a)).toEqual(rows);
  });

  test('rows go on after a restart where they ended, without a second one about the same blocks', async () => {
    const own = await filled(SUMMARY_ROWS_DUE_BLOCKS + 10);
    const before = await firstSeqs(own);
    await own.log.close();
    const { log } = await own.reopen();
    const a = await log.openStream(own.basin, 'a', 'append');
    await appendBlocks(log, a, SUMMARY_ROWS_DUE_BLOCKS + 10, BLOCKS + 10, HOLDERS);
    await log.backgroundSettled();
    const after = await firstSeqs(own);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after).toHaveLength(BLOCKS / SUMMARY_ROW_BLOCKS);
  });

  test('rows are made of a stream that has none when a reader would need them, and anew where one is damaged', async () => {
    const own = await filled();
    const rows = await rowsIn(own.engine, own.a);
    // With rows of trace ids a read comes upon few of these.
    const traces = await own.engine.scan({ ...traceRowRange(Number(own.a.id)), limit: 1_000 });
    await own.engine.commit([...rows, ...traces].map(({ key }) => ({ type: 'delete', key })));
    await own.log.close();
    const { log } = await own.reopen();
    const a = await log.openStream(own.basin, 'a', 'read');
    expect(await foundForwards(log, a, TRACE)).toEqual(WANTED);
    await log.backgroundSettled();
    expect(await rowsIn(own.engine, own.a)).toEqual(rows);
    for (const [i, read] of [foundForwards, foundBackwards].entries()) {
      const row = rows[2 + i];
      if (row === undefined) throw new Error('no row');
      const value = Buffer.from(row.value);
      value.writeUInt8(value.readUInt8(40) ^ 1, 40);
      await own.engine.commit([{ type: 'put', key: row.key, value }]);
      expect(await read(log, a, TRACE)).toEqual(WANTED);
      await log.backgroundSettled();
      expect(await rowsIn(own.engine, own.a)).toEqual(rows);
    }
  });
});

describe('like their blocks', () => {
  test('rows go with the blocks that a trim removes, and with their stream', async () => {
    const own = await filled();
    const rows = await firstSeqs(own);
    const third = rows[2] ?? 0;
    await own.log.trim(own.a, third - 1);
    expect(await firstSeqs(own)).toEqual(rows.slice(1));
    expect(await foundForwards(own.log, own.a, TRACE, third)).toEqual(WANTED.filter((seqNum) => seqNum >= third));
    expect(await foundBackwards(own.log, own.a, TRACE)).toEqual(WANTED.filter((seqNum) => seqNum >= third - 1));
    await own.log.trim(own.a, third);
    expect(await firstSeqs(own)).toEqual(rows.slice(2));
    await own.log.trim(own.a, BLOCKS * PER_BLOCK);
    expect(await firstSeqs(own)).toEqual([]);
    const again = await filled();
    await again.log.deleteStream(again.basin, 'a');
    await again.log.backgroundSettled();
    expect(await firstSeqs(again)).toEqual([]);
    expect(await again.engine.scan({ ...pendingRange('streamDeletion'), limit: 1 })).toEqual([]);
  });

  test('rows are not made of encrypted blocks, nor of those of S2 records', async () => {
    const encryptionKey = Buffer.alloc(32, 7);
    for (const streamCipher of [undefined, 'aes-256-gcm'] as const) {
      const engine = new LookedAtEngine();
      const harness = await openHarness(engine, undefined, { ...BASIN, streamCipher });
      const a = await harness.stream('a');
      const records = [{ timestamp: undefined, headers: [], body: Buffer.from('x') }];
      for (let i = 0; i < SUMMARY_ROWS_DUE_BLOCKS; i++) {
        if (streamCipher === undefined) await harness.log.append([{ stream: a, drafts: [texts('x')] }]);
        else await harness.log.appendRecords({ stream: a, records, encryptionKey });
      }
      await harness.log.backgroundSettled();
      expect(await rowsIn(engine, a)).toEqual([]);
    }
  });

  test('a row ends before a damaged block, which a read with a filter still reports', async () => {
    const own = await filled(100);
    const key = blockKey(Number(own.a.id), 90 * PER_BLOCK);
    await own.engine.commit([{ type: 'put', key, value: Buffer.alloc(40) }]);
    // From here on what the blocks say is read from the store.
    await own.log.close();
    const { log } = await own.reopen();
    const a = await log.openStream(own.basin, 'a', 'append');
    await appendBlocks(log, a, 100, 100 + BLOCKS, HOLDERS);
    await log.backgroundSettled();
    const rows = (await rowsIn(own.engine, own.a)).map((entry) => new SummaryRow(entry));
    expect(rows.slice(0, 3).map(({ firstSeq, end }) => [firstSeq / PER_BLOCK, end / PER_BLOCK])).toEqual([
      [0, 64],
      [64, 90],
      [91, 155],
    ]);
    await expect(foundForwards(log, a, TRACE)).rejects.toMatchObject({ code: 'corrupt' });
  });

  test('a read finds what is behind the last row too', async () => {
    const own = await filled();
    await own.log.append([{ stream: own.a, drafts: [smallBlock(BLOCKS, false, 17)] }]);
    expect(await foundForwards(own.log, own.a, 'level=error')).toEqual([BLOCKS * PER_BLOCK, BLOCKS * PER_BLOCK + 1]);
    expect(await foundBackwards(own.log, own.a, 'level=error')).toEqual([BLOCKS * PER_BLOCK, BLOCKS * PER_BLOCK + 1]);
  });
});
