/**
 * Nodes of a cluster as processes, over one server of NATS: any node takes any request, what was acknowledged outlives the
 * node that leads, and the stores of all nodes hold the same.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTailrace } from '../../src/library.ts';
import { verify } from '../../src/maintenance.ts';
import { LEADER_TTL_MS } from '../../src/model/limits.ts';
import { connectNats } from '../../src/storage/replicated/nats-connection.ts';
import { runCli } from '../support/cli.ts';
import {
  ClusterNode,
  type ClusterSetup,
  catchUpStopped,
  leaderOf,
  untilFollowed,
  untilStanding,
} from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { EXPORT, GrpcClient } from '../support/grpc-call.ts';
import { connectRaw, type RawConnection } from '../support/http-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { logs, post } from '../support/otlp-post.ts';
import { requestOf, stored } from '../support/otlp-send.ts';
import { field } from '../support/otlp-wire.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { sdkOf, take, textBatch } from '../support/sdk.ts';
import { failToStart, startServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';
import { storedRows } from '../support/stored-rows.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';

const HEADERS = `host: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: application/json`;

let dir: string;
let nats: NatsServers;
let setup: ClusterSetup;
let nodes: [ClusterNode, ClusterNode, ClusterNode];
/** What was acknowledged in the stream `kept`, in order, by its number. */
const kept: string[] = [];

const clientOf = ({ port }: ClusterNode): RecordsClient => new RecordsClient({ port, token: TOKEN });

/** One that does not lead. */
function followerOf(leader: ClusterNode): ClusterNode {
  const found = nodes.find((node) => node !== leader && node.runs);
  if (found === undefined) throw new Error('no other node runs');
  return found;
}

/** Appends through a node until it is acknowledged: what was refused or not answered may be there or not. */
async function keep(node: ClusterNode, text: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const body = `${text}/${tries}`;
    const [status, ack] = await clientOf(node).append('kept', { records: [{ body }] });
    if (status === 503) continue;
    expect(status).toBe(200);
    kept[(ack as { start: { seq_num: number } }).start.seq_num] = body;
    return;
  }
}

/** Reads `kept` through a node; what was acknowledged is there, where it was said to be. */
async function expectKept(node: ClusterNode): Promise<void> {
  const bodies = await clientOf(node).bodies('kept');
  expect(bodies.map((body, i) => (kept[i] === undefined ? undefined : body))).toEqual(
    Array.from({ length: bodies.length }, (_, i) => kept[i]),
  );
  expect(bodies.length).toBeGreaterThanOrEqual(kept.length);
}

/** Writes through the others while a node goes, and resolves with the node that leads after it. */
async function withoutLeader(
  end: (leader: ClusterNode) => Promise<void>,
): Promise<{ next: ClusterNode; tookMs: number }> {
  const leader = await leaderOf(nodes);
  const others = nodes.filter((node) => node !== leader && node.runs);
  let isOver = false;
  const writing = others.map(async (node, i) => {
    for (let count = 0; !isOver; count++) await keep(node, `${leader.port}-${i}-${count}`);
  });
  const since = performance.now();
  await end(leader);
  const next = await leaderOf(others);
  const tookMs = performance.now() - since;
  await keep(next, 'after');
  isOver = true;
  await Promise.all(writing);
  for (const node of others) await expectKept(node);
  return { next, tookMs };
}

describeWithNats('a cluster', () => {
  beforeAll(begin);
  afterAll(end);
  testRequests();
  testStop();
  testLosses();
  testStores();
});

async function begin(): Promise<void> {
  dir = await mkdtemp(path.join(tmpdir(), 'tailrace-cluster-'));
  nats = await startNatsServers(1);
  setup = { nats, replicas: 1, dir, token: TOKEN };
  nodes = [await ClusterNode.at(setup, 'a'), await ClusterNode.at(setup, 'b'), await ClusterNode.at(setup, 'c')];
  const store = await openTailrace({ dataDir: nodes[0].dataDir, logLevel: 'silent' });
  await store.append('before', [{ body: 'one' }, { body: 'two' }]);
  await store.close();
  await nodes[0].start();
  await leaderOf(nodes);
  await Promise.all([nodes[1].start(), nodes[2].start()]);
  for (const node of nodes) await untilStanding(node, ({ leads, leader }) => leads || leader !== undefined);
}

async function end(): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
  await nats.dispose();
  await rm(dir, { recursive: true, force: true });
}

/** A call of JetStream, which does it. */
async function callNats(call: string, body?: Readonly<Record<string, unknown>>): Promise<void> {
  const link = await connectNats({ servers: nats.urls, name: 'test' });
  const { type } = await link.api(call, body);
  await link.close();
  if (type !== 'done') throw new Error(`JetStream refuses ${call}`);
}

/** A connection that the node has accepted. */
async function openTo({ port }: ClusterNode): Promise<RawConnection> {
  const connection = await connectRaw(port);
  connection.send('GET /ping HTTP/1.1\r\nhost: x\r\n\r\n');
  await connection.until(/OK/);
  return connection;
}

/** The last response on a connection, as text. */
async function ask(connection: RawConnection, request: string, body: string): Promise<string> {
  const from = connection.received().length;
  const head = `${HEADERS}\r\nconnection: close`;
  connection.send(`${request} HTTP/1.1\r\n${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await connection.closed;
  return connection.received().slice(from);
}

const isRefused = (response: string): boolean => response.startsWith('HTTP/1.1 503');

function testRequests(): void {
  test('begins with the store of its first node, and the others get a copy of it', async () => {
    for (const node of nodes) expect(await clientOf(node).bodies('before')).toEqual(['one', 'two']);
    for (const { server } of [nodes[1], nodes[2]]) expect(server.stderr()).toContain('takes a snapshot');
  });

  test('takes OTLP over HTTP through each node, and over gRPC through one that does not lead', async () => {
    for (const { server } of nodes) {
      const body = logs({ 's2.stream': 'otlp' }, { body: { stringValue: 'over HTTP' } });
      expect((await post(server, '/v1/logs', body)).status).toBe(200);
    }
    const grpc = new GrpcClient(followerOf(await leaderOf(nodes)).server);
    const item = field(5, field(1, 'over gRPC'));
    expect(await grpc.call(EXPORT.logs, requestOf('otlp', item))).toMatchObject({ code: 0 });
    grpc.close();
    const bodies = ['over HTTP', 'over HTTP', 'over HTTP', 'over gRPC'];
    const expected = bodies.map((stringValue) => ({ body: { stringValue } }));
    for (const { server } of nodes) expect(await stored(server, 'logs', 'otlp')).toMatchObject(expected);
  });

  test('refuses a malformed Host at each node, also where the node itself answers', async () => {
    for (const node of nodes) {
      const connection = await connectRaw(node.port);
      connection.send('GET /health HTTP/1.1\r\nhost: user@x\r\n\r\n');
      expect(await connection.until(/bad_header/)).toMatch(/^HTTP\/1\.1 400 /);
      connection.destroy();
    }
  });

  test("serves S2's SDK and live readers through nodes that do not lead", async () => {
    const leader = await leaderOf(nodes);
    const [one, other] = nodes.filter((node) => node !== leader) as [ClusterNode, ClusterNode];
    const stream = ({ port }: ClusterNode) => sdkOf({ port, token: TOKEN }).basin('telemetry').stream('sdk');
    await stream(one).append(textBatch(['first']));
    const session = await stream(other).readSession({ start: { from: { seqNum: 0 } } });
    const events = await clientOf(one).sse('sdk', '?seq_num=1');
    const url = `ws://127.0.0.1:${other.port}/v1/streams/sdk/records?seq_num=1`;
    const reader = new Reader(url, ['s2.json', `bearer.${TOKEN}`]);
    await reader.until('caught_up');
    await stream(one).append(textBatch(['second']));
    expect((await take(session, 2)).map(({ body }) => body)).toEqual(['first', 'second']);
    expect(JSON.stringify(await reader.next())).toContain('second');
    let event = await events.next();
    while (event?.event !== 'batch') event = await events.next();
    expect(event.data).toContain('second');
    await session.cancel();
    events.destroy();
    await reader.close();
  });
}

function testStop(): void {
  test('answers what a node has passed on before it is stopped, and refuses what comes then', async () => {
    const node = followerOf(await leaderOf(nodes));
    const [under, late, looking] = await Promise.all([openTo(node), openTo(node), openTo(node)]);
    const body = JSON.stringify({ records: [{ body: 'on its way' }] });
    const head = `POST /v1/streams/passed-on/records HTTP/1.1\r\n${HEADERS}\r\ncontent-length: ${body.length}\r\n\r\n`;
    under.send(head + body.slice(0, 5));
    const { exited } = node.server;
    const stopped = node.stop();
    for (let asked = 1; !looking.received().includes('"draining"'); asked++) {
      looking.send('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
      await looking.until(new RegExp(`(?:"problems".*){${asked}}`, 's'));
    }
    await looking.closed;
    late.send(head + body);
    await late.closed;
    expect(late.received()).toMatch(/HTTP\/1\.1 503 .*retry-after: \d.*connection: close.*server_draining/is);
    under.send(body.slice(5));
    await under.closed;
    expect(under.received()).toMatch(/HTTP\/1\.1 200 .*connection: close.*"tail"/is);
    expect(await exited).toEqual({ code: 0, signal: null });
    await stopped;
    await node.start();
    await untilStanding(node, ({ leader }) => leader !== undefined);
    expect(await clientOf(node).bodies('passed-on')).toEqual(['on its way']);
  });
}

function testLosses(): void {
  test('has another node lead at once when the one that leads is stopped, and loses nothing', async () => {
    // A reader that would go on for ever holds it up no longer than the end of requests takes.
    const events = await clientOf(await leaderOf(nodes)).sse('before', '?seq_num=0');
    const { tookMs } = await withoutLeader((leader) => leader.stop('SIGTERM'));
    expect((await events.rest()).at(-1)?.event).toBe('error');
    // It did not wait until the silence of the node was noticed.
    expect(tookMs).toBeLessThan(LEADER_TTL_MS / 2);
    await nodes.find(({ runs }) => !runs)?.start();
  });

  test('answers nothing old from a node that slept while another one took over', async () => {
    const sleeper = await leaderOf(nodes);
    for (const node of nodes) await keep(node, 'before the sleep');
    const old = kept.length;
    const connections = await Promise.all([openTo(sleeper), openTo(sleeper), openTo(sleeper)]);
    sleeper.signal('SIGSTOP');
    // When it wakes it still believes that it leads: its own time for that is not over.
    await callNats('STREAM.PURGE.tailrace-keys', { filter: 'tailrace.tailrace.keys.leader.0' });
    const next = await leaderOf(nodes.filter((node) => node !== sleeper));
    await keep(next, 'during the sleep');
    // They wait in its sockets, and it reads them before anything else when it wakes.
    const last = kept.length;
    const conditional = JSON.stringify({ records: [{ body: 'matched' }], match_seq_num: last });
    const asked = [
      ask(connections[0], 'GET /v1/streams/kept/records/tail', ''),
      ask(connections[1], `GET /v1/streams/kept/records?seq_num=${old}`, ''),
      ask(connections[2], 'POST /v1/streams/kept/records', conditional),
    ] as const;
    await keep(next, 'still asleep');
    sleeper.signal('SIGCONT');
    const [tail, read, append] = await Promise.all(asked);
    if (!isRefused(tail)) expect(tail).toContain(`"seq_num":${kept.length}`);
    if (!isRefused(read)) expect(read).toContain('still asleep');
    if (!isRefused(append)) expect(append).toContain(`"seq_num_mismatch":${kept.length}`);
    await untilStanding(sleeper, ({ leader }) => leader === next.url);
    await expectKept(sleeper);
  });

  test('has the node that led lead again when it is killed and starts at once, before its key is over', async () => {
    const leader = await leaderOf(nodes);
    await leader.stop('SIGKILL');
    await leader.start();
    expect(await leaderOf(nodes)).toBe(leader);
    for (const node of nodes) await expectKept(node);
  });

  test('has another node lead when the one that leads is killed, and gives it a copy of what was purged', async () => {
    const before = await leaderOf(nodes);
    const { next } = await withoutLeader((leader) => leader.stop('SIGKILL'));
    await callNats('STREAM.PURGE.tailrace-p0');
    await keep(next, 'after the purge');
    await before.start();
    await untilStanding(before, ({ leader }) => leader !== undefined);
    expect(before.server.stderr()).toContain('takes a snapshot');
    await expectKept(before);
    const empty = followerOf(next);
    await empty.stop();
    await rm(empty.dataDir, { recursive: true });
    await empty.start();
    await untilStanding(empty, ({ leader }) => leader !== undefined);
    expect(empty.server.stderr()).toContain('takes a snapshot');
  });
}

function testStores(): void {
  test('takes no node with a store of another origin', async () => {
    const other = await ClusterNode.at(setup, 'other');
    const store = await openTailrace({ dataDir: other.dataDir, logLevel: 'silent' });
    await store.append('of-another', [{ body: 'x' }]);
    await store.close();
    await other.start();
    const { problems } = await untilStanding(other, (standing) => standing.problems.length > 0);
    expect(problems).toEqual([expect.stringContaining('not of the cluster tailrace')]);
    await other.stop();
    expect((await verify({ dataDir: other.dataDir })).faultCount).toBe(0);
  });

  test('keeps the same rows in the stores of all nodes, of which a backup makes a store of its own', async () => {
    const file = path.join(dir, 'backup');
    const node = followerOf(await leaderOf(nodes));
    expect(await runCli(['backup', file], { server: node.server })).toMatchObject({ code: 0 });
    await untilFollowed(setup, nodes.length);
    for (const each of nodes) await each.stop();
    const rows = [];
    for (const { dataDir } of nodes) {
      await catchUpStopped(setup, dataDir);
      expect((await verify({ dataDir })).faultCount).toBe(0);
      rows.push(await storedRows(dataDir));
    }
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[2]).toEqual(rows[0]);
    // The control: rows of another store are others.
    expect(await storedRows(path.join(dir, 'other'))).not.toEqual(rows[0]);

    const alone = path.join(dir, 'alone');
    expect(await runCli(['restore', file, '--data-dir', alone])).toMatchObject({ code: 0 });
    const server = await startServer({ dataDir: alone, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
    expect(await new RecordsClient(server).bodies('before')).toEqual(['one', 'two']);
    await server.stop();
  });

  test('keeps its stores from being written by a server alone', async () => {
    const { code, stderr } = await failToStart({ dataDir: nodes[0].dataDir, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('is that of a node of a cluster') });
  });

  test('starts on servers that do not sync each message only when it is told to', async () => {
    const unsafe = await startNatsServers(1, { syncInterval: '2m' });
    try {
      const node = await ClusterNode.at({ ...setup, nats: unsafe }, 'unsafe');
      const { code, stderr } = await failToStart({ dataDir: node.dataDir, args: node.args });
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('Set "sync_interval: always"') });
      await node.start('--cluster-unsafe-sync');
      await leaderOf([node]);
      await node.stop();
    } finally {
      await unsafe.dispose();
    }
  });
}
