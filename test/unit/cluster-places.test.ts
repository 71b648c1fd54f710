/** Where basins are: what is written once, what two callers get, and which step of a move counts. */

import { beforeEach, describe, expect, test } from '@jest/globals';
import { PlaceWriter } from '../../src/cluster/place-writer.ts';
import { outcomeOf, Places } from '../../src/cluster/places.ts';
import { PLACE_KEPT_MS } from '../../src/model/limits.ts';
import type { Engine, Write } from '../../src/storage/engine.ts';
import { basinKey } from '../../src/storage/keys.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import fc from '../support/fast-check.ts';
import { TestClock } from '../support/log-harness.ts';

const INVALID = { code: 'invalid' };
const MOVE = '00112233445566778899aabbccddeeff';
const OTHER_MOVE = 'ffeeddccbbaa99887766554433221100';

let engine: Engine;
let clock: TestClock;
let places: Places;
let writer: PlaceWriter;
/** Before each commit. */
let before: (writes: readonly Write[]) => Promise<void>;

beforeEach(async () => {
  engine = openMemoryEngine();
  clock = new TestClock();
  places = new Places();
  before = async () => {};
  writer = newWriter();
  await writer.keepCount(4);
});

describe('the place of a basin', () => {
  test('is chosen once, and is the same for all who ask, at the same time or later', async () => {
    const chosen: number[] = [];
    const choose = (partition: number) => () => {
      chosen.push(partition);
      return partition;
    };
    const asked = [2, 3, 1].map((partition) => writer.place('a', choose(partition)));
    expect(await Promise.all(asked)).toEqual([2, 2, 2]);
    expect(await writer.place('a', choose(0))).toBe(2);
    expect(chosen).toEqual([2]);
    expect([places.of('a'), places.of('b'), names()]).toEqual([2, undefined, ['a']]);
  });

  test('is known only when it is durable, and counts as being placed until then', async () => {
    let release = () => {};
    before = () => new Promise((resolve) => (release = resolve));
    const placing = writer.place('a', () => 3);
    await turn();
    expect([places.of('a'), writer.placing(3)]).toEqual([undefined, 1]);
    release();
    await placing;
    expect([places.of('a'), writer.placing(3)]).toEqual([3, 0]);
  });

  test('is chosen again by who waited for one that could not be written', async () => {
    before = async () => {
      before = async () => {};
      throw new Error('no space');
    };
    const asked = [writer.place('a', () => 2), writer.place('a', () => 3)];
    const results = await Promise.allSettled(asked);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect([places.of('a'), writer.placing(2)]).toEqual([3, 0]);
  });
});

describe('a move', () => {
  beforeEach(async () => {
    await writer.place('a', () => 1);
  });

  test('has the basin be elsewhere when it is finished, and not before', async () => {
    await writer.beginMove('a', 1, 2, MOVE);
    expect([places.of('a'), places.moveOf('a')]).toEqual([1, { id: MOVE, to: 2 }]);
    expect(places.moves).toEqual([{ name: 'a', from: 1, to: 2, id: MOVE }]);
    await writer.finishMove('a', MOVE);
    expect([places.of('a'), places.moveOf('a'), places.moves]).toEqual([2, undefined, []]);
    expect(places.lastMoveOf('a')).toBe(MOVE);
  });

  test('of a basin without a row is one from the first partition, which a finished one can go back to', async () => {
    await writer.beginMove('old', 0, 3, MOVE);
    expect(places.of('old')).toBe(0);
    await writer.finishMove('old', MOVE);
    await writer.beginMove('old', 3, 0, OTHER_MOVE);
    await writer.finishMove('old', OTHER_MOVE);
    expect(places.of('old')).toBe(0);
  });

  test('that an answer was lost of can be begun, finished and aborted again', async () => {
    for (let i = 0; i < 2; i++) await writer.beginMove('a', 1, 2, MOVE);
    for (let i = 0; i < 2; i++) await writer.abortMove('a', MOVE);
    await writer.beginMove('a', 1, 2, OTHER_MOVE);
    for (let i = 0; i < 2; i++) await writer.finishMove('a', OTHER_MOVE);
    expect(places.of('a')).toBe(2);
  });

  test('that was aborted cannot be finished, nor one that was finished be aborted', async () => {
    await writer.beginMove('a', 1, 2, MOVE);
    await writer.abortMove('a', MOVE);
    await expect(writer.finishMove('a', MOVE)).rejects.toMatchObject({ code: 'not_found' });
    expect(places.of('a')).toBe(1);
    await writer.beginMove('a', 1, 3, OTHER_MOVE);
    await expect(writer.finishMove('a', MOVE)).rejects.toMatchObject({ code: 'not_found' });
    await writer.abortMove('a', MOVE);
    expect(places.moveOf('a')).toEqual({ id: OTHER_MOVE, to: 3 });
    await writer.finishMove('a', OTHER_MOVE);
    await expect(writer.abortMove('a', OTHER_MOVE)).rejects.toMatchObject(INVALID);
    expect(places.of('a')).toBe(3);
  });

  test.each([
    ['of a basin that is in another partition', 2, 3],
    ['to where the basin is', 1, 1],
    ['to a partition that there is not', 1, 4],
  ])('%s is refused', async (_, from, to) => {
    await expect(writer.beginMove('a', from, to, MOVE)).rejects.toMatchObject(INVALID);
    expect(places.moves).toEqual([]);
  });

  test('is the only one: of two that begin together one is refused, and so is a later one', async () => {
    const results = await Promise.allSettled([
      writer.beginMove('a', 1, 2, MOVE),
      writer.beginMove('a', 1, 3, OTHER_MOVE),
      writer.beginMove('a', 1, 3, MOVE),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(places.moveOf('a')).toEqual({ id: MOVE, to: 2 });
  });
});

describe('a row whose basin is gone', () => {
  test('is removed, but not while it moves nor shortly after it was given out', async () => {
    for (const name of ['old', 'moves', 'asked']) await writer.place(name, () => 1);
    await writer.beginMove('moves', 1, 2, MOVE);
    clock.advance(PLACE_KEPT_MS);
    await writer.place('asked', () => 1);
    await writer.place('new', () => 1);
    expect(await writer.remove(places.all)).toBe(1);
    expect(names()).toEqual(['moves', 'asked', 'new']);
  });

  test('stays for a while when another node leads, which does not know what was given out', async () => {
    await writer.place('a', () => 1);
    clock.advance(PLACE_KEPT_MS);
    writer = newWriter();
    expect(await writer.remove(places.all)).toBe(0);
    clock.advance(PLACE_KEPT_MS);
    expect(await writer.remove(places.all)).toBe(1);
    expect(places.of('a')).toBeUndefined();
  });

  test('is not removed when it is asked for at that moment', async () => {
    await writer.place('a', () => 1);
    clock.advance(PLACE_KEPT_MS);
    const asked = writer.place('a', () => 2);
    expect(await writer.remove(places.all)).toBe(0);
    expect(await asked).toBe(1);
  });
});

test('a row that has changed since it was looked at is not removed, such as that of a basin that has moved', async () => {
  await writer.place('a', () => 1);
  const before = places.all;
  clock.advance(PLACE_KEPT_MS);
  await writer.beginMove('a', 1, 2, MOVE);
  await writer.finishMove('a', MOVE);
  expect(await writer.remove(before)).toBe(0);
  expect(places.of('a')).toBe(2);
  expect(await writer.remove(places.all)).toBe(1);
});

test('a basin that has moved on since has left all the same, and one that was given up has not', async () => {
  await writer.place('a', () => 1);
  const outcome = (id: string, from: number) => outcomeOf(places.rowOf('a') ?? { partition: 0 }, id, from);
  await writer.beginMove('a', 1, 2, MOVE);
  expect(outcome(MOVE, 1)).toBe('moving');
  await writer.finishMove('a', MOVE);
  await writer.beginMove('a', 2, 3, OTHER_MOVE);
  expect(outcome(MOVE, 1)).toBe('finished');
  await writer.finishMove('a', OTHER_MOVE);
  expect([outcome(MOVE, 1), outcome(OTHER_MOVE, 2)]).toEqual(['finished', 'finished']);
  await writer.beginMove('a', 3, 1, MOVE);
  await writer.abortMove('a', MOVE);
  expect(outcome(MOVE, 3)).toBe('aborted');
});

test('the number of partitions only rises', async () => {
  await writer.keepCount(3);
  expect(places.partitions).toBe(4);
  await writer.keepCount(9);
  expect(places.partitions).toBe(9);
});

test('who follows what was written, and who reads the store, know the same as who wrote it, whatever was done', async () => {
  const name = fc.constantFrom('a', 'b', 'é');
  const number = fc.nat({ max: 3 });
  const id = fc.constantFrom(MOVE, OTHER_MOVE);
  const step = fc.oneof(
    fc.tuple(fc.constant('place'), name, number, number, id),
    fc.tuple(fc.constantFrom('beginMove', 'finishMove', 'abortMove', 'remove'), name, number, number, id),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      engine = openMemoryEngine();
      places = new Places();
      const follower = new Places();
      before = async (writes) => follower.follow([{ type: 'put', key: basinKey('x'), value: Buffer.of(0) }, ...writes]);
      writer = newWriter();
      await writer.keepCount(4);
      clock.advance(PLACE_KEPT_MS);
      for (const [what, basin, from, to, move] of steps) {
        await act(what, basin, { from, to, move }).catch(() => {});
      }
      const loaded = new Places();
      await loaded.load(engine);
      for (const known of [follower, loaded]) expect(said(known)).toEqual(said(places));
    }),
    { numRuns: 100 },
  );
});

function newWriter(): PlaceWriter {
  const commit = async (writes: readonly Write[]): Promise<void> => {
    await before(writes);
    await engine.commit(writes);
  };
  return new PlaceWriter({ places, clock, commit });
}

async function act(what: string, name: string, given: { from: number; to: number; move: string }): Promise<void> {
  const { from, to, move } = given;
  if (what === 'place') await writer.place(name, () => to);
  if (what === 'beginMove') await writer.beginMove(name, from, to, move);
  if (what === 'finishMove') await writer.finishMove(name, move);
  if (what === 'abortMove') await writer.abortMove(name, move);
  if (what !== 'remove') return;
  clock.advance(PLACE_KEPT_MS);
  await writer.remove(places.all.filter((place) => place.name === name));
}

function said(known: Places): unknown {
  return [known.partitions, ...['a', 'b', 'é'].map((name) => known.rowOf(name))];
}

function names(): readonly string[] {
  return places.all.map(({ name }) => name);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
