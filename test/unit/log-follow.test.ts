/** A log that follows another one: it knows of its store what the rows of transactions say, and readers notice nothing of that. */

import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { existingBasin } from '../../src/log/basins.ts';
import { MemberNames } from '../../src/log/follow/member-names.ts';
import type { Log } from '../../src/log/log.ts';
import { Feed, Feeds } from '../../src/log/many/feeds.ts';
import type { ManyRange } from '../../src/log/many/read-many.ts';
import type { LogRead } from '../../src/log/open-reads.ts';
import type { RecordFilter } from '../../src/log/read.ts';
import {
  FEED_BLOCKS_MAX,
  FOLLOWED_BYTES_MAX,
  FOLLOWER_BLOCKS_MAX,
  READER_STREAMS_MAX,
  SUMMARY_ROWS_DUE_BLOCKS,
} from '../../src/model/limits.ts';
import { loadFilter } from '../../src/readers/filter/load-filter.ts';
import { FollowedLog } from '../support/followed-log.ts';
import { FROM_START, texts, turn } from '../support/log-harness.ts';
import { events, oneEvent, untilLevel } from '../support/read-events.ts';
import { appendBlocks, PER_BLOCK, RARE, rowsIn } from '../support/summary-rows.ts';

/** Of one record. */
const RECORD_BYTES = 1024 * 1024;

let pair: FollowedLog;
let abort: AbortController;

beforeEach(async () => {
  pair = await FollowedLog.open();
  abort = new AbortController();
  setMaxListeners(0, abort.signal);
});

afterEach(async () => {
  abort.abort();
  await pair.close();
  expect(pair.leader.fatal).toEqual([]);
});

async function append(name: string, ...bodies: readonly string[]): Promise<void> {
  const { log } = pair.leader;
  await log.append([{ stream: await pair.leader.stream(name), drafts: [texts(...bodies)] }]);
}

async function appendAndDeliver(name: string, ...bodies: readonly string[]): Promise<void> {
  await append(name, ...bodies);
  await pair.deliver();
}

async function read(name: string, seqNum = 0, filter?: RecordFilter, log = pair.log): Promise<LogRead> {
  const stream = await log.openStream(existingBasin(log, 'basin-one'), name, 'read');
  return log.startRead(stream, { ...FROM_START, start: { seqNum } }, abort.signal, { filter });
}

function readMany(from: ManyRange['from'], prefix = '', log: Log = pair.log): Promise<LogRead> {
  const shownAs = (name: string): string | undefined => (name.startsWith(prefix) ? name : undefined);
  const selection = { names: undefined, prefix, shownAs };
  return log.startMany(existingBasin(log, 'basin-one'), { selection, from }, abort.signal);
}

/** Deletes a stream, and what it holds, in steps of its own. */
async function remove(name: string): Promise<void> {
  const { log, basin } = pair.leader;
  await log.deleteStream(basin, name);
  await log.backgroundSettled();
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: { code: string }) => error.code,
  );
}

describe('a reader of one stream', () => {
  readsOne();
  losesOne();
});

function readsOne(): void {
  test('gets what is stored, then what comes, several transactions at once or one by one', async () => {
    await appendAndDeliver('a', 'x', 'y');
    const reader = await read('a');
    expect(await untilLevel(reader)).toEqual(['0', '1', 'level']);
    await append('a', 'z');
    await append('b', 'z');
    await append('a', 'z', 'z');
    await pair.deliver(1);
    expect(await events(reader, 1)).toEqual(['2']);
    await pair.deliver();
    expect(await events(reader, 2)).toEqual(['3', '4']);
  });

  test('that began while the store showed more than was known gets all of that once', async () => {
    await appendAndDeliver('a', 'x');
    await read('a');
    await append('a', 'y', 'z');
    const delivering = pair.deliver();
    const readers = await Promise.all([read('a'), read('a', 1)]);
    const got = Promise.all(readers.map((reader) => untilLevel(reader)));
    await delivering;
    const [all = [], rest = []] = await got;
    expect([...all.filter((word) => word !== 'level')].slice(0, 1)).toEqual(['0']);
    for (const [reader, words] of [
      [readers[0], all],
      [readers[1], rest],
    ] as const) {
      while (!words.includes('2')) words.push(...(await oneEvent(reader as LogRead)));
      const numbers = words.filter((word) => word !== 'level').map(Number);
      expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
    }
  });

  test('reads from the store what is too much to be unpacked for it', async () => {
    await appendAndDeliver('a', 'x');
    const [reader, many] = [await read('a'), await readMany('tail')];
    for (const each of [reader, many]) await untilLevel(each);
    const large = 'y'.repeat(RECORD_BYTES);
    const count = FOLLOWED_BYTES_MAX / RECORD_BYTES + 1;
    for (let i = 0; i < count; i++) await append('a', large);
    await pair.deliver();
    expect(await events(reader, count)).toEqual(Array.from({ length: count }, (_, i) => String(i + 1)));
    expect(await events(many, count)).toEqual(Array.from({ length: count }, (_, i) => `a ${i + 1}`));
  });

  test('that falls behind goes back to the store', async () => {
    await appendAndDeliver('a', 'x');
    const reader = await read('a');
    await untilLevel(reader);
    const count = FOLLOWER_BLOCKS_MAX + 5;
    for (let i = 0; i < count; i++) await append('a', 'y');
    while (pair.behind > 0) await pair.deliver(1);
    expect(await events(reader, count)).toEqual(Array.from({ length: count }, (_, i) => String(i + 1)));
    expect(await events(reader, 1)).toEqual(['level']);
  });

  test('with a filter passes over no more by a row of summaries than is known to be durable', async () => {
    const { log } = pair.leader;
    const stream = await pair.leader.stream('a');
    await appendBlocks(log, stream, 0, 10, []);
    await pair.deliver();
    const reader = await read('a', 0, await loadFilter([`trace_id=${RARE}`]));
    await appendBlocks(log, stream, 10, SUMMARY_ROWS_DUE_BLOCKS, []);
    await log.backgroundSettled();
    expect((await rowsIn(pair.leader.engine, stream)).length).toBeGreaterThan(0);
    const words: string[] = [];
    pair.whileWritten = async () => void words.push(...(await untilLevel(reader)));
    await pair.deliver();
    expect(words.slice(-2)).toEqual([`passed ${10 * PER_BLOCK}`, 'level']);
    while (words.at(-1) !== `passed ${SUMMARY_ROWS_DUE_BLOCKS * PER_BLOCK}`) words.push(...(await oneEvent(reader)));
  });
}

function losesOne(): void {
  test('of a stream that begins and is deleted in one piece of the log gets its records, and then its end', async () => {
    const many = await readMany('start');
    expect(await untilLevel(many)).toEqual(['level']);
    await append('a', 'x');
    await remove('a');
    await pair.deliver(2);
    // It looks again when all of the deletion has come.
    expect(await failureOf(read('a'))).toBe('stream_not_found');
    expect(await events(many, 3)).toEqual(['a from 0', 'a 0', 'a left: stream_deletion_pending']);
  });

  test('finds a gap, and no damage, where a trim and its removal come in one transaction', async () => {
    for (let i = 0; i < 600; i++) await append('a', `${i}`);
    await pair.deliver();
    const [level, behind] = [await read('a'), await read('a')];
    await untilLevel(level);
    await events(behind, 10);
    await pair.leader.log.trim(await pair.leader.stream('a'), 598);
    await pair.leader.log.backgroundSettled();
    await append('a', 'last');
    const words: string[] = [];
    pair.whileWritten = async () => void words.push(...(await untilLevel(behind)));
    await pair.deliver();
    const gap = words.findIndex((word) => word.startsWith('gap'));
    expect(words.slice(0, gap)).toEqual(Array.from({ length: gap }, (_, i) => String(10 + i)));
    expect(words.slice(gap)).toEqual([`gap ${10 + gap}-598`, '598', '599', 'level']);
    for (const reader of [level, behind]) expect(await events(reader, 1)).toEqual(['600']);
  });

  test('ends with a deletion, also when all of it comes at once with another stream by that name', async () => {
    await appendAndDeliver('a', 'x', 'y');
    const [level, behind] = [await read('a'), await read('a')];
    await untilLevel(level);
    await remove('a');
    await append('a', 'of another');
    await pair.deliver();
    expect(await failureOf(untilLevel(level))).toBe('stream_deletion_pending');
    expect(await failureOf(untilLevel(behind))).toBe('stream_deletion_pending');
    expect(await untilLevel(await read('a'))).toEqual(['0', 'level']);
  });

  test('is told of what comes after its store failed and took it at the second try', async () => {
    await appendAndDeliver('a', 'x');
    await appendAndDeliver('b', 'x');
    const [kept, gone] = [await read('a'), await read('b')];
    for (const reader of [kept, gone]) await untilLevel(reader);
    await append('a', 'y');
    await remove('b');
    pair.failures = 1;
    expect(await failureOf(pair.deliver())).toBe('storage_full');
    await pair.deliver();
    expect(await events(kept, 1)).toEqual(['1']);
    expect(await failureOf(untilLevel(gone))).toBe('stream_deletion_pending');
  });
}

describe('a reader of many streams', () => {
  test('gets what each has, then what comes, also of streams that are not in memory or are made later', async () => {
    for (const name of ['a/1', 'a/2', 'b/1']) await append(name, 'x');
    await pair.deliver();
    const reader = await readMany('start', 'a/');
    expect(await untilLevel(reader)).toEqual(['a/1 from 0', 'a/2 from 0', 'a/1 0', 'a/2 0', 'level']);
    const tail = await readMany('tail', 'a/');
    expect(await untilLevel(tail)).toEqual(['a/1 from 1', 'a/2 from 1', 'level']);
    for (const name of ['a/2', 'b/1', 'a/1', 'a/3']) await append(name, 'y');
    await pair.deliver();
    for (const each of [reader, tail]) {
      const words = await events(each, 4);
      expect([...words].sort()).toEqual(['a/1 1', 'a/2 1', 'a/3 0', 'a/3 from 0']);
    }
  });

  test('gets one order for all streams, that of the log, also of those that are made later', async () => {
    for (const name of ['a', 'b']) await append(name, 'x');
    await pair.deliver();
    const reader = await readMany('tail');
    await untilLevel(reader);
    for (const name of ['b', 'a', 'new', 'b', 'new', 'a']) await append(name, 'y');
    const wanted = ['b 1', 'a 1', 'new from 0', 'new 0', 'b 2', 'new 1', 'a 2'];
    await pair.deliver();
    expect(await events(reader, wanted.length)).toEqual(wanted);
    // Also what comes one by one, while its reader is not asked.
    for (const name of ['newer', 'a', 'newer', 'b']) await appendAndDeliver(name, 'z');
    expect(await events(reader, 5)).toEqual(['newer from 0', 'newer 0', 'a 3', 'newer 1', 'b 3']);
  });

  test('from the tail misses nothing of a stream that it has not looked at yet', async () => {
    await appendAndDeliver('a', 'x', 'y');
    const reader = await readMany('tail');
    await appendAndDeliver('a', 'z');
    expect(await untilLevel(reader)).toEqual(['a from 2', 'a 2', 'level']);
  });

  test('from the tail gets nothing of what was there before it and had not come', async () => {
    await appendAndDeliver('a', 'x');
    await append('a', 'y');
    await append('new', 'x');
    const reader = await readMany('tail');
    await appendAndDeliver('a', 'z');
    expect(await untilLevel(reader)).toEqual(['a from 2', 'new from 1', 'a 2', 'level']);
  });

  test('is told of a deletion, and of another stream by that name, all at once', async () => {
    for (const name of ['a', 'b', 'empty']) await append(name, 'x');
    await pair.deliver();
    const reader = await readMany('tail');
    await untilLevel(reader);
    await remove('a');
    await append('a', 'of another');
    await append('b', 'y');
    await pair.deliver();
    const words = await events(reader, 4);
    expect([...words].sort()).toEqual(['a 0', 'a from 0', 'a left: stream_deletion_pending', 'b 1']);
    expect(words.indexOf('a left: stream_deletion_pending')).toBeLessThan(words.indexOf('a 0'));
  });

  test('that takes nothing for long goes on where it was', async () => {
    await appendAndDeliver('a', 'x');
    const reader = await readMany('tail');
    await untilLevel(reader);
    const count = FEED_BLOCKS_MAX + 5;
    for (let i = 0; i < count; i++) await append('a', 'y');
    while (pair.behind > 0) await pair.deliver(1);
    expect(await events(reader, count)).toEqual(Array.from({ length: count }, (_, i) => `a ${i + 1}`));
  });

  test('that was farther than this log goes on when that has caught up', async () => {
    await appendAndDeliver('a', 'x');
    await append('a', 'y', 'z');
    const from = new Map([['a', { next: 3, id: undefined }]]);
    expect(await untilLevel(await readMany(from))).toEqual(['a from 3', 'level']);
    const beyond = await readMany(new Map([['a', { next: 4, id: undefined }]]));
    expect(await failureOf(untilLevel(beyond))).toBe('range_not_satisfiable');
  });
});

test('names of streams are kept that a reader of many wants, until there are many that none wants', () => {
  const feeds = new Feeds();
  const names = new MemberNames(feeds);
  const basin = existingBasin(pair.log, 'basin-one');
  const wants = (prefix: string): Feed => new Feed((name) => (name.startsWith(prefix) ? name : undefined));
  const leave = feeds.add('basin-one', wants('a'));
  for (let i = 0; i < READER_STREAMS_MAX; i++) names.add(basin, `a${i}`, i);
  names.add(basin, 'b', READER_STREAMS_MAX);
  expect([names.size, names.of(0)?.name, names.of(READER_STREAMS_MAX)]).toEqual([READER_STREAMS_MAX, 'a0', undefined]);
  feeds.add('basin-one', wants('b'));
  leave();
  for (let i = 0; i <= READER_STREAMS_MAX; i++) names.add(basin, `b${i}`, READER_STREAMS_MAX + i);
  const [gone, kept] = [names.of(0), names.of(READER_STREAMS_MAX)];
  expect([names.size, gone, kept?.name]).toEqual([READER_STREAMS_MAX + 1, undefined, 'b0']);
});

describe('a log that follows', () => {
  test('catches up before it says that something is not there', async () => {
    await append('new', 'x');
    expect(await untilLevel(await read('new'))).toEqual(['0', 'level']);
    await append('new', 'y', 'z');
    expect(await untilLevel(await read('new', 3))).toEqual(['level']);
    expect(pair.looks).toBe(3);
    expect(await failureOf(read('nothing'))).toBe('stream_not_found');
    expect(await failureOf(read('new', 4))).toBe('range_not_satisfiable');
  });

  test('that is cut off serves what it has, and says of the rest that it cannot know', async () => {
    await appendAndDeliver('a', 'x');
    await append('new', 'x');
    pair.isCutOff = true;
    expect(await untilLevel(await read('a'))).toEqual(['0', 'level']);
    expect(await failureOf(read('new'))).toBe('unavailable');
    expect(await failureOf(read('a', 2))).toBe('unavailable');
  });

  test('refuses whatever would change something, and changes nothing', async () => {
    await appendAndDeliver('a', 'x');
    const { log } = pair;
    const basin = existingBasin(log, 'basin-one');
    const stream = await log.openStream(basin, 'a', 'read');
    const rows = await pair.engine.scan({ from: Buffer.of(0), to: Buffer.of(0xff), limit: 100 });
    const calls: (() => Promise<unknown>)[] = [
      () => log.append([{ stream, drafts: [texts('y')] }]),
      () => log.appendRecords({ stream, records: [{ timestamp: undefined, headers: [], body: Buffer.from('y') }] }),
      () => log.trim(stream, 1),
      () => log.createStream(basin, 'b', {}),
      () => log.reconfigureStream(basin, 'a', { retentionAgeSeconds: 7 }),
      () => log.deleteStream(basin, 'a'),
      () => log.createBasin('basin-two', {}),
      () => log.reconfigureBasin('basin-one', { createStreamOnRead: true }),
      () => log.deleteBasin('basin-one'),
      () => log.commitRows([]),
    ];
    for (const call of calls) expect(await failureOf(call())).toBe('unavailable');
    expect(await pair.engine.scan({ from: Buffer.of(0), to: Buffer.of(0xff), limit: 100 })).toEqual(rows);
  });

  test('knows of basins, their settings and what is deleted with them', async () => {
    const { log } = pair.leader;
    const { it: basin } = await log.createBasin('basin-two', { createStreamOnAppend: true });
    await log.append([{ stream: await log.openStream(basin, 'a', 'append'), drafts: [texts('x')] }]);
    await log.reconfigureBasin('basin-two', { createStreamOnRead: true });
    await pair.deliver();
    const known = existingBasin(pair.log, 'basin-two');
    expect(known.config).toEqual(log.basin('basin-two')?.config);
    const stream = await pair.log.openStream(known, 'a', 'read');
    const reader = await pair.log.startRead(stream, FROM_START, abort.signal);
    await untilLevel(reader);
    await log.deleteBasin('basin-two');
    await log.backgroundSettled();
    await pair.deliver();
    expect(await failureOf(untilLevel(reader))).toBe('stream_deletion_pending');
    expect(pair.log.basin('basin-two')).toBeUndefined();
  });

  test('is told nothing by rows that are written past it: the control', async () => {
    await appendAndDeliver('a', 'x');
    const reader = await read('a');
    await untilLevel(reader);
    await append('a', 'y');
    const next = oneEvent(reader);
    await pair.engine.commit(pair.lastWrites);
    expect(await Promise.race([next, turn().then(() => 'nothing')])).toBe('nothing');
    await pair.deliver();
    expect(await next).toEqual(['1']);
  });
});
