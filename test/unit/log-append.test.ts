/** Appends: positions, timestamps, group commit, and what a failed commit also fails. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { TRANSACTION_BYTES_MAX } from '../../src/model/limits.ts';
import type { StreamConfig } from '../../src/model/stream-config.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { BASIN, HeldEngine, openHarness, readAll, TestClock, texts, timed, turn } from '../support/log-harness.ts';

describe('positions', () => {
  test('are contiguous from 0 in the order of the calls, across blocks and streams', async () => {
    const { log, stream } = await openHarness();
    const [a, b] = [await stream('a'), await stream('b')];
    const acks = await Promise.all([
      log.append([{ stream: a, drafts: [texts('0', '1')] }]),
      log.append([
        { stream: b, drafts: [texts('0')] },
        { stream: a, drafts: [texts('2'), texts('3', '4')] },
      ]),
      log.append([{ stream: a, drafts: [texts('5')] }]),
    ]);
    expect(acks.flat().map(({ start, end }) => [start.seqNum, end.seqNum])).toEqual([
      [0, 2],
      [0, 1],
      [2, 5],
      [5, 6],
    ]);
    expect((await readAll(log, a)).map(({ seqNum, body }) => [seqNum, body])).toEqual(
      ['0', '1', '2', '3', '4', '5'].map((body, seqNum) => [seqNum, body]),
    );
  });

  test('continue after a restart', async () => {
    const first = await openHarness();
    await first.log.append([{ stream: await first.stream('a'), drafts: [texts('0', '1')] }]);
    const second = await first.reopen();
    const stream = await second.stream('a');
    expect(await second.log.checkTail(stream)).toEqual({ seqNum: 2, timestamp: 1_000_000 });
    const [ack] = await second.log.append([{ stream, drafts: [texts('2')] }]);
    expect(ack?.start.seqNum).toBe(2);
  });
});

describe('durability', () => {
  test('an append is acknowledged, visible to checkTail and to readers only once it is durable', async () => {
    const { log, engine, stream } = await openHarness();
    const a = await stream('a');
    engine.hold();
    let acked = false;
    const append = log.append([{ stream: a, drafts: [texts('x')] }]).then(() => {
      acked = true;
    });
    await turn();
    expect(engine.waiting).toBe(1);
    expect(acked).toBe(false);
    expect(await log.checkTail(a)).toEqual({ seqNum: 0, timestamp: 0 });
    expect(await readAll(log, a)).toEqual([]);
    await engine.settleOne();
    await append;
    expect((await log.checkTail(a)).seqNum).toBe(1);
    expect(await readAll(log, a)).toHaveLength(1);
  });

  test('appends of one turn share one transaction, with one state per stream; at most two are under way', async () => {
    const { log, engine, stream } = await openHarness();
    const a = await stream('a');
    await log.append([{ stream: a, drafts: [texts('first')] }]);
    engine.hold();
    const before = engine.transactions.length;
    const appends = Array.from({ length: 100 }, (_, i) => log.append([{ stream: a, drafts: [texts(String(i))] }]));
    await turn();
    expect(engine.transactions.length - before).toBe(1);
    expect(engine.transactions.at(-1)).toHaveLength(101);
    for (let i = 0; i < 3; i++) {
      appends.push(log.append([{ stream: a, drafts: [texts('later')] }]));
      await turn();
    }
    expect(engine.waiting).toBe(2);
    engine.release();
    const acks = await Promise.all(appends);
    expect(acks.flat().map(({ start }) => start.seqNum)).toEqual(Array.from({ length: 103 }, (_, i) => i + 1));
    expect(engine.inFlightMost).toBe(2);
  });

  test('a transaction holds no more than its limit, and a larger request is alone in one', async () => {
    const { log, engine, stream } = await openHarness();
    const a = await stream('a');
    const before = engine.transactions.length;
    const large = (): ReturnType<typeof texts>[] => Array.from({ length: 9 }, () => texts('x'.repeat(1_000_000)));
    await Promise.all([
      log.append([{ stream: a, drafts: large() }]),
      log.append([{ stream: a, drafts: large() }]),
      log.append([{ stream: a, drafts: [...large(), ...large()] }]),
    ]);
    expect(9 * 1_000_000).toBeLessThan(TRANSACTION_BYTES_MAX);
    expect(engine.transactions.slice(before).map((writes) => writes.filter(({ key }) => key[0] === 5).length)).toEqual([
      9, 9, 18,
    ]);
  });
});

describe('a failed commit', () => {
  test('fails everything accepted at or after it and nothing before; then the log continues from the state on disk', async () => {
    const { log, engine, stream, fatal } = await openHarness();
    const a = await stream('a');
    await log.append([{ stream: a, drafts: [texts('kept')] }]);
    engine.hold();
    const outcomes: Promise<string>[] = [];
    const append = (body: string): void => {
      outcomes.push(
        log.append([{ stream: a, drafts: [texts(body)] }]).then(
          () => 'acked',
          (error: { code: string }) => error.code,
        ),
      );
    };
    for (const body of ['one', 'two', 'three', 'four']) {
      append(body);
      await turn();
    }
    await engine.settleOne('go');
    await engine.settleOne('fail');
    engine.release();
    expect(await Promise.all(outcomes)).toEqual(['acked', 'storage', 'storage', 'storage']);
    const [ack] = await log.append([{ stream: await stream('a'), drafts: [texts('after')] }]);
    expect(ack?.start.seqNum).toBe(2);
    expect((await readAll(log, a)).map(({ body }) => body)).toEqual(['kept', 'one', 'after']);
    expect(fatal).toEqual([]);
  });

  test('leaves no stream whose first append failed, and its sequence numbers are not used again', async () => {
    const { log, engine, basin, stream, reopen } = await openHarness();
    engine.hold();
    const failed = log.append([{ stream: await stream('ghost'), drafts: [texts('x')] }]);
    await engine.settleOne('fail');
    await expect(failed).rejects.toMatchObject({ code: 'storage' });
    engine.release();
    expect(await log.listStreams(basin, { prefix: '', startAfter: '', limit: 10 })).toEqual({
      streams: [],
      hasMore: false,
    });
    await expect(Promise.resolve().then(() => log.openStream(basin, 'ghost', 'read'))).rejects.toMatchObject({
      code: 'stream_not_found',
    });
    const real = await stream('real');
    await log.append([{ stream: real, drafts: [texts('y')] }]);
    const later = await reopen();
    const another = await later.stream('another');
    expect(Number(another.id)).toBeGreaterThan(Number(real.id));
  });
});

test('a trim is not built on an append that a full store refuses', async () => {
  const inner = openMemoryEngine();
  const { log, engine, stream, reopen } = await openHarness(new HeldEngine(inner));
  const a = await stream('a');
  for (const body of ['0', '1', '2']) await log.append([{ stream: a, drafts: [texts(body)] }]);
  engine.hold();
  const outcomes: Promise<string>[] = [];
  const note = (call: Promise<unknown>): void => {
    outcomes.push(
      call.then(
        () => 'done',
        (error: { code: string }) => error.code,
      ),
    );
  };
  for (const action of [
    () => log.trim(a, 1),
    () => log.trim(a, 2),
    // These wait for space among the transactions under way while the store becomes full.
    () => log.append([{ stream: a, drafts: [texts('refused')] }]),
    () => log.trim(a, 3),
  ]) {
    note(action());
    await turn();
  }
  const commit = inner.commit.bind(inner);
  inner.commit = (writes, options) =>
    options?.mayUseReserve === true
      ? commit(writes, options)
      : Promise.reject(new TailraceError('storage_full', 'no space, as a full engine says at once'));
  engine.release();
  expect((await Promise.all(outcomes)).slice(2)).toEqual(['storage_full', 'storage_full']);
  const later = await reopen();
  const again = await later.stream('a');
  expect((await later.log.checkTail(again)).seqNum).toBe(3);
  expect((await readAll(later.log, again)).map(({ body }) => body)).toEqual(['2']);
});

test('a deletion waits for a fence before it, which a full store may refuse, and fails with it', async () => {
  const { log, engine, stream, basin } = await openHarness();
  const a = await stream('a');
  await log.append([{ stream: a, drafts: [texts('0')] }]);
  const before = engine.transactions.length;
  engine.hold();
  const headers = [[Buffer.alloc(0), Buffer.from('fence')]] as const;
  const calls = Promise.allSettled([
    log.appendRecords({ stream: a, records: [{ headers, body: Buffer.from('x'), timestamp: undefined }] }),
    log.trim(a, 1),
    log.deleteStream(basin, 'a'),
  ]);
  await turn();
  expect(engine.transactions.length - before).toBe(1);
  await engine.settleOne('fail');
  engine.release();
  expect((await calls).map((call) => call.status === 'rejected' && call.reason.code)).toEqual(
    Array.from({ length: 3 }, () => 'storage'),
  );
  expect((await log.checkTail(await stream('a'))).seqNum).toBe(1);
});

test('no append is handed to the engine after a refusal that arrives with the response before it', async () => {
  const { log, engine, stream } = await openHarness();
  const a = await stream('a');
  for (const body of ['0', '1', '2']) await log.append([{ stream: a, drafts: [texts(body)] }]);
  const calls: { resolve: () => void; reject: (error: Error) => void }[] = [];
  engine.commit = () =>
    new Promise((resolve, reject) => {
      if (calls.push({ resolve, reject }) > 2) resolve();
    });
  const trims = [1, 2, 3].map(async (seqNum) => {
    for (let turns = 0; turns < seqNum; turns++) await turn();
    return log.trim(a, seqNum);
  });
  while (calls.length < 2) await turn();
  await turn();
  calls[0]?.resolve();
  calls[1]?.reject(new TailraceError('storage_full', 'no space'));
  await expect(trims[1]).rejects.toMatchObject({ code: 'storage_full' });
  await expect(trims[2]).rejects.toMatchObject({ code: 'storage_full' });
  await trims[0];
  expect(calls).toHaveLength(2);
});

describe('drain', () => {
  test('finishes what was accepted and refuses later appends', async () => {
    const { log, engine, stream } = await openHarness();
    const a = await stream('a');
    engine.hold();
    const accepted = log.append([{ stream: a, drafts: [texts('x')] }]);
    const drained = log.drain();
    await expect(log.append([{ stream: a, drafts: [texts('y')] }])).rejects.toMatchObject({ code: 'draining' });
    engine.release();
    await drained;
    expect((await accepted)[0]?.end.seqNum).toBe(1);
  });
});

describe('timestamps', () => {
  const resolved = async (
    config: Partial<StreamConfig>,
    now: number,
    ...drafts: ReturnType<typeof timed>[]
  ): Promise<number[]> => {
    const clock = new TestClock();
    clock.wallMs = now;
    const { log, stream } = await openHarness(new HeldEngine(), clock, { ...BASIN, defaultStream: config });
    const a = await stream('a');
    await log.append([{ stream: a, drafts }]);
    return (await readAll(log, a)).map(({ timestamp }) => timestamp);
  };

  test.each([
    ['client-prefer keeps the client’s', {}, [timed(5, 7)], [5, 7]],
    ['client-prefer takes now where there is none', {}, [timed(5, -1)], [5, 1_000]],
    ['0 is a time like any other', {}, [timed(0), timed(0, 3)], [0, 0, 3]],
    ['arrival ignores the client’s', { timestampingMode: 'arrival' }, [timed(5, 7)], [1_000, 1_000]],
    ['later than now is capped', {}, [timed(900, 5_000)], [900, 1_000]],
    ['uncapped keeps it', { timestampingUncapped: true }, [timed(900, 5_000)], [900, 5_000]],
    ['never below the one before, within and across blocks', {}, [timed(9, 4), timed(6, 10)], [9, 9, 9, 10]],
    ['capped first, then raised', { timestampingUncapped: true }, [timed(5_000), timed(-1)], [5_000, 5_000]],
  ] as const)('follow the rule: %s', async (_, config, drafts, wanted) => {
    expect(await resolved(config, 1_000, ...drafts)).toEqual(wanted);
  });

  test('never decrease when the clock goes back', async () => {
    const { log, clock, stream, engine } = await openHarness();
    const a = await stream('a');
    await log.append([{ stream: a, drafts: [texts('x')] }]);
    clock.wallMs -= 3_600_000;
    await log.append([{ stream: a, drafts: [texts('y')] }]);
    expect((await readAll(log, a)).map(({ timestamp }) => timestamp)).toEqual([1_000_000, 1_000_000]);
    const blocks = engine.transactions.flat().filter(({ key }) => key[0] === 5);
    expect(blocks).toHaveLength(2);
  });
});
