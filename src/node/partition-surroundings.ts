/** What is around the server of a partition on the node that leads it: the rest of the account, and who may call. */

import type { Access } from '../access/access.ts';
import type { Principal } from '../access/grant.ts';
import type { IssuedSecret } from '../access/single-use.ts';
import type { TicketBounds } from '../access/tickets.ts';
import type { Places } from '../cluster/places.ts';
import type { OtherParts } from '../http/account-part.ts';
import { type ClusterCall, callerRefOf } from '../http/cluster-calls.ts';
import { CLUSTER_PARTITIONS_MAX } from '../model/limits.ts';
import { partitionNumbers } from '../model/partition-numbers.ts';
import type { ServerSurroundings, SharedParts } from '../server.ts';
import type { Engine } from '../storage/engine.ts';
import { settingsKey } from '../storage/keys.ts';
import { decodeCounters } from '../storage/values.ts';
import type { LeaderCalls } from './leader-calls.ts';
import type { LeadingParts, Partition } from './partition.ts';
import type { PlacedBasins } from './placed-basins.ts';

export interface PartitionSurroundingsDeps {
  /** Around the server that leads partition 0. */
  readonly around: ServerSurroundings;
  readonly shared: SharedParts;
  readonly places: Places;
  readonly placed: PlacedBasins;
  readonly calls: LeaderCalls;
  first(): Partition;
  /** All but the first. @throws TailraceError `unavailable` while they are not all open */
  others(): readonly Partition[];
  /** Of the partitions that hold no tokens. @throws TailraceError `unavailable` */
  access(): Access;
  /** Applies all that the log of partition 0 holds now. @throws TailraceError `unavailable` */
  catchUp(): Promise<void>;
}

export class PartitionSurroundings {
  readonly #deps: PartitionSurroundingsDeps;

  constructor(deps: PartitionSurroundingsDeps) {
    this.#deps = deps;
  }

  ofFirst(): LeadingParts {
    const { around, shared, places, placed } = this.#deps;
    const elsewhere = {
      ...{ basinsElsewhere: placed, others: this.#otherParts() },
      issueElsewhere: (...asked: [Principal, TicketBounds]) => this.#issueElsewhere(...asked),
      otherStores: () => this.#otherStores(),
    };
    const holds = (basin: string): boolean => (places.of(basin) ?? 0) === 0;
    return { around: { ...around, ...elsewhere, shared }, over: { holds } };
  }

  /** @throws TailraceError `unavailable` while this node does not follow partition 0 */
  async ofOther(number: number): Promise<LeadingParts> {
    const { around, shared, places, first, catchUp } = this.#deps;
    const access = this.#deps.access();
    await catchUp();
    const { senderReader, lentPorts, address } = around;
    const numbersFrom = await numbersBehind(first().replication.local, number);
    const holds = (basin: string): boolean => places.of(basin) === number;
    return {
      around: {
        ...{ access, shared },
        ...(senderReader === undefined ? {} : { senderReader }),
        ...(lentPorts === undefined ? {} : { lentPorts }),
        ...(address === undefined ? {} : { address }),
      },
      over: { numbersFrom, holds },
    };
  }

  /** What the leaders of the other partitions say of the account. */
  #otherParts(): OtherParts {
    const { calls, others } = this.#deps;
    const ask = async <T>(callOf: (partition: number) => ClusterCall): Promise<readonly T[]> =>
      Promise.all(others().map(async ({ number }) => (await calls.call(callOf(number))) as T));
    return {
      usage: (query) => ask((partition) => ({ call: 'usage', partition, query })),
      senders: () => ask((partition) => ({ call: 'senders', partition })),
      audit: (most) => ask((partition) => ({ call: 'audit', partition, most })),
    };
  }

  async #otherStores(): Promise<readonly Engine[]> {
    const others = this.#deps.others().map(({ replication }) => replication);
    await Promise.all(others.map((replication) => replication.catchUp()));
    return others.map(({ local }) => local);
  }

  /** A ticket is known to the node that leads the partition of its basin. */
  #issueElsewhere(principal: Principal, bounds: TicketBounds): Promise<IssuedSecret> | undefined {
    const { placed, calls } = this.#deps;
    const partition = placed.partitionOf(bounds.basin) ?? 0;
    if (partition === 0) return undefined;
    const caller = callerRefOf(principal);
    return calls.call({ call: 'issue-ticket', partition, caller, bounds }) as Promise<IssuedSecret>;
  }
}

/** A partition that has none yet numbers its basins and streams unlike all others, also those of a cluster before. */
async function numbersBehind(first: Engine, partition: number): Promise<number> {
  const row = await first.get(settingsKey('counters'));
  if (row === undefined) return partitionNumbers(partition);
  const { nextBasin, nextStream } = decodeCounters(row);
  const turn = partitionNumbers(CLUSTER_PARTITIONS_MAX);
  return Math.floor(Math.max(nextBasin, nextStream) / turn) * turn + partitionNumbers(partition);
}
