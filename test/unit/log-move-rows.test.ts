/** The rows of a basin that moves: which ones come, which ones are taken, and what they are in the other partition. */

import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { CopiedBlocks } from '../../src/log/move/copied-blocks.ts';
import { TailraceError } from '../../src/model/error.ts';
import { MOVE_PAGE_BYTES, MOVE_PAGE_ROWS_MAX } from '../../src/model/limits.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { pendingKey, pendingRange, usageRange } from '../../src/storage/keys.ts';
import { encodePending } from '../../src/storage/values.ts';
import { BASIN, FROM_START, texts } from '../support/log-harness.ts';
import { codeOf, MOVE_ID, MOVED, type Move, openMove, Partition } from '../support/moving-basin.ts';
import { untilLevel } from '../support/read-events.ts';

async function expectSound(move: Move): Promise<void> {
  expect(await move.damage()).toEqual([]);
}

test('rows that are not of the basin are refused, and so is what is cut short', async () => {
  const move = await openMove();
  const { from, to } = move;
  await from.append('a', '0', '1');
  await move.seal();
  const pages: (readonly Entry[])[] = [];
  for await (const page of from.log.moves.rows(MOVED, new CopiedBlocks())) pages.push(page);
  const take = (all: readonly (readonly Entry[])[], error?: Error) =>
    codeOf(() => to.log.moves.take(MOVED, { id: MOVE_ID, from: 0 }, paged(all, error)));
  const value = encodePending({ basin: from.basin.number + 7, name: 'x' });
  const strangers: readonly Entry[] = [
    ...(await from.rows()).filter(({ key }) => [1, 2].includes(key[0] ?? 0)),
    {
      key: pendingKey('basinDeletion', from.basin.number),
      value: encodePending({ basin: from.basin.number, name: MOVED }),
    },
    { key: pendingKey('trim', 1), value },
    { key: pendingKey('streamRemoval', 1), value },
  ];
  const other = await Partition.open(2, from.clock);
  await other.log.ensureBasin('x', BASIN);
  await other.log.ensureBasin('y', BASIN);
  await other.log.ensureBasin(MOVED, BASIN);
  await other.append('b', '0');
  await other.append('c', '0');
  const ofOther = (await other.rows()).filter(({ key }) => [3, 4, 5].includes(key[0] ?? 0));
  for (const stranger of [...strangers, ...ofOther]) {
    expect([stranger.key, await take([...pages, [stranger]])]).toEqual([stranger.key, 'corrupt']);
  }
  expect(await take([])).toBe('corrupt');
  expect(await take(pages.slice(1))).toBe('corrupt');
  expect(await take(pages, new TailraceError('unavailable', 'cut'))).toBe('unavailable');
  expect(await codeOf(() => to.log.moves.adopt(MOVED, MOVE_ID))).toBe('transaction_conflict');
  expect(await take(pages)).toBe('done');
  await move.end();
  expect(await to.bodies('a')).toEqual(['0', '1']);
});

async function* paged(pages: readonly (readonly Entry[])[], error?: Error): AsyncGenerator<readonly Entry[]> {
  yield* pages;
  if (error !== undefined) throw error;
}

test('pages are bounded, and streams beyond the bound of the first pass come with the last one', async () => {
  const move = await openMove(new CopiedBlocks(2));
  const { from, to } = move;
  const large = 'x'.repeat(300_000);
  for (const name of ['a', 'b', 'c']) for (let i = 0; i < 5; i++) await from.append(name, `${i}${large}`);
  for (let i = 0; i < 1_200; i++) await from.append('small', String(i));
  const blocks: number[] = [];
  for (const step of ['copy', 'seal', 'copy'] as const) {
    if (step === 'seal') {
      await move.seal();
      continue;
    }
    let count = 0;
    for await (const page of from.log.moves.rows(MOVED, move.copied)) {
      count += page.filter(({ key }) => key[0] === 5).length;
      const bytes = page.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
      expect(page.length === 1 || bytes <= MOVE_PAGE_BYTES).toBe(true);
      expect(page.length).toBeLessThanOrEqual(MOVE_PAGE_ROWS_MAX);
    }
    blocks.push(count);
  }
  expect(blocks).toEqual([10, 1_205]);
  await from.log.moves.unseal(MOVED, MOVE_ID);
  await move.all();
  expect(await to.bodies('small')).toHaveLength(1_200);
  expect((await to.bodies('c')).map((body) => body[0])).toEqual(['0', '1', '2', '3', '4']);
  await expectSound(move);
});

test('encrypted records, answers to requests and usage metrics go along', async () => {
  const move = await openMove();
  const { from, to } = move;
  const encryptionKey = Buffer.alloc(32, 7);
  await from.log.reconfigureBasin(MOVED, { streamCipher: 'aes-256-gcm' });
  const stream = await from.stream('secret');
  const record = { headers: [], body: Buffer.from('hidden'), timestamp: undefined };
  await from.log.appendRecords({ stream, records: [record], encryptionKey });
  await from.log.reconfigureBasin(MOVED, { streamCipher: null });
  const digest = createHash('sha256').update('request').digest();
  const kept = { digest, seconds: 600, answer: Buffer.from('first') };
  await from.log.append([{ stream: await from.stream('a'), drafts: [texts('0')] }], kept);
  await from.log.trim(stream, 0);
  await move.copy();
  await from.append('a', '1');
  await move.seal();
  await move.copy();
  await move.end();
  const moved = await to.stream('secret');
  expect(moved.cipher).toBe('aes-256-gcm');
  const read = await to.log.startRead(moved, FROM_START, new AbortController().signal, { encryptionKey });
  expect(await untilLevel(read)).toEqual(['0', 'level']);
  const again = await to.log.once(to.basin, digest, async () => Buffer.from('second'));
  expect(Buffer.from(again).toString()).toBe('first');
  const range = { start: 0, end: 10_000 };
  expect(await to.usage.basinStorage(to.basin, range)).toEqual([[0, 14 + 9 + 9]]);
  const appended = (await to.usage.basin(to.basin, range, 'hour')).get('append-ops/express');
  expect(appended).toEqual([[0, 3]]);
  expect(await to.usage.streamStorage(await to.stream('a'), range)).not.toEqual([]);
  await to.append('a', '2');
  await from.usage.flush();
  await from.log.backgroundSettled();
  for (const kind of ['minutes', 'hours', 'basinTotals', 'basinStorage', 'streamStorage'] as const) {
    expect([kind, await from.engine.scan({ ...usageRange(kind), limit: 10 })]).toEqual([kind, []]);
  }
  await to.usage.close();
  expect(await (await to.reopen()).usage.basinStorage(to.basin, range)).toEqual([[0, 14 + 4 * 9 - 9]]);
});

test('what has been trimmed or removed since the first pass is removed, however the first pass was repeated', async () => {
  const move = await openMove();
  const { from, to } = move;
  for (let i = 0; i < 20; i++) await from.append('a', String(i));
  await from.append('zombie', '0');
  await move.copy();
  await from.log.trim(await from.stream('a'), 8);
  await from.log.deleteStream(from.basin, 'zombie');
  await from.log.backgroundSettled();
  await move.copy();
  await from.log.trim(await from.stream('a'), 15);
  await from.log.deleteStream(from.basin, 'a');
  await from.log.backgroundSettled();
  await from.append('a', 'another');
  await move.seal();
  await move.copy();
  await expectSound(move);
  await move.end();
  await to.log.backgroundSettled();
  expect(await to.streams()).toEqual(['a']);
  expect(await to.bodies('a')).toEqual(['another']);
  expect((await to.keys()).filter((key) => key.startsWith('05'))).toHaveLength(1);
  await expectSound(move);
});

test('a stream whose deletion is under way is deleted in the other partition', async () => {
  const move = await openMove();
  await move.from.append('a', '0');
  await move.copy();
  await move.from.log.deleteStream(move.from.basin, 'a');
  await move.seal();
  await move.from.log.backgroundSettled();
  expect(await move.from.engine.scan({ ...pendingRange('streamDeletion'), limit: 5 })).toHaveLength(1);
  await move.copy();
  await expectSound(move);
  await move.end();
  await move.to.log.backgroundSettled();
  expect(await move.to.streams()).toEqual([]);
  await expectSound(move);
});
