/** What verify and the scrub say of a store while a basin comes to it, goes from it, or is removed. */

import { beforeEach, expect, test } from '@jest/globals';
import { CopiedBlocks } from '../../src/log/move/copied-blocks.ts';
import type { Entry, Write } from '../../src/storage/engine.ts';
import { FAMILY, isPending, type PendingKind, pendingKey } from '../../src/storage/keys.ts';
import { StoreScrub } from '../../src/storage/offline/store-scrub.ts';
import { encodePending } from '../../src/storage/values.ts';
import { MOVE_ID, MOVED, type Move, openMove, type Partition } from '../support/moving-basin.ts';

let move: Move;

beforeEach(async () => {
  move = await openMove();
  for (let i = 0; i < 70; i++) await move.from.append('a', String(i));
  await move.from.append('gone', '0');
});

async function scrub({ engine }: Partition): Promise<void> {
  const pass = new StoreScrub(engine);
  while ((await pass.next()) !== undefined);
}

/** Takes so many rows, and then the connection is cut. */
async function takeSome(count: number): Promise<void> {
  async function* cut(): AsyncGenerator<readonly Entry[]> {
    let left = count;
    for await (const page of move.from.log.moves.rows(MOVED, new CopiedBlocks())) {
      yield page.slice(0, left);
      left -= page.length;
      if (left <= 0) throw new Error('cut');
    }
  }
  const taking = move.to.log.moves.take(MOVED, { id: MOVE_ID, from: 0 }, cut());
  await expect(taking).rejects.toThrow('cut');
}

async function deleteRows(partition: Partition, wanted: (row: Entry) => boolean): Promise<void> {
  const rows = (await partition.rows()).filter(wanted);
  expect(rows).not.toEqual([]);
  await partition.engine.commit(rows.map(({ key }): Write => ({ type: 'delete', key })));
}

function isOf(kind: PendingKind): (row: Entry) => boolean {
  return ({ key }) => key[0] === FAMILY.pendingWork && isPending(key, kind);
}

test('wherever the rows that come are cut, what has come is sound', async () => {
  for (const count of [2, 3, 40, 71, 73]) {
    await takeSome(count);
    expect([count, await move.to.damage()]).toEqual([count, []]);
    await scrub(move.to);
  }
  await move.seal();
  for (const count of [1, 2, 40, 72, 76]) {
    await takeSome(count);
    expect([count, await move.to.damage()]).toEqual([count, []]);
    await scrub(move.to);
  }
});

test('without the row that says so, streams that came have no basin', async () => {
  await move.copy();
  await deleteRows(move.to, isOf('moveIn'));
  expect(await move.to.damage()).toMatchObject([{ what: 'its basin is missing' }, { what: 'its basin is missing' }]);
});

test('a block that is missing of a basin that was adopted is found', async () => {
  await move.all();
  const isBlock = ({ key }: Entry): boolean => key[0] === FAMILY.blocks && key.at(-1) === 5;
  await deleteRows(move.to, isBlock);
  const faults = (await move.to.damage()).map(({ what }) => what);
  expect(faults).toContain('records 5 to 5 are missing');
  await expect(scrub(move.to)).rejects.toMatchObject({ code: 'corrupt' });
});

test('blocks of a stream that was deleted meanwhile are sound while they are removed, and not without that', async () => {
  await move.copy();
  await move.from.log.deleteStream(move.from.basin, 'gone');
  await move.from.log.backgroundSettled();
  await move.seal();
  await move.copy();
  expect(await move.to.damage()).toEqual([]);
  await scrub(move.to);
  await deleteRows(move.to, isOf('streamRemoval'));
  expect(await move.to.damage()).toMatchObject([{ what: 'it has records, but its row or its state is missing' }]);
});

test('a basin that is sealed and missing, or here and still to come, is a fault', async () => {
  await move.copy();
  const coming = (await move.to.rows()).find(isOf('moveIn'));
  if (coming === undefined) throw new Error('nothing comes');
  await move.from.engine.commit([{ type: 'put', ...coming }]);
  expect(await move.from.damage()).toMatchObject([{ what: 'it is here, and still to come' }]);
  await move.from.engine.commit([{ type: 'delete', key: coming.key }]);
  await move.seal();
  expect(await move.from.damage()).toEqual([]);
  await move.from.engine.commit([
    { type: 'delete', key: Buffer.concat([Buffer.of(FAMILY.basins), Buffer.from(MOVED)]) },
    { type: 'put', key: pendingKey('basinRemoval', 2), value: encodePending({ basin: 2, name: MOVED }) },
  ]);
  expect(await move.from.damage()).toMatchObject([{ what: 'it is sealed, and missing' }]);
});
