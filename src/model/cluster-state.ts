/** A cluster as the node that leads sees it: what operators, metrics and the web page are told. */

export interface ClusterState {
  readonly name: string;
  /** The URL of the node that leads; undefined while none is known. */
  readonly leader: string | undefined;
  /** Those that said something in the last seconds, in the order of their URLs. */
  readonly nodes: readonly ClusterMember[];
}

/** A node that joins has no whole copy of the data yet. */
export type NodeRole = 'joining' | 'following' | 'leading';

export interface ClusterMember {
  readonly url: string;
  readonly role: NodeRole;
  readonly version: string;
  /** How far it has applied the log of the cluster, and how far that is on its disk. */
  readonly sequence: number;
  readonly durableSequence: number;
  /** Commands by which it is behind the node that leads, as both said last. */
  readonly lag: number;
  /** It leads no more and does not try to. */
  readonly isDraining: boolean;
  /** How often it found its store damaged since its start. */
  readonly damages: number;
  /** What is wrong, as sentences that also say the fix. */
  readonly problems: readonly string[];
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
}
