/** What a node says of its whole cluster, with what is wrong and how to fix it. */

import {
  type ClusterMember,
  type ClusterMove,
  type ClusterState,
  leaderlessProblem,
  type MemberPartition,
  type NodeRole,
} from '../model/cluster-state.ts';
import { CLUSTER_LAG_NOTED } from '../model/limits.ts';
import type { NodeInfo } from './node-info.ts';

export interface SeenPartition {
  readonly partition: number;
  readonly leader: string | undefined;
  /** What each node said last, also this one. */
  readonly nodes: readonly NodeInfo[];
  /** What this one says now. */
  readonly own: NodeInfo;
  /** How many basins are in it; undefined where that is not known. */
  readonly basins: number | undefined;
}

export interface SeenCluster {
  readonly name: string;
  /** In the order of their numbers. */
  readonly partitions: readonly SeenPartition[];
  readonly moves: readonly ClusterMove[];
}

/** A node in one partition, with what is wrong with it there. */
interface SeenMember extends MemberPartition {
  readonly info: NodeInfo;
  readonly problems: readonly string[];
}

/** How far nodes are is compared as they said it last, which is at most a few seconds ago. */
export function describeCluster({ name, partitions, moves }: SeenCluster): ClusterState {
  const seen = partitions.map(membersOf);
  const urls = [...new Set(seen.flatMap((members) => [...members.keys()]))].sort();
  const ofNode = (url: string): readonly SeenMember[] =>
    seen.flatMap((members) => {
      const member = members.get(url);
      return member === undefined ? [] : [member];
    });
  return {
    name,
    leader: partitions[0]?.leader,
    nodes: urls.flatMap((url) => memberOf(ofNode(url), urls.length === 1)),
    partitions: partitions.map(({ partition, leader, basins }) => {
      return { partition, leader, basins, problems: leader === undefined ? [leaderlessProblem(partition)] : [] };
    }),
    moves,
  };
}

/** By URL. */
function membersOf({ partition, leader, nodes, own }: SeenPartition): ReadonlyMap<string, SeenMember> {
  const said = nodes.some(({ url }) => url === own.url) ? nodes : [...nodes, own];
  const head = said.find(({ url }) => url === leader)?.sequence;
  return new Map(
    said.map((before) => {
      const info = before.url === own.url ? own : before;
      const lag = before.url === leader || head === undefined ? 0 : Math.max(0, head - before.sequence);
      const { url, role, sequence, durableSequence, isDraining } = info;
      const isLast = said.every((other) => other.url === url || other.role !== 'following' || other.isDraining);
      const problems = [
        ...[...info.problems, ...problemsOf(info, lag)],
        ...(isLast && role === 'leading' && isDraining ? [DRAINED] : []),
      ];
      const isDamaged = info.isDamaged === true;
      return [url, { info, partition, role, sequence, durableSequence, lag, isDamaged, problems }] as const;
    }),
  );
}

/** None for a node that said nothing. */
function memberOf(seen: readonly SeenMember[], isAlone: boolean): readonly ClusterMember[] {
  const [first] = seen;
  if (first === undefined) return [];
  const { url, version, isDraining } = first.info;
  const problems = [...new Set(seen.flatMap((member) => member.problems)), ...(isAlone ? [ALONE] : [])];
  return [
    {
      ...{ url, version, isDraining, problems },
      role: roleOf(seen),
      sequence: first.sequence,
      durableSequence: first.durableSequence,
      lag: Math.max(...seen.map(({ lag }) => lag)),
      damages: seen.reduce((sum, { info }) => sum + (info.damages ?? 0), 0),
      partitions: seen.map(({ info: _info, problems: _problems, ...inPartition }) => inPartition),
    },
  ];
}

function roleOf(seen: readonly SeenMember[]): NodeRole {
  const has = (role: NodeRole): boolean => seen.some((member) => member.role === role);
  return has('leading') ? 'leading' : has('joining') ? 'joining' : 'following';
}

const ALONE = 'It is the only node: while it is away, nothing answers. Start another one with the same --cluster-name.';
const DRAINED = 'It leads although it is drained, as no other node can. Start one, or undo the drain of one.';

function problemsOf({ role, problems }: NodeInfo, lag: number): readonly string[] {
  if (role === 'joining') return problems.length > 0 ? [] : ['It has no whole copy yet. Wait, or see its log.'];
  if (lag <= CLUSTER_LAG_NOTED) return [];
  return [`It is ${lag} commands behind the node that leads. See whether its disk and its network keep up.`];
}
