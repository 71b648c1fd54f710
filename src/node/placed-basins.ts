/** Basins of all partitions, as the server of partition 0 lists and makes them. */

import type { PlaceWriter } from '../cluster/place-writer.ts';
import type { Places } from '../cluster/places.ts';
import type { ClusterCall } from '../http/cluster-calls.ts';
import type { BasinMaking, BasinsElsewhere, MadeBasin } from '../http/routes/basins.ts';
import type { Basin } from '../log/basins.ts';
import { TailraceError } from '../model/error.ts';
import type { Partition } from './partition.ts';

export interface PlacedBasinsDeps {
  readonly places: Places;
  /** Undefined where this node does not lead partition 0. */
  writer(): PlaceWriter | undefined;
  readonly defaultBasin: string;
  partitions(): readonly Partition[];
  /** Asks the leader of a partition. */
  call(call: ClusterCall): Promise<unknown>;
}

export class PlacedBasins implements BasinsElsewhere {
  readonly #deps: PlacedBasinsDeps;
  #known: { readonly lists: readonly (readonly Basin[])[]; readonly basins: readonly Basin[] } | undefined;

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

  /** Durable basins of a partition, without those that another one has. */
  in(partition: Partition): readonly Basin[] {
    const { places } = this.#deps;
    return (partition.log?.listBasins() ?? []).filter(({ name }) => (places.of(name) ?? 0) === partition.number);
  }

  /** Of all partitions, in no order, as this node has followed them. The same list until one of the logs changes. */
  get known(): readonly Basin[] {
    const lists = this.#deps.partitions().map(({ log }) => log?.listBasins() ?? []);
    const before = this.#known;
    if (
      before !== undefined &&
      lists.length === before.lists.length &&
      lists.every((list, i) => list === before.lists[i])
    ) {
      return before.basins;
    }
    const basins = this.#deps.partitions().flatMap((partition) => this.in(partition));
    this.#known = { lists, basins };
    return basins;
  }

  async list(): Promise<readonly Basin[]> {
    const { partitions } = this.#deps;
    await Promise.all(partitions().map(({ replication }) => replication.catchUp()));
    const missing = partitions().find(({ log }) => log === undefined);
    if (missing !== undefined) {
      const message = `this node has no whole copy of partition ${missing.number} at the moment: send again`;
      throw new TailraceError('unavailable', message, { detail: { retryAfterSeconds: 1 } });
    }
    return partitions()
      .flatMap((partition) => this.in(partition))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async make(making: BasinMaking): Promise<MadeBasin | undefined> {
    const { writer, call, defaultBasin, partitions } = this.#deps;
    const places = writer();
    if (places === undefined || partitions().length === 1 || making.basin === defaultBasin) return undefined;
    if (this.partitionOf(making.basin) === 0) return undefined;
    const partition = await places.place(making.basin, () => this.#emptiest(places));
    if (partition === 0) return undefined;
    return (await call({ call: 'make-basin', partition, ...making })) as MadeBasin;
  }

  /** Removes the places of basins that are gone. @throws TailraceError `unavailable` */
  async sweep(): Promise<void> {
    const { places, partitions, writer } = this.#deps;
    const live = new Set((await this.list()).map(({ name }) => name));
    const placed = partitions().flatMap(({ number }) => places.namesIn(number));
    await writer()?.remove(placed.filter((name) => !live.has(name)));
  }

  /** The one with the fewest basins. */
  #emptiest(places: PlaceWriter): number {
    const counts = this.#deps.partitions().map((partition) => {
      return { number: partition.number, basins: this.in(partition).length + places.placing(partition.number) };
    });
    counts.sort((a, b) => a.basins - b.basins || a.number - b.number);
    return counts[0]?.number ?? 0;
  }
}
