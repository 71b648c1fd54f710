/** Many streams read as one, on the log: order, joining and leaving, falling behind, and going on where a reader was. */

import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ManyRange } from '../../src/log/many/read-many.ts';
import type { LogRead, Unsent } from '../../src/log/open-reads.ts';
import type { RecordFilter } from '../../src/log/read.ts';
import { FEED_BLOCKS_MAX, READER_STREAMS_MAX } from '../../src/model/limits.ts';
import { type Harness, openHarness, texts, turn } from '../support/log-harness.ts';
import { events, oneEvent, untilLevel } from '../support/read-events.ts';

/** With so many by each writer, no reader has seen one until the end: it would never see any. */
const APPENDS_MAX = 300;

let harness: Harness;
let abort: AbortController;

beforeEach(async () => {
  harness = await openHarness();
  abort = new AbortController();
});

afterEach(async () => {
  abort.abort();
  await harness.log.close();
});

function readMany(from: ManyRange['from'], prefix = '', filter?: RecordFilter): Promise<LogRead> {
  const shownAs = (name: string): string | undefined => (name.startsWith(prefix) ? name : undefined);
  return harness.log.startMany(
    harness.basin,
    { selection: { names: undefined, prefix, shownAs }, from },
    abort.signal,
    { filter },
  );
}

async function append(name: string, ...bodies: readonly string[]): Promise<void> {
  await harness.log.append([{ stream: await harness.stream(name), drafts: [texts(...bodies)] }]);
}

describe('a reader of many streams', () => {
  test('from the start gets what each has, then all of them in the order in which they become durable', async () => {
    await append('a/1', 'x', 'y');
    await append('b/1', 'x');
    await append('a/2', 'x');
    const read = await readMany('start', 'a/');
    expect(await untilLevel(read)).toEqual(['a/1 from 0', 'a/2 from 0', 'a/1 0', 'a/1 1', 'a/2 0', 'level']);
    await append('a/2', 'y');
    await append('b/1', 'y');
    await append('a/1', 'z');
    await append('a/2', 'z');
    expect(await events(read, 3)).toEqual(['a/2 1', 'a/1 2', 'a/2 2']);
  });

  test('from the tail gets what comes after it began, also of streams that it has not looked at yet', async () => {
    await append('a', 'x', 'y');
    const read = await readMany('tail');
    await append('a', 'z');
    expect(await untilLevel(read)).toEqual(['a from 2', 'a 2', 'level']);
  });

  test('gets a stream that is made later from its first record on', async () => {
    const read = await readMany('tail');
    expect(await untilLevel(read)).toEqual(['level']);
    await append('new', 'x', 'y');
    expect(await events(read, 3)).toEqual(['new from 0', 'new 0', 'new 1']);
  });

  test('is told of a stream that is deleted, and of another one that is made by that name', async () => {
    await append('a', 'x');
    await append('b', 'x');
    const read = await readMany('tail');
    await untilLevel(read);
    await append('a', 'y');
    await harness.log.deleteStream(harness.basin, 'a');
    await harness.log.backgroundSettled();
    await append('a', 'z');
    await append('b', 'y');
    expect(await events(read, 5)).toEqual(['a 1', 'a left: stream_deletion_pending', 'a from 0', 'a 0', 'b 1']);
  });

  test('goes on where it was; a stream that it does not know is new, one that was made again is another', async () => {
    for (const name of ['a', 'b', 'c']) await append(name, 'x', 'y');
    const { id } = await harness.stream('a');
    const from = new Map([
      ['a', { next: 1, id }],
      ['b', { next: 2, id: '999999' }],
      ['gone', { next: 7, id: undefined }],
    ]);
    expect(await untilLevel(await readMany(from))).toEqual([
      'a from 1',
      'b from 0',
      'c from 0',
      'gone left: stream_not_found',
      'a 1',
      'b 0',
      'b 1',
      'c 0',
      'c 1',
      'level',
    ]);
  });

  test('is refused a position beyond the tail', async () => {
    await append('a', 'x');
    const read = await readMany(new Map([['a', { next: 2, id: undefined }]]));
    await expect(untilLevel(read)).rejects.toMatchObject({ code: 'range_not_satisfiable' });
  });

  test('is told what was trimmed away before it came there', async () => {
    await append('a', 'x', 'y', 'z');
    await harness.log.trim(await harness.stream('a'), 2);
    expect(await untilLevel(await readMany('start'))).toEqual(['a from 0', 'a gap 0-2', 'a 2', 'level']);
  });
});

describe('a reader of many streams that is slow', () => {
  test('reads from the store what it missed, and nothing twice', async () => {
    const read = await readMany('tail');
    await untilLevel(read);
    const wanted: Record<string, number> = {};
    for (let i = 0; i < FEED_BLOCKS_MAX + 40; i++) {
      const name = `s${i % 7}`;
      await append(name, 'x');
      wanted[name] = (wanted[name] ?? 0) + 1;
    }
    const got = (await untilLevel(read)).filter((event) => /^s\d \d+$/.test(event));
    for (const [name, count] of Object.entries(wanted)) {
      const own = got.filter((event) => event.startsWith(`${name} `));
      expect(own).toEqual(Array.from({ length: count }, (_, i) => `${name} ${i}`));
    }
  });

  test('keeps nothing for streams without news, and one position for each that it missed while it was parked', async () => {
    for (let i = 0; i < 200; i++) await append(`s${i}`, 'x');
    const read = await readMany('tail');
    await untilLevel(read);
    expect(read.positions).toBe(0);
    await read.park([]);
    for (let i = 0; i < 20; i++) await append(`s${i % 5}`, 'y');
    expect(read.positions).toBe(5);
    expect((await untilLevel(read)).filter((event) => event !== 'level')).toHaveLength(20);
    expect(read.positions).toBe(0);
  });

  test('passes over what its filter does not want, and says how far', async () => {
    await append('a', 'x', 'y', 'z');
    const second: RecordFilter = { runs: async () => [1, 2] };
    const read = await readMany('start', '', second);
    expect(await untilLevel(read)).toEqual(['a from 0', 'a 1', 'a passed 3', 'level']);
    await append('a', 'p', 'q');
    expect(await events(read, 1)).toEqual(['a 4']);
  });

  test('ends quietly when it is aborted while it waits', async () => {
    const read = await readMany('tail');
    await untilLevel(read);
    const next = read.next();
    abort.abort();
    expect((await next).done).toBe(true);
  });
});

type Step =
  | { readonly do: 'append'; readonly stream: number; readonly count: number }
  | { readonly do: 'delete'; readonly stream: number }
  | { readonly do: 'read'; readonly events: number }
  /** The reader lets go of all, with so many of the last events not sent. */
  | { readonly do: 'park'; readonly unsent: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      stream: fc.nat(4),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), events: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('park' as const), unsent: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), stream: fc.nat(4) }) },
);

/** A reader that checks what it gets against where it is. */
class CheckedRead {
  readonly read: LogRead;
  /** By the id of the stream. */
  readonly at = new Map<string, number>();
  #last: Unsent | undefined;
  #asked: ReturnType<LogRead['next']> | undefined;

  constructor(read: LogRead) {
    this.read = read;
  }

  /** Takes what is there within some turns; false where there was nothing. */
  async take(): Promise<boolean> {
    this.#asked ??= this.read.next();
    let isHere = false;
    const seen = this.#asked.then(() => {
      isHere = true;
    });
    for (let turns = 0; !isHere && turns < 20; turns++) await Promise.race([seen, turn()]);
    if (!isHere) return false;
    const { value: event } = await this.#asked;
    this.#asked = this.#last = undefined;
    if (event?.type === 'joined') for (const { id, next } of event.members) this.at.set(id, next);
    if (event?.type === 'left') this.at.delete(event.of.id);
    if (event?.type !== 'records' || event.of === undefined) return true;
    const seqNum = event.block.firstSeq + event.from;
    expect(this.at.get(event.of.id)).toBe(seqNum);
    this.at.set(event.of.id, event.block.firstSeq + event.to);
    this.#last = { seqNum, block: event.block, of: event.of };
    return true;
  }

  /** Lets go of all, perhaps with the last event not sent. */
  async park(isUnsent: boolean): Promise<void> {
    if (this.#asked !== undefined) return;
    const unsent = isUnsent && this.#last?.of !== undefined ? [this.#last] : [];
    for (const { of, seqNum } of unsent) this.at.set(of?.id ?? '', seqNum);
    this.#last = undefined;
    await this.read.park(unsent);
  }
}

test('whatever happens, a reader of many gets each stream in order, whole, and nothing twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), fc.boolean(), fc.boolean(), async (...drawn) => {
      const [steps, isFromStart, isToldInTurns] = drawn;
      harness = await openHarness(undefined, undefined, undefined, isToldInTurns ? { toldAtOnceMax: 0 } : {});
      await append('s0', 'x', 'y');
      await append('s1', 'x');
      const reader = new CheckedRead(await readMany(isFromStart ? 'start' : 'tail'));
      for (const one of steps) {
        if (one.do === 'append') await append(`s${one.stream}`, ...Array.from({ length: one.count }, () => 'x'));
        else if (one.do === 'park') await reader.park(one.unsent);
        else if (one.do === 'delete') {
          await harness.log.deleteStream(harness.basin, `s${one.stream}`).catch(() => {});
          await harness.log.backgroundSettled();
        } else for (let i = 0; i < one.events && (await reader.take()); i++);
      }
      while (await reader.take());
      const { streams } = await harness.log.listStreams(harness.basin, { prefix: '', startAfter: '', limit: 100 });
      const tails = await Promise.all(
        streams.map(async ({ name }) => {
          const stream = await harness.log.openStream(harness.basin, name, 'read');
          return [stream.id, (await harness.log.checkTail(stream)).seqNum] as const;
        }),
      );
      expect(new Map(reader.at)).toEqual(new Map(tails));
      await reader.read.return();
      await harness.log.close();
    }),
    { numRuns: 60 },
  );
});

test('readers that are told of a large append in turns go on while others append without a break', async () => {
  setMaxListeners(100, abort.signal);
  const readers = await Promise.all(Array.from({ length: 100 }, () => readMany('tail')));
  await Promise.all(readers.map(untilLevel));
  const streams = await Promise.all(Array.from({ length: 60 }, (_, i) => harness.stream(`large/${i}`)));
  await harness.log.append(streams.map((stream) => ({ stream, drafts: [texts('x')] })));
  let isSeen = false;
  let appends = 0;
  const write = async (name: string): Promise<void> => {
    for (let i = 0; i < APPENDS_MAX && !isSeen; i++) {
      await append(name, 'x');
      appends++;
    }
  };
  const writing = Promise.all(Array.from({ length: 8 }, (_, i) => write(`small/${i}`)));
  const [reader] = readers;
  for (let got: readonly string[] = []; reader !== undefined && !got.some((event) => event.startsWith('small/')); ) {
    got = await oneEvent(reader);
  }
  isSeen = true;
  await writing;
  expect(appends).toBeLessThan(8 * APPENDS_MAX);
});

test('a reader has 10,000 streams, and ends with how to narrow it when one more matches', async () => {
  const names = Array.from({ length: READER_STREAMS_MAX + 1 }, (_, i) => `n/${String(i).padStart(5, '0')}`);
  const streams = await Promise.all(names.map((name) => harness.stream(name)));
  await harness.log.append(streams.map((stream) => ({ stream, drafts: [texts('x')] })));
  const all = await readMany('tail', 'n/0');
  const joined = await untilLevel(all);
  expect([joined.length, joined.at(-2)]).toEqual([READER_STREAMS_MAX + 1, 'n/09999 from 1']);
  await append('n/0-another', 'x');
  await expect(events(all, 1)).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('narrow it'),
  });
  await expect(untilLevel(await readMany('tail', 'n/'))).rejects.toMatchObject({ code: 'invalid' });
});
