/** Basins of all partitions, as the server of partition 0 lists and makes them. */

import type { PlaceWriter } from '../cluster/place-writer.ts';
import type { Places } from '../cluster/places.ts';
import type { ClusterCall } from '../http/cluster-calls.ts';
import type { BasinMaking, BasinsElsewhere, MadeBasin } from '../http/routes/basins.ts';
import type { Basin } from '../log/basins.ts';
import { type TailraceError, unavailable } from '../model/error.ts';
import { noLeader } from './leader-calls.ts';
import type { Partition } from './partition.ts';

export interface PlacedBasinsDeps {
  readonly places: Places;
  /** Undefined where this node does not lead partition 0. */
  writer(): PlaceWriter | undefined;
  readonly defaultBasin: string;
  /** Those that this node has opened. */
  partitions(): readonly Partition[];
  /** How many there are. */
  count(): number;
  /** Asks the leader of a partition. */
  call(call: ClusterCall): Promise<unknown>;
}

/** A list is tried again so often where basins move meanwhile. */
const LIST_TRIES_MAX = 10;

/** What was made of which lists of the partitions. */
interface KnownLists {
  readonly changes: number;
  readonly lists: readonly (readonly Basin[])[];
  readonly basins: readonly Basin[];
}

export class PlacedBasins implements BasinsElsewhere {
  readonly #deps: PlacedBasinsDeps;
  #known: KnownLists | undefined;

  constructor(deps: PlacedBasinsDeps) {
    this.#deps = deps;
  }

  /** The partition of a basin that exists as far as this node knows. */
  partitionOf(name: string): number | undefined {
    const { places, partitions } = this.#deps;
    const place = places.of(name);
    if (place !== undefined) return place;
    return partitions()[0]?.log?.basin(name) === undefined ? undefined : 0;
  }

  /**
   * The same, but undefined where this node leads that partition and does not have it: then it may be elsewhere by now, or
   * gone, and this node has not followed that yet.
   */
  foundIn(name: string): number | undefined {
    const partition = this.partitionOf(name);
    const here = partition === undefined ? undefined : this.#deps.partitions()[partition];
    return here?.leading !== undefined && here.log?.basin(name) === undefined ? undefined : partition;
  }

  /** How many durable basins a partition has, without those that another one has. */
  countIn(partition: Partition): number {
    const { places } = this.#deps;
    let count = 0;
    for (const { name } of listOf(partition)) if ((places.of(name) ?? 0) === partition.number) count++;
    return count;
  }

  /**
   * Of all partitions, in no order, as this node has followed them: also one that has moved as far as one partition says and
   * not as far as another one does. The same list until something changes.
   */
  get known(): readonly Basin[] {
    const { places, partitions } = this.#deps;
    const lists = partitions().map(listOf);
    const { changes } = places;
    const before = this.#known;
    const isSame = before?.changes === changes && before.lists.length === lists.length;
    if (before !== undefined && isSame && lists.every((list, i) => list === before.lists[i])) return before.basins;
    const found = new Map<string, Basin>();
    for (const [number, list] of lists.entries()) {
      for (const basin of list) {
        if ((places.of(basin.name) ?? 0) === number || !found.has(basin.name)) found.set(basin.name, basin);
      }
    }
    const basins = [...found.values()];
    this.#known = { changes, lists, basins };
    return basins;
  }

  /** A basin of any partition; undefined for one that is not there. @throws TailraceError `unavailable` */
  async find(name: string): Promise<Basin | undefined> {
    const { partitions } = this.#deps;
    const partition = partitions()[this.partitionOf(name) ?? 0];
    if (partition === undefined) throw notOpened();
    await partition.replication.catchUp();
    return partition.log?.basin(name);
  }

  /**
   * A partition is looked at before its places are, and again where basins have moved meanwhile: so one that moves is in the
   * list once. @throws TailraceError `unavailable`
   */
  async list(): Promise<readonly Basin[]> {
    const { partitions, places, count } = this.#deps;
    for (let tries = 0; tries < LIST_TRIES_MAX; tries++) {
      const { changes } = places;
      if (partitions().length < count()) throw notOpened();
      const [first, ...others] = partitions();
      const lists = await Promise.all(others.map(listNow));
      const all = [first === undefined ? [] : await listNow(first), ...lists];
      if (places.changes !== changes) continue;
      const basins = all.flatMap((list, number) => list.filter(({ name }) => (places.of(name) ?? 0) === number));
      return basins.sort((a, b) => (a.name < b.name ? -1 : 1));
    }
    throw unavailable('basins move just now: send again');
  }

  async make(making: BasinMaking): Promise<MadeBasin | undefined> {
    const { writer, call, defaultBasin, count } = this.#deps;
    if (count() === 1 || making.basin === defaultBasin) return undefined;
    const places = writer();
    // It begins to lead, or hands over: what it made by itself might be elsewhere, too.
    if (places === undefined) throw noLeader(0);
    if (this.partitionOf(making.basin) === 0) return undefined;
    const partition = await places.place(making.basin, () => this.#emptiest(places));
    if (partition === 0) return undefined;
    return (await call({ call: 'make-basin', partition, ...making })) as MadeBasin;
  }

  /** Removes the places of basins that are gone. @throws TailraceError `unavailable` */
  async sweep(): Promise<void> {
    const { places, writer } = this.#deps;
    const before = places.all;
    const live = new Set((await this.list()).map(({ name }) => name));
    await writer()?.remove(before.filter(({ name }) => !live.has(name)));
  }

  /** The one with the fewest basins. */
  #emptiest(places: PlaceWriter): number {
    const { partitions, places: known } = this.#deps;
    // Places are exact here, and this node may not have followed the logs of other partitions to their ends.
    const placed = known.all;
    const counts = partitions().map((partition) => {
      const { number } = partition;
      const names = new Set(placed.filter(({ row }) => row.partition === number).map(({ name }) => name));
      for (const { name } of listOf(partition)) if ((known.of(name) ?? 0) === number) names.add(name);
      return { number, basins: names.size + places.placing(number) };
    });
    counts.sort((a, b) => a.basins - b.basins || a.number - b.number);
    return counts[0]?.number ?? 0;
  }
}

function listOf({ log }: Partition): readonly Basin[] {
  return log?.listBasins() ?? [];
}

/** With all that was acknowledged before. @throws TailraceError `unavailable` */
async function listNow(partition: Partition): Promise<readonly Basin[]> {
  await partition.replication.catchUp();
  const { log, number } = partition;
  if (log !== undefined) return log.listBasins();
  throw unavailable(`this node has no whole copy of partition ${number} at the moment: send again`);
}

function notOpened(): TailraceError {
  return unavailable('this node has not opened all partitions yet: send again');
}
