/**
 * Rows of trace ids hide no record: each id that a block has is in the filter of its run, joined or not, and reads find the
 * same with them and without, whatever blocks they are about, whenever they were made, and whichever of their bits flip.
 */

import { expect, test } from '@jest/globals';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import { Block } from '../../src/storage/block/block.ts';
import { summaryHash } from '../../src/storage/block/summary.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { blockRange, FAMILY, familyRange, traceRowKey } from '../../src/storage/keys.ts';
import { encodeTraceRow, mayHoldTrace, TraceRow, traceFilter, traceRowIn } from '../../src/storage/trace-rows.ts';
import fc from '../support/fast-check.ts';
import { isWanted } from '../support/filter-oracle.ts';
import { openHarness } from '../support/log-harness.ts';
import { otlpBytes, otlpDraft } from '../support/socket-blocks.ts';
import { foundBackwards, foundForwards } from '../support/summary-rows.ts';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 });
const IDS = 4_096;
const drawnRun = fc.record({
  gap: fc.constantFrom(0, 0, 1, 70),
  count: fc.integer({ min: 1, max: 2 ** 31 }),
  passed: fc.nat(2 ** 40),
  ids: fc.array(id, { maxLength: 150 }),
});

test('a row holds every id of its runs where it says that it is about them, and under another key it is none', () => {
  fc.assert(
    fc.property(fc.array(drawnRun, { minLength: 1, maxLength: 20 }), fc.nat(2 ** 40), fc.nat(), (drawn, start, at) => {
      let [end, lastTimestamp] = [start, 0];
      const runs = drawn.map(({ gap, count, passed, ids }, i) => {
        const firstSeq = i === 0 ? start : end + gap;
        end = firstSeq + count;
        lastTimestamp += passed;
        return { firstSeq, end, lastTimestamp, filter: filterOf(ids) };
      });
      const entry = encodeTraceRow(7, runs);
      const row = new TraceRow(entry);
      expect([row.stream, row.firstSeq, row.end]).toEqual([7, start, end]);
      for (const [i, run] of runs.entries()) {
        const read = row.runAt(run.end - 1);
        expect(row.runAt(run.firstSeq)).toBe(read);
        expect([read?.firstSeq, read?.end, read?.lastTimestamp]).toEqual([run.firstSeq, run.end, run.lastTimestamp]);
        const lacked = drawn[i]?.ids.filter((one) => read === undefined || !mayHold(read.filter, one));
        expect(lacked).toEqual([]);
        if (drawn[i + 1]?.gap ?? 1) expect(row.runAt(run.end)).toBeUndefined();
      }
      expect(row.runAt(start - 1)).toBeUndefined();
      expect(traceRowIn({ key: traceRowKey(8, start), value: entry.value })).toBeUndefined();
      expect(traceRowIn({ key: entry.key, value: entry.value.subarray(0, -1) })).toBeUndefined();
      expect(traceRowIn(flipped(entry, at))).toBeUndefined();
    }),
    { numRuns: 40 },
  );
});

test('a filter takes what it may take, holds few ids that were not added, and there is none that hides little', () => {
  const hashes = Int32Array.from({ length: IDS }, (_, i) => summaryHash('traceIds', idOf(i)));
  const others = Int32Array.from({ length: IDS }, (_, i) => summaryHash('traceIds', idOf(IDS + i)));
  for (const [bytesMax, seeming] of [
    [1e9, 0.02],
    [IDS, 0.06],
    [IDS / 2, 0.3],
  ] as const) {
    const filter = traceFilter([hashes, hashes], bytesMax) ?? new Uint8Array(0);
    expect(filter.length).toBeLessThanOrEqual(Math.min(bytesMax, IDS * 1.5));
    expect(hashes.every((hash) => mayHoldTrace(filter, hash))).toBe(true);
    expect(others.filter((hash) => mayHoldTrace(filter, hash)).length / IDS).toBeLessThan(seeming);
  }
  expect(traceFilter([hashes], IDS / 2 - 64)).toBeUndefined();
});

const TRACES = ['0af7651916cd43dd8448eb211c80319c', '5b8efff798038103d269b633813fc60c', '11'.repeat(16)];
const drawnBlock = fc.record({
  traces: fc.array(fc.option(fc.constantFrom(...TRACES), { nil: undefined, freq: 2 }), { minLength: 1, maxLength: 3 }),
  /** Of how many blocks the row is that is made then, of the last ones; none for 0. */
  row: fc.constantFrom(0, 0, 1, 2, 3, 5),
});

test('reads of one trace find the same forwards and backwards as an oracle, with rows made at any time and damaged', async () => {
  const harness = await openHarness();
  const { log, engine } = harness;
  let [streams, found] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(drawnBlock, { minLength: 1, maxLength: 24 }),
      fc.constantFrom(...TRACES),
      fc.constantFrom(1, 1_000),
      fc.array(fc.record({ row: fc.nat(), bit: fc.nat() }), { maxLength: 3 }),
      async (drawn, trace, limit, flips) => {
        const stream = await harness.stream(`s${streams++}`);
        const number = Number(stream.id);
        const text = `trace_id=${trace} level>=info`;
        const filter = parseFilter([text]);
        if (filter === undefined) throw new Error('no filter');
        const hashes: Int32Array[] = [];
        for (const { traces, row } of drawn) {
          const draft = draftOf(traces);
          hashes.push(draft.traceHashes ?? new Int32Array(0));
          await log.append([{ stream, drafts: [draft] }]);
          const back = Math.min(row, hashes.length);
          if (back === 0) continue;
          const blocks = (await engine.scan({ ...blockRange(number), limit: 1_000 })).slice(-back).map(opened);
          const [first, last] = [blocks[0], blocks.at(-1)];
          if (first === undefined || last === undefined) throw new Error('no block');
          const end = last.firstSeq + last.header.count;
          const run = { firstSeq: first.firstSeq, end, lastTimestamp: last.header.lastTimestamp };
          const runs = [{ ...run, filter: traceFilter(hashes.slice(-back), 1e6) ?? new Uint8Array(0) }];
          await engine.commit([put(encodeTraceRow(number, runs))]);
        }
        const stored = (await engine.scan({ ...blockRange(number), limit: 1_000 })).map(opened);
        const wanted = stored.flatMap((block) =>
          Array.from({ length: block.header.count }, (_, i) => i)
            .filter((i) => isWanted(filter, 'logs', block.record(i).body))
            .map((i) => block.firstSeq + i),
        );
        const check = async (): Promise<void> => {
          expect(await foundForwards(log, stream, text)).toEqual(wanted);
          expect(await foundBackwards(log, stream, text, limit)).toEqual(wanted);
        };
        await check();
        const rows = await engine.scan({ ...familyRange(FAMILY.traces), limit: 10_000 });
        for (const { row, bit } of flips) {
          const chosen = rows[row % Math.max(1, rows.length)];
          if (chosen !== undefined) await engine.commit([put(flipped(chosen, bit))]);
        }
        await check();
        found += wanted.length;
      },
    ),
    { numRuns: 30 },
  );
  expect(found).toBeGreaterThan(40);
});

test('a row that lacks an id hides its records: it is rows that the reads above go by', async () => {
  const harness = await openHarness();
  const { log, engine } = harness;
  const stream = await harness.stream('a');
  for (let i = 0; i < 4; i++) await log.append([{ stream, drafts: [draftOf([TRACES[0]])] }]);
  const text = `trace_id=${TRACES[0]}`;
  expect(await foundForwards(log, stream, text)).toEqual([0, 1, 2, 3]);
  const run = { firstSeq: 0, end: 2, lastTimestamp: 1, filter: filterOf([]) };
  await engine.commit([put(encodeTraceRow(Number(stream.id), [run]))]);
  expect(await foundForwards(log, stream, text)).toEqual([2, 3]);
  expect(await foundBackwards(log, stream, text, 1)).toEqual([2, 3]);
});

function draftOf(traces: readonly (string | undefined)[]) {
  const logRecords = traces.map((trace) => ({
    severityNumber: 9,
    body: { stringValue: 'record' },
    ...(trace === undefined ? {} : { traceId: Buffer.from(trace, 'hex') }),
  }));
  return otlpDraft('logs', otlpBytes('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
}

function filterOf(ids: readonly Uint8Array[]): Uint8Array {
  const hashes = Int32Array.from(ids, (one) => summaryHash('traceIds', one));
  return traceFilter([hashes], 1e6) ?? new Uint8Array(0);
}

function mayHold(filter: Uint8Array, traceId: Uint8Array): boolean {
  return mayHoldTrace(filter, summaryHash('traceIds', traceId));
}

function idOf(i: number): Buffer {
  return Buffer.from(`trace ${i}`.padEnd(16));
}

function opened({ key, value }: Entry): Block {
  return Block.open(key, value);
}

function flipped({ key, value }: Entry, bit: number): Entry {
  const other = Buffer.from(value);
  const at = bit % (8 * other.length);
  other.writeUInt8(other.readUInt8(at >>> 3) ^ (1 << (at & 7)), at >>> 3);
  return { key, value: other };
}

function put({ key, value }: Entry) {
  return { type: 'put', key, value } as const;
}
