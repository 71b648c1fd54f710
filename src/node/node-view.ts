/** What a node says of its cluster, and what operators may have it do: all partitions together. */

import { randomBytes } from 'node:crypto';
import { describeCluster } from '../cluster/describe-cluster.ts';
import type { ClusterMove, ClusterState, ClusterView } from '../model/cluster-state.ts';
import { leaderlessProblem } from '../model/cluster-state.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import type { WantedMove } from './basin-mover.ts';
import type { Partitions } from './partitions.ts';

const MOVE_ID_BYTES = 16;

export class NodeView implements ClusterView {
  readonly #name: string;
  readonly #defaultBasin: string;
  readonly #partitions: () => Partitions;
  /** What other nodes said last of the moves that they do, by basin. */
  readonly #elsewhere = new Map<string, ClusterMove>();
  #isAsking = false;

  /** `partitions` is asked for only when the view is looked at: they may not be open before. */
  constructor(name: string, defaultBasin: string, partitions: () => Partitions) {
    this.#name = name;
    this.#defaultBasin = defaultBasin;
    this.#partitions = partitions;
  }

  state(): ClusterState {
    const { all, placed } = this.#partitions();
    const partitions = all.map((partition) => {
      const { replication, number } = partition;
      const { leader, nodes } = replication;
      const basins = partition.log === undefined ? undefined : placed.countIn(partition);
      return { partition: number, leader: leader?.url, nodes, own: replication.describe(), basins };
    });
    return describeCluster({ name: this.#name, partitions, moves: this.#moves() });
  }

  problems(): readonly string[] {
    const { all } = this.#partitions();
    const own = all.flatMap(({ replication }) => replication.describe().problems);
    const leaderless = all.filter(({ number, replication }) => number > 0 && replication.leader === undefined);
    return [...new Set([...own, ...leaderless.map(({ number }) => leaderlessProblem(number))])];
  }

  drain(url: string, on: boolean): Promise<void> {
    return this.#partitions().first.replication.drain(url, on);
  }

  partitionOf(basin: string): number {
    return this.#partitions().places.of(basin) ?? 0;
  }

  async move(basin: string, to: number): Promise<void> {
    const { places, calls, placed } = this.#partitions();
    const from = this.partitionOf(basin);
    if (basin === this.#defaultBasin) {
      throw new TailraceError('invalid', `the basin ${basin} is the default one, which stays in partition 0`);
    }
    const underWay = places.moveOf(basin);
    if (underWay?.to === to) return this.#begin({ basin, id: underWay.id, to });
    if (!(await placed.list()).some(({ name }) => name === basin)) {
      throw new TailraceError('basin_not_found', `basin \`${basin}\` not found`);
    }
    const id = randomBytes(MOVE_ID_BYTES).toString('hex');
    await calls.call({ call: 'place', partition: 0, act: 'begin', basin, id, from, to });
    await this.#begin({ basin, id, to });
  }

  /** The node that leads its partition sees it in the place of the basin, too, a moment later. */
  async #begin({ basin, id, to }: WantedMove): Promise<void> {
    try {
      await this.#partitions().calls.call({ call: 'begin-move', partition: this.partitionOf(basin), basin, id, to });
    } catch (error) {
      // The node that leads next finds it.
      if (asTailraceError(error).code !== 'unavailable') throw error;
    }
  }

  /** All that are under way, as far as is known how they do. */
  #moves(): readonly ClusterMove[] {
    const { places, movers } = this.#partitions();
    const here = new Map([...movers.values()].flatMap(({ moves }) => moves).map((move) => [move.basin, move]));
    this.#askLater();
    return places.moves.map(({ name: basin, from, to }) => {
      const begun = { basin, from, to, phase: 'copying' as const, copiedBytes: 0, problem: undefined };
      const said = this.#elsewhere.get(basin);
      return here.get(basin) ?? (said !== undefined && said.to === to && said.from === from ? said : begun);
    });
  }

  /** Whoever looks again is told more. */
  #askLater(): void {
    const { places, movers, calls } = this.#partitions();
    const partitions = new Set(places.moves.map(({ from }) => from).filter((from) => !movers.has(from)));
    if (this.#isAsking || partitions.size === 0) return;
    this.#isAsking = true;
    const ask = async (partition: number): Promise<void> => {
      const moves = (await calls.call({ call: 'moves', partition })) as readonly ClusterMove[];
      for (const move of moves) this.#elsewhere.set(move.basin, move);
    };
    for (const basin of this.#elsewhere.keys()) if (places.moveOf(basin) === undefined) this.#elsewhere.delete(basin);
    void Promise.allSettled([...partitions].map(ask)).finally(() => {
      this.#isAsking = false;
    });
  }
}
