/**
 * Rows of summaries hide no record: reads find the same with them and without, whatever blocks they are about, whenever
 * they were made, and whichever of their bits flip.
 */

import { expect, test } from '@jest/globals';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import { Block } from '../../src/storage/block/block.ts';
import { summaryBytesIn } from '../../src/storage/block/format.ts';
import { foldedSummary, Summary, SummaryBuilder, summaryHash } from '../../src/storage/block/summary.ts';
import type { Engine, Entry } from '../../src/storage/engine.ts';
import { blockRange } from '../../src/storage/keys.ts';
import { encodeSummaryRow, SummaryRow, summaryRowIn } from '../../src/storage/summary-rows.ts';
import fc from '../support/fast-check.ts';
import { isWanted } from '../support/filter-oracle.ts';
import { openHarness, texts } from '../support/log-harness.ts';
import { otlpBytes, otlpDraft } from '../support/socket-blocks.ts';
import { foundBackwards, foundForwards } from '../support/summary-rows.ts';

const TRACES = ['0af7651916cd43dd8448eb211c80319c', '5b8efff798038103d269b633813fc60c', '11'.repeat(16)];
const SERVICES = ['cart', 'checkout', 'ship'];
const FILTERS = [
  ...TRACES.map((trace) => `trace_id=${trace}`),
  ...SERVICES.map((service) => `service=${service}`),
  'level=error',
  'level<warn',
  'signal=traces',
  'name=pay',
  'service!=cart level>=warn',
  'record',
];

const item = fc.record({
  trace: fc.option(fc.constantFrom(...TRACES), { nil: undefined }),
  severity: fc.constantFrom(0, 5, 9, 17),
  name: fc.constantFrom('', 'pay', 'look'),
});
const block = fc.record({
  kind: fc.constantFrom('logs', 'logs', 'traces', 's2'),
  service: fc.constantFrom(...SERVICES),
  items: fc.array(item, { minLength: 1, maxLength: 3 }),
});
/** What happens after a block: rows are made of the last blocks, so many in each, or the first records are trimmed. */
const event = fc.record({
  block,
  rows: fc.option(fc.record({ back: fc.nat(12), each: fc.integer({ min: 1, max: 5 }) }), { nil: undefined, freq: 4 }),
  trim: fc.option(fc.nat(3), { nil: undefined, freq: 5 }),
});

type DrawnBlock = typeof block extends fc.Arbitrary<infer T> ? T : never;

function draftOf({ kind, service, items }: DrawnBlock) {
  if (kind === 's2') return texts(...items.map(({ name }) => `record ${name}`));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] };
  if (kind === 'logs') {
    const logRecords = items.map(({ trace, severity, name }) => ({
      severityNumber: severity,
      body: { stringValue: 'record' },
      eventName: name,
      ...(trace === undefined ? {} : { traceId: Buffer.from(trace, 'hex') }),
    }));
    return otlpDraft('logs', otlpBytes('logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }));
  }
  const spans = items.map(({ trace, name }) => ({
    name,
    spanId: Buffer.alloc(8, 1),
    traceId: Buffer.from(trace ?? '22'.repeat(16), 'hex'),
  }));
  return otlpDraft('traces', otlpBytes('traces', { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }));
}

/** Rows about the last so many stored blocks of a stream, each about a few of them. */
async function makeRows(engine: Engine, stream: number, back: number, each: number): Promise<void> {
  const entries = (await engine.scan({ ...blockRange(stream), limit: 10_000 })).slice(-1 - back);
  for (let first = 0; first < entries.length; first += each) {
    const blocks = entries.slice(first, first + each).map((entry) => summarizedIn(entry));
    const [start] = blocks;
    if (start !== undefined) await engine.commit([put(encodeSummaryRow(stream, start.firstSeq, blocks))]);
  }
}

function summarizedIn({ key, value }: Entry) {
  const { header, firstSeq } = Block.open(key, value);
  const { kind, count, lastTimestamp } = header;
  return { firstSeq, kind, count, lastTimestamp, summary: summaryBytesIn(value), storedBytes: value.length };
}

function put({ key, value }: Entry) {
  return { type: 'put', key, value } as const;
}

test('reads find the same forwards and backwards as an oracle, with rows about any blocks, made at any time', async () => {
  const harness = await openHarness();
  const { log, engine } = harness;
  let streams = 0;
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { minLength: 1, maxLength: 30 }),
      fc.constantFrom(...FILTERS),
      fc.constantFrom(1, 3, 1_000),
      fc.array(fc.record({ row: fc.nat(), bit: fc.nat() }), { maxLength: 3 }),
      async (events, text, limit, flips) => {
        const stream = await harness.stream(`s${streams++}`);
        const number = Number(stream.id);
        const filter = parseFilter([text]);
        const expected: number[] = [];
        let tail = 0;
        for (const { block: drawn, rows, trim } of events) {
          await log.append([{ stream, drafts: [draftOf(drawn)] }]);
          const [last] = await engine.scan({ ...blockRange(number), limit: 1, reverse: true });
          if (last === undefined) throw new Error('no block');
          const stored = Block.open(last.key, last.value);
          const { kind, count } = stored.header;
          for (let i = 0; i < count; i++) {
            const wanted =
              filter === undefined ||
              (kind === 's2' ? isTextWanted(text) : isWanted(filter, kind, stored.record(i).body));
            if (wanted) expected.push(stored.firstSeq + i);
          }
          tail = stored.firstSeq + count;
          if (rows !== undefined) await makeRows(engine, number, rows.back, rows.each);
          if (trim !== undefined) await log.trim(stream, Math.max(0, tail - 20 - trim));
        }
        const check = async (): Promise<void> => {
          const [start] = await engine.scan({ ...blockRange(number), limit: 1 });
          const living = expected.filter((seqNum) => seqNum >= trimPoint(events, tails(events)));
          expect(start).toBeDefined();
          expect(await foundForwards(log, stream, text)).toEqual(living);
          expect(await foundBackwards(log, stream, text, limit)).toEqual(living);
          found += living.length;
        };
        await check();
        const all = await engine.scan({ from: Buffer.of(11), to: Buffer.of(12), limit: 10_000 });
        for (const { row, bit } of flips) {
          const chosen = all[row % Math.max(1, all.length)];
          if (chosen === undefined) continue;
          const value = Buffer.from(chosen.value);
          const at = bit % (8 * value.length);
          value.writeUInt8(value.readUInt8(at >>> 3) ^ (1 << (at & 7)), at >>> 3);
          expect(summaryRowIn({ key: chosen.key, value })).toBeUndefined();
          await engine.commit([put({ key: chosen.key, value })]);
        }
        await check();
        await log.backgroundSettled();
        await check();
      },
    ),
    { numRuns: 40 },
  );
  expect(found).toBeGreaterThan(100);
});

/** Of the filters above, the one that finds a text finds it in S2 records. */
function isTextWanted(text: string): boolean {
  return text === 'record';
}

/** The tail after each block. */
function tails(events: readonly { readonly block: DrawnBlock }[]): readonly number[] {
  let tail = 0;
  return events.map((one) => (tail += one.block.items.length));
}

function trimPoint(events: readonly { readonly trim: number | undefined }[], ends: readonly number[]): number {
  const points = events.map(({ trim }, i) => (trim === undefined ? 0 : Math.max(0, (ends[i] ?? 0) - 20 - trim)));
  return Math.max(...points);
}

test('a row says of each block what its header says, and under another key it is none', () => {
  const drawn = fc.record({
    kind: fc.constantFrom('s2', 'logs', 'traces', 'metrics'),
    count: fc.integer({ min: 1, max: 2 ** 31 }),
    passed: fc.nat(2 ** 40),
    ids: fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 200 }),
  });
  fc.assert(
    fc.property(
      fc.array(drawn, { minLength: 1, maxLength: 70 }),
      fc.nat(2 ** 40),
      fc.nat(1e6),
      (all, firstSeq, size) => {
        let lastTimestamp = 0;
        const blocks = all.map(({ kind, count, passed, ids }) => {
          lastTimestamp += passed;
          return { kind, count, lastTimestamp, summary: summaryOf(ids), storedBytes: size };
        });
        const entry = encodeSummaryRow(7, firstSeq, blocks);
        const row = new SummaryRow(entry);
        let end = firstSeq;
        for (const [i, { kind, count, lastTimestamp: time }] of blocks.entries()) {
          expect([row.startOf(i), row.kindOf(i), row.lastTimestampOf(i)]).toEqual([end, kind, time]);
          expect([row.indexOf(end), row.indexOf(end + count - 1)]).toEqual([i, i]);
          end += count;
          expect(row.endOf(i)).toBe(end);
          const summary = Summary.of(row.summaryOf(i));
          for (const id of all[i]?.ids ?? [])
            expect(summary?.mayHold('traceIds', summaryHash('traceIds', id))).toBe(true);
        }
        expect([row.end, row.indexOf(end), row.indexOf(firstSeq - 1)]).toEqual([end, undefined, undefined]);
        expect(summaryRowIn({ key: encodeSummaryRow(8, firstSeq, blocks).key, value: entry.value })).toBeUndefined();
        expect(summaryRowIn({ key: entry.key, value: entry.value.subarray(0, -1) })).toBeUndefined();
        // Of each block besides its filters: 4 bytes of summary, and what the fields take.
        expect(entry.value.length).toBeLessThanOrEqual(
          7 + blocks.length * 40 + Math.max(blocks.length * 16, (blocks.length * size * 3) / 200),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('a folded summary still has all that was in it, and one that is too full then hides nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 400 }),
      fc.nat(10),
      (ids, power) => {
        const short = foldedSummary(summaryOf(ids), 2 ** power);
        const summary = Summary.of(short);
        expect(short.length).toBeLessThanOrEqual(4 + 2 * 2 ** power);
        for (const id of ids) expect(summary?.mayHold('traceIds', summaryHash('traceIds', id))).toBe(true);
        expect(summary?.mayHold('services', summaryHash('services', Buffer.from('cart')))).toBe(true);
        // Nothing was added there.
        expect(summary?.levels).toBe(4);
        if (ids.length === 0) expect(summary?.mayHold('traceIds', 1)).toBe(false);
      },
    ),
  );
});

function summaryOf(ids: readonly Uint8Array[]): Uint8Array {
  const builder = new SummaryBuilder();
  builder.begin(true);
  builder.level(4);
  const service = Buffer.from('cart');
  builder.add('services', viewOf(service), 0, service.length);
  for (const id of ids) builder.add('traceIds', viewOf(id), 0, id.length);
  return builder.finish(1_024);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
