/** Reads with a filter pass over blocks by their headers, and still end where others do, and find what is missing. */

import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ReadEvent } from '../../src/log/events.ts';
import { SKIP_PAGE_BLOCKS_MAX } from '../../src/model/limits.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import { loadFilter } from '../../src/readers/filter/load-filter.ts';
import { readBlockHeader } from '../../src/storage/block/block.ts';
import { summaryBytesIn } from '../../src/storage/block/format.ts';
import { blockKey } from '../../src/storage/keys.ts';
import { FROM_START, type Harness, openHarness, texts } from '../support/log-harness.ts';
import { otlpBytes, otlpDraft } from '../support/socket-blocks.ts';

const PER_BLOCK = 40;
const BLOCKS = 2 * SKIP_PAGE_BLOCKS_MAX + 32;
const RARE = '5b8efff798038103d269b633813fc60c';
/** Blocks with one record each of a trace. */
const HOLDERS = [0, 1, 77, 150];

/** Blocks of logs, with a time of their own each; some hold a record of the trace. */
async function manyBlocks(): Promise<Harness & { readonly a: Awaited<ReturnType<Harness['stream']>> }> {
  const harness = await openHarness();
  const a = await harness.stream('a');
  for (let block = 0; block < BLOCKS; block++) {
    const logRecords = Array.from({ length: PER_BLOCK }, (_, i) => ({
      timeUnixNano: `${block + 1}000000`,
      severityNumber: 9,
      body: { stringValue: `record ${i} of block ${block}, ${'and more '.repeat(12)}` },
      traceId: Buffer.from(
        i === 3 && HOLDERS.includes(block) ? RARE : `${block}`.padStart(16, '0') + `${i}`.padStart(16, '0'),
        'hex',
      ),
    }));
    const body = otlpBytes('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    await harness.log.append([{ stream: a, drafts: [otlpDraft('logs', body, 4_096)] }]);
  }
  return { ...harness, a };
}

const wanted = HOLDERS.map((block) => block * PER_BLOCK + 3);
const END = BLOCKS * PER_BLOCK;
/** Nothing changes this one. */
let shared: Awaited<ReturnType<typeof manyBlocks>>;

beforeAll(async () => {
  shared = await manyBlocks();
});

interface Seen {
  readonly records: number[];
  readonly events: ReadEvent[];
  readonly last: number;
}

async function read(filterText: string, range: Partial<ReadRange> = {}, { log, a } = shared): Promise<Seen> {
  const filter = await loadFilter([filterText]);
  const seen: Seen = { records: [], events: [], last: 0 };
  let last = 0;
  const bounded = { ...FROM_START, count: 1_000_000, ...range };
  for await (const event of log.read(a, bounded, new AbortController().signal, { filter })) {
    seen.events.push(event);
    if (event.type === 'records') {
      for (let i = event.from; i < event.to; i++) seen.records.push(event.block.firstSeq + i);
      last = event.block.firstSeq + event.to;
    } else if (event.type === 'passed') {
      expect(event.to.seqNum).toBeGreaterThan(last);
      last = event.to.seqNum;
    }
  }
  return { ...seen, last };
}

async function flip({ a, engine }: typeof shared, seqNum: number, where: 'header' | 'records'): Promise<void> {
  const key = blockKey(Number(a.id), seqNum);
  const value = Buffer.from((await engine.get(key)) ?? []);
  const { storedAt } = readBlockHeader(key, value);
  expect(summaryBytesIn(value).length).toBeGreaterThan(0);
  const at = where === 'records' ? storedAt + 50 : storedAt - 30;
  value.writeUInt8(value.readUInt8(at) ^ 1, at);
  await engine.commit([{ type: 'put', key, value }]);
}

describe('a read with a filter', () => {
  test('finds all records of a trace, and its last position is the tail', async () => {
    const { records, last, events } = await read(`trace_id=${RARE}`);
    expect(records).toEqual(wanted);
    expect(last).toBe(END);
    expect(events.filter(({ type }) => type === 'passed').length).toBeLessThan(BLOCKS / 4);
    const tail = events.at(-1);
    expect(tail?.type === 'passed' && tail.tail?.seqNum).toBe(END);
  });

  test('does not look at records of blocks that it passes over: damage in them is not its matter', async () => {
    const own = await manyBlocks();
    for (const block of [5, 80, BLOCKS - 1]) await flip(own, block * PER_BLOCK, 'records');
    expect((await read(`trace_id=${RARE}`, {}, own)).records).toEqual(wanted);
    await expect(read('record', {}, own)).rejects.toMatchObject({ code: 'corrupt' });
    await flip(own, 77 * PER_BLOCK, 'records');
    await expect(read(`trace_id=${RARE}`, {}, own)).rejects.toMatchObject({ code: 'corrupt' });
  });

  test('believes no damaged header, and no gap between blocks that it passes over', async () => {
    const own = await manyBlocks();
    await flip(own, 100 * PER_BLOCK, 'header');
    await expect(read(`trace_id=${RARE}`, {}, own)).rejects.toMatchObject({ code: 'corrupt' });
    const seqNum = 101 * PER_BLOCK;
    expect((await read(`trace_id=${RARE}`, { start: { seqNum } }, own)).records).toEqual(wanted.slice(3));
    await own.engine.commit([{ type: 'delete', key: blockKey(Number(own.a.id), 120 * PER_BLOCK) }]);
    await expect(read(`trace_id=${RARE}`, { start: { seqNum } }, own)).rejects.toMatchObject({ code: 'corrupt' });
  });

  test.each([
    ['inside a block that is passed over', { start: { seqNum: 10 * PER_BLOCK + 7 } }, wanted.slice(2)],
    ['inside one that holds a record, before it', { start: { seqNum: 77 * PER_BLOCK + 2 } }, wanted.slice(2)],
    ['inside one that holds a record, behind it', { start: { seqNum: 77 * PER_BLOCK + 4 } }, wanted.slice(3)],
    ['at a time', { start: { timestamp: 78 } }, wanted.slice(2)],
    ['until a time among blocks that are passed over', { until: 100 }, wanted.slice(0, 3)],
    ['until the time of a block that holds a record', { until: 78 }, wanted.slice(0, 2)],
    ['until just after it', { until: 79 }, wanted.slice(0, 3)],
    ['with a count', { count: 2 }, wanted.slice(0, 2)],
  ] as const)('starts and ends correctly: %s', async (_, range, records) => {
    const seen = await read(`trace_id=${RARE}`, range);
    expect(seen.records).toEqual(records);
    expect(seen.last).toBeLessThanOrEqual(END);
  });

  test('finds records of S2 among those of OTLP, and records from before a trim are no error', async () => {
    const own = await manyBlocks();
    const { log, a } = own;
    await log.append([{ stream: a, drafts: [texts('a needle')] }]);
    expect((await read('needle', {}, own)).records).toEqual([END]);
    expect((await read('!level=info', {}, own)).records).toEqual([END]);
    await log.trim(a, 100 * PER_BLOCK);
    expect((await read(`trace_id=${RARE}`, {}, own)).records).toEqual(wanted.slice(3));
  });
});
