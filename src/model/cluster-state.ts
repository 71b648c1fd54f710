/** A cluster as the node that leads partition 0 sees it: what operators, metrics and the web page are told. */

export interface ClusterState {
  readonly name: string;
  /** The URL of the node that leads partition 0; undefined while none is known. */
  readonly leader: string | undefined;
  /** Those that said something in the last seconds, in the order of their URLs. */
  readonly nodes: readonly ClusterMember[];
  /** The parts over which the basins are spread, in the order of their numbers: one at least. */
  readonly partitions: readonly ClusterPartition[];
  /** Basins on their way to another partition. */
  readonly moves: readonly ClusterMove[];
}

export interface ClusterPartition {
  readonly partition: number;
  /** The URL of the node that leads it; undefined while none is known. */
  readonly leader: string | undefined;
  /** How many basins are in it; undefined where the node that is asked does not know. */
  readonly basins: number | undefined;
  /** What is wrong with it, as sentences that also say the fix. */
  readonly problems: readonly string[];
}

/**
 * A basin is `copying` while it is in use as ever, and `sealed` while the rest is copied: then it takes nothing for some
 * seconds. From `dropping` on it is in the new partition, and the old one removes what it has of it. A move that is
 * `aborting` leaves the basin where it is.
 */
export const CLUSTER_MOVE_PHASES = ['copying', 'sealed', 'dropping', 'aborting'] as const;
export type ClusterMovePhase = (typeof CLUSTER_MOVE_PHASES)[number];

export interface ClusterMove {
  readonly basin: string;
  readonly from: number;
  readonly to: number;
  readonly phase: ClusterMovePhase;
  /** As far as the node knows that leads the partition `from`. */
  readonly copiedBytes: number;
  /** Why it does not go on, or why it is given up, as a sentence. */
  readonly problem: string | undefined;
}

/** A node that joins has no whole copy of the data yet. */
export const NODE_ROLES = ['joining', 'following', 'leading'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

export interface ClusterMember {
  readonly url: string;
  /** Of the node as a whole: it leads when it leads a partition, else it joins when it has no whole copy of one. */
  readonly role: NodeRole;
  readonly version: string;
  /** How far it has applied the log of partition 0, and how far that is on its disk. */
  readonly sequence: number;
  readonly durableSequence: number;
  /** Commands by which it is behind the node that leads, as both said last: the most of its partitions. */
  readonly lag: number;
  /** It leads no more and does not try to. */
  readonly isDraining: boolean;
  /** How often it found its store damaged since its start. */
  readonly damages: number;
  /** What is wrong, as sentences that also say the fix. */
  readonly problems: readonly string[];
  /** How it does in each partition, in the order of their numbers. */
  readonly partitions: readonly MemberPartition[];
}

export interface MemberPartition {
  readonly partition: number;
  readonly role: NodeRole;
  readonly sequence: number;
  readonly durableSequence: number;
  readonly lag: number;
  /** Its store of this partition is damaged, and has not been replaced yet. */
  readonly isDamaged: boolean;
}

/** What a server knows of the cluster that it is a node of, and can do there. */
export interface ClusterView {
  state(): ClusterState;
  /** What is wrong with the server itself. */
  problems(): readonly string[];
  /**
   * Has a node lead no more, or again. It hands over within a few seconds.
   * @throws TailraceError `not_found` where there is no such node, `invalid` where no other one could lead, `unavailable`
   */
  drain(url: string, on: boolean): Promise<void>;
  /** Where requests about a basin go, also when there is no such basin. */
  partitionOf(basin: string): number;
  /**
   * Begins to move a basin. Resolves when that is durable: it then goes on by itself, whoever leads.
   * @throws TailraceError `basin_not_found`, `invalid` for the default basin, a partition that there
   * is not or that it is in, and while it moves elsewhere; `unavailable`
   */
  move(basin: string, to: number): Promise<void>;
}

const LEADERLESS_FIX = 'See whether the servers of NATS have a majority, and start the nodes that are missing.';

/** What is wrong with a partition that no node is known to lead. */
export function leaderlessProblem(partition: number): string {
  return `No node is known to lead partition ${partition}: its basins answer with 503. ${LEADERLESS_FIX}`;
}
