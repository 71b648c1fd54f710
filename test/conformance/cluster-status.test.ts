/** How operators see and steer a cluster: two nodes over one server of NATS, asked through either of them. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Client, createClient } from '../../src/client/client.ts';
import { openApiDocument } from '../../src/http/api/openapi.ts';
import { createClusterNode } from '../../src/node/cluster-node.ts';
import type { SupervisedServer } from '../../src/tailrace-server.ts';
import { ApiDescription } from '../support/api-description.ts';
import { runCli } from '../support/cli.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { freePort } from '../support/free-port.ts';
import { call } from '../support/http-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };

interface Node {
  readonly it: SupervisedServer;
  readonly url: string;
  readonly port: number;
  readonly client: Client;
}

let dir: string;
let nats: NatsServers;
let nodes: Node[];
const open: SupervisedServer[] = [];

describeWithNats('a cluster', () => {
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'tailrace-cluster-status-'));
    nats = await startNatsServers(1);
    nodes = [await startNode('a')];
    await until(async () => (await nodes[0]?.it.describe())?.streams !== undefined);
    nodes.push(await startNode('b'));
    await until(async () => (await clusterOf(at(1))).nodes.filter(({ role }) => role === 'following').length === 1);
  });

  afterAll(async () => {
    for (const server of open.reverse()) await server.close();
    await nats.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  showsNodes();
  showsMetrics();
  tellsOperators();
  drains();
  losesItsMajority();
});

function showsNodes(): void {
  test('any node says which nodes there are and which of them leads, as it is described', async () => {
    for (const node of nodes) {
      const { name, leader, nodes: seen } = await node.client.cluster();
      expect([name, leader]).toEqual(['tailrace', at(0).url]);
      expect(seen.map(({ url, role }) => [url, role]).sort()).toEqual(
        [
          [at(0).url, 'leading'],
          [at(1).url, 'following'],
        ].sort(),
      );
    }
    const description = new ApiDescription(JSON.parse(JSON.stringify(openApiDocument())));
    const answer = await call(at(1).port, { method: 'GET', path: '/v1/cluster', headers: AUTHORIZED });
    expect(description.faultsOf('GET /v1/cluster', answer)).toEqual([]);
    const readiness = await call(at(1).port, { method: 'GET', path: '/readyz' });
    expect(description.faultsOf('GET /readyz', readiness)).toEqual([]);
  });

  test('a client without a token does not learn which nodes there are', async () => {
    expect((await call(at(1).port, { method: 'GET', path: '/v1/cluster' })).status).toBe(401);
  });

  test('a node that does not lead knows whose it is, and that it needs a token', async () => {
    const { cluster, streams, rootToken } = await at(1).it.describe();
    expect(cluster).toEqual({ name: 'tailrace', leader: at(0).url });
    expect(streams).toBeUndefined();
    expect(rootToken).toEqual({ made: undefined, file: undefined });
  });
}

function showsMetrics(): void {
  test('the node that leads has the metrics of the cluster, and the other one those of its own readers', async () => {
    const asked = { method: 'GET', path: '/metrics', headers: AUTHORIZED };
    const samples = parsePrometheus((await call(at(0).port, asked)).body.toString());
    expect(sumOf(samples, 'tailrace_cluster_leader', { node: at(0).url })).toBe(1);
    expect(sumOf(samples, 'tailrace_cluster_nodes')).toBe(2);
    expect(sumOf(samples, 'tailrace_cluster_publish_latency_seconds_count')).toBeGreaterThan(0);
    const own = parsePrometheus((await call(at(1).port, asked)).body.toString()).map(({ name }) => name);
    expect(own).toContain('tailrace_read_records_total');
    expect(own).not.toContain('tailrace_cluster_leader');
    expect((await call(at(1).port, { ...asked, headers: {} })).status).toBe(401);
  });

  test('a client gets the metrics through any node, and none without a token', async () => {
    const samples = await at(1).client.scrape();
    expect(samples.some(({ name }) => name === 'tailrace_cluster_leader')).toBe(true);
    expect((await call(at(1).port, { method: 'GET', path: '/metrics?of=leader' })).status).toBe(401);
  });
}

function tellsOperators(): void {
  test('the command line shows the nodes, and exits with 0 when nothing is wrong', async () => {
    const { code, stdout } = await cli('cluster', 'status');
    expect(stdout).toContain(`cluster tailrace: ${at(0).url} leads`);
    expect(stdout).toMatch(/following/);
    expect(code).toBe(0);
  });

  test('doctor says that the server is a node', async () => {
    const { stdout } = await cli('doctor');
    expect(stdout).toContain(`a node of the cluster tailrace with 2 nodes; ${at(0).url} leads`);
  });
}

function drains(): void {
  test('only a node that is there can be drained, and only by the root token', async () => {
    await expect(at(1).client.drainNode('http://nowhere:1', true)).rejects.toMatchObject({ code: 'not_found' });
    const secret = await at(0).client.issueToken({ id: 'looks', scope: { ops: ['account-metrics'] } });
    const other = createClient({ endpoint: at(1).url, token: secret });
    await expect(other.drainNode(at(0).url, true)).rejects.toMatchObject({ code: 'permission_denied' });
    expect((await other.cluster()).nodes).toHaveLength(2);
  });

  test('a drained node hands over, the last one that may lead is refused, and undone it may lead again', async () => {
    expect(await cli('cluster', 'drain', at(0).url)).toMatchObject({ code: 0 });
    await until(async () => (await clusterOf(at(0))).leader === at(1).url);
    await expect(at(0).client.drainNode(at(1).url, true)).rejects.toMatchObject({ code: 'invalid' });
    const { nodes: seen } = await clusterOf(at(1));
    expect(seen.find(({ url }) => url === at(0).url)).toMatchObject({ draining: true, role: 'following' });
    expect(await cli('cluster', 'drain', at(0).url, '--undo')).toMatchObject({ code: 0 });
    await until(async () => (await clusterOf(at(1))).nodes.every(({ draining }) => !draining));
  });
}

function losesItsMajority(): void {
  test('when no node leads, the command line says what the node knows, and exits with 1', async () => {
    await nats.kill(0);
    await until(async () => (await call(at(1).port, { method: 'GET', path: '/readyz' })).status === 503);
    const { code, stdout } = await cli('cluster', 'status');
    expect(stdout).toContain('no node leads the cluster');
    expect(code).toBe(1);
    expect((await cli('doctor')).stdout).toContain('is a node of a cluster that no node leads');
    await nats.restart(0);
  });
}

async function startNode(name: string): Promise<Node> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const cluster = { cluster: nats.urls, clusterMonitor: nats.monitors, clusterReplicas: 1, nodeUrl: url } as const;
  const options = { port, grpcPort: 0, rootToken: TOKEN, logLevel: 'silent', dataDir: path.join(dir, name) } as const;
  const it = await createClusterNode({ ...options, ...cluster });
  open.push(it);
  await it.listen();
  return { it, url, port, client: createClient({ endpoint: url, token: TOKEN }) };
}

function at(index: number): Node {
  const node = nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index}`);
  return node;
}

/** Through the second node, which passes on what it cannot answer. */
function cli(...args: readonly string[]) {
  return runCli(args, { env: { TAILRACE_ENDPOINT: at(1).url, TAILRACE_TOKEN: TOKEN } });
}

/** While the leader changes, there is none. */
async function clusterOf({ client }: Node) {
  return client.cluster().catch(() => ({ name: null, leader: null, nodes: [] }));
}

/** What nodes say of each other comes every few seconds. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}
