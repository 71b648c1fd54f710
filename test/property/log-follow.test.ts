/**
 * Random changes of a log, delivered to one that follows it in groups of any size: whoever reads that one, one stream or
 * many, gets all that is there once and in order.
 */

import { setMaxListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { existingBasin } from '../../src/log/basins.ts';
import type { Log } from '../../src/log/log.ts';
import fc from '../support/fast-check.ts';
import { FollowedLog } from '../support/followed-log.ts';
import { FROM_START, texts, turn } from '../support/log-harness.ts';
import { shareOf } from '../support/share-of.ts';

/** In so many turns a reader gets all that there is. */
const TURNS_MAX = 500;
const NAMES = ['a', 'b', 'c'];

type Act = 'append' | 'trim' | 'remove' | 'deliver' | 'read' | 'turn';

interface Step {
  readonly act: Act;
  readonly name: string;
  readonly count: number;
}

const stepOf = (act: Act, weight: number, most = 1): fc.WeightedArbitrary<Step> => ({
  weight,
  arbitrary: fc.record({
    act: fc.constant(act),
    name: fc.constantFrom(...NAMES),
    count: fc.integer({ min: 1, max: most }),
  }),
});

const steps = fc.array(
  fc.oneof(
    stepOf('append', 6, 4),
    stepOf('trim', 1, 20),
    stepOf('remove', 1),
    stepOf('deliver', 4, 6),
    stepOf('read', 2),
    stepOf('turn', 1),
  ),
  { minLength: 5, maxLength: 50 },
);

test('readers of a log that follows get what is there, once and in order', async () => {
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: shareOf(150) });
}, 60_000);

async function run(list: readonly Step[]): Promise<void> {
  const pair = await FollowedLog.open();
  const ending = new AbortController();
  setMaxListeners(0, ending.signal);
  const collected = [collectMany(pair.log, ending.signal)];
  const delivering: Promise<void>[] = [];
  for (const { act, name, count } of list) {
    if (act === 'deliver') delivering.push(pair.deliver(count));
    else if (act === 'read') collected.push(collectOne(pair.log, name, ending.signal));
    else if (act !== 'turn') await change(pair, act, name, count);
    await turn();
  }
  await Promise.all(delivering);
  await pair.deliver();
  const wanted = await tailsOf(pair);
  const isLevel = (): boolean => collected.every((each) => each.isLevelWith(wanted));
  for (let turns = 0; turns < TURNS_MAX && !isLevel(); turns++) await turn();
  ending.abort();
  for (const each of collected) expect(each.faultsAt(wanted)).toEqual([]);
  expect(pair.leader.fatal).toEqual([]);
  await pair.close();
}

async function change({ leader }: FollowedLog, act: Act, name: string, count: number): Promise<void> {
  const { log, basin } = leader;
  if (act === 'append') {
    const bodies = Array.from({ length: count }, String);
    await log.append([{ stream: await leader.stream(name), drafts: [texts(...bodies)] }]);
    return;
  }
  const stream = await log.getStream(basin, name).catch(() => undefined);
  if (stream === undefined) return;
  await (act === 'trim' ? log.trim(stream, count) : log.deleteStream(basin, name));
  await log.backgroundSettled();
}

/** Where each stream ends, by its id. */
async function tailsOf({ leader: { log, basin } }: FollowedLog): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>();
  for (const name of NAMES) {
    const stream = await log.getStream(basin, name).catch(() => undefined);
    if (stream !== undefined) ends.set(stream.id, (await log.checkTail(stream)).seqNum);
  }
  return ends;
}

/** What a reader got of each stream, by its id: runs of numbers, with gaps where it was told of them. */
class Collected {
  readonly #next = new Map<string, number>();
  readonly #faults: string[] = [];
  readonly #hasAll: boolean;
  #over = false;

  /** Whether it reads all streams that there are. */
  constructor(hasAll: boolean) {
    this.#hasAll = hasAll;
  }

  take(id: string, from: number, to: number): void {
    const next = this.#next.get(id);
    if (next !== undefined && next !== from) this.#faults.push(`${id}: ${from} behind ${next}`);
    this.#next.set(id, to);
  }

  end(error?: { readonly code: string }): void {
    this.#over = true;
    if (error !== undefined && error.code !== 'stream_deletion_pending') this.#faults.push(error.code);
  }

  isLevelWith(wanted: ReadonlyMap<string, number>): boolean {
    return this.#missed(wanted).length === 0;
  }

  /** What is wrong when nothing more can come. */
  faultsAt(wanted: ReadonlyMap<string, number>): readonly string[] {
    return [...this.#faults, ...this.#missed(wanted).map((id) => `${id}: nothing comes behind ${this.#next.get(id)}`)];
  }

  #missed(wanted: ReadonlyMap<string, number>): readonly string[] {
    if (this.#over) return [];
    const ids = this.#hasAll ? wanted.keys() : this.#next.keys();
    return [...ids].filter((id) => (this.#next.get(id) ?? 0) < (wanted.get(id) ?? 0));
  }
}

function collectOne(log: Log, name: string, signal: AbortSignal): Collected {
  const collected = new Collected(false);
  const run = async (): Promise<void> => {
    const basin = existingBasin(log, 'basin-one');
    const stream = await Promise.resolve(log.openStream(basin, name, 'read')).catch(() => undefined);
    if (stream === undefined) return collected.end();
    collected.take(stream.id, 0, 0);
    for await (const event of await log.startRead(stream, FROM_START, signal)) {
      if (event.type === 'gap') collected.take(stream.id, event.from, event.to);
      if (event.type === 'records') {
        collected.take(stream.id, event.block.firstSeq + event.from, event.block.firstSeq + event.to);
      }
    }
    collected.end();
  };
  void run().catch((error: { code: string }) => collected.end(error));
  return collected;
}

function collectMany(log: Log, signal: AbortSignal): Collected {
  const collected = new Collected(true);
  const run = async (): Promise<void> => {
    const selection = { names: undefined, prefix: '', shownAs: (name: string) => name };
    const range = { selection, from: 'start' } as const;
    for await (const event of await log.startMany(existingBasin(log, 'basin-one'), range, signal)) {
      if (event.type === 'joined') for (const { id, next } of event.members) collected.take(id, next, next);
      if (event.type === 'gap') collected.take(event.of?.id ?? '', event.from, event.to);
      if (event.type === 'records') {
        const { block, from, to, of } = event;
        collected.take(of?.id ?? '', block.firstSeq + from, block.firstSeq + to);
      }
    }
    collected.end();
  };
  void run().catch((error: { code: string }) => collected.end(error));
  return collected;
}
