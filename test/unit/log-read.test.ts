/** Reads: every start and bound, the rules at the tail, following, falling back, trims, damage. */

import { describe, expect, test } from '@jest/globals';
import type { ReadEvent } from '../../src/log/events.ts';
import { FOLLOWER_BLOCKS_MAX } from '../../src/model/limits.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import { blockKey } from '../../src/storage/keys.ts';
import {
  FROM_START,
  type Harness,
  openHarness,
  readAll,
  recordsOf,
  texts,
  timed,
  turn,
} from '../support/log-harness.ts';

/** Ten records in four blocks, with timestamps 10, 20 … 100. */
async function tenRecords(): Promise<Harness & { readonly a: Awaited<ReturnType<Harness['stream']>> }> {
  const harness = await openHarness();
  const a = await harness.stream('a');
  for (const draft of [timed(10, 20, 30), timed(40), timed(50, 60, 70, 80), timed(90, 100)]) {
    await harness.log.append([{ stream: a, drafts: [draft] }]);
  }
  return { ...harness, a };
}

const BOUNDED = { count: 100 } as const;

describe('a read', () => {
  test.each([
    ['seq_num', { start: { seqNum: 4 } }, [4, 5, 6, 7, 8, 9]],
    ['tail_offset', { start: { tailOffset: 3 } }, [7, 8, 9]],
    ['tail_offset beyond the start', { start: { tailOffset: 300 } }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['timestamp that a record has', { start: { timestamp: 60 } }, [5, 6, 7, 8, 9]],
    ['timestamp between two records', { start: { timestamp: 61 } }, [6, 7, 8, 9]],
    ['timestamp before all', { start: { timestamp: 0 } }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['count inside a block', { count: 2 }, [0, 1]],
    ['count at the end of a block', { count: 4 }, [0, 1, 2, 3]],
    ['count 0', { count: 0 }, []],
    ['bytes that fit two records', { bytes: 20 }, [0, 1]],
    ['bytes too few for the first', { bytes: 9 }, []],
    ['until', { until: 50 }, [0, 1, 2, 3]],
    ['until, inside a block', { until: 61 }, [0, 1, 2, 3, 4, 5]],
    ['until before all', { until: 1 }, []],
    ['all together', { start: { seqNum: 2 }, count: 5, bytes: 1_000, until: 65 }, [2, 3, 4, 5]],
  ] as const satisfies readonly (readonly [string, Partial<ReadRange>, readonly number[]])[])(
    'starts and ends correctly: %s',
    async (_, range, wanted) => {
      const { log, a } = await tenRecords();
      const seen = await readAll(log, a, { ...BOUNDED, ...range });
      expect(seen.map(({ seqNum }) => seqNum)).toEqual(wanted);
      expect(seen.map(({ timestamp }) => timestamp)).toEqual(wanted.map((seqNum) => (seqNum + 1) * 10));
    },
  );
});

describe('a read at the tail', () => {
  const tail = { seqNum: 10, timestamp: 100 };
  test.each([
    ['at the tail without waiting', { start: { seqNum: 10 }, ...BOUNDED }, 'refused'],
    ['tail_offset 0 without waiting', { start: { tailOffset: 0 }, ...BOUNDED }, 'refused'],
    ['beyond the tail', { start: { seqNum: 11 } }, 'refused'],
    ['beyond the tail, clamped, bounded', { start: { seqNum: 11 }, clamp: true, ...BOUNDED }, 'refused'],
    ['beyond the tail, clamped, following', { start: { seqNum: 11 }, clamp: true }, 'follows'],
    ['a timestamp after the last', { start: { timestamp: 101 } }, 'refused'],
    ['at the tail, following', { start: { seqNum: 10 } }, 'follows'],
    ['at the tail, waiting', { start: { seqNum: 10 }, ...BOUNDED, waitMs: 1_000 }, 'follows'],
  ] as const satisfies readonly (readonly [string, Partial<ReadRange>, string])[])(
    "follows S2's rule: %s",
    async (_, range, wanted) => {
      const { log, a } = await tenRecords();
      const events = log.read(a, { ...FROM_START, ...range }, new AbortController().signal);
      if (wanted === 'refused')
        await expect(events.next()).rejects.toMatchObject({ code: 'range_not_satisfiable', detail: { tail } });
      else expect((await events.next()).value).toEqual({ type: 'caught_up', tail });
      await events.return(undefined);
    },
  );

  test('is refused with tail 0 when it is bounded and the stream is empty', async () => {
    const { log, stream } = await openHarness();
    const read = log.read(await stream('empty'), { ...FROM_START, ...BOUNDED }, new AbortController().signal);
    await expect(read.next()).rejects.toMatchObject({ detail: { tail: { seqNum: 0, timestamp: 0 } } });
  });
});

describe('a following read', () => {
  test('gets records once, in order, with the tail, and caught_up once', async () => {
    const { log, a } = await tenRecords();
    const events = log.read(a, { ...FROM_START, start: { seqNum: 8 } }, new AbortController().signal);
    const first = (await events.next()).value as ReadEvent;
    expect(recordsOf(first).map(({ seqNum }) => seqNum)).toEqual([8, 9]);
    expect(first).toMatchObject({ tail: { seqNum: 10 } });
    expect((await events.next()).value).toMatchObject({ type: 'caught_up', tail: { seqNum: 10 } });
    const next = events.next();
    await log.append([{ stream: a, drafts: [texts('live')] }]);
    const live = (await next).value as ReadEvent;
    expect(recordsOf(live).map(({ body }) => body)).toEqual(['live']);
    expect(live).toMatchObject({ tail: { seqNum: 11 } });
    await events.return(undefined);
  });

  test('shares blocks: two followers get the same block', async () => {
    const { log, a } = await tenRecords();
    const reads = [1, 2].map(() =>
      log.read(a, { ...FROM_START, start: { tailOffset: 0 } }, new AbortController().signal),
    );
    for (const read of reads) await read.next();
    const next = reads.map((read) => read.next());
    await log.append([{ stream: a, drafts: [texts('live')] }]);
    const [one, two] = (await Promise.all(next)).map(({ value }) => value as ReadEvent & { block: unknown });
    expect(one?.block).toBe(two?.block);
    for (const read of reads) await read.return(undefined);
  });

  test('that does not keep up reads from disk again and misses nothing', async () => {
    const { log, a } = await tenRecords();
    const events = log.read(a, { ...FROM_START, start: { seqNum: 10 } }, new AbortController().signal);
    await events.next();
    const more = FOLLOWER_BLOCKS_MAX * 3;
    for (let i = 0; i < more; i++) await log.append([{ stream: a, drafts: [texts(`${i}`)] }]);
    const bodies: string[] = [];
    while (bodies.length < more)
      bodies.push(...recordsOf((await events.next()).value as ReadEvent).map(({ body }) => body));
    expect(bodies).toEqual(Array.from({ length: more }, (_, i) => `${i}`));
    expect((await events.next()).value).toMatchObject({ type: 'caught_up', tail: { seqNum: 10 + more } });
    await events.return(undefined);
  });

  test('ends at once when it is aborted, and its follower is freed', async () => {
    const { log, a } = await tenRecords();
    const abort = new AbortController();
    const events = log.read(a, { ...FROM_START, start: { tailOffset: 0 } }, abort.signal);
    await events.next();
    const next = events.next();
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  test('ends after its wait without records, restarts the wait on records only, and leaves no timer', async () => {
    const { log, clock, a } = await tenRecords();
    await log.backgroundSettled();
    const ownTimers = clock.timers;
    const range = { ...FROM_START, start: { tailOffset: 0 }, count: 100, waitMs: 1_000 };
    const events = log.read(a, range, new AbortController().signal);
    await events.next();
    const first = events.next();
    await turn();
    clock.advance(900);
    await log.append([{ stream: a, drafts: [texts('in time')] }]);
    expect(recordsOf((await first).value as ReadEvent)).toHaveLength(1);
    const second = events.next();
    await turn();
    clock.advance(999);
    await turn();
    expect(clock.timers).toBe(ownTimers + 1);
    clock.advance(1);
    expect(await second).toEqual({ done: true, value: undefined });
    expect(clock.timers).toBe(ownTimers);
  });
});

describe('trims', () => {
  test('are exact, show as a gap, keep the tail, and free whole blocks', async () => {
    const { log, engine, a, reopen } = await tenRecords();
    await log.trim(a, 5);
    const events: ReadEvent[] = [];
    for await (const event of log.read(a, { ...FROM_START, ...BOUNDED }, new AbortController().signal))
      events.push(event);
    expect(events[0]).toEqual({ type: 'gap', from: 0, to: 5 });
    expect(events.flatMap(recordsOf).map(({ seqNum }) => seqNum)).toEqual([5, 6, 7, 8, 9]);
    expect(await engine.get(blockKey(Number(a.id), 0))).toBeUndefined();
    expect(await engine.get(blockKey(Number(a.id), 3))).toBeUndefined();
    expect(await engine.get(blockKey(Number(a.id), 4))).toBeDefined();
    await log.trim(a, 2);
    await log.trim(a, 99);
    expect(await log.checkTail(a)).toEqual({ seqNum: 10, timestamp: 100 });
    const later = await reopen();
    expect(await readAll(later.log, await later.stream('a'), BOUNDED)).toEqual([]);
    const [ack] = await later.log.append([{ stream: await later.stream('a'), drafts: [texts('next')] }]);
    expect(ack?.start.seqNum).toBe(10);
  });
});

describe('damage of a stream', () => {
  test('is an error when a block is missing, never a silent gap', async () => {
    const { engine, a, reopen } = await tenRecords();
    await engine.commit([{ type: 'delete', key: blockKey(Number(a.id), 4) }]);
    const { log, stream } = await reopen();
    await expect(readAll(log, await stream('a'), BOUNDED)).rejects.toMatchObject({ code: 'corrupt' });
    await expect(readAll(log, await stream('a'), { start: { seqNum: 5 }, ...BOUNDED })).rejects.toMatchObject({
      code: 'corrupt',
    });
    expect(await readAll(log, await stream('a'), { start: { seqNum: 8 }, ...BOUNDED })).toHaveLength(2);
  });

  test('is found when the stream is opened and a block lies beyond the tail', async () => {
    const { engine, a, reopen } = await tenRecords();
    await engine.commit([{ type: 'put', key: blockKey(Number(a.id), 10), value: Buffer.from('stray') }]);
    const { stream } = await reopen();
    await expect(stream('a')).rejects.toMatchObject({ code: 'corrupt' });
  });
});

describe('lists of streams', () => {
  test('are in byte order, with prefix, start_after, limit and has_more', async () => {
    const { log, basin, stream } = await openHarness();
    const names = ['b', 'a', 'aé', 'a\u{1f600}', 'a\uffee', 'c/1', 'c/2'];
    for (const name of names) await log.append([{ stream: await stream(name), drafts: [texts('x')] }]);
    const list = async (options: object): Promise<[string[], boolean]> => {
      const page = await log.listStreams(basin, { prefix: '', startAfter: '', limit: 100, ...options });
      return [page.streams.map(({ name }) => name), page.hasMore];
    };
    expect(await list({})).toEqual([['a', 'aé', 'a\uffee', 'a\u{1f600}', 'b', 'c/1', 'c/2'], false]);
    expect(await list({ prefix: 'c/' })).toEqual([['c/1', 'c/2'], false]);
    expect(await list({ prefix: 'c/', startAfter: 'c/1' })).toEqual([['c/2'], false]);
    expect(await list({ prefix: 'c/', startAfter: 'a' })).toEqual([['c/1', 'c/2'], false]);
    expect(await list({ limit: 3 })).toEqual([['a', 'aé', 'a\uffee'], true]);
    expect(await log.countStreams()).toBe(7);
    expect(await log.countStreams(3)).toBe(3);
  });
});
