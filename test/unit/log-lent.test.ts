/** Reads with a filter unpack blocks into memory that they use again, and nothing that they give out is in it. */

import { beforeAll, describe, expect, test } from '@jest/globals';
import type { RecordsEvent } from '../../src/log/events.ts';
import type { StreamRead } from '../../src/log/open-reads.ts';
import type { RecordFilter } from '../../src/log/read.ts';
import type { Stream } from '../../src/log/stream.ts';
import { loadFilter } from '../../src/readers/filter/load-filter.ts';
import { FROM_START, type Harness, openHarness, recordsOf, turn } from '../support/log-harness.ts';
import { otlpBytes, otlpDraft } from '../support/socket-blocks.ts';

const BLOCKS = 24;
const PER_BLOCK = 100;
/** In each block, one that is alone and two that follow each other. */
const RARE = [7, 60, 61];
const WANTED = Array.from({ length: BLOCKS }, (_, block) => RARE.map((i) => block * PER_BLOCK + i)).flat();

let harness: Harness;
let a: Stream;
let b: Stream;

beforeAll(async () => {
  harness = await openHarness();
  [a, b] = [await harness.stream('a'), await harness.stream('b')];
  for (let block = 0; block < BLOCKS; block++) {
    for (const stream of [a, b]) await harness.log.append([{ stream, drafts: [draft(stream, block)] }]);
  }
});

function draft(stream: Stream, block: number) {
  const logRecords = Array.from({ length: PER_BLOCK }, (_, i) => {
    const text = `${stream.name} ${block * PER_BLOCK + i} ${'usual '.repeat(20)}`;
    const severityNumber = RARE.includes(i) ? 17 : 9;
    return { timeUnixNano: `${1_000 * block + i}000000`, severityNumber, body: { stringValue: text } };
  });
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: stream.name } }] };
  return otlpDraft('logs', otlpBytes('logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }), 4_096);
}

function open(stream: Stream, filter: RecordFilter | undefined): Promise<StreamRead> {
  const range = { ...FROM_START, waitMs: 0, count: 1_000_000 };
  return harness.log.startRead(stream, range, new AbortController().signal, { filter });
}

async function takeAll(read: StreamRead): Promise<RecordsEvent[]> {
  const events: RecordsEvent[] = [];
  for await (const event of read) if (event.type === 'records') events.push(event);
  return events;
}

/** What each record says it is. */
function saidBy(events: readonly RecordsEvent[], { name }: Stream): number[] {
  return events.flatMap(recordsOf).map(({ seqNum, body }) => {
    expect(body).toContain(`${name} ${seqNum} usual`);
    return seqNum;
  });
}

/** Takes all, waits between blocks for others, and notes where their bytes were. */
function slowFilter(memory: Set<unknown>): RecordFilter {
  return {
    runs: async (block) => {
      memory.add(block.payloadBytes().buffer);
      const before = Buffer.from(block.payloadBytes());
      await turn();
      expect(Buffer.compare(block.payloadBytes(), before)).toBe(0);
      return RARE.flatMap((i) => (i === 61 ? [] : i === 60 ? [60, 62] : [i, i + 1]));
    },
  };
}

describe('a read with a filter', () => {
  test('unpacks all blocks into the same memory', async () => {
    const memory = new Set<unknown>();
    expect(saidBy(await takeAll(await open(a, slowFilter(memory))), a)).toEqual(WANTED);
    expect(memory.size).toBe(1);
  });

  test('gives records that stay what they are however much is read after them', async () => {
    for (const text of ['level>=error', 'service=a level>=error', 'service=b level>=error']) {
      const events = await takeAll(await open(b, await loadFilter([text])));
      expect(saidBy(events, b)).toEqual(text.includes('=a') ? [] : WANTED);
    }
  });

  test('shares its memory with no other read that looks at a block at the same time', async () => {
    const memory = new Set<unknown>();
    const [first, second] = await Promise.all(
      [a, b].map(async (stream) => takeAll(await open(stream, slowFilter(memory)))),
    );
    expect(saidBy(first ?? [], a)).toEqual(WANTED);
    expect(saidBy(second ?? [], b)).toEqual(WANTED);
    expect(memory.size).toBeGreaterThan(1);
    expect(memory.size).toBeLessThanOrEqual(BLOCKS + 1);
  });

  test('goes on after it let go of a record that was not sent', async () => {
    const read = await open(a, await loadFilter(['level>=error']));
    const seen: number[] = [];
    for (let events = 0; ; events++) {
      const { value: event, done } = await read.next();
      if (done === true) break;
      if (event.type !== 'records') continue;
      if (events % 3 === 1) await read.park([{ seqNum: event.block.firstSeq + event.from, block: event.block }]);
      else seen.push(...saidBy([event], a));
    }
    expect(seen).toEqual(WANTED);
  });

  test('gives memory back when it fails, and when it is given up', async () => {
    const failing: RecordFilter = { runs: () => Promise.reject(new Error('no')) };
    await expect(takeAll(await open(a, failing))).rejects.toThrow();
    const left = await open(a, await loadFilter(['level>=error']));
    await left.next();
    await left.return();
    const memory = new Set<unknown>();
    await takeAll(await open(a, slowFilter(memory)));
    expect(memory.size).toBe(1);
  });
});
