/**
 * Readers on nodes that do not lead: they are served from the store of the node that they ask, so they go on while the node
 * that leads dies, and while the servers of NATS have no majority.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import { ClusterNode, type ClusterSetup, leaderOf, untilFollowed, untilStanding } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { call } from '../support/http-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';
import { codeOf, RecordsClient, type SseStream } from '../support/records-calls.ts';
import { sdkOf } from '../support/sdk.ts';
import { Reader } from '../support/socket-reader.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const CHOSEN = '1';

let dir: string;
let nats: NatsServers;
let setup: ClusterSetup;
let nodes: [ClusterNode, ClusterNode, ClusterNode];
/** It does not lead before the last test. */
let reading: ClusterNode;

const clientOf = ({ port }: ClusterNode, token = TOKEN): RecordsClient => new RecordsClient({ port, token });

describeWithNats('a node that does not lead', () => {
  beforeAll(begin);
  afterAll(end);
  servesWhatIsNew();
  endsWhatIsOver();
  goesOnWithoutOthers();
});

async function begin(): Promise<void> {
  dir = await mkdtemp(path.join(tmpdir(), 'tailrace-cluster-tails-'));
  nats = await startNatsServers(3);
  setup = { nats, replicas: 3, dir, token: TOKEN };
  nodes = [await ClusterNode.at(setup, 'a'), await ClusterNode.at(setup, 'b'), await ClusterNode.at(setup, 'c')];
  await nodes[0].start();
  await leaderOf(nodes);
  await Promise.all([nodes[1].start(), nodes[2].start()]);
  for (const node of nodes) await untilStanding(node, ({ leads, leader }) => leads || leader !== undefined);
  await clientOf(nodes[0]).texts('kept', 'first');
  await untilFollowed(setup, nodes.length);
  reading = nodes[2];
  await createClient({ endpoint: nodes[0].url, token: TOKEN }).drainNode(reading.url, true);
}

async function end(): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
  await nats.dispose();
  await rm(dir, { recursive: true, force: true });
}

/** Readers that a node serves itself. */
async function openReadersOn(node: ClusterNode): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { status, body } = await call(node.port, { method: 'GET', path: '/metrics', headers });
  expect(status).toBe(200);
  return sumOf(parsePrometheus(body.toString()), 'tailrace_open_readers');
}

/** Resolves when a node serves so many itself: those that went are counted for a moment. */
async function untilReaders(node: ClusterNode, count: number): Promise<void> {
  while ((await openReadersOn(node)) !== count) await new Promise((resolve) => setTimeout(resolve, 20));
}

function socketTo({ port }: ClusterNode, target: string, token = TOKEN): Reader {
  return new Reader(`ws://127.0.0.1:${port}${target}`, ['s2.json', `bearer.${token}`]);
}

/** Gives what a reader gets, one body after the other. */
interface Bodies {
  next(): Promise<string>;
  close(): unknown;
}

interface JsonRecords {
  readonly records?: readonly { readonly body?: string }[];
}

function bodiesOf(nextRecords: () => Promise<JsonRecords>, close: () => unknown): Bodies {
  const waiting: string[] = [];
  const next = async (): Promise<string> => {
    while (waiting.length === 0) for (const { body } of (await nextRecords()).records ?? []) waiting.push(body ?? '');
    return waiting.shift() ?? '';
  };
  return { next, close };
}

const bodiesOnSocket = (reader: Reader): Bodies =>
  bodiesOf(
    async () => reader.nextJson(),
    () => reader.close(),
  );

function bodiesIn(events: SseStream): Bodies {
  const nextRecords = async (): Promise<JsonRecords> => {
    const event = await events.next();
    if (event === undefined) throw new Error('the events ended');
    return event.event === 'batch' ? (JSON.parse(event.data) as JsonRecords) : {};
  };
  return bodiesOf(nextRecords, () => events.destroy());
}

async function bodiesOfSdk({ port }: ClusterNode, name: string): Promise<Bodies> {
  const stream = sdkOf({ port, token: TOKEN }).basin('telemetry').stream(name);
  const session = await stream.readSession({ start: { from: { seqNum: 0 } } });
  const records = session[Symbol.asyncIterator]();
  const nextRecords = async (): Promise<JsonRecords> => {
    const { value, done } = await records.next();
    if (done === true) throw new Error('the session ended');
    return { records: [{ body: value.body }] };
  };
  return bodiesOf(nextRecords, () => records.return?.());
}

/** Every way to follow a stream, from its first record on. */
async function followersOf(node: ClusterNode, stream: string): Promise<readonly Bodies[]> {
  return [
    bodiesOnSocket(socketTo(node, `/v1/streams/${stream}/records?seq_num=0`)),
    bodiesOnSocket(socketTo(node, `/v1/records?stream=${stream}&from=start`)),
    bodiesIn(await clientOf(node).sse(stream, '?seq_num=0')),
    bodiesIn(await clientOf(node).sseMany(`?stream=${stream}&from=start`)),
    await bodiesOfSdk(node, stream),
  ];
}

/** Those of them that take a filter, with one. */
async function choosersOf(node: ClusterNode, stream: string): Promise<readonly Bodies[]> {
  const chosen = `filter=header.chosen%3D${CHOSEN}`;
  return [
    bodiesOnSocket(socketTo(node, `/v1/streams/${stream}/records?seq_num=0&${chosen}`)),
    bodiesOnSocket(socketTo(node, `/v1/records?stream=${stream}&from=start&${chosen}`)),
    bodiesIn(await clientOf(node).sse(stream, `?seq_num=0&${chosen}`)),
  ];
}

/** Appends until it is acknowledged; every second record has the header that the filter wants. */
async function keep(node: ClusterNode, stream: string, body: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const headers = tries % 2 === 0 ? [['chosen', CHOSEN]] : [];
    const [status] = await clientOf(node).append(stream, {
      records: [{ body: `${body}/${tries}`, headers }, { body }],
    });
    if (status === 200) return;
    expect(status).toBe(503);
  }
}

function servesWhatIsNew(): void {
  test('serves a stream at once that was made through another node, however it is read', async () => {
    for (let i = 0; i < 5; i++) {
      await clientOf(nodes[i % 2] ?? reading).texts(`new-${i}`, 'one', 'two');
      for (const reader of await followersOf(reading, `new-${i}`)) {
        expect([await reader.next(), await reader.next()]).toEqual(['one', 'two']);
        await reader.close();
      }
    }
  });

  test('serves readers that follow itself, and passes on those that must be exact', async () => {
    const leader = await leaderOf(nodes);
    for (const node of [leader, reading]) await untilReaders(node, 0);
    const followers = await followersOf(reading, 'kept');
    for (const reader of followers) expect(await reader.next()).toBe('first');
    await untilReaders(reading, followers.length);
    expect(await openReadersOn(leader)).toBe(0);
    expect(await clientOf(reading).bodies('kept')).toEqual(['first']);
    for (const reader of followers) await reader.close();
  });

  test('passes on what it does not know, and the answer is that of the node that leads', async () => {
    const strange = clientOf(reading, 'a-token-that-is-not-known-and-that-is-long');
    expect((await strange.sse('kept', '?seq_num=0')).status).toBe(401);
    expect((await clientOf(reading).sse('missing', '?seq_num=0')).status).toBe(404);
    expect((await clientOf(reading).sse('kept', '?seq_num=7')).status).toBe(416);
    expect((await clientOf(reading).sse('kept', '?seq=7')).status).toBe(400);
    expect(await socketTo(reading, '/v1/streams/missing/records').ended).toMatchObject({ code: 4404 });
    expect(await socketTo(reading, '/v1/streams/kept/records?seq_num=7').ended).toMatchObject({ code: 4416 });
    const basin = createClient({ endpoint: nodes[0].url, token: TOKEN });
    await basin.createBasin('made-by-reads', { create_stream_on_read: true });
    const made = await new RecordsClient({ port: reading.port, token: TOKEN }, 'made-by-reads').sse('any');
    expect(made.status).toBe(200);
    made.destroy();
  });
}

function endsWhatIsOver(): void {
  test('ends a reader when its token is revoked through another node', async () => {
    const client = createClient({ endpoint: nodes[0].url, token: TOKEN });
    const scope = { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['read'] } as const;
    const secret = await client.issueToken({ id: 'reads', scope });
    await untilFollowed(setup, nodes.length);
    await untilReaders(reading, 0);
    const socket = socketTo(reading, '/v1/streams/kept/records?seq_num=0', secret);
    await socket.until('caught_up');
    const events = await clientOf(reading, secret).sse('kept', '?seq_num=0');
    await untilReaders(reading, 2);
    await client.revokeToken('reads');
    expect((await socket.ended).code).toBe(1008);
    expect((await events.rest()).at(-1)).toMatchObject({ event: 'error', data: expect.stringContaining('revoked') });
  });

  test('ends a reader when its stream is deleted through another node', async () => {
    await clientOf(nodes[0]).texts('gone', 'x');
    await untilFollowed(setup, nodes.length);
    const [one, many] = [socketTo(reading, '/v1/streams/gone/records'), socketTo(reading, '/v1/records?prefix=g')];
    for (const reader of [one, many]) await reader.until('caught_up');
    expect((await clientOf(nodes[1]).control('DELETE', '/v1/streams/gone'))[0]).toBe(202);
    expect(await one.until('error')).toMatchObject({ code: 'stream_deletion_pending' });
    expect(await many.until('left')).toMatchObject({ stream: 'gone' });
    await many.close();
  });
}

function goesOnWithoutOthers(): void {
  test('goes on reading while the node that leads is killed and another one takes over, and misses nothing', async () => {
    const leader = await leaderOf(nodes);
    await clientOf(leader).texts('busy', 'begins');
    await untilFollowed(setup, nodes.length);
    const followers = await followersOf(reading, 'busy');
    const choosers = await choosersOf(reading, 'busy');
    const next = nodes.find((node) => node !== leader && node !== reading) ?? reading;
    let isOver = false;
    const writing = [leader, next, reading].map(async (node, writer) => {
      for (let i = 0; !isOver; i++) await keep(node === leader ? next : node, 'busy', `${writer}-${i}`);
    });
    await keep(reading, 'busy', 'before');
    await leader.stop('SIGKILL');
    expect(await leaderOf(nodes.filter((node) => node !== leader))).toBe(next);
    await keep(next, 'busy', 'after');
    isOver = true;
    await Promise.all(writing);
    const { records } = await readAll(next, 'busy');
    const all = records.map(({ body }) => body);
    const chosen = records.filter(({ headers }) => headers?.[0]?.[1] === CHOSEN).map(({ body }) => body);
    expect(chosen.length).toBeGreaterThan(0);
    for (const reader of [...followers, ...choosers]) {
      const wanted = choosers.includes(reader) ? chosen : all;
      const got: string[] = [];
      while (got.length < wanted.length) got.push(await reader.next());
      expect(got).toEqual(wanted);
      await reader.close();
    }
    await leader.start();
    await untilStanding(leader, ({ leader: known }) => known === next.url);
  });

  test('reads what is stored while two of three servers of NATS are down, and says of the rest that it cannot know', async () => {
    await untilFollowed(setup, nodes.length);
    const leader = await leaderOf(nodes);
    const open = socketTo(reading, '/v1/streams/kept/records?seq_num=0');
    await open.until('caught_up');
    const killed = [0, 1];
    for (const server of killed) await nats.kill(server);
    await untilStanding(leader, ({ leads }) => !leads);
    for (const reader of await followersOf(reading, 'kept')) {
      expect(await reader.next()).toBe('first');
      await reader.close();
    }
    // The node that led serves readers, too, now that it does not.
    const onceLeading = await untilServed(leader, '/v1/streams/kept/records?seq_num=0');
    // What must be exact has no answer, as has what may only not have come: the control.
    expect(codeOf(await clientOf(reading).read('kept', '?seq_num=0'))).toEqual([503, 'unavailable']);
    expect((await clientOf(reading).sse('missing', '?seq_num=0')).status).toBe(503);
    expect((await socketTo(reading, '/v1/streams/missing/records').refused).status).toBe(503);
    for (const server of killed) await nats.restart(server);
    const last = await leaderOf(nodes);
    await keep(last, 'kept', 'again');
    await open.until('batch');
    await open.close();
    await onceLeading.close();
  });

  test('ends its readers when it takes over, and they come back to it', async () => {
    const client = createClient({ endpoint: reading.url, token: TOKEN });
    const others = nodes.filter((node) => node !== reading);
    await untilFollowed(setup, nodes.length);
    const reader = socketTo(reading, '/v1/streams/kept/records');
    await reader.until('caught_up');
    await client.drainNode(reading.url, false);
    for (const node of others) await client.drainNode(node.url, true);
    expect((await reader.ended).code).toBe(1012);
    expect(await leaderOf(nodes)).toBe(reading);
    const back = socketTo(reading, '/v1/streams/kept/records?seq_num=0');
    await back.until('caught_up');
    await back.close();
  });
}

/** A reader that is level, of a node that may refuse some before: what it served while it led ends first. */
async function untilServed(node: ClusterNode, url: string): Promise<Reader> {
  for (;;) {
    const reader = socketTo(node, url);
    const isServed = await Promise.race([reader.until('caught_up').then(() => true), reader.refused.then(() => false)]);
    if (isServed) return reader;
  }
}

/** All records of a stream, a page at a time. */
async function readAll(node: ClusterNode, stream: string) {
  const client = clientOf(node);
  const records: { readonly body: string; readonly headers: readonly (readonly [string, string])[] | undefined }[] = [];
  for (;;) {
    const [status, page] = await client.read(stream, `?seq_num=${records.length}&clamp=true`);
    if (status === 416) return { records };
    for (const { body = '', headers } of (page as Awaited<ReturnType<RecordsClient['batch']>>).records) {
      records.push({ body, headers });
    }
  }
}
