/** What a node says of its whole cluster, with what is wrong and how to fix it. */

import { type ClusterMember, type ClusterState, type ClusterView, leaderlessProblem } from '../model/cluster-state.ts';
import { TailraceError } from '../model/error.ts';
import { CLUSTER_LAG_NOTED } from '../model/limits.ts';
import type { NodeInfo } from './node-info.ts';
import type { Replication } from './replication.ts';

export interface SeenCluster {
  readonly name: string;
  readonly leader: string | undefined;
  /** What each node said last, also this one. */
  readonly nodes: readonly NodeInfo[];
  /** What this one says now. */
  readonly own: NodeInfo;
}

/** How far nodes are is compared as they said it last, which is at most a few seconds ago. */
export function describeCluster({ name, leader, nodes, own }: SeenCluster): ClusterState {
  const said = nodes.some(({ url }) => url === own.url) ? nodes : [...nodes, own];
  const head = said.find(({ url }) => url === leader)?.sequence;
  const members = said.map((before): ClusterMember => {
    const now = before.url === own.url ? own : before;
    const lag = before.url === leader || head === undefined ? 0 : Math.max(0, head - before.sequence);
    const { url, role, version, sequence, durableSequence, isDraining, damages = 0 } = now;
    const isLast = said.every((other) => other.url === now.url || other.role !== 'following' || other.isDraining);
    const problems = [
      ...[...now.problems, ...problemsOf(now, lag)],
      ...(said.length === 1 ? [ALONE] : []),
      ...(isLast && role === 'leading' && isDraining ? [DRAINED] : []),
    ];
    const inPartition = { partition: 0, role, sequence, durableSequence, lag, isDamaged: now.isDamaged === true };
    const partitions = [inPartition];
    return { url, role, version, sequence, durableSequence, lag, isDraining, damages, problems, partitions };
  });
  const problems = leader === undefined ? [leaderlessProblem(0)] : [];
  return {
    name,
    leader,
    nodes: members,
    partitions: [{ partition: 0, leader, basins: undefined, problems }],
    moves: [],
  };
}

const ALONE = 'It is the only node: while it is away, nothing answers. Start another one with the same --cluster-name.';
const DRAINED = 'It leads although it is drained, as no other node can. Start one, or undo the drain of one.';

function problemsOf({ role, problems }: NodeInfo, lag: number): readonly string[] {
  if (role === 'joining') return problems.length > 0 ? [] : ['It has no whole copy yet. Wait, or see its log.'];
  if (lag <= CLUSTER_LAG_NOTED) return [];
  return [`It is ${lag} commands behind the node that leads. See whether its disk and its network keep up.`];
}

/** `replication` is asked for only when the view is looked at: the node may not be open before. */
export function clusterViewOf(replication: () => Replication, name: string): ClusterView {
  return {
    state: () => {
      const { leader, nodes } = replication();
      return describeCluster({ name, leader: leader?.url, nodes, own: replication().describe() });
    },
    problems: () => replication().describe().problems,
    drain: (url, on) => replication().drain(url, on),
    partitionOf: () => 0,
    move: async () => {
      throw new TailraceError('invalid', 'this cluster has one partition: there is no other one to move a basin to');
    },
  };
}
