/** A cluster of two nodes in memory, for servers that are shown one. */

import {
  type ClusterMember,
  type ClusterMove,
  type ClusterState,
  type ClusterView,
  leaderlessProblem,
  type MemberPartition,
} from '../../src/model/cluster-state.ts';
import { TailraceError } from '../../src/model/error.ts';

export const CLUSTER_LEADER = 'http://10.0.0.1:4318';
export const CLUSTER_FOLLOWER = 'http://10.0.0.2:4318';

const DEFAULT_BASIN = 'telemetry';

/**
 * The second node is behind where it follows, and has a problem. The nodes lead the partitions in turn, the first one
 * partition 0. Draining changes what is seen; moves begin, and the test says how they go on.
 */
export class ClusterInMemory implements ClusterView {
  readonly #count: number;
  readonly #draining = new Set<string>();
  readonly #lookers = new Set<() => void>();
  /** Partitions that no node leads. */
  readonly leaderless = new Set<number>();
  /** Where basins are that are not in partition 0. */
  readonly places = new Map<string, number>();
  readonly moves = new Map<string, ClusterMove>();

  constructor(partitions: number) {
    this.#count = partitions;
  }

  state(): ClusterState {
    for (const look of this.#lookers) look();
    return {
      name: 'shops',
      leader: CLUSTER_LEADER,
      nodes: [this.#node(CLUSTER_LEADER), this.#node(CLUSTER_FOLLOWER)],
      partitions: this.#numbers().map((partition) => ({
        partition,
        leader: this.#leaderOf(partition),
        basins: [...this.places.values()].filter((place) => place === partition).length + (partition === 0 ? 1 : 0),
        problems: this.leaderless.has(partition) ? [leaderlessProblem(partition)] : [],
      })),
      moves: [...this.moves.values()],
    };
  }

  problems(): readonly string[] {
    return [];
  }

  async drain(url: string, on: boolean): Promise<void> {
    if (on) this.#draining.add(url);
    else this.#draining.delete(url);
  }

  partitionOf(basin: string): number {
    return this.places.get(basin) ?? 0;
  }

  async move(basin: string, to: number): Promise<void> {
    const from = this.partitionOf(basin);
    if (basin === DEFAULT_BASIN || from === to || to >= this.#count) {
      throw new TailraceError('invalid', `the basin ${basin} cannot move to partition ${to}`);
    }
    this.moves.set(basin, { basin, from, to, phase: 'copying', copiedBytes: 0, problem: undefined });
  }

  /** The move goes on. */
  step(basin: string, change: Partial<ClusterMove>): void {
    const move = this.moves.get(basin);
    if (move === undefined) throw new Error(`${basin} does not move`);
    this.moves.set(basin, { ...move, ...change });
  }

  /** The move is over, and the basin is where it stays. */
  end(basin: string, place: number): void {
    this.moves.delete(basin);
    this.places.set(basin, place);
  }

  /** Resolves when it was looked at so often from now on: who looks again has what was seen before. */
  looks(count: number): Promise<void> {
    let left = count;
    return new Promise((resolve) => {
      const look = (): void => {
        left--;
        if (left > 0) return;
        this.#lookers.delete(look);
        resolve();
      };
      this.#lookers.add(look);
    });
  }

  #numbers(): readonly number[] {
    return Array.from({ length: this.#count }, (_, partition) => partition);
  }

  #leaderOf(partition: number): string | undefined {
    if (this.leaderless.has(partition)) return undefined;
    return partition % 2 === 0 ? CLUSTER_LEADER : CLUSTER_FOLLOWER;
  }

  #node(url: string): ClusterMember {
    const partitions = this.#numbers().map((partition): MemberPartition => {
      const leads = this.#leaderOf(partition) === url;
      const lag = leads || url === CLUSTER_LEADER ? 0 : 3 + partition;
      const sequence = 12 - lag;
      const role = leads ? 'leading' : 'following';
      return { partition, role, sequence, durableSequence: 12, lag, isDamaged: false };
    });
    const [first] = partitions;
    return {
      url,
      role: partitions.some(({ role }) => role === 'leading') ? 'leading' : 'following',
      version: '1.0.0',
      sequence: first?.sequence ?? 0,
      durableSequence: 12,
      lag: Math.max(...partitions.map(({ lag }) => lag)),
      isDraining: this.#draining.has(url),
      damages: url === CLUSTER_LEADER ? 0 : 2,
      problems: url === CLUSTER_LEADER ? [] : ['It is slow. Give it a disk.'],
      partitions,
    };
  }
}
