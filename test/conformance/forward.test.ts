/** A node that passes requests on to the one that leads: its clients see what clients of that node see. */

import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeItems, openExporter } from '../../scripts/torture/exporters/real-exporters.ts';
import { NodeTrust } from '../../src/access/node-trust.ts';
import type { ListenerHandlers } from '../../src/http/connection/handlers.ts';
import type { ForwardTarget } from '../../src/http/forward/forwarder.ts';
import { type ComposedServer, createServer } from '../../src/server.ts';
import { otlpBody } from '../support/access-rows.ts';
import { type ForwardingNode, NODE_SECRET, openPort, startForwardingNode } from '../support/forwarding-node.ts';
import { EXPORT, GrpcClient } from '../support/grpc-call.ts';
import { call, connectRaw } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { readStream } from '../support/read-back.ts';
import { RecordsClient, type SseEvent, type SseStream } from '../support/records-calls.ts';
import { refusalOfUpload } from '../support/refused-upload.ts';
import { http1Session, S2sConnection } from '../support/s2s-client.ts';
import { sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { rememberSecret } from '../support/secrets.ts';
import { Reader } from '../support/socket-reader.ts';

const MiB = 1024 * 1024;
const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const UNAVAILABLE = 14;
const JSON_TYPE = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };

let dataDir: string;
let leader: ComposedServer;
let target: ForwardTarget | undefined;
/** Of the leader. */
let direct: { readonly port: number; readonly token: string };
let node: ForwardingNode & { readonly token: string };

beforeAll(async () => {
  rememberSecret('the secret of the nodes', NODE_SECRET);
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-forward-'));
  const senderReader = () => new NodeTrust(NODE_SECRET);
  const options = { dataDir, port: 0, grpcPort: 'auto', rootToken: TOKEN, logLevel: 'silent' } as const;
  leader = await createServer(options, {}, { senderReader });
  const { port, url, grpc } = await leader.listen();
  direct = { port, token: TOKEN };
  target = { httpUrl: new URL(url), grpcUrl: new URL(grpc?.url ?? '') };
  node = { ...(await startForwardingNode(() => target)), token: TOKEN };
});

afterAll(async () => {
  node.close();
  await leader.close();
  await rm(dataDir, { recursive: true, force: true });
});

/** Addresses of the senders with that User-Agent, as the leader knows them. */
async function sendersOf(agent: string): Promise<readonly string[]> {
  const { body } = await call(direct.port, { method: 'GET', path: '/v1/senders', headers: JSON_TYPE });
  const { senders } = JSON.parse(body.toString()) as { senders: { address: string; user_agent: string }[] };
  return senders.filter(({ user_agent }) => user_agent === agent).map(({ address }) => address);
}

/** Sends one log record from an address of this machine. Resolves with the status. */
function sendFrom(localAddress: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
  const at = { port: node.port, host: '127.0.0.1', localAddress, agent: false, method: 'POST', path: '/v1/logs' };
  return new Promise((resolve, reject) => {
    const sent = request({ ...at, headers: { ...JSON_TYPE, ...headers } }, (got) =>
      got.resume().on('end', () => resolve(got.statusCode)),
    );
    sent.on('error', reject).end(JSON.stringify(otlpBody('logs', 'app')));
  });
}

/** The next event that is no sign of life. */
async function afterPings(events: SseStream): Promise<SseEvent> {
  for (;;) {
    const event = await events.next();
    if (event === undefined) throw new Error('the events ended');
    if (event.event !== 'ping') return event;
  }
}

describe('through a node that passes requests on', () => {
  test.each([
    ['http/json', 'none'],
    ['http/protobuf', 'gzip'],
    ['grpc', 'none'],
    ['grpc', 'gzip'],
  ] as const)('an exporter sends logs over %s with compression %s', async (protocol, compression) => {
    const stream = `logs/${protocol}/${compression}`;
    const exporter = openExporter('logs', protocol, node, { compression });
    expect(await exporter.export(await makeItems('logs', stream, { names: ['one', 'two'] }))).toEqual({ code: 0 });
    await exporter.close();
    expect(await readStream(node, stream)).toHaveLength(2);
  });

  test.each(TRANSPORTS)("sessions of S2's SDK over %s append and read at the same time", async (forceTransport) => {
    const s2 = sdkOf(node);
    await s2.basins.ensure({ basin: 'basin-of-sdk' });
    const name = `shop/50% off ${forceTransport}`;
    await s2.basin('basin-of-sdk').streams.create({ stream: name });
    const stream = s2.basin('basin-of-sdk').stream(name, { forceTransport });
    const session = await stream.appendSession();
    await (await session.submit(textBatch(['0']))).ack();
    const reading = await stream.readSession({ start: { from: { seqNum: 0 } } });
    expect((await take(reading, 1)).map(({ body }) => body)).toEqual(['0']);
    await (await session.submit(textBatch(['1']))).ack();
    expect((await take(reading, 1)).map(({ body }) => body)).toEqual(['1']);
    await reading.cancel();
    await session.close();
    await stream.close();
  });

  test('a session over HTTP/1.1 appends while its request goes on', async () => {
    const session = http1Session(node, 'POST', 'over-http1');
    session.sendInputs({ records: [{ body: 'first' }] });
    expect((await session.nextAck()).end.seqNum).toBe(1);
    session.sendInputs({ records: [{ body: 'second' }] });
    session.halfClose();
    expect((await session.restOfAcks()).end).toBe('clean');
    const refused = http1Session(node, 'POST', 'over-http1');
    refused.sendInputs({ records: [{ body: 'third' }], matchSeqNum: 0 });
    expect((await refused.restOfAcks()).end).toMatchObject({ status: 412 });
  });

  test('server-sent events and a WebSocket follow a stream, and a refused WebSocket says why', async () => {
    const records = new RecordsClient(node);
    await records.texts('followed', 'first');
    const url = `ws://127.0.0.1:${node.port}${records.path('followed', '?seq_num=0')}`;
    const events = await records.sse('followed', '?seq_num=0');
    const reader = new Reader(url, ['s2.json', `bearer.${TOKEN}`]);
    expect((await events.next())?.data).toContain('"first"');
    expect(await reader.until('batch')).toMatchObject({ records: [{ body: 'first' }] });
    await records.texts('followed', 'second');
    expect((await afterPings(events)).data).toContain('"second"');
    expect(await reader.until('batch')).toMatchObject({ records: [{ body: 'second' }] });
    events.destroy();
    await reader.close();
    expect((await new Reader(url, 's2.json', { headers: { authorization: 'Bearer no' } }).refused).status).toBe(401);
  });
});

describe('what goes through such a node', () => {
  test('what is refused comes back with its status and its correlation id', async () => {
    const headers = { 'x-correlation-id': 'chosen-by-the-client' };
    const refused = await call(node.port, { method: 'GET', path: '/v1/basins', headers });
    expect([refused.status, refused.headers['x-correlation-id']]).toEqual([401, 'chosen-by-the-client']);
    expect((await call(node.port, { method: 'HEAD', path: '/health' })).status).toBe(200);
  });

  test('a large body is taken over HTTP/1.1 and HTTP/2, and one that is too large is refused by the leader', async () => {
    const body = (records: number) => {
      const logRecords = Array.from({ length: records }, () => ({ body: { stringValue: 'x'.repeat(MiB / 2) } }));
      const attributes = [{ key: 's2.stream', value: { stringValue: 'large' } }];
      return JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
    };
    const post = { path: '/v1/logs', headers: JSON_TYPE };
    expect((await call(node.port, { ...post, body: body(16) })).status).toBe(200);
    const zipped = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    const chunks = [gzipSync(body(16))];
    expect((await call(node.port, { ...post, headers: zipped, chunks })).status).toBe(200);
    const connection = await connectHttp2(node.url);
    expect((await connection.call({ ...post, body: body(16) })).status).toBe(200);
    expect((await connection.call({ ...post, body: body(40) })).status).toBe(413);
    await connection.close();
    const refused = await call(node.port, { ...post, body: body(40) });
    expect([refused.status, refused.body.toString()]).toEqual([413, expect.stringContaining('--wire-bytes-max')]);
  });

  test('a client that waits for 100 Continue is told to go on by the leader, or is refused before it sends', async () => {
    const head = (token: string) =>
      `POST /v1/logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
      'Content-Length: 2\r\nExpect: 100-continue\r\n\r\n';
    const connection = await connectRaw(node.port);
    connection.send(head(TOKEN));
    await connection.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    connection.send('{}');
    await connection.until(/HTTP\/1\.1 200 OK/);
    connection.destroy();
    const stranger = await connectRaw(node.port);
    stranger.send(head('no'));
    await stranger.closed;
    expect(stranger.received()).toMatch(/^HTTP\/1\.1 401 .*\r\nconnection: close\r\n/is);
  });

  test('a refusal reaches a client that wants to close while it still sends', async () => {
    expect(await refusalOfUpload(node.port)).toMatch(/connection: close.*"message"/is);
  });

  test('more requests are open at a time than one connection to the leader allows', async () => {
    const records = new RecordsClient(node);
    await records.texts('many-readers', 'first');
    const readers = await Promise.all(Array.from({ length: 300 }, () => records.sse('many-readers', '?seq_num=0')));
    const first = await Promise.all(readers.map((reader) => reader.next()));
    expect(first.filter((event) => event?.data.includes('"first"'))).toHaveLength(300);
    for (const reader of readers) reader.destroy();
    while (node.forwarder.underWay > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('the leader', () => {
  test('knows the sender by its own address, whatever it claims', async () => {
    const claims = { 'x-forwarded-for': '198.51.100.7', forwarded: 'for=198.51.100.8', 'user-agent': 'claims' };
    expect(await sendFrom('127.0.0.2', { ...claims, 'x-forwarded-secret': 'a-guess-of-the-secret' })).toBe(200);
    expect(await sendersOf('claims')).toEqual(['127.0.0.2']);
  });

  test('takes no word of a sender that does not know the secret of the nodes', async () => {
    const stranger = await startForwardingNode(() => target, { secret: 'another-secret-of-other-nodes' });
    const headers = { ...JSON_TYPE, 'user-agent': 'stranger', 'x-forwarded-for': '198.51.100.7' };
    const body = JSON.stringify(otlpBody('logs', 'app'));
    expect((await call(stranger.port, { path: '/v1/logs', headers, body })).status).toBe(200);
    stranger.close();
    expect(await sendersOf('stranger')).toEqual(['127.0.0.1']);
  });
});

describe('a node that knows no leader', () => {
  let lost: ForwardingNode;
  let leads: ForwardTarget | undefined;

  beforeAll(async () => {
    lost = await startForwardingNode(() => leads);
  });

  afterAll(() => lost.close());

  /** Every protocol is told to come back in a second. */
  async function expectUnavailable(): Promise<void> {
    const answers = await Promise.all([
      call(lost.port, { method: 'GET', path: '/v1/basins', headers: JSON_TYPE }),
      call(lost.port, { path: '/v1/logs', headers: JSON_TYPE, body: JSON.stringify(otlpBody('logs', 'app')) }),
    ]);
    expect(answers.map(({ status, headers }) => [status, headers['retry-after']])).toEqual([
      [503, '1'],
      [503, '1'],
    ]);
    expect(answers.map(({ body }) => JSON.parse(body.toString()).code)).toEqual(['unavailable', UNAVAILABLE]);
    const refused = await new Reader(`ws://127.0.0.1:${lost.port}/v1/streams/app/records`, 's2.json').refused;
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
    const grpc = new GrpcClient({ grpcUrl: lost.grpcUrl, token: TOKEN });
    expect(await grpc.call(EXPORT.logs, Buffer.alloc(0))).toMatchObject({ code: UNAVAILABLE, retryAfter: 1 });
    grpc.close();
  }

  test('tells clients of every protocol to come back', async () => {
    leads = undefined;
    await expectUnavailable();
  });

  test('does so as well when nothing listens where the leader was', async () => {
    const gone = await openPort({ request: () => {}, upgrade: () => {} });
    gone.close();
    const url = new URL(`http://127.0.0.1:${gone.port}`);
    leads = { httpUrl: url, grpcUrl: url };
    await expectUnavailable();
  });

  test('passes no request on that was passed on already, also by itself', async () => {
    leads = { httpUrl: new URL(lost.url), grpcUrl: new URL(lost.grpcUrl) };
    const first = await startForwardingNode(() => leads);
    const answer = await call(first.port, { method: 'GET', path: '/v1/basins', headers: JSON_TYPE });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
    first.close();
    await expectUnavailable();
    const others = await startForwardingNode(() => own, { secret: 'a-secret-that-differs-from-the-rest' });
    const own = { httpUrl: new URL(`http://127.0.0.1:${others.port}`) };
    expect((await call(others.port, { method: 'GET', path: '/health' })).status).toBe(503);
    others.close();
  });
});

describe('a node that stops', () => {
  let isStopping = false;
  let stopping: ForwardingNode;

  beforeAll(async () => {
    stopping = await startForwardingNode(() => target, { closing: () => isStopping });
  });

  afterAll(() => stopping.close());

  test('ends sessions when what it has passed on is answered, and refuses what comes then', async () => {
    const own = { port: stopping.port, token: TOKEN };
    const connection = new S2sConnection(own);
    const session = connection.append('stopped');
    session.sendInputs({ records: [{ body: 'passed on' }] });
    await session.nextAck();
    const events = await new RecordsClient(own).sse('stopped', '?seq_num=0');
    await events.next();
    const waiting = call(own.port, {
      method: 'GET',
      path: '/v1/streams/stopped/records?seq_num=1&wait=60',
      headers: JSON_TYPE,
    });
    while (stopping.forwarder.underWay < 3) await new Promise((resolve) => setImmediate(resolve));
    const readerEnd = events.rest().then(
      () => 'whole',
      () => 'cut',
    );
    isStopping = true;
    stopping.forwarder.drain();
    session.sendInputs({ records: [{ body: 'too late' }] });
    expect(await readerEnd).toBe('cut');
    await expect(session.restOfAcks()).rejects.toThrow();
    connection.close();
    expect((await waiting).status).toBe(503);
    while (stopping.forwarder.underWay > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await new RecordsClient(direct).bodies('stopped')).toEqual(['passed on']);
    const late = await call(own.port, { method: 'GET', path: '/v1/basins', headers: JSON_TYPE });
    expect([late.status, JSON.parse(late.body.toString()).code]).toEqual([503, 'server_draining']);
  });
});

test('a server behind a port that outlives it serves, ends its own requests, and leaves the port to others', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tailrace-lent-'));
  const options = { dataDir: dir, port: 0, rootToken: TOKEN, logLevel: 'silent', shutdownTimeout: 1_000 } as const;
  const server = await createServer(options, {}, { lentPorts: { isClosing: false } });
  let current: ListenerHandlers = server.handlers.http;
  const port = await openPort({
    request: (...given) => current.request(...given),
    upgrade: (...given) => current.upgrade(...given),
  });
  const records = new RecordsClient({ port: port.port, token: TOKEN });
  await records.texts('lent', 'first');
  const events = await records.sse('lent', '?seq_num=0');
  await events.next();
  const reader = new Reader(`ws://127.0.0.1:${port.port}${records.path('lent')}`, ['s2.json', `bearer.${TOKEN}`]);
  await reader.until('hello');
  const connection = new S2sConnection({ port: port.port, token: TOKEN });
  const session = connection.append('lent');
  session.sendInputs({ records: [{ body: 'second' }] });
  await session.nextAck();
  const passing = await startForwardingNode(() => target);
  current = passing.forwarder;
  await server.close();
  expect((await events.rest()).at(-1)?.event).toBe('error');
  expect((await reader.ended).code).toBe(1012);
  expect((await session.restOfAcks()).end).toMatchObject({ status: 503 });
  // The same connection goes on, to another server.
  const next = connection.append('app');
  next.sendInputs({ records: [{ body: 'third' }] });
  await next.nextAck();
  connection.close();
  passing.close();
  port.close();
  await rm(dir, { recursive: true, force: true });
});
