/** The live reader over a log, with a wire and a sink of the test: batches, patience, time, and what is shared. */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BufferPool } from '../../src/encoding/buffer-pool.ts';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { atOnce } from '../../src/encoding/turns.ts';
import type { LogRead } from '../../src/log/open-reads.ts';
import type { Position } from '../../src/model/position.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import { cutRecords } from '../../src/otlp/cut/cut-records.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { FrameCache } from '../../src/readers/frame-cache.ts';
import { LiveReader } from '../../src/readers/live-reader.ts';
import { ReaderSet } from '../../src/readers/reader-set.ts';
import type { Sink, SinkListener } from '../../src/readers/sink.ts';
import type { Batch, Encoder, Frame, Wire } from '../../src/readers/wire.ts';
import { batchEnd } from '../../src/s2/batch/batch-end.ts';
import { FROM_START, type Harness, openHarness, TestClock, texts, turn } from '../support/log-harness.ts';
import { field } from '../support/otlp-wire.ts';
import { s2Block } from '../support/socket-blocks.ts';

const MIB = 1024 * 1024;

/** Takes everything at once, unless it is told to hold. */
class TestSink implements Sink {
  readonly closed: Promise<void>;
  bufferedBytes = 0;
  isHolding = false;
  readonly #waiting: number[] = [];
  #listener: SinkListener | undefined;
  #close = (): void => {};

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  connect(listener: SinkListener): void {
    this.#listener = listener;
  }

  write(frames: readonly Frame[]): void {
    for (const { bytes } of frames) {
      this.bufferedBytes += bytes.length;
      this.#waiting.push(bytes.length);
    }
    if (!this.isHolding) this.take();
  }

  /** The peer takes all that waits. */
  take(): void {
    for (const bytes of this.#waiting.splice(0)) this.bufferedBytes -= bytes;
    this.#listener?.onTaken();
  }

  end(): void {
    this.cut();
  }

  cut(): void {
    this.#listener?.onClosed();
    this.#close();
  }
}

/** Notes what it is asked for; its frames are as long as the records are metered. */
class TestWire implements Wire {
  readonly gathers = true;
  readonly batchEnd = batchEnd;
  /** Sequence numbers of each batch. */
  readonly batches: number[][] = [];
  readonly other: string[] = [];

  passed(next: Position): Frame {
    this.other.push(`passed ${next.seqNum}`);
    return { bytes: '' };
  }

  batch({ parts, tail }: Batch) {
    const seqs = parts.flatMap(({ block, from, to }) =>
      Array.from({ length: to - from }, (_, i) => block.firstSeq + from + i),
    );
    this.batches.push(seqs);
    if (tail !== undefined) this.other.push(`tail ${tail.seqNum}`);
    const bytes = parts.reduce((sum, { block, from, to }) => sum + block.meteredBytesWithin(from, to), 0);
    return { frames: [{ bytes: Buffer.alloc(bytes) }] };
  }

  caughtUp(): undefined {
    this.other.push('level');
  }

  heartbeat(): Frame {
    this.other.push('heartbeat');
    return { bytes: 'heartbeat' };
  }

  gap(): undefined {}

  advice(): undefined {}

  lastFrame(): undefined {}
}

let harness: Harness;
let clock: TestClock;
let readers: ReaderSet;

beforeEach(async () => {
  clock = new TestClock();
  harness = await openHarness(undefined, clock);
  readers = new ReaderSet({ clock, pool: new BufferPool() });
});

afterEach(async () => {
  await readers.close();
  await harness.log.close();
});

interface Session {
  readonly wire: TestWire;
  readonly sink: TestSink;
  readonly reader: LiveReader;
  readonly done: Promise<void>;
  /** Whether it holds a page of the store. */
  isScanning(): boolean;
}

async function read(name: string, range: Partial<ReadRange> = {}, isHolding = false): Promise<Session> {
  const [wire, sink] = [new TestWire(), new TestSink()];
  sink.isHolding = isHolding;
  const reader = new LiveReader({ wire, sink, readers, holder: 'reader', onFailure: () => {} });
  const stream = await harness.stream(name);
  let open: LogRead | undefined;
  const done = reader.run(async (signal) => {
    open = await harness.log.startRead(stream, { ...FROM_START, ...range }, signal);
    return open;
  });
  return { wire, sink, reader, done, isScanning: () => open?.isScanning === true };
}

async function append(name: string, ...bodies: readonly string[]): Promise<void> {
  await harness.log.append([{ stream: await harness.stream(name), drafts: [texts(...bodies)] }]);
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

describe('gathering', () => {
  test('a reader that catches up gets small appends as few batches, and at the tail each at once', async () => {
    for (let i = 0; i < 2_500; i++) await append('small', `r${i}`);
    const { wire } = await read('small');
    await until(() => wire.other.includes('level'));
    expect(wire.batches.map((seqs) => seqs.length)).toEqual([1_000, 1_000, 500]);
    expect(wire.batches.flat()).toEqual(numbers(2_500));
    expect(wire.other).toEqual(['tail 2500', 'level']);
    for (const body of ['a', 'b']) await append('small', body);
    await until(() => wire.batches.flat().length === 2_502);
    expect(wire.batches.slice(3)).toEqual([[2_500], [2_501]]);
  });

  test('batches stay below the limit of bytes, and a block that makes half of one goes out by itself', async () => {
    const sizes = [700, 100, 400, 10, 10, 10].map((kib) => kib * 1024);
    for (const size of sizes) await append('sizes', 'x'.repeat(size - 8));
    const { wire } = await read('sizes');
    await until(() => wire.other.includes('level'));
    expect(wire.batches).toEqual([[0], [1, 2, 3, 4, 5]]);
  });

  test('bounds hold over what is gathered', async () => {
    for (let i = 0; i < 30; i++) await append('bounds', String(i % 10));
    const counted = await read('bounds', { count: 17 });
    await counted.done;
    expect(counted.wire.batches).toEqual([numbers(17)]);
    const sized = await read('bounds', { bytes: 9 * 11 + 8 });
    await sized.done;
    expect(sized.wire.batches).toEqual([numbers(11)]);
  });
});

test('a batch of many megabytes waits for memory, and then nothing is missing', async () => {
  const memory = new MemoryBudget(200 * MIB);
  readers = new ReaderSet({ clock, pool: new BufferPool(), memory });
  await append('large', 'before');
  await harness.log.append([{ stream: await harness.stream('large'), drafts: largeLog(2 * MIB) }]);
  await append('large', 'after');
  memory.take(200 * MIB, 'sender');
  readers.memory.claim(MIB, 'other');
  const { wire } = await read('large');
  await until(() => wire.batches.length > 0 || readers.memory.wantedBytes > 7 * MIB);
  for (let i = 0; i < 20; i++) await turn();
  expect(wire.batches.flat()).not.toContain(1);
  expect(readers.memory.wantedBytes).toBeGreaterThan(14 * MIB);
  readers.memory.giveBack(MIB);
  await until(() => wire.other.includes('level'));
  expect(wire.batches.flat()).toEqual(numbers(3));
  expect(readers.memory.wantedBytes).toBe(0);
});

test('of many readers that go through the store at once, so many hold blocks of it as the memory limit allows, and each gets everything', async () => {
  readers = new ReaderSet({ clock, pool: new BufferPool(), memory: new MemoryBudget(64 * MIB) });
  for (let i = 0; i < 6; i++) await append('replay', 'x'.repeat(900_000), String(i));
  const sessions: Session[] = [];
  for (let i = 0; i < 60; i++) sessions.push(await read('replay'));
  let most = 0;
  while (sessions.some(({ wire }) => !wire.other.includes('level'))) {
    await turn();
    most = Math.max(most, sessions.filter(({ isScanning }) => isScanning()).length);
  }
  expect(sessions.map(({ wire }) => wire.batches.flat())).toEqual(sessions.map(() => numbers(12)));
  // Each claims 7 MiB of the four fifths that one caller may have.
  expect(most).toBeLessThanOrEqual(7);
  expect(most).toBeGreaterThan(1);
  expect(readers.memory.wantedBytes).toBe(0);
});

/** A log record with a text of so many bytes, which S2 readers get cut. */
function largeLog(bytes: number) {
  const value = Buffer.from([...field(5, field(1, 'x'.repeat(bytes)))]);
  const body = Uint8Array.from(field(1, field(2, field(2, value))));
  const scanned = scanRequest('logs', body, { requestRecordsMax: 1 });
  const cuts = atOnce(cutRecords(scanned, [0], 16 * MIB));
  return draftBlocks(scanned, [0], { recordBytesMax: 16 * MIB, cuts, timeRequired: false, reject: () => {} });
}

describe('a reader whose peer takes nothing', () => {
  test('goes on where it was once the peer takes again: nothing is missing and nothing comes twice', async () => {
    for (let i = 0; i < 12; i++) await append('parked', ...Array.from({ length: 8 }, () => 'x'.repeat(100_000)));
    const { wire, sink, reader, done } = await read('parked', { count: 90 }, true);
    while (wire.batches.flat().length < 90) {
      await until(() => sink.bufferedBytes > 2 * MIB || wire.batches.flat().length === 90);
      await turn();
      reader.park();
      await turn();
      sink.take();
    }
    sink.isHolding = false;
    sink.take();
    await done;
    expect(wire.batches.flat()).toEqual(numbers(90));
  });

  test('is parked by the sweep, and goes on as well', async () => {
    for (let i = 0; i < 6; i++) await append('swept', ...Array.from({ length: 8 }, () => 'x'.repeat(100_000)));
    const { wire, sink, done } = await read('swept', { count: 48 }, true);
    await until(() => sink.bufferedBytes > 2 * MIB);
    await turn();
    for (let i = 0; i < 3; i++) clock.advance(1_000);
    sink.isHolding = false;
    sink.take();
    await done;
    expect(wire.batches.flat()).toEqual(numbers(48));
  });

  test('in a crowd each costs little, and a reader that takes everything goes on', async () => {
    for (let i = 0; i < 24; i++) await append('crowd', ...Array.from({ length: 10 }, () => 'x'.repeat(50_000)));
    const stalled: Session[] = [];
    for (let i = 0; i < 40; i++) stalled.push(await read('crowd', {}, true));
    await until(() => readers.bufferedBytes > 32 * MIB);
    for (let i = 0; i < 20; i++) await turn();
    expect(readers.bufferedBytes).toBeLessThan(32 * MIB + 40 * MIB);
    for (let i = 0; i < 200; i++) stalled.push(await read('crowd', {}, true));
    for (let i = 0; i < 20; i++) await turn();
    const late = stalled.slice(40);
    expect(Math.max(...late.map(({ sink }) => sink.bufferedBytes))).toBeLessThanOrEqual(64 * 1024);
    const healthy = await read('crowd', { count: 240 });
    await healthy.done;
    expect(healthy.wire.batches.flat()).toEqual(numbers(240));
  });
});

describe('time', () => {
  test('one timer looks after all readers, and there is none without readers', async () => {
    const before = clock.timers;
    const sessions: Session[] = [];
    for (let i = 0; i < 50; i++) sessions.push(await read('level'));
    await until(() => sessions.every(({ wire }) => wire.other.includes('level')));
    expect(clock.timers - before).toBe(1);
    for (let i = 0; i < 15; i++) clock.advance(1_000);
    expect(sessions.every(({ wire }) => wire.other.includes('heartbeat'))).toBe(true);
    for (const { sink } of sessions) sink.cut();
    await Promise.all(sessions.map(({ done }) => done));
    clock.advance(1_000);
    expect(clock.timers).toBe(before);
  });
});

describe('the frame cache', () => {
  const encoder: Encoder = { name: 'test', encode: () => ({ frames: [{ bytes: Buffer.alloc(1_000) }] }) };

  test('keeps what others may get within its limit, the newest', async () => {
    const cache = new FrameCache(new BufferPool(), 10_000);
    const batches: Batch[] = [];
    for (let i = 0; i < 100; i++) {
      const block = await s2Block([{ body: 'x' }], i);
      batches.push({ parts: [{ block, from: 0, to: 1 }], tail: undefined, isShared: true });
    }
    const first = batches.map((batch) => cache.encoded(encoder, batch));
    expect(cache.bytes).toBeLessThanOrEqual(10_000);
    const again = batches.map((batch, i) => cache.encoded(encoder, batch) === first[i]);
    expect(again.slice(0, 50)).not.toContain(true);
    const last = batches.slice(-1).map((batch) => cache.encoded(encoder, batch));
    expect(batches.slice(-1).map((batch) => cache.encoded(encoder, batch))[0]).toBe(last[0]);
  });

  test('keeps nothing that one reader alone gets', async () => {
    const cache = new FrameCache(new BufferPool());
    const block = await s2Block([{ body: 'x' }]);
    const batch: Batch = { parts: [{ block, from: 0, to: 1 }], tail: undefined, isShared: false };
    expect(cache.encoded(encoder, batch)).not.toBe(cache.encoded(encoder, batch));
    expect(cache.bytes).toBe(0);
  });
});
