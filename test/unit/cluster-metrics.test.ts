/** What is said of a cluster: how far each node is behind, what is wrong with the fix, and what Prometheus is told. */

import { expect, test } from '@jest/globals';
import { describeCluster } from '../../src/cluster/describe-cluster.ts';
import type { NodeInfo } from '../../src/cluster/node-info.ts';
import { CLUSTER_LAG_NOTED } from '../../src/model/limits.ts';
import { ClusterMetrics } from '../../src/observe/cluster-metrics.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { CLUSTER_FOLLOWER, CLUSTER_LEADER, ClusterInMemory } from '../support/cluster-view.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';

const node = (url: string, role: NodeInfo['role'], sequence: number, problems: readonly string[] = []): NodeInfo => ({
  ...{ url, grpcUrl: undefined, version: '1.0.0', commandVersion: 1, isDraining: false },
  ...{ role, sequence, durableSequence: sequence, problems },
});
const A = node('http://a', 'leading', 20_000);
const seen = (...nodes: readonly NodeInfo[]) =>
  describeCluster({
    name: 'shops',
    partitions: [{ partition: 0, leader: 'http://a', nodes, own: { ...A, sequence: 30_000 }, basins: 1 }],
    moves: [],
  }).nodes;

test('a node is behind by what both said last, and the one that leads never is', () => {
  const [a, b] = seen(A, node('http://b', 'following', 19_990));
  expect([a?.lag, b?.lag, a?.sequence]).toEqual([0, 10, 30_000]);
  expect([a?.problems, b?.problems]).toEqual([[], []]);
});

test('a node that is far behind has a problem, and one command less is none', () => {
  const far = A.sequence - CLUSTER_LAG_NOTED;
  expect(seen(A, node('http://b', 'following', far))[1]?.problems).toEqual([]);
  const [, late] = seen(A, node('http://b', 'following', far - 1));
  expect(late?.problems).toEqual([expect.stringContaining('10001 commands behind')]);
});

test('a node is as far behind as in the worst of its partitions, and leads where it leads one of them', () => {
  const [own, other] = [node('http://b', 'leading', 7), node('http://b', 'following', 19_000)];
  const state = describeCluster({
    name: 'shops',
    partitions: [
      { partition: 0, leader: 'http://a', nodes: [A, other], own: A, basins: 1 },
      { partition: 1, leader: 'http://b', nodes: [own], own: { ...A, role: 'joining', sequence: 2 }, basins: 0 },
      { partition: 2, leader: undefined, nodes: [], own: { ...A, role: 'following' }, basins: undefined },
    ],
    moves: [],
  });
  expect(state.nodes.map(({ role, lag, sequence }) => ({ role, lag, sequence }))).toEqual([
    { role: 'leading', lag: 5, sequence: 20_000 },
    { role: 'leading', lag: 1_000, sequence: 19_000 },
  ]);
  expect(state.nodes[0]?.partitions.map(({ role }) => role)).toEqual(['leading', 'joining', 'following']);
  expect(state.partitions.map(({ problems }) => problems.length)).toEqual([0, 0, 1]);
});

test('a node that joins has a problem, in its own words where it has some', () => {
  expect(seen(A, node('http://b', 'joining', 0))[1]?.problems).toEqual([expect.stringContaining('no whole copy')]);
  expect(seen(A, node('http://b', 'joining', 0, ['Why.']))[1]?.problems).toEqual(['Why.']);
});

test('a node alone says that none would take over, also before it has read the list of nodes', () => {
  expect(seen(A)[0]?.problems).toEqual([expect.stringContaining('only node')]);
  expect(seen()).toEqual(seen({ ...A, sequence: 30_000 }));
});

async function samplesOf(cluster: ClusterInMemory) {
  const sources = {
    state: () => cluster.state(),
    leaderChanges: () => 2,
    passedOver: (partition: number) => 5 + partition,
  };
  const counted = new ClusterMetrics(sources);
  const metrics = new Metrics();
  metrics.add(counted.all);
  counted.published(20);
  counted.published(30, 1);
  const samples = parsePrometheus(await metrics.text(() => true));
  return (name: string, labels = {}): number => sumOf(samples, `tailrace_cluster_${name}`, labels);
}

test('Prometheus is told who leads, how far each node is behind, and what publishing takes', async () => {
  const of = await samplesOf(new ClusterInMemory(1));
  expect(of('leader', { node: CLUSTER_LEADER, partition: '0' })).toBe(1);
  expect(of('leader')).toBe(1);
  expect(of('lag_commands', { node: CLUSTER_FOLLOWER, partition: '0' })).toBe(3);
  expect(of('lag_commands')).toBe(3);
  expect(of('node_problems', { node: CLUSTER_FOLLOWER })).toBe(1);
  expect([of('node_damages', { node: CLUSTER_FOLLOWER }), of('node_damages')]).toEqual([2, 2]);
  expect([of('nodes', { role: 'following' }), of('nodes', { role: 'joining' }), of('nodes')]).toEqual([1, 0, 2]);
  expect([of('leader_changes_total'), of('passed_over_commands_total')]).toEqual([2, 5]);
  expect(of('publish_latency_seconds_sum', { partition: '0' })).toBe(0.02);
});

test('Prometheus is told of each partition who leads it, how far nodes are behind there, and which basins move', async () => {
  const cluster = new ClusterInMemory(2);
  cluster.places.set('orders-eu', 1);
  await cluster.move('orders-eu', 0);
  const of = await samplesOf(cluster);
  expect([0, 1].map((partition) => of('leader', { partition: String(partition) }))).toEqual([1, 1]);
  expect(of('leader', { node: CLUSTER_FOLLOWER, partition: '1' })).toBe(1);
  expect(of('lag_commands', { node: CLUSTER_FOLLOWER, partition: '1' })).toBe(0);
  expect([of('basins', { partition: '0' }), of('basins', { partition: '1' })]).toEqual([1, 1]);
  expect([of('moves', { phase: 'copying' }), of('moves')]).toEqual([1, 1]);
  expect([of('leader_changes_total'), of('passed_over_commands_total', { partition: '1' })]).toEqual([4, 6]);
  expect([0, 1].map((partition) => of('publish_latency_seconds_sum', { partition: String(partition) }))).toEqual([
    0.02, 0.03,
  ]);
  cluster.leaderless.add(1);
  expect((await samplesOf(cluster))('leader', { partition: '1' })).toBe(0);
});
