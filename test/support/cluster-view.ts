/** Clusters of two nodes in memory, for servers that are shown one. */

import type { ClusterMember, ClusterView } from '../../src/model/cluster-state.ts';
import { TailraceError } from '../../src/model/error.ts';

export const CLUSTER_LEADER = 'http://10.0.0.1:4318';
export const CLUSTER_FOLLOWER = 'http://10.0.0.2:4318';

const MEMBER: ClusterMember = {
  url: CLUSTER_LEADER,
  role: 'leading',
  version: '1.0.0',
  sequence: 12,
  durableSequence: 12,
  lag: 0,
  isDraining: false,
  damages: 0,
  problems: [],
  partitions: [{ partition: 0, role: 'leading', sequence: 12, durableSequence: 12, lag: 0, isDamaged: false }],
};

/** The one that follows is behind, and has a problem. Draining changes what is seen. */
export function twoNodes(): ClusterView {
  const draining = new Set<string>();
  const nodes: readonly ClusterMember[] = [
    MEMBER,
    {
      ...MEMBER,
      url: CLUSTER_FOLLOWER,
      role: 'following',
      damages: 2,
      sequence: 9,
      lag: 3,
      problems: ['It is slow. Give it a disk.'],
      partitions: [{ partition: 0, role: 'following', sequence: 9, durableSequence: 12, lag: 3, isDamaged: false }],
    },
  ];
  return {
    state: () => ({
      name: 'shops',
      leader: CLUSTER_LEADER,
      nodes: nodes.map((node) => ({ ...node, isDraining: draining.has(node.url) })),
      partitions: [{ partition: 0, leader: CLUSTER_LEADER, basins: 1, problems: [] }],
      moves: [],
    }),
    problems: () => [],
    drain: async (url, on) => void (on ? draining.add(url) : draining.delete(url)),
    partitionOf: () => 0,
    move: async () => {
      throw new TailraceError('invalid', 'there is one partition');
    },
  };
}
