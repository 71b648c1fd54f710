/**
 * A cluster of three partitions over one server of NATS: basins are spread over them, any node takes any request, and a basin
 * moves while it is written and read.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ClusterReaders } from '../../scripts/torture/cluster/cluster-readers.ts';
import { readCarelessly } from '../../scripts/torture/reconnect/readers.ts';
import { verify } from '../../src/maintenance.ts';
import { runCli } from '../support/cli.ts';
import { ClusterNode, type ClusterSetup, untilStanding } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { EXPORT, GrpcClient } from '../support/grpc-call.ts';
import { call } from '../support/http-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { logs, post } from '../support/otlp-post.ts';
import { requestOf } from '../support/otlp-send.ts';
import { field } from '../support/otlp-wire.ts';
import { type JsonAck, RecordsClient } from '../support/records-calls.ts';
import { sdkOf, take, textBatch } from '../support/sdk.ts';
import { startServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const PARTITIONS = 3;
const BASINS = ['shop-one', 'shop-two', 'shop-three', 'shop-four', 'shop-five', 'shop-six'] as const;
const LOOK_MS = 50;

let dir: string;
let nats: NatsServers;
let setup: ClusterSetup;
let nodes: [ClusterNode, ClusterNode, ClusterNode];

interface SeenCluster {
  readonly partitions: readonly {
    readonly partition: number;
    readonly leader: string | null;
    readonly basins: number;
  }[];
  readonly moves: readonly { readonly basin: string }[];
  readonly place?: { readonly partition: number };
}

const clientOf = ({ port }: ClusterNode, basin: string, token = TOKEN): RecordsClient =>
  new RecordsClient({ port, token }, basin);

/** A call to a node that must succeed, repeated while it says that it cannot now. */
async function api(node: ClusterNode, method: string, url: string, json?: unknown, token = TOKEN): Promise<unknown> {
  for (;;) {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const response = await call(node.port, { method, path: url, headers, ...body });
    if (response.status === 503) continue;
    if (response.status >= 300) throw new Error(`${method} ${url}: ${response.status} ${response.body}`);
    return response.body.length === 0 ? undefined : JSON.parse(response.body.toString());
  }
}

const cluster = (node: ClusterNode, query = ''): Promise<SeenCluster> =>
  api(node, 'GET', `/v1/cluster${query}`) as Promise<SeenCluster>;

/** The node that leads a partition. */
async function leaderOfPartition(partition: number): Promise<ClusterNode> {
  for (;;) {
    const [asked] = nodes.filter(({ runs }) => runs);
    const url = asked === undefined ? undefined : (await cluster(asked)).partitions[partition]?.leader;
    const leader = nodes.find((node) => node.runs && node.url === url);
    if (leader !== undefined) return leader;
    await pause();
  }
}

async function placeOf(basin: string): Promise<number> {
  const { place } = await cluster(nodes[0], `?place_of=${basin}`);
  if (place === undefined) throw new Error('the node does not say it');
  return place.partition;
}

const pause = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, LOOK_MS));

/** Appends until it is acknowledged. What was refused is not there. */
async function append(client: RecordsClient, stream: string, text: string): Promise<number> {
  for (;;) {
    const [status, ack] = await client.append(stream, { records: [{ body: text }] });
    if (status === 200) return (ack as JsonAck).start.seq_num;
    if (status !== 503) throw new Error(`${status} ${JSON.stringify(ack)}`);
    await pause();
  }
}

/** The status of a call, repeated while the node says that it does not know who leads. */
async function onceLed(ask: () => Promise<{ readonly status: number }>): Promise<number> {
  for (;;) {
    const { status } = await ask();
    if (status !== 503) return status;
    await pause();
  }
}

async function bodiesOnceLed(client: RecordsClient, stream: string): Promise<readonly (string | undefined)[]> {
  await onceLed(() => client.get(stream, '?seq_num=0'));
  return client.bodies(stream);
}

describeWithNats('a cluster with partitions', () => {
  beforeAll(begin);
  afterAll(end);
  testSpread();
  testRequests();
  testCallers();
  testMoves();
  testReaders();
  testStores();
});

async function begin(): Promise<void> {
  dir = await mkdtemp(path.join(tmpdir(), 'tailrace-partitions-'));
  nats = await startNatsServers(1);
  setup = { nats, replicas: 1, dir, token: TOKEN, partitions: PARTITIONS };
  nodes = [await ClusterNode.at(setup, 'a'), await ClusterNode.at(setup, 'b'), await ClusterNode.at(setup, 'c')];
  await Promise.all(nodes.map((node) => node.start()));
  for (const node of nodes) await untilStanding(node, ({ leads, leader }) => leads || leader !== undefined);
}

async function end(): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
  await nats.dispose();
  await rm(dir, { recursive: true, force: true });
}

function testSpread(): void {
  test('has each node lead one of three partitions, and spreads new basins over them', async () => {
    for (;;) {
      const { partitions } = await cluster(nodes[0]);
      if (partitions.length === PARTITIONS && new Set(partitions.map(({ leader }) => leader)).size === PARTITIONS)
        break;
      await pause();
    }
    for (const [i, basin] of BASINS.entries()) {
      await api(nodes[i % 3] as ClusterNode, 'POST', '/v1/basins', {
        basin,
        config: { create_stream_on_append: true },
      });
    }
    const { partitions } = await cluster(nodes[1]);
    // The default basin is in the first.
    expect(partitions.map(({ basins }) => basins)).toEqual([3, 2, 2]);
    for (const node of nodes) {
      const { basins } = (await api(node, 'GET', '/v1/basins')) as { basins: readonly { name: string }[] };
      expect(basins.map(({ name }) => name)).toEqual([...BASINS, 'telemetry'].sort());
    }
  });

  test('makes a basin once, whoever asks for it, and finds it by its name alone', async () => {
    const asked = await Promise.all(
      nodes.map((node) => api(node, 'PUT', '/v1/basins/shop-once', { config: { create_stream_on_append: true } })),
    );
    expect(new Set(asked.map((it) => (it as { created_at: string }).created_at)).size).toBe(1);
    for (const node of nodes) {
      expect(await api(node, 'GET', '/v1/basins/shop-once')).toMatchObject({ create_stream_on_append: true });
    }
    const created = await call(nodes[2].port, {
      method: 'POST',
      path: '/v1/basins',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ basin: 'shop-once' }),
    });
    expect(created.status).toBe(409);
    await api(nodes[1], 'DELETE', '/v1/basins/shop-once');
  });
}

function testRequests(): void {
  test('takes OTLP and S2 of every basin through every node, and each node reads what was acknowledged', async () => {
    for (const basin of BASINS) {
      const texts = nodes.map((_, i) => `${basin}/${i}`);
      for (const [i, node] of nodes.entries()) {
        expect(await append(clientOf(node, basin), 'records', texts[i] as string)).toBe(i);
        const body = logs({ 's2.stream': 'otlp' }, { body: { stringValue: 'one' } });
        expect((await post(node.server, '/v1/logs', body, { headers: { 's2-basin': basin } })).status).toBe(200);
      }
      for (const node of nodes) expect(await clientOf(node, basin).bodies('records')).toEqual(texts);
    }
    const grpc = new GrpcClient(nodes[0].server);
    for (const basin of BASINS) {
      const sent = grpc.call(EXPORT.logs, requestOf('otlp', field(5, field(1, 'over gRPC'))), { 's2-basin': basin });
      expect(await sent).toMatchObject({ code: 0 });
    }
    grpc.close();
    for (const basin of BASINS)
      expect((await clientOf(nodes[1], basin).batch('otlp', '?seq_num=0')).records).toHaveLength(4);
  });

  test("serves S2's SDK and live readers of each basin through each node", async () => {
    for (const [i, basin] of BASINS.entries()) {
      const [one, other] = [nodes[i % 3], nodes[(i + 1) % 3]] as [ClusterNode, ClusterNode];
      const stream = ({ port }: ClusterNode) => sdkOf({ port, token: TOKEN }).basin(basin).stream('sdk');
      await stream(one).append(textBatch(['first']));
      const session = await stream(other).readSession({ start: { from: { seqNum: 0 } } });
      const url = `ws://127.0.0.1:${other.port}/v1/streams/sdk/records?seq_num=1&basin=${basin}`;
      const reader = new Reader(url, ['s2.json', `bearer.${TOKEN}`]);
      await reader.until('caught_up');
      await stream(one).append(textBatch(['second']));
      expect((await take(session, 2)).map(({ body }) => body)).toEqual(['first', 'second']);
      expect(JSON.stringify(await reader.next())).toContain('second');
      await session.cancel();
      await reader.close();
    }
  });
}

function testCallers(): void {
  test('knows a new token at once at each node, finds the basin of its only one, and refuses it when it is revoked', async () => {
    for (const [i, basin] of BASINS.entries()) {
      const [one, other] = [nodes[i % 3], nodes[(i + 1) % 3]] as [ClusterNode, ClusterNode];
      const issued = await api(one, 'POST', '/v1/access-tokens', {
        id: `of-${basin}`,
        scope: { basins: { exact: basin }, streams: { prefix: '' }, ops: ['append', 'read'] },
      });
      const { access_token: token } = issued as { access_token: string };
      // It names no basin.
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const sent = {
        path: '/v1/streams/by-token/records',
        headers,
        body: JSON.stringify({ records: [{ body: basin }] }),
      };
      expect(await onceLed(() => call(other.port, sent))).toBe(200);
      expect(await bodiesOnceLed(clientOf(one, basin), 'by-token')).toEqual([basin]);
      await api(other, 'DELETE', `/v1/access-tokens/of-${basin}`);
      for (;;) {
        const status = await onceLed(() => call(one.port, sent));
        if (status === 401) break;
        expect(status).toBe(200);
      }
    }
  });

  test('opens with a ticket, and with a session of the page, what is in any partition', async () => {
    const { login } = (await api(nodes[0], 'POST', '/v1/logins')) as { login: string };
    const exchanged = await api(nodes[1], 'POST', '/v1/logins/exchange', { login });
    const { access_token: session } = exchanged as { access_token: string };
    for (const [i, basin] of BASINS.entries()) {
      const node = nodes[i % 3] as ClusterNode;
      expect(await clientOf(node, basin, session).bodies('sdk')).toEqual(['first', 'second']);
      const asked = { basin, stream: 'sdk', operation: 'read' };
      const { ticket } = (await api(node, 'POST', '/v1/tickets', asked, session)) as { ticket: string };
      const url = `ws://127.0.0.1:${node.port}/v1/streams/sdk/records?seq_num=0&ticket=${ticket}`;
      const reader = new Reader(url, ['s2.json']);
      await reader.until('caught_up');
      expect(JSON.stringify(reader.got)).toContain('first');
      await reader.close();
      const again = new Reader(url, ['s2.json']);
      expect((await again.refused).status).toBe(401);
    }
    await api(nodes[2], 'DELETE', '/v1/logins/current', undefined, session);
    expect((await clientOf(nodes[0], 'telemetry', session).get('sdk')).status).toBe(401);
  });
}

function testMoves(): void {
  test('moves a basin while it is written and read: nothing is lost, twice or out of order', async () => {
    await moveWhileUsed('shop-one', async (to) => {
      const moved = await runCli(['cluster', 'move', 'shop-one', String(to)], { server: nodes[0].server });
      expect(moved).toMatchObject({ code: 0 });
    });
  });

  test('goes on with a move when the node is killed that leads the old partition, or the new one', async () => {
    for (const side of ['from', 'to'] as const) {
      const from = await placeOf('shop-two');
      await moveWhileUsed('shop-two', async (to) => {
        await api(nodes[0], 'POST', '/v1/cluster/move', { basin: 'shop-two', partition: to });
        const victim = await leaderOfPartition(side === 'from' ? from : to);
        await victim.stop('SIGKILL');
        await victim.start();
        await untilMoved('shop-two');
      });
    }
  });

  test('refuses to move the default basin, one that is not there, and to where there is no partition', async () => {
    const ask = async (basin: string, partition: number): Promise<number> => {
      const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
      const body = JSON.stringify({ basin, partition });
      return (await call(nodes[1].port, { method: 'POST', path: '/v1/cluster/move', headers, body })).status;
    };
    expect([await ask('telemetry', 1), await ask('shop-none', 1), await ask('shop-three', 7)]).toEqual([422, 404, 422]);
    expect(await ask('shop-three', await placeOf('shop-three'))).toBe(422);
  });
}

/** Resolves when it is in its place for good. */
async function untilMoved(basin: string): Promise<void> {
  for (;;) {
    const running = nodes.find(({ runs }) => runs) as ClusterNode;
    if (!(await cluster(running)).moves.some((move) => move.basin === basin)) return;
    await pause();
  }
}

/** Has a basin move to the next partition while writers and readers use it through all nodes. */
async function moveWhileUsed(basin: string, move: (to: number) => Promise<void>): Promise<void> {
  const from = await placeOf(basin);
  const to = (from + 1) % PARTITIONS;
  const stream = `moved-${from}`;
  const kept: string[] = [];
  let isOver = false;
  const writing = nodes.map(async (node, i) => {
    for (let count = 0; !isOver; count++) {
      if (!node.runs) {
        await pause();
        continue;
      }
      const text = `${i}/${count}`;
      try {
        const [status, ack] = await clientOf(node, basin).append(stream, { records: [{ body: text }] });
        if (status === 200) kept[(ack as JsonAck).start.seq_num] = text;
        else expect(status).toBe(503);
      } catch {
        // The node is gone; what it was sent may be there.
      }
    }
  });
  while (kept.length < 20) await pause();
  await move(to);
  const length = kept.length;
  while (kept.length < length + 20) await pause();
  isOver = true;
  await Promise.all(writing);
  expect(await placeOf(basin)).toBe(to);
  for (const node of nodes) {
    const bodies = await clientOf(node, basin).bodies(stream, '?seq_num=0&count=1000');
    const expected = bodies.map((body, seqNum) => kept[seqNum] ?? body);
    expect(bodies).toEqual(expected);
    expect(bodies.length).toBeGreaterThanOrEqual(Math.min(1000, kept.length));
    expect(new Set(bodies).size).toBe(bodies.length);
    expect(await clientOf(node, basin).bodies('sdk')).toEqual(['first', 'second']);
  }
}

function testReaders(): void {
  test('gives readers every record once and in order over moves of their basin, while they do nothing for it', async () => {
    const [basin, stream] = ['shop-four', 'followed'];
    const readers = new ClusterReaders(TOKEN);
    const careless = new ClusterReaders(TOKEN, { careless: readCarelessly });
    const first = await placeOf(basin);
    try {
      for (const all of [readers, careless]) await all.start(nodes, stream, basin);
      // Each node has each part in one of them.
      for (let step = 1; step <= PARTITIONS; step++) {
        const partition = (first + step) % PARTITIONS;
        await api(nodes[0], 'POST', '/v1/cluster/move', { basin, partition });
        for (let i = 0; (await cluster(nodes[0])).moves.some((move) => move.basin === basin); i++) {
          await append(clientOf(nodes[i % 3] as ClusterNode, basin), stream, `${step}/${i}`);
        }
      }
      expect(await placeOf(basin)).toBe(first);
      const lines = await readers.end(nodes[0], { history: [] });
      expect(lines).toHaveLength(5 * nodes.length);
      // The control: one that does not say where it was gets records again.
      await expect(careless.end(nodes[0], { history: [] })).rejects.toThrow('in the place of');
    } finally {
      await Promise.all([readers.close(), careless.close()]);
    }
  });
}

function testStores(): void {
  test('keeps everything over a stop of all nodes, and a backup of all partitions is one store', async () => {
    const file = path.join(dir, 'backup');
    expect(await runCli(['backup', file], { server: nodes[0].server })).toMatchObject({ code: 0 });
    const lengths = new Map<string, number>();
    for (const basin of BASINS)
      lengths.set(basin, (await clientOf(nodes[0], basin).batch('otlp', '?seq_num=0')).records.length);
    for (const node of nodes) await node.stop();
    for (const { dataDir } of nodes) {
      expect((await verify({ dataDir })).faultCount).toBe(0);
      for (let n = 1; n < PARTITIONS; n++)
        expect((await verify({ dataDir: path.join(dataDir, `p${n}`) })).faultCount).toBe(0);
    }
    await Promise.all(nodes.map((node) => node.start()));
    for (const basin of BASINS) {
      await append(clientOf(nodes[1], basin), 'records', 'after');
      expect((await bodiesOnceLed(clientOf(nodes[2], basin), 'records')).at(-1)).toBe('after');
    }
    const alone = path.join(dir, 'alone');
    expect(await runCli(['restore', file, '--data-dir', alone])).toMatchObject({ code: 0 });
    const server = await startServer({ dataDir: alone, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
    for (const basin of BASINS) {
      const client = new RecordsClient({ port: server.port, token: TOKEN }, basin);
      expect((await client.batch('otlp', '?seq_num=0')).records).toHaveLength(lengths.get(basin) ?? 0);
      expect(await client.texts('new', 'one')).toMatchObject({ start: { seq_num: 0 } });
    }
    await server.stop();
  });
}
