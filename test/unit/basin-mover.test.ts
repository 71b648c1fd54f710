/**
 * A move of a basin as nodes do it: whatever is lost, late or done twice between them, and whoever ends meanwhile, the basin
 * is whole in one partition, and its place says which.
 */

import { expect, test } from '@jest/globals';
import { PlaceWriter } from '../../src/cluster/place-writer.ts';
import { Places } from '../../src/cluster/places.ts';
import type { ClusterCall } from '../../src/http/cluster-calls.ts';
import { TailraceError } from '../../src/model/error.ts';
import { MOVE_RETRY_MS, MOVE_TRIES_MAX } from '../../src/model/limits.ts';
import { BasinMover } from '../../src/node/basin-mover.ts';
import { callHandlers } from '../../src/node/call-handlers.ts';
import { createLogger } from '../../src/observe/logger.ts';
import type { ComposedServer } from '../../src/server.ts';
import type { Write } from '../../src/storage/engine.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { BASIN, TestClock } from '../support/log-harness.ts';
import { MOVE_ID, MOVED, Partition } from '../support/moving-basin.ts';

/** What becomes of a call: it is done, it does not arrive, or its answer does not; or the leader of one side ends then. */
type Fate = 'done' | 'lost' | 'unanswered' | 'from-ends' | 'to-ends';

const [FROM, TO] = [1, 2];
const OTHER_ID = 'ff112233445566778899aabbccddeeff';

/** Two partitions with their leaders, and the places that partition 0 has. */
class Nodes {
  readonly clock = new TestClock();
  readonly places = new Places();
  readonly calls: ClusterCall['call'][] = [];
  /** Says what becomes of the call with this index. */
  fate: (index: number, call: ClusterCall) => Fate = () => 'done';
  /** What a call ends in. */
  failing: (call: ClusterCall) => TailraceError | undefined = () => undefined;
  readonly writer: PlaceWriter;
  readonly #partitions = new Map<number, Partition>();
  #mover: BasinMover | undefined;

  constructor() {
    const engine = openMemoryEngine();
    const commit = (writes: readonly Write[]): Promise<void> => engine.commit(writes);
    this.writer = new PlaceWriter({ places: this.places, clock: this.clock, commit });
  }

  static async open(): Promise<Nodes> {
    const nodes = new Nodes();
    for (const number of [FROM, TO]) nodes.#partitions.set(number, await Partition.open(number, nodes.clock));
    await nodes.writer.keepCount(3);
    await nodes.writer.place(MOVED, () => FROM);
    await nodes.at(FROM).log.ensureBasin(MOVED, BASIN);
    await nodes.at(FROM).append('a', '0', '1');
    nodes.lead();
    return nodes;
  }

  at(number: number): Partition {
    const partition = this.#partitions.get(number);
    if (partition === undefined) throw new Error(`there is no partition ${number}`);
    return partition;
  }

  /** The node that leads `FROM` begins, and goes on with what it finds. */
  lead(): void {
    const { log, usage } = this.at(FROM);
    const mover = new BasinMover({
      ...{ partition: FROM, log, clock: this.clock, logger: createLogger('silent') },
      call: (call) => this.ask(call),
      catchUp: async () => {},
      flushUsage: () => usage.flush(),
    });
    this.#mover = mover;
    mover.resume(this.places);
  }

  async begin(id = MOVE_ID): Promise<void> {
    await this.writer.beginMove(MOVED, FROM, TO, id);
    this.#mover?.begin({ basin: MOVED, id, to: TO });
  }

  /** The node that leads `FROM` leads no more. */
  end(): void {
    this.#mover?.close();
  }

  async step(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.clock.timers > 0) this.clock.advance(MOVE_RETRY_MS);
  }

  /** Resolves when nothing moves any more, while time goes on. */
  async untilOver(): Promise<void> {
    while (this.#mover?.moves.length !== 0) await this.step();
    for (const partition of this.#partitions.values()) await partition.log.backgroundSettled();
  }

  async ask(call: ClusterCall): Promise<unknown> {
    const error = this.failing(call);
    if (error !== undefined) throw error;
    const fate = this.fate(this.calls.push(call.call) - 1, call);
    if (fate === 'from-ends' || fate === 'to-ends') await this.#restart(fate === 'from-ends' ? FROM : TO);
    if (fate === 'lost' || fate === 'from-ends' || fate === 'to-ends') throw new TailraceError('unavailable', 'lost');
    const handlers = callHandlers({
      access: () => {
        throw new Error('not asked for');
      },
      sessions: () => undefined,
      places: this.places,
      catchUp: async () => {},
      // Where the basin is.
      call: async () => this.places.rowOf(MOVED) ?? { partition: 0 },
      writer: () => this.writer,
      mover: () => this.#mover,
      rows: (_from, basin, id) => this.#mover?.rowsOf(basin, id) ?? noRows(),
    });
    const handler = handlers[call.call] as (asked: ClusterCall, server: ComposedServer) => Promise<unknown>;
    const { log } = call.partition === 0 ? this.at(FROM) : this.at(call.partition);
    const result = await handler(call, { log } as ComposedServer);
    if (fate === 'unanswered') throw new TailraceError('unavailable', 'no answer');
    return result;
  }

  /** As after kill -9. */
  async #restart(number: number): Promise<void> {
    if (number === FROM) this.#mover?.close();
    this.#partitions.set(number, await this.at(number).reopen());
    if (number === FROM) this.lead();
  }
}

function noRows(): never {
  throw new TailraceError('unavailable', 'the basin does not move now');
}

/** It is whole, in one partition, and there it takes appends. */
async function expectWhole(nodes: Nodes): Promise<number> {
  const place = nodes.places.of(MOVED) ?? 0;
  const [here, elsewhere] = [nodes.at(place), nodes.at(place === FROM ? TO : FROM)];
  expect(nodes.places.moveOf(MOVED)).toBeUndefined();
  expect(await here.bodies('a')).toEqual(['0', '1']);
  await here.append('a', '2');
  expect(elsewhere.log.basin(MOVED)).toBeUndefined();
  expect([...here.log.moves.out(), ...elsewhere.log.moves.out(), ...elsewhere.log.moves.in()]).toEqual([]);
  for (const partition of [here, elsewhere]) {
    expect(await partition.damage()).toEqual([]);
    expect(partition.faults).toEqual([]);
  }
  expect((await elsewhere.keys()).filter((key) => key.startsWith('05'))).toEqual([]);
  return place;
}

test('a basin is copied, sealed, copied again, adopted there, placed, and dropped here', async () => {
  const nodes = await Nodes.open();
  await nodes.begin();
  await nodes.untilOver();
  expect(nodes.calls).toEqual(['place-of', 'take-basin', 'take-basin', 'adopt-basin', 'place']);
  expect(await expectWhole(nodes)).toBe(TO);
});

test('whichever call is lost, unanswered, or meets the end of a leader, the basin is whole in one place', async () => {
  const ends = new Map<string, number>();
  for (const fate of ['lost', 'unanswered', 'from-ends', 'to-ends'] as const) {
    for (let index = 0; index < 4; index++) {
      const nodes = await Nodes.open();
      nodes.fate = (at) => (at === index ? fate : 'done');
      await nodes.begin();
      await nodes.untilOver();
      ends.set(`${fate} ${index}`, await expectWhole(nodes));
    }
  }
  // None of these is a reason to give up.
  expect(new Set(ends.values())).toEqual(new Set([TO]));
});

test('calls that fail at random, each in a way of its own, leave it whole in one place', async () => {
  const fates: readonly Fate[] = ['done', 'lost', 'unanswered', 'from-ends', 'to-ends'];
  for (let seed = 1; seed <= 40; seed++) {
    let state = seed;
    const nodes = await Nodes.open();
    nodes.fate = (at) => {
      state = (state * 48_271) % 0x7fff_ffff;
      return at > 30 ? 'done' : (fates[state % fates.length] ?? 'done');
    };
    await nodes.begin();
    await nodes.untilOver();
    await expectWhole(nodes);
  }
});

test('a move is given up where the other partition does not take the basin, and can begin again', async () => {
  const nodes = await Nodes.open();
  nodes.fate = (_at, { call }) => (call === 'take-basin' ? 'lost' : 'done');
  await nodes.begin();
  await nodes.untilOver();
  expect(nodes.calls.filter((call) => call === 'take-basin')).toHaveLength(MOVE_TRIES_MAX);
  expect(nodes.calls.slice(-2)).toEqual(['forget-basin', 'place']);
  expect(await expectWhole(nodes)).toBe(FROM);
  nodes.fate = () => 'done';
  await nodes.begin();
  await nodes.untilOver();
  expect(nodes.places.of(MOVED)).toBe(TO);
});

test('a move whose basin was adopted is never given up, though its answers do not come', async () => {
  const nodes = await Nodes.open();
  nodes.fate = (_at, { call }) => (call === 'adopt-basin' ? 'unanswered' : 'done');
  await nodes.begin();
  await nodes.untilOver();
  expect(nodes.calls.slice(-2)).toEqual(['forget-basin', 'place']);
  expect(await expectWhole(nodes)).toBe(TO);
});

test('a basin that is deleted while it is copied does not move', async () => {
  const nodes = await Nodes.open();
  nodes.fate = (at) => {
    if (at === 0) void nodes.at(FROM).log.deleteBasin(MOVED);
    return 'done';
  };
  await nodes.begin();
  await nodes.untilOver();
  expect([nodes.places.of(MOVED), nodes.places.moveOf(MOVED)]).toEqual([FROM, undefined]);
  expect([nodes.at(FROM).log.basin(MOVED), nodes.at(TO).log.basin(MOVED)]).toEqual([undefined, undefined]);
  expect(nodes.at(TO).log.moves.in()).toEqual([]);
});

test('a basin of that name in the other partition, which is not the one that moves, never takes its place', async () => {
  const nodes = await Nodes.open();
  await nodes.at(TO).log.ensureBasin(MOVED, BASIN);
  await nodes.begin();
  await nodes.untilOver();
  expect(await expectWhole(nodes)).toBe(FROM);
  await nodes.begin(OTHER_ID);
  await nodes.untilOver();
  expect(nodes.places.of(MOVED)).toBe(TO);
  expect(await nodes.at(TO).bodies('a')).toEqual(['0', '1', '2']);
});

test('a call to give up that comes late, after the other partition has the basin, leaves it whole where it was', async () => {
  const nodes = await Nodes.open();
  nodes.fate = (_at, { call }) => {
    if (call === 'place') void nodes.writer.abortMove(MOVED, MOVE_ID);
    return 'done';
  };
  await nodes.begin();
  await nodes.untilOver();
  expect(await expectWhole(nodes)).toBe(FROM);
});

test('a basin that has moved on is dropped where it was first, also where the end of that move was not seen', async () => {
  const nodes = await Nodes.open();
  nodes.fate = (_at, { call }) => (call === 'place' ? 'unanswered' : 'done');
  await nodes.begin();
  // Its leader ends before it drops the basin; which moves on meanwhile.
  while (nodes.places.of(MOVED) !== TO) await nodes.step();
  nodes.end();
  await nodes.writer.beginMove(MOVED, TO, 0, OTHER_ID);
  await nodes.writer.finishMove(MOVED, OTHER_ID);
  nodes.lead();
  await nodes.untilOver();
  expect(nodes.at(FROM).log.basin(MOVED)).toBeUndefined();
});

test('a move that begins while the one before it is being given up is not forgotten', async () => {
  const nodes = await Nodes.open();
  let again: Promise<void> | undefined;
  nodes.fate = (_at, call) => {
    if (again !== undefined) return 'done';
    if (call.call === 'take-basin') return 'lost';
    if (call.call === 'place') {
      again = nodes.writer.abortMove(MOVED, MOVE_ID).then(() => nodes.begin(OTHER_ID));
    }
    return 'done';
  };
  await nodes.begin();
  await nodes.untilOver();
  expect(await expectWhole(nodes)).toBe(TO);
});

test('a move goes on after an error that is no reason to give up', async () => {
  const nodes = await Nodes.open();
  let fails = 2;
  nodes.failing = ({ call }) =>
    call === 'place' && fails-- > 0 ? new TailraceError('storage_full', 'full') : undefined;
  await nodes.begin();
  await nodes.untilOver();
  expect(await expectWhole(nodes)).toBe(TO);
});

test('a call to make a basin that comes late makes none where it was before it moved', async () => {
  const nodes = await Nodes.open();
  await nodes.begin();
  await nodes.untilOver();
  const making = { call: 'make-basin', partition: FROM, mode: 'create', basin: MOVED, config: {} } as const;
  await expect(nodes.ask(making)).rejects.toMatchObject({ code: 'unavailable' });
  expect(nodes.at(FROM).log.basin(MOVED)).toBeUndefined();
  await expect(nodes.ask({ ...making, partition: TO })).rejects.toMatchObject({ code: 'resource_already_exists' });
});
