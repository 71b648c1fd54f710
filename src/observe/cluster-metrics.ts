/** What Prometheus is told of a cluster, by the node that leads. */

import type { ClusterMember, ClusterState } from '../model/cluster-state.ts';
import { Distribution, LATENCY_SECONDS, type Labelled, type ScrapedMetric, unlabelled } from './scraped-metric.ts';

/** What is looked up when the metrics are scraped. */
export interface ClusterMetricSources {
  state(): ClusterState;
  leaderChanges(): number;
  passedOver(): number;
}

/** Lives as long as its node, so that nothing is forgotten when the node leads again. */
export class ClusterMetrics {
  readonly #publish = new Distribution(LATENCY_SECONDS);
  readonly all: readonly ScrapedMetric[];

  constructor({ state, leaderChanges, passedOver }: ClusterMetricSources) {
    const ofNodes = (name: string, help: string, value: (node: ClusterMember) => number): ScrapedMetric => {
      const read = (): Labelled => state().nodes.map((node) => [{ node: node.url }, value(node)] as const);
      return { type: 'gauge', name, help, labels: ['node'], read };
    };
    const counter = (name: string, help: string, read: () => number): ScrapedMetric => {
      return { type: 'counter', name, help, labels: [], read: () => unlabelled(read()) };
    };
    const { leader, nodes, lag, problems, damages, changes, passed, publish } = HELP;
    this.all = [
      ofNodes('tailrace_cluster_leader', leader, ({ role }) => (role === 'leading' ? 1 : 0)),
      ofNodes('tailrace_cluster_lag_commands', lag, (node) => node.lag),
      ofNodes('tailrace_cluster_node_problems', problems, (node) => node.problems.length),
      ofNodes('tailrace_cluster_node_damages', damages, (node) => node.damages),
      {
        ...{ type: 'gauge', name: 'tailrace_cluster_nodes', help: nodes, labels: ['role'] },
        read: () => rolesOf(state()),
      },
      counter('tailrace_cluster_leader_changes_total', changes, leaderChanges),
      counter('tailrace_cluster_passed_over_commands_total', passed, passedOver),
      {
        ...{ type: 'histogram', name: 'tailrace_cluster_publish_latency_seconds', help: publish },
        distribution: this.#publish,
      },
    ];
  }

  /** A command was acknowledged by the servers of NATS. */
  published(tookMs: number): void {
    this.#publish.add(tookMs / 1_000);
  }
}

const HELP = {
  leader: 'Nodes of the cluster: 1 for the one that leads.',
  nodes: 'Nodes of the cluster by role.',
  lag: 'Commands by which a node is behind the one that leads, as nodes said in the last seconds.',
  problems: 'Problems that a node has: tailrace cluster status tells them.',
  damages: 'How often a node found its store damaged since it started, and took a copy of another one.',
  changes: 'How often another node began to lead, as this node saw it since it started.',
  passed: 'Commands in the log that do not count: a node that had lost its lead sent them.',
  publish: 'Until the majority of the servers of NATS has a command on disk.',
} as const;

const ROLES: readonly ClusterMember['role'][] = ['joining', 'following', 'leading'];

function rolesOf({ nodes }: ClusterState): Labelled {
  return ROLES.map((role) => [{ role }, nodes.filter((node) => node.role === role).length] as const);
}
