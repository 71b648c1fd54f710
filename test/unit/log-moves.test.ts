/** A basin moves from one partition of a cluster to another: nothing that was acknowledged is lost, and no reader gets it twice. */

import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { existingBasin } from '../../src/log/basins.ts';
import { CopiedBlocks } from '../../src/log/move/copied-blocks.ts';
import type { LogRead } from '../../src/log/open-reads.ts';
import { opened } from '../../src/log/stream.ts';
import { partitionNumbers, partitionOfNumber } from '../../src/model/partition-numbers.ts';
import { BASIN, FROM_START, readAll, texts } from '../support/log-harness.ts';
import { codeOf, MOVE_ID, MOVED, type Move, openMove, Partition } from '../support/moving-basin.ts';
import { events, oneEvent, untilLevel } from '../support/read-events.ts';

const OTHER_ID = 'ff112233445566778899aabbccddeeff';

/** What was acknowledged to a sender and is not there. */
function lost(acknowledged: readonly string[], found: readonly string[]): readonly string[] {
  return acknowledged.filter((body) => !found.includes(body));
}

async function expectSound(move: Move): Promise<void> {
  expect(await move.damage()).toEqual([]);
}

test('numbers of partitions do not meet, and a new store begins behind those before it', async () => {
  const partition = await Partition.open(3);
  await partition.log.ensureBasin(MOVED, BASIN);
  await partition.append('a', '0');
  expect(partition.basin.number).toBe(partitionNumbers(3) + 1);
  expect((await partition.stream('a')).id).toBe(String(partitionNumbers(3) + 1));
  expect([1, 2 ** 40, 2 ** 40 + 1, 2 ** 41].map(partitionOfNumber)).toEqual([0, 0, 1, 1]);
  expect(await codeOf(() => Partition.open(2, partition.clock, partition.engine))).toBe('corrupt');
});

test('a basin that moves has all that was acknowledged, under the same numbers, and goes on in the other partition', async () => {
  const move = await openMove();
  const { from, to } = move;
  await from.append('a', '0', '1');
  await from.append('b', '0');
  await from.append('gone', '0');
  await from.append('again', 'old');
  await from.log.trim(await from.stream('a'), 1);
  const { id } = await from.stream('a');
  await move.copy();
  await expectSound(move);
  expect(to.log.basin(MOVED)).toBeUndefined();
  await from.append('a', '2');
  await from.append('new', '0');
  await from.log.trim(await from.stream('a'), 2);
  await from.log.deleteStream(from.basin, 'gone');
  await from.log.deleteStream(from.basin, 'again');
  await from.log.backgroundSettled();
  await from.append('again', 'made again');
  await move.seal();
  await expectSound(move);
  await move.copy();
  await expectSound(move);
  await to.log.moves.adopt(MOVED, MOVE_ID);
  await to.log.backgroundSettled();
  await expectSound(move);
  await from.log.moves.drop(MOVED, MOVE_ID);
  await from.log.backgroundSettled();
  await expectSound(move);
  expect(await to.streams()).toEqual(['a', 'again', 'b', 'new']);
  expect((await to.stream('a')).id).toBe(id);
  expect(await to.read('a')).toMatchObject([{ seqNum: 2, body: '2' }]);
  expect(await to.bodies('b')).toEqual(['0']);
  expect(await to.bodies('again')).toEqual(['made again']);
  await to.append('a', '3');
  expect(await to.read('a')).toMatchObject([{ seqNum: 2 }, { seqNum: 3, body: '3' }]);
  expect(from.log.basin(MOVED)).toBeUndefined();
  expect(await codeOf(() => existingBasin(from.log, MOVED))).toBe('unavailable');
  expect(await codeOf(() => existingBasin(from.log, 'never'))).toBe('basin_not_found');
  expect((await from.keys()).filter((key) => !key.startsWith('02') && !key.startsWith('08'))).toEqual([]);
  expect([...from.faults, ...to.faults]).toEqual([]);
});

test('an append between the passes is lost without the seal, and the check sees it', async () => {
  for (const isSealed of [true, false]) {
    const move = await openMove();
    const { from, to } = move;
    const acknowledged: string[] = [];
    const held = from.stream('a');
    const send = async (body: string): Promise<void> => {
      const stream = await held;
      await from.log.append([{ stream, drafts: [texts(body)] }]).then(
        () => acknowledged.push(body),
        () => {},
      );
    };
    await send('before');
    await move.copy();
    await send('between');
    await move.seal();
    await move.copy();
    if (!isSealed) opened(await held).place.state = 'here';
    await send('late');
    await move.end();
    expect(lost(acknowledged, await to.bodies('a'))).toEqual(isSealed ? [] : ['late']);
  }
});

test('while a basin is sealed, all that must be exact or changes it is refused, and the rest of the log goes on', async () => {
  const move = await openMove();
  const { from } = move;
  const { log } = from;
  await from.append('a', '0');
  const stream = await from.stream('a');
  const { basin } = from;
  const waiting = await from.stream('waits for its first append');
  const record = { headers: [], body: Buffer.from('x'), timestamp: undefined };
  const digest = createHash('sha256').update('x').digest();
  await move.seal();
  const selection = { names: undefined, prefix: '', shownAs: (name: string) => name };
  const back = { limit: 1, bytes: 100, before: undefined, clamp: false };
  const calls: Record<string, () => unknown> = {
    append: () => log.append([{ stream, drafts: [texts('1')] }]),
    'first append': () => log.append([{ stream: waiting, drafts: [texts('1')] }]),
    'append of a session': () => log.tryAppendRecords({ stream, records: [record] }).done,
    'append of records': () => log.appendRecords({ stream, records: [record] }),
    'open stream': () => log.openStream(basin, 'a', 'read'),
    'open new stream': () => log.openStream(basin, 'new', 'append'),
    'has stream': () => log.hasStream(basin, 'a'),
    'may hold': () => log.mayHold(basin, 'a', 5, { isOver: false }),
    'get stream': () => log.getStream(basin, 'a'),
    'list streams': () => log.listStreams(basin, { prefix: '', startAfter: '', limit: 10 }),
    'create stream': () => log.createStream(basin, 'new', {}),
    'ensure stream': () => log.ensureStream(basin, 'a', {}),
    'reconfigure stream': () => log.reconfigureStream(basin, 'a', { retentionAgeSeconds: 60 }),
    'delete stream': () => log.deleteStream(basin, 'a'),
    'create basin': () => log.createBasin(MOVED, BASIN),
    'ensure basin': () => log.ensureBasin(MOVED, { createStreamOnRead: true }),
    'reconfigure basin': () => log.reconfigureBasin(MOVED, { createStreamOnRead: true }),
    'delete basin': () => log.deleteBasin(MOVED),
    'check tail': () => log.checkTail(stream),
    trim: () => log.trim(stream, 1),
    'unary read': () => readAll(log, stream, { count: 1 }),
    'following read': () => log.startRead(stream, FROM_START, new AbortController().signal),
    'read of many': () => log.startMany(basin, { selection, from: 'start' }, new AbortController().signal),
    'read back': () => log.readBack(stream, back, { isOver: () => false, reserve: () => {} }),
    once: () => log.once(basin, digest, async () => digest),
  };
  for (const [name, call] of Object.entries(calls)) expect([name, await codeOf(call)]).toEqual([name, 'unavailable']);
  expect(log.basin(MOVED)).toBe(basin);
  await log.append([
    { stream: await log.openStream(existingBasin(log, 'other'), 's', 'append'), drafts: [texts('1')] },
  ]);
  await log.moves.unseal(MOVED, MOVE_ID);
  const refused: string[] = [];
  for (const [name, call] of Object.entries(calls)) if ((await codeOf(call)) === 'unavailable') refused.push(name);
  expect(refused).toEqual([]);
});

test('what was accepted before a seal is durable when it is, and goes along', async () => {
  const move = await openMove();
  await move.from.append('a', '0');
  const stream = await move.from.stream('a');
  const accepted = move.from.log.append([{ stream, drafts: [texts('1')] }]);
  const sealing = move.seal();
  expect(move.from.log.moves.out()).toMatchObject([{ basin: MOVED, id: MOVE_ID, to: 1, isSealed: false }]);
  await sealing;
  expect(move.from.log.moves.out()).toMatchObject([{ isSealed: true }]);
  await accepted;
  await move.copy();
  await move.end();
  expect(await move.to.bodies('a')).toEqual(['0', '1']);
});

test('background work leaves a sealed basin alone, and goes on in the other partition', async () => {
  const move = await openMove();
  const { from, to } = move;
  const age = { retentionAgeSeconds: 60 };
  await from.log.createStream(from.basin, 'expires', age);
  await from.log.createStream(from.basin, 'empties', { ...age, deleteOnEmptyMinAgeSeconds: 1 });
  await from.append('expires', '0');
  await from.append('empties', '0');
  const other = await from.log.ensureBasin('other', BASIN);
  const { it: beside } = await from.log.createStream(other.it, 'beside', age);
  await from.log.append([{ stream: beside, drafts: [texts('0')] }]);
  await move.seal();
  const before = await from.keys();
  from.clock.advance(200_000);
  await from.log.backgroundSettled();
  const isBeside = (key: string) =>
    key.startsWith('05') && key.includes(Number(beside.id).toString(16).padStart(16, '0'));
  expect((await from.keys()).filter((key) => key.startsWith('05'))).toEqual(
    before.filter((key) => key.startsWith('05') && !isBeside(key)),
  );
  await move.copy();
  await move.end();
  await to.log.backgroundSettled();
  to.clock.advance(200_000);
  await to.log.backgroundSettled();
  expect(await to.streams()).toEqual(['expires']);
  expect(await to.bodies('expires')).toEqual([]);
  await from.log.backgroundSettled();
  await expectSound(move);
});

test('readers that follow go on while the basin is sealed, and end with `unavailable` when it has gone', async () => {
  const move = await openMove();
  const { from } = move;
  const { log } = from;
  await from.append('a', '0');
  await from.append('b', '0');
  const { signal } = new AbortController();
  const stream = await from.stream('a');
  const level = await log.startRead(stream, FROM_START, signal);
  const scanning = await log.startRead(stream, FROM_START, signal);
  const selection = { names: undefined, prefix: '', shownAs: (name: string) => name };
  const many = await log.startMany(from.basin, { selection, from: 'start' }, signal);
  const listing = await log.startMany(from.basin, { selection, from: 'start' }, signal);
  expect(await untilLevel(level)).toEqual(['0', 'level']);
  expect(await oneEvent(scanning)).toEqual(['0']);
  expect(await untilLevel(many)).toEqual(['a from 0', 'b from 0', 'a 0', 'b 0', 'level']);
  const stored = log.append([{ stream, drafts: [texts('1')] }]);
  await move.seal();
  await stored;
  expect(await events(level, 1)).toEqual(['1']);
  expect(await events(many, 1)).toEqual(['a 1']);
  await move.copy();
  const waiting = [level, many].map((read) => codeOf(() => read.next()));
  await move.end();
  await from.log.backgroundSettled();
  expect(await Promise.all(waiting)).toEqual(['unavailable', 'unavailable']);
  expect(await codeOf(() => scanning.next())).toBe('unavailable');
  expect(await endOf(listing)).toBe('unavailable');
  expect(from.faults).toEqual([]);
});

async function endOf(read: LogRead): Promise<string> {
  return codeOf(async () => {
    for (;;) expect((await oneEvent(read)).join()).not.toContain('left');
  });
}

test('a stream that was opened before stays refused, also when the basin comes back', async () => {
  const move = await openMove();
  await move.from.append('a', '0');
  const held = await move.from.stream('a');
  const { basin } = move.from;
  await move.all();
  const call = () => move.from.log.append([{ stream: held, drafts: [texts('late')] }]);
  expect(await codeOf(call)).toBe('unavailable');
  expect(await codeOf(() => move.from.log.openStream(basin, 'a', 'append'))).toBe('unavailable');
  await move.to.append('a', '1');
  const { from, to } = move;
  const back = openBack(move);
  await back.all();
  expect(await codeOf(call)).toBe('unavailable');
  expect(await from.bodies('a')).toEqual(['0', '1']);
  await from.append('a', '2');
  expect(await from.bodies('a')).toEqual(['0', '1', '2']);
  await expectSound(back);
  expect((await to.keys()).filter((key) => !key.startsWith('08'))).toEqual([]);
});

function openBack(move: Move): Move {
  const back = Object.create(move) as Move;
  return Object.assign(back, { from: move.to, to: move.from, copied: new CopiedBlocks() });
}

test('a basin does not come back before what was left of it is removed', async () => {
  const move = await openMove();
  await move.from.append('a', '0');
  await move.copy();
  await move.seal();
  await move.copy();
  await move.end();
  const back = openBack(move);
  expect(await codeOf(() => back.copy())).toBe('unavailable');
  await move.from.log.backgroundSettled();
  expect(await codeOf(() => back.copy())).toBe('done');
});

test('after a crash behind any step the move goes on', async () => {
  const steps = ['copy', 'seal', 'copy', 'end'] as const;
  for (let crash = 0; crash <= steps.length; crash++) {
    const move = await openMove();
    await move.from.append('a', '0');
    await move.from.append('gone', '0');
    for (const [i, step] of steps.entries()) {
      await move[step]();
      if (i === 0) {
        await move.from.log.deleteStream(move.from.basin, 'gone');
        await move.from.append('a', '1');
      }
      if (i !== crash) continue;
      move.from = await move.from.reopen();
      move.to = await move.to.reopen();
      move.copied = new CopiedBlocks();
      if (step === 'copy') await move.copy();
    }
    await move.from.log.backgroundSettled();
    await move.to.log.backgroundSettled();
    expect([crash, await move.to.streams()]).toEqual([crash, ['a']]);
    expect(await move.to.bodies('a')).toEqual(['0', '1']);
    await expectSound(move);
  }
});

test('what is known of moves is known again after a restart', async () => {
  const move = await openMove();
  await move.from.append('a', '0');
  await move.copy();
  await move.seal();
  const from = await move.from.reopen();
  expect(from.log.moves.out()).toEqual([{ basin: MOVED, id: MOVE_ID, to: 1, isSealed: true }]);
  expect(await codeOf(() => from.append('a', '1'))).toBe('unavailable');
  expect((await move.to.reopen()).log.moves.in()).toEqual([{ basin: MOVED, id: MOVE_ID, from: 0, isReady: false }]);
  await move.copy();
  expect((await move.to.reopen()).log.moves.in()).toMatchObject([{ isReady: true }]);
});

test('who opens the log after a basin has gone refuses what is about it, and does not say that there is none', async () => {
  const move = await openMove();
  await move.from.append('a', '0');
  await move.seal();
  await move.copy();
  await move.to.log.moves.adopt(MOVED, MOVE_ID);
  await move.from.log.moves.drop(MOVED, MOVE_ID);
  const next = await move.from.reopen((name) => name !== MOVED);
  for (const [name, code] of [
    [MOVED, 'unavailable'],
    ['never', 'basin_not_found'],
  ] as const) {
    expect(await codeOf(() => existingBasin(next.log, name))).toBe(code);
    expect(await codeOf(() => next.log.reconfigureBasin(name, {}))).toBe(code);
    expect(await codeOf(() => next.log.deleteBasin(name))).toBe(code);
  }
});

test('a move that is given up leaves the basin as it was, and nothing in the other partition', async () => {
  const move = await openMove();
  const { from, to } = move;
  const before = await to.keys();
  await from.append('a', '0');
  await move.copy();
  await move.seal();
  await move.copy();
  await to.log.moves.forget(MOVED, OTHER_ID);
  expect(to.log.moves.in()).toHaveLength(1);
  await to.log.moves.forget(MOVED, MOVE_ID);
  await from.log.moves.unseal(MOVED, MOVE_ID);
  await expectSound(move);
  await to.log.backgroundSettled();
  await expectSound(move);
  expect(await to.keys()).toEqual(before);
  expect(await codeOf(() => to.log.moves.adopt(MOVED, MOVE_ID))).toBe('basin_not_found');
  await from.append('a', '1');
  move.copied = new CopiedBlocks();
  await move.all();
  expect(await to.bodies('a')).toEqual(['0', '1']);
});

test('steps of another move, or out of their order, are refused', async () => {
  const move = await openMove();
  const { from, to } = move;
  await from.append('a', '0');
  expect(await codeOf(() => from.log.moves.seal('never', { id: MOVE_ID, to: 1 }))).toBe('basin_not_found');
  expect(await codeOf(() => from.log.moves.seal(MOVED, { id: 'short', to: 1 }))).toBe('invalid');
  await move.copy();
  expect(await codeOf(() => to.log.moves.adopt(MOVED, MOVE_ID))).toBe('transaction_conflict');
  await move.seal();
  await move.seal();
  expect(await codeOf(() => from.log.moves.seal(MOVED, { id: OTHER_ID, to: 1 }))).toBe('transaction_conflict');
  expect(await codeOf(() => from.log.moves.unseal(MOVED, OTHER_ID))).toBe('transaction_conflict');
  expect(await codeOf(() => from.log.moves.drop(MOVED, OTHER_ID))).toBe('transaction_conflict');
  const rest = () => from.log.moves.rows(MOVED, move.copied);
  const other = await Partition.open(2, from.clock);
  expect(await codeOf(() => other.log.moves.take(MOVED, { id: MOVE_ID, from: 0 }, rest()))).toBe(
    'transaction_conflict',
  );
  expect(await codeOf(() => to.log.moves.take(MOVED, { id: OTHER_ID, from: 0 }, rest()))).toBe('transaction_conflict');
  expect(await codeOf(() => to.log.createBasin(MOVED, BASIN))).toBe('unavailable');
  await move.copy();
  expect(await codeOf(() => to.log.moves.adopt(MOVED, OTHER_ID))).toBe('transaction_conflict');
  await move.end();
  await move.end();
  expect(await codeOf(() => from.log.moves.unseal(MOVED, MOVE_ID))).toBe('done');
  expect(await codeOf(() => to.log.moves.take(MOVED, { id: MOVE_ID, from: 0 }, rest()))).toBe('basin_not_found');
});
