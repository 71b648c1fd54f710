/** What Prometheus is told of a cluster, by the node that leads partition 0; who leads another one counts for that. */

import {
  CLUSTER_MOVE_PHASES,
  type ClusterMember,
  type ClusterState,
  type MemberPartition,
  NODE_ROLES,
} from '../model/cluster-state.ts';
import { byLabel, Distribution, LATENCY_SECONDS, type Labelled, type ScrapedMetric } from './scraped-metric.ts';

/** What is looked up when the metrics are scraped. */
export interface ClusterMetricSources {
  state(): ClusterState;
  leaderChanges(partition: number): number;
  passedOver(partition: number): number;
}

/** Lives as long as its node, so that nothing is forgotten when the node leads again. */
export class ClusterMetrics {
  /** By the number of the partition. */
  readonly #published = new Map<number, Distribution>();
  readonly all: readonly ScrapedMetric[];

  constructor({ state, leaderChanges, passedOver }: ClusterMetricSources) {
    const { leader, nodes, lag, problems, damages, basins, moves, changes, passed, publish } = HELP;
    const ofNodes = (name: string, help: string, value: (node: ClusterMember) => number): ScrapedMetric => {
      const read = (): Labelled => state().nodes.map((node) => [{ node: node.url }, value(node)] as const);
      return { type: 'gauge', name, help, labels: ['node'], read };
    };
    const ofParts = (name: string, help: string, value: (part: MemberPartition) => number): ScrapedMetric => {
      const read = (): Labelled => partsOf(state(), value);
      return { type: 'gauge', name, help, labels: ['node', 'partition'], read };
    };
    const counter = (name: string, help: string, count: (partition: number) => number): ScrapedMetric => {
      const read = (): Labelled =>
        state().partitions.map(({ partition }) => [{ partition: String(partition) }, count(partition)] as const);
      return { type: 'counter', name, help, labels: ['partition'], read };
    };
    this.all = [
      ofParts('tailrace_cluster_leader', leader, ({ role }) => (role === 'leading' ? 1 : 0)),
      ofParts('tailrace_cluster_lag_commands', lag, (part) => part.lag),
      ofNodes('tailrace_cluster_node_problems', problems, (node) => node.problems.length),
      ofNodes('tailrace_cluster_node_damages', damages, (node) => node.damages),
      {
        ...{ type: 'gauge', name: 'tailrace_cluster_nodes', help: nodes, labels: ['role'] },
        read: () => rolesOf(state()),
      },
      {
        ...{ type: 'gauge', name: 'tailrace_cluster_basins', help: basins, labels: ['partition'] },
        read: () => basinsOf(state()),
      },
      {
        ...{ type: 'gauge', name: 'tailrace_cluster_moves', help: moves, labels: ['phase'] },
        read: () => movesOf(state()),
      },
      counter('tailrace_cluster_leader_changes_total', changes, leaderChanges),
      counter('tailrace_cluster_passed_over_commands_total', passed, passedOver),
      {
        ...{ type: 'histogram', name: 'tailrace_cluster_publish_latency_seconds', help: publish },
        ...{ labels: ['partition'], distributions: () => this.#publishLatencies() },
      },
    ];
  }

  /** A command was acknowledged by the servers of NATS. */
  published(tookMs: number, partition = 0): void {
    const known = this.#published.get(partition) ?? new Distribution(LATENCY_SECONDS);
    this.#published.set(partition, known);
    known.add(tookMs / 1_000);
  }

  #publishLatencies() {
    return [...this.#published].map(([partition, known]) => [{ partition: String(partition) }, known] as const);
  }
}

const HELP = {
  leader: 'Nodes of the cluster in each partition: 1 for the one that leads it.',
  nodes: 'Nodes of the cluster by role.',
  lag: 'Commands by which a node is behind the one that leads a partition, as nodes said in the last seconds.',
  problems: 'Problems that a node has: tailrace cluster status tells them.',
  damages: 'How often a node found its store damaged since it started, and took a copy of another one.',
  basins: 'Basins in each partition of the cluster.',
  moves: 'Basins that move to another partition, by how far they are.',
  changes: 'How often another node began to lead, as this node saw it since it started.',
  passed: 'Commands in the log that do not count: a node that had lost its lead sent them.',
  publish: 'Until the majority of the servers of NATS has a command on disk.',
} as const;

function partsOf({ nodes }: ClusterState, value: (part: MemberPartition) => number): Labelled {
  return nodes.flatMap(({ url, partitions }) =>
    partitions.map((part) => [{ node: url, partition: String(part.partition) }, value(part)] as const),
  );
}

function rolesOf({ nodes }: ClusterState): Labelled {
  return byLabel(
    'role',
    NODE_ROLES.map((role) => [role, nodes.filter((node) => node.role === role).length]),
  );
}

function movesOf({ moves }: ClusterState): Labelled {
  return byLabel(
    'phase',
    CLUSTER_MOVE_PHASES.map((phase) => [phase, moves.filter((move) => move.phase === phase).length]),
  );
}

function basinsOf({ partitions }: ClusterState): Labelled {
  return partitions.flatMap(({ partition, basins }) =>
    basins === undefined ? [] : [[{ partition: String(partition) }, basins] as const],
  );
}
