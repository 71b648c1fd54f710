/** A log that follows sees a basin go to another partition, and one come, as the log that it follows. */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { existingBasin } from '../../src/log/basins.ts';
import { CopiedBlocks } from '../../src/log/move/copied-blocks.ts';
import type { LogRead } from '../../src/log/open-reads.ts';
import { FollowedLog } from '../support/followed-log.ts';
import { FROM_START, texts } from '../support/log-harness.ts';
import { codeOf, MOVE_ID, MOVED, Partition } from '../support/moving-basin.ts';
import { events, untilLevel } from '../support/read-events.ts';

const GOING = 'basin-one';
/** A copy of so many large records is several transactions. */
const PIECES = 12;
const LARGE = 'x'.repeat(1_000_000);

let pair: FollowedLog;
let abort: AbortController;

beforeEach(async () => {
  pair = await FollowedLog.open();
  abort = new AbortController();
});

afterEach(async () => {
  abort.abort();
  await pair.close();
  expect(pair.leader.fatal).toEqual([]);
});

async function append(name: string, ...bodies: readonly string[]): Promise<void> {
  await pair.leader.log.append([{ stream: await pair.leader.stream(name), drafts: [texts(...bodies)] }]);
  await pair.deliver();
}

async function read(basin: string, name: string): Promise<LogRead> {
  const stream = await pair.log.openStream(existingBasin(pair.log, basin), name, 'read');
  return pair.log.startRead(stream, FROM_START, abort.signal);
}

function readMany(basin: string): Promise<LogRead> {
  const selection = { names: undefined, prefix: '', shownAs: (name: string) => name };
  return pair.log.startMany(existingBasin(pair.log, basin), { selection, from: 'start' }, abort.signal);
}

test('a seal refuses new readers and leaves those that are there, until the basin goes', async () => {
  await append('a', '0');
  const { moves } = pair.leader.log;
  const [one, many] = [await read(GOING, 'a'), await readMany(GOING)];
  expect(await untilLevel(one)).toEqual(['0', 'level']);
  expect(await untilLevel(many)).toEqual(['a from 0', 'a 0', 'level']);
  const stream = await pair.leader.stream('a');
  const stored = pair.leader.log.append([{ stream, drafts: [texts('1')] }]);
  await moves.seal(GOING, { id: MOVE_ID, to: 1 });
  await stored;
  await pair.deliver();
  expect(pair.log.moves.out()).toEqual([{ basin: GOING, id: MOVE_ID, to: 1, isSealed: true }]);
  expect(await codeOf(() => read(GOING, 'a'))).toBe('unavailable');
  expect(await codeOf(() => readMany(GOING))).toBe('unavailable');
  expect(await events(one, 1)).toEqual(['1']);
  expect(await events(many, 1)).toEqual(['a 1']);
  await moves.unseal(GOING, MOVE_ID);
  await pair.deliver();
  expect(await untilLevel(await read(GOING, 'a'))).toEqual(['0', '1', 'level']);
  await moves.seal(GOING, { id: MOVE_ID, to: 1 });
  await moves.drop(GOING, MOVE_ID);
  const ends = [one, many].map((each) => codeOf(() => each.next()));
  await pair.leader.log.backgroundSettled();
  // The drop and the removal behind it come as one.
  await pair.deliver();
  expect(await Promise.all(ends)).toEqual(['unavailable', 'unavailable']);
  expect(await codeOf(() => read(GOING, 'a'))).toBe('unavailable');
  expect(pair.log.listBasins()).toEqual([]);
  expect(pair.log.moves.out()).toEqual([]);
});

test('a basin that comes is known when it is adopted, and not before', async () => {
  const from = await Partition.open(1, pair.leader.clock);
  const { it: basin } = await from.log.ensureBasin(MOVED, { createStreamOnAppend: true });
  await from.append('a', '0');
  const copied = new CopiedBlocks();
  const { moves } = pair.leader.log;
  const copy = () => moves.take(MOVED, { id: MOVE_ID, from: 1 }, from.log.moves.rows(MOVED, copied));
  await copy();
  await pair.deliver();
  await from.append('a', '1');
  await from.log.moves.seal(MOVED, { id: MOVE_ID, to: 0 });
  await copy();
  await pair.deliver();
  expect(pair.log.moves.in()).toEqual([{ basin: MOVED, id: MOVE_ID, from: 1, isReady: true }]);
  expect(await codeOf(() => read(MOVED, 'a'))).toBe('basin_not_found');
  await moves.adopt(MOVED, MOVE_ID);
  await pair.deliver();
  expect(pair.log.basin(MOVED)).toEqual(basin);
  const [one, many] = [await read(MOVED, 'a'), await readMany(MOVED)];
  expect(await untilLevel(one)).toEqual(['0', '1', 'level']);
  expect(await untilLevel(many)).toEqual(['a from 0', 'a 0', 'a 1', 'level']);
  const { log } = pair.leader;
  const stream = await log.openStream(existingBasin(log, MOVED), 'a', 'append');
  await log.append([{ stream, drafts: [texts('2')] }]);
  await pair.deliver();
  expect(await events(one, 1)).toEqual(['2']);
  expect(await events(many, 1)).toEqual(['a 2']);
  expect(pair.log.moves.in()).toEqual([]);
});

test('a basin that goes and comes back in one piece of the log is there', async () => {
  const { leader } = pair;
  const other = await Partition.open(1, leader.clock);
  await append('a', '0');
  const reader = await read(GOING, 'a');
  await untilLevel(reader);
  const ended = codeOf(() => reader.next());
  for (const [from, to] of [
    [leader.log, other.log],
    [other.log, leader.log],
  ] as const) {
    await from.moves.seal(GOING, { id: MOVE_ID, to: 1 });
    await to.moves.take(GOING, { id: MOVE_ID, from: 0 }, from.moves.rows(GOING, new CopiedBlocks()));
    await to.moves.adopt(GOING, MOVE_ID);
    await from.moves.drop(GOING, MOVE_ID);
    await from.backgroundSettled();
  }
  await pair.deliver();
  expect(await ended).toBe('unavailable');
  const again = await read(GOING, 'a');
  expect(await untilLevel(again)).toEqual(['0', 'level']);
  await append('a', '1');
  expect(await events(again, 1)).toEqual(['1']);
});

test('a basin whose streams a reader of many had comes back piece by piece', async () => {
  const { leader } = pair;
  const other = await Partition.open(1, leader.clock);
  for (let i = 0; i < PIECES; i++) await append('a', LARGE);
  const many = await readMany(GOING);
  await untilLevel(many);
  const ended = codeOf(() => events(many, Number.POSITIVE_INFINITY));
  for (const [from, to] of [
    [leader.log, other.log],
    [other.log, leader.log],
  ] as const) {
    const copied = new CopiedBlocks();
    const copy = () => to.moves.take(GOING, { id: MOVE_ID, from: 0 }, from.moves.rows(GOING, copied));
    await copy();
    const stream = await from.openStream(existingBasin(from, GOING), 'a', 'append');
    await from.append([{ stream, drafts: [texts('meanwhile')] }]);
    await from.moves.seal(GOING, { id: MOVE_ID, to: 1 });
    await copy();
    await to.moves.adopt(GOING, MOVE_ID);
    await from.moves.drop(GOING, MOVE_ID);
    await from.backgroundSettled();
    while (pair.behind > 0) await pair.deliver(1);
  }
  expect(await ended).toBe('unavailable');
  const all = Array.from({ length: PIECES + 2 }, (_, i) => `a ${i}`);
  expect(await untilLevel(await readMany(GOING))).toEqual(['a from 0', ...all, 'level']);
});

test('what does not come after all leaves nothing', async () => {
  const from = await Partition.open(1, pair.leader.clock);
  await from.log.ensureBasin(MOVED, { createStreamOnAppend: true });
  await from.append('a', '0');
  const { moves } = pair.leader.log;
  await moves.take(MOVED, { id: MOVE_ID, from: 1 }, from.log.moves.rows(MOVED, new CopiedBlocks()));
  await pair.deliver();
  await moves.forget(MOVED, MOVE_ID);
  await pair.deliver();
  await pair.leader.log.backgroundSettled();
  await pair.deliver();
  expect(pair.log.moves.in()).toEqual([]);
  const ofBasin = { from: Buffer.of(3), to: Buffer.of(0xff), limit: 10 };
  const kinds = (await pair.engine.scan(ofBasin)).map(({ key }) => key[0]);
  expect(kinds).toEqual([]);
});

test('a log that follows moves nothing itself', async () => {
  const { moves } = pair.log;
  expect(await codeOf(() => moves.seal(GOING, { id: MOVE_ID, to: 1 }))).toBe('unavailable');
  expect(await codeOf(() => moves.unseal(GOING, MOVE_ID))).toBe('unavailable');
  expect(await codeOf(() => moves.drop(GOING, MOVE_ID))).toBe('unavailable');
  expect(await codeOf(() => moves.adopt(MOVED, MOVE_ID))).toBe('unavailable');
  expect(await codeOf(() => moves.forget(MOVED, MOVE_ID))).toBe('unavailable');
});
