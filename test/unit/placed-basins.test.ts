/** Basins of all partitions, as a node lists them whose partitions are followed each at its own pace. */

import { beforeEach, expect, test } from '@jest/globals';
import { PlaceWriter } from '../../src/cluster/place-writer.ts';
import { Places } from '../../src/cluster/places.ts';
import type { Basin } from '../../src/log/basins.ts';
import { PLACE_KEPT_MS } from '../../src/model/limits.ts';
import type { Partition } from '../../src/node/partition.ts';
import { PlacedBasins } from '../../src/node/placed-basins.ts';
import { TestClock } from '../support/log-harness.ts';

const MOVE = '00112233445566778899aabbccddeeff';
const basinOf = (name: string): Basin => ({ name }) as Basin;

/** What a node has followed of a partition, and what its log holds. */
class Followed {
  listed: readonly Basin[];
  held: readonly Basin[];
  /** Called once, when it has caught up. */
  after = async (): Promise<void> => {};
  isLed = false;
  readonly #number: number;

  constructor(number: number, ...names: readonly string[]) {
    this.#number = number;
    this.listed = names.map(basinOf);
    this.held = this.listed;
  }

  hold(...names: readonly string[]): void {
    this.held = names.map(basinOf);
  }

  catchUp(): void {
    this.listed = this.held;
  }

  get partition(): Partition {
    const log = {
      listBasins: () => this.listed,
      basin: (wanted: string) => this.listed.find(({ name }) => name === wanted),
    };
    const replication = {
      catchUp: async () => {
        this.catchUp();
        const { after } = this;
        this.after = async () => {};
        await after();
      },
    };
    return { number: this.#number, log, replication, leading: this.isLed ? {} : undefined } as unknown as Partition;
  }
}

let clock: TestClock;
let places: Places;
let writer: PlaceWriter;
let leads: boolean;
let followed: readonly [Followed, Followed, Followed];
let placed: PlacedBasins;

beforeEach(async () => {
  leads = true;
  clock = new TestClock();
  places = new Places();
  writer = new PlaceWriter({ places, clock, commit: async () => {} });
  await writer.keepCount(3);
  await writer.place('shop', () => 1);
  followed = [new Followed(0, 'telemetry'), new Followed(1, 'shop'), new Followed(2)];
  placed = new PlacedBasins({
    ...{
      places,
      defaultBasin: 'telemetry',
      writer: () => (leads ? writer : undefined),
      call: () => Promise.reject(new Error('not asked')),
    },
    partitions: () => followed.map(({ partition }) => partition),
    count: () => 3,
  });
});

const names = async (): Promise<readonly string[]> => (await placed.list()).map(({ name }) => name);

/** The move ends in the logs of all; this node sees that of each partition later. */
function move(): void {
  followed[2].hold('shop');
  followed[1].hold();
}

async function finish(): Promise<void> {
  await writer.beginMove('shop', 1, 2, MOVE);
  await writer.finishMove('shop', MOVE);
}

test('a basin that moves while a list is made is in it once', async () => {
  await writer.beginMove('shop', 1, 2, MOVE);
  // Behind the look at the partition that gets it, and before that at the one that loses it and at places.
  followed[2].after = async () => move();
  followed[0].after = () => writer.finishMove('shop', MOVE);
  expect(await names()).toEqual(['shop', 'telemetry']);
  expect(await names()).toEqual(['shop', 'telemetry']);
});

test('a place stays whose basin moves while it is looked at, and goes with a basin that is gone', async () => {
  clock.advance(PLACE_KEPT_MS);
  followed[0].after = () => {
    move();
    return finish();
  };
  await placed.sweep();
  expect(places.of('shop')).toBe(2);
  followed[2].hold();
  await placed.sweep();
  expect(places.of('shop')).toBeUndefined();
});

test('who is trusted by a basin is known whichever step of its move was followed first', async () => {
  const known = (): readonly string[] => placed.known.map(({ name }) => name).sort();
  expect(known()).toEqual(['shop', 'telemetry']);
  expect(placed.known).toBe(placed.known);
  move();
  followed[2].catchUp();
  expect(known()).toEqual(['shop', 'telemetry']);
  followed[1].catchUp();
  // The place still says partition 1.
  expect(known()).toEqual(['shop', 'telemetry']);
  await finish();
  expect(known()).toEqual(['shop', 'telemetry']);
});

test('a basin that the node leads and does not have is not known for sure', () => {
  expect([placed.foundIn('shop'), placed.partitionOf('shop')]).toEqual([1, 1]);
  move();
  followed[1].catchUp();
  expect(placed.foundIn('shop')).toBe(1);
  followed[1].isLed = true;
  expect([placed.foundIn('shop'), placed.partitionOf('shop')]).toEqual([undefined, 1]);
});

test('a basin is made by who gives places out alone, and not by a node that hands that over', async () => {
  leads = false;
  const making = { mode: 'create', basin: 'shop', config: undefined } as const;
  await expect(placed.make(making)).rejects.toMatchObject({ code: 'unavailable' });
  expect(await placed.make({ ...making, basin: 'telemetry' })).toBeUndefined();
});

test('new basins are spread evenly, also while the logs of other partitions have not shown them', async () => {
  for (const basin of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
    // The partition is chosen before its leader is asked, which there is none of here.
    await placed.make({ mode: 'create', basin, config: undefined }).catch(() => {});
  }
  // The default basin is in the first one, without a place.
  const counts = [0, 1, 2].map((number) => places.all.filter(({ row }) => row.partition === number).length);
  expect(counts).toEqual([2, 3, 3]);
});
