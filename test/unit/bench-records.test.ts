/** What `tailrace bench` knows its records by, and what it says about those that come otherwise. */

import { describe, expect, test } from '@jest/globals';
import { Bench, type BenchPlan } from '../../cli/bench/bench.ts';
import { Faults } from '../../cli/bench/faults.ts';
import { Latencies, SendTimes } from '../../cli/bench/latencies.ts';
import { Ledger } from '../../cli/bench/ledger.ts';
import { Payloads } from '../../cli/bench/payload.ts';
import { warnings } from '../../cli/bench/report.ts';
import { type BatchSink, BenchWriter } from '../../cli/bench/writer.ts';
import { createClient } from '../../src/client/client.ts';
import { appendFrame, recordsAcked } from '../../src/client/s2s/messages.ts';
import { encodeAppendAck } from '../../src/s2/append/ack.ts';
import { decodeAppendInput } from '../../src/s2/append/proto.ts';
import { FRAME_HEAD_BYTES } from '../../src/s2/frame.ts';

const BYTES = 56;

describe('a payload', () => {
  const payloads = new Payloads(BYTES);
  const whole = (writer: number, number: number): Buffer => {
    const bytes = Buffer.alloc(BYTES);
    payloads.fill(bytes, 0, writer);
    payloads.renumber(bytes, 0, number);
    return bytes;
  };

  test('says which record it is, wherever it lies in what surrounds it', () => {
    for (const [before, after] of [
      [0, 0],
      [17, 0],
      [17, 5],
      [0, 9],
    ] as const) {
      const record = Buffer.concat([Buffer.alloc(before), whole(3, 2 ** 40 + 7), Buffer.alloc(after)]);
      expect(payloads.inspect(record, 0, record.length)).toBe('whole');
      expect([payloads.writer, payloads.number]).toEqual([3, 2 ** 40 + 7]);
    }
  });

  test('is changed when any of its bytes is another', () => {
    for (let at = 0; at < BYTES; at++) {
      const record = whole(1, 5);
      record.writeUInt8(record.readUInt8(at) ^ 1, at);
      const isMarker = at >= 9 && at < 21;
      expect([at, payloads.inspect(record, 0, record.length)]).toEqual([at, isMarker ? 'foreign' : 'changed']);
    }
  });

  test('is changed when it is cut, and foreign without the mark of this run', () => {
    expect(payloads.inspect(whole(0, 0), 0, BYTES - 1)).toBe('changed');
    expect(payloads.inspect(whole(0, 0), 0, 20)).toBe('foreign');
    const other = new Payloads(BYTES);
    const record = Buffer.alloc(BYTES);
    other.fill(record, 0, 0);
    expect(payloads.inspect(record, 0, BYTES)).toBe('foreign');
  });

  test('beyond the end of a record is not taken for the record', () => {
    const record = Buffer.concat([Buffer.alloc(30), whole(0, 0)]);
    expect(payloads.inspect(record, 0, 30)).toBe('foreign');
  });
});

describe('a ledger', () => {
  const payloads = new Payloads(BYTES);

  /** The faults after records came so, each as `writer:number`, and so many were acknowledged of each writer. */
  function faultsOf(records: string, ...acknowledged: number[]): readonly string[] {
    const faults = new Faults();
    const ledger = new Ledger('tail', payloads, acknowledged.length, faults);
    const bytes = Buffer.alloc(BYTES);
    for (const [seqNum, record] of records.split(' ').entries()) {
      const [writer = 0, number = 0] = record.split(':').map(Number);
      payloads.fill(bytes, 0, writer);
      payloads.renumber(bytes, 0, number);
      ledger.take(seqNum, bytes, 0, BYTES);
    }
    ledger.finish(acknowledged);
    return faults.list().map(({ kind, count }) => `${count} ${kind}`);
  }

  test('finds nothing where each writer has its records in order, however writers alternate', () => {
    expect(faultsOf('0:0 1:0 1:1 0:1', 2, 2)).toEqual([]);
  });

  test('takes records that were stored and not acknowledged yet', () => {
    expect(faultsOf('0:0 0:1', 1)).toEqual([]);
  });

  test('tells lost ones in the middle and at the end, by writer', () => {
    expect(faultsOf('0:0 0:4 1:0', 5, 3)).toEqual(['5 lost']);
  });

  test('tells one that comes late from one that comes twice', () => {
    expect(faultsOf('0:0 0:2 0:1', 3)).toEqual(['1 reordered']);
    expect(faultsOf('0:0 0:1 0:1', 2)).toEqual(['1 doubled']);
    expect(faultsOf('0:0 0:2 0:1 0:1', 3)).toEqual(['1 reordered', '1 doubled']);
  });

  test('tells a record of a writer that there is none of as foreign', () => {
    expect(faultsOf('7:0', 0)).toEqual(['1 foreign']);
  });
});

describe('times', () => {
  test('have percentiles within one percent, and an exact maximum', () => {
    const latencies = new Latencies();
    for (let i = 1; i <= 10_000; i++) latencies.add(i / 10);
    const { count, p50 = 0, p90 = 0, p99 = 0, max } = latencies.summary() ?? {};
    expect({ count, max }).toEqual({ count: 10_000, max: 1_000 });
    for (const [found, exact] of [
      [p50, 500],
      [p90, 900],
      [p99, 990],
    ] as const) {
      expect(Math.abs(found - exact) / exact).toBeLessThan(0.01);
    }
  });

  test('of the least and the longest spans are taken, and of none there is no summary', () => {
    expect(new Latencies().summary()).toBeUndefined();
    const latencies = new Latencies();
    latencies.add(0);
    latencies.add(1e9, 3);
    expect(latencies.summary()).toMatchObject({ count: 4, max: (2 ** 31 - 1) / 1_000 });
    expect(latencies.summary()?.p50).toBeCloseTo((2 ** 31 - 1) / 1_000, -5);
  });

  test('since a batch was sent are known until its last record was read', () => {
    const times = new SendTimes(2, 2, 0);
    times.sent(1, 0, 10);
    times.sent(1, 2, 20);
    expect([times.of(1, 0), times.of(1, 1), times.of(1, 2), times.of(1, 3)]).toEqual([10, 10, 20, 20]);
    expect([times.of(1, 0), times.of(0, 0), times.of(9, 0)]).toEqual([undefined, undefined, undefined]);
  });
});

describe('at a rate', () => {
  test('each record of a batch counts from when it came, for its reader and for its acknowledgement', async () => {
    const times = new SendTimes(1, 4, 5);
    times.sent(0, 0, 100);
    expect([0, 1, 2, 3].map((number) => times.of(0, number))).toEqual([85, 90, 95, 100]);
    const payloads = new Payloads(BYTES);
    const sink: BatchSink = {
      batch: () => ({ bytes: Buffer.alloc(BYTES * 4), payloads: [0, 1, 2, 3].map((i) => i * BYTES) }),
      send: (_batch, onAck) => onAck(4),
      end: async () => {},
      failed: new Promise(() => {}),
      inFlightMax: 1,
    };
    const latencies = new Latencies();
    const about = { writer: 0, payloads, latencies, onSend: () => {}, onMiscount: () => {} };
    // The second batch is due after the end.
    await new BenchWriter(sink, { ...about, intervalMs: 400_000, durationMs: 1_000 }).run();
    const { count, p50 = 0, p90 = 0 } = latencies.summary() ?? {};
    expect(count).toBe(4);
    expect([Math.round(p50 / 10_000), Math.round(p90 / 10_000)]).toEqual([10, 30]);
  });
});

describe('messages of s2s', () => {
  test.each([1, 100, 127, 128, 20_000])('a frame holds records whose bodies of %d bytes lie where it says', (bytes) => {
    const { frame, bodies } = appendFrame(3, bytes);
    for (const [i, at] of bodies.entries()) frame.fill(0x61 + i, at, at + bytes);
    expect(frame.readUIntBE(0, 3)).toBe(frame.length - 3);
    const { records } = decodeAppendInput(frame.subarray(FRAME_HEAD_BYTES));
    expect(records.map(({ body }) => Buffer.from(body).toString())).toEqual(
      ['a', 'b', 'c'].map((c) => c.repeat(bytes)),
    );
  });

  test('an acknowledgement says how many records it is for, and one that is cut is refused', () => {
    const at = (seqNum: number) => ({ seqNum, timestamp: 1_700_000_000_000 });
    const ack = Buffer.from(encodeAppendAck({ start: at(0), end: at(300), tail: at(301) }));
    expect(recordsAcked(ack)).toBe(300);
    expect(() => recordsAcked(ack.subarray(0, -1))).toThrow('cannot be decoded');
  });
});

describe('a writer', () => {
  test('ends in time at a server that is slower than the rate, and what waited counts from when it was due', async () => {
    const payloads = new Payloads(BYTES);
    let sent = 0;
    const sink: BatchSink = {
      batch: (writer) => {
        const bytes = Buffer.alloc(BYTES);
        payloads.fill(bytes, 0, writer);
        return { bytes, payloads: [0] };
      },
      send: (_batch, onAck) => {
        sent++;
        setTimeout(() => onAck(1), 30);
      },
      end: async () => {},
      failed: new Promise(() => {}),
      inFlightMax: 1,
    };
    const latencies = new Latencies();
    const since: number[] = [];
    const writer = new BenchWriter(sink, {
      writer: 0,
      payloads,
      intervalMs: 1,
      durationMs: 100,
      latencies,
      onSend: (_first, at) => since.push(at),
      onMiscount: () => {},
    });
    await writer.run();
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(10);
    expect(writer.acknowledged).toBe(sent);
    for (const [i, at] of since.entries()) expect(at - (since[0] ?? 0)).toBeCloseTo(i, 6);
  });
});

describe('warnings', () => {
  const plan: BenchPlan = {
    target: { endpoint: 'http://127.0.0.1:1', token: undefined },
    basin: 'telemetry',
    stream: 'x',
    protocol: 's2s',
    reads: new Set(),
    durationMs: 1,
    recordBytes: 64,
    batch: 1,
    connections: 1,
    rate: undefined,
  };

  test('say that the client is the limit when it takes more than 80 % of a core', () => {
    const bench = new Bench(plan, createClient({ endpoint: 'http://127.0.0.1:1' }));
    const end = { plan, bench, endpoint: '', isKept: false, isInterrupted: false };
    bench.generatorCores = 0.8;
    expect(warnings(end)).toEqual([]);
    bench.generatorCores = 0.81;
    expect(warnings(end)).toEqual([expect.stringContaining('took 0.81 of a processor core')]);
  });
});
