/** A basin goes to another partition while one of its streams is read from the store, as by a request that is under way. */

import { expect, test } from '@jest/globals';
import { FAMILY, streamStateKey } from '../../src/storage/keys.ts';
import { BASIN, HeldEngine, TestClock } from '../support/log-harness.ts';
import { codeOf, MOVE_ID, MOVED, Move, Partition } from '../support/moving-basin.ts';

test('a stream that is read while the rows of its basin are removed is in another partition, and not damaged', async () => {
  const clock = new TestClock();
  const held = new HeldReads(FAMILY.streamStates);
  const first = await Partition.open(0, clock, held);
  await first.log.ensureBasin(MOVED, BASIN);
  await first.append('a', '0');
  const number = Number((await first.stream('a')).id);
  // So it is not in memory.
  const [from, to] = [await first.reopen(), await Partition.open(1, clock)];
  const { basin } = from;
  const release = held.next();
  const reading = codeOf(() => from.log.openStream(basin, 'a', 'read'));
  await release.isAsked;
  const move = new Move(from, to);
  for (const step of [() => move.copy(), () => move.seal(), () => move.copy()]) await step();
  await to.log.moves.adopt(MOVED, MOVE_ID);
  held.hold();
  const dropped = from.log.moves.drop(MOVED, MOVE_ID);
  await held.settleOne();
  await dropped;
  // As the removal does, of which this is a part.
  await held.inner.commit([{ type: 'delete', key: streamStateKey(number) }]);
  release.go();
  expect(await reading).toBe('unavailable');
  held.release();
  await from.log.backgroundSettled();
  expect([...from.faults, ...to.faults]).toEqual([]);
});

/** A store that answers a read of a family when it is told to, with what is there then. */
class HeldReads extends HeldEngine {
  readonly #family: number;
  #asked = (): void => {};
  #gate: Promise<void> | undefined;

  constructor(family: number) {
    super();
    this.#family = family;
  }

  /** Holds the next one. */
  next(): { readonly isAsked: Promise<void>; go(): void } {
    let go = (): void => {};
    this.#gate = new Promise((resolve) => {
      go = resolve;
    });
    const isAsked = new Promise<void>((resolve) => {
      this.#asked = resolve;
    });
    return { isAsked, go: () => go() };
  }

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const gate = key[0] === this.#family ? this.#gate : undefined;
    if (gate !== undefined) {
      this.#gate = undefined;
      this.#asked();
      await gate;
    }
    return super.get(key);
  }
}
