/** Many streams on one WebSocket, or as one stream of events: what comes, in which form, who may, and going on. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import { call } from '../support/http-call.ts';
import { send } from '../support/otlp-send.ts';
import { codeOf, makeBasin, outcome, RecordsClient, type SseStream } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

type Json = Record<string, unknown>;

const readBatch = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.ReadBatch');

let server: TestServer;
let root: RecordsClient;
let named = 0;
const readers: Reader[] = [];
const sources: SseStream[] = [];

beforeAll(async () => {
  server = await startServer();
  root = new RecordsClient(server);
});

afterAll(async () => {
  for (const source of sources) source.destroy();
  for (const reader of readers) await reader.close();
  await server.stop();
});

/** A basin of its own for a test, so that it knows all streams. */
function basin(): Promise<RecordsClient> {
  return makeBasin(server, `many-streams-${named++}`, { create_stream_on_append: true });
}

function socket(client: RecordsClient, query: string, protocol = 's2.json', more: object = {}): Reader {
  const headers = client.headers();
  const reader = new Reader(`ws://127.0.0.1:${server.port}/v1/records${query}`, protocol, { headers, ...more });
  readers.push(reader);
  return reader;
}

async function events(client: RecordsClient, query: string, headers = {}): Promise<SseStream> {
  const source = await client.sseMany(query, headers);
  sources.push(source);
  return source;
}

async function token(
  client: RecordsClient,
  scope: object,
  more: object = {},
): Promise<{ id: string; client: RecordsClient }> {
  const id = `reader-${named++}`;
  const whole = { basins: { exact: client.basin }, streams: { prefix: '' }, ops: ['read'], ...scope };
  const [status, body] = await root.control('POST', '/v1/access-tokens', { id, scope: whole, ...more });
  expect(status).toBe(201);
  const { access_token: secret } = body as { access_token: string };
  return { id, client: new RecordsClient({ port: server.port, token: secret }, client.basin) };
}

/** The bodies in batches, with their streams: up to a frame of a type, or so many. */
async function bodies(reader: Reader, until: number | 'caught_up'): Promise<string[]> {
  const got: string[] = [];
  while (until === 'caught_up' || got.length < until) {
    const frame = await reader.nextJson();
    if (frame.type === until) return got;
    if (frame.type === 'batch') got.push(...bodiesIn(frame));
  }
  return got;
}

function bodiesIn({ stream, records }: Json): string[] {
  return (records as { body: string }[]).map(({ body }) => `${stream} ${body}`);
}

async function eventOf(source: SseStream, type: string): Promise<{ id: string | undefined; data: Json }> {
  for (;;) {
    const event = await source.next();
    if (event === undefined) throw new Error(`the events ended before ${type}`);
    if (event.event === type) return { id: event.id, data: JSON.parse(event.data) as Json };
  }
}

describe('many streams on one WebSocket', () => {
  test('come from the start stream by stream, and then in the order in which they were stored', async () => {
    const client = await basin();
    await client.texts('a/1', 'x', 'y');
    await client.texts('b/1', 'other');
    await client.texts('a/2', 'z');
    const reader = socket(client, '?prefix=a/&from=start');
    expect(await reader.nextJson()).toEqual({ type: 'hello', basin: client.basin });
    const streams = ['a/1', 'a/2'].map((stream) => ({ stream, stream_id: expect.any(String), seq_num: 0 }));
    expect(await reader.nextJson()).toEqual({ type: 'joined', streams });
    expect(await bodies(reader, 'caught_up')).toEqual(['a/1 x', 'a/1 y', 'a/2 z']);
    const wanted: string[] = [];
    for (let i = 0; i < 12; i++) {
      const stream = `a/${(i * 5) % 4}`;
      await client.texts(stream, `live ${i}`);
      await client.texts('b/1', 'other');
      wanted.push(`${stream} live ${i}`);
    }
    expect(await bodies(reader, wanted.length)).toEqual(wanted);
  });

  test('begin at the tail, and a stream that is made later joins with its first record', async () => {
    const client = await basin();
    await client.texts('old', 'before');
    const reader = socket(client, '?prefix=');
    await reader.until('hello');
    await client.texts('old', 'after');
    await client.texts('new', 'first');
    expect((await bodies(reader, 2)).sort()).toEqual(['new first', 'old after']);
    expect(reader.got.filter((frame) => (frame as Json).type === 'caught_up')).toHaveLength(
      reader.got.some((frame) => (frame as Json).type === 'caught_up') ? 1 : 0,
    );
  });

  test('leave when they are deleted, with a frame that says so, and the others go on', async () => {
    const client = await basin();
    await client.texts('a', 'x');
    await client.texts('b', 'x');
    const reader = socket(client, '?prefix=');
    expect(await reader.until('caught_up')).toEqual({ type: 'caught_up', streams: 2 });
    expect((await client.control('DELETE', '/v1/streams/a'))[0]).toBe(202);
    expect(await reader.until('left')).toMatchObject({ stream: 'a', code: 'stream_deletion_pending' });
    await client.texts('b', 'y');
    expect(await bodies(reader, 1)).toEqual(['b y']);
  });
});

describe('the streams of one WebSocket', () => {
  test.each([
    ['?glob=*%2Flog', ['a/log', 'b/log']],
    ['?glob=a*', ['a', 'a/log', 'a/log/2']],
    ['?glob=*lo*2', ['a/log/2']],
    ['?glob=a', ['a']],
    ['?stream=a&stream=b/log&stream=none', ['a', 'b/log']],
    ['?prefix=a/', ['a/log', 'a/log/2']],
  ])('are those that %s selects', async (query, wanted) => {
    const client = new RecordsClient(server, 'many-selected');
    await root.control('PUT', '/v1/basins/many-selected', { config: { create_stream_on_append: true } });
    for (const name of ['a', 'a/log', 'a/log/2', 'b/log', 'log']) await client.texts(name, 'x');
    const reader = socket(client, `${query}&from=start`);
    await reader.until('caught_up');
    const streams = reader.got
      .filter((frame) => (frame as Json).type === 'batch')
      .map((frame) => (frame as Json).stream);
    expect([...new Set(streams)].sort()).toEqual(wanted);
  });

  test('say their names in every subprotocol', async () => {
    const client = root;
    const attributes = [{ key: 's2.stream', value: { stringValue: 'spoken' } }];
    const logRecords = [{ body: { stringValue: 'hello' } }];
    await send(
      server,
      'logs',
      JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] }),
    );
    for (const protocol of ['s2.json', 'otlp.json', 'view.json', 'view.text']) {
      const reader = socket(client, '?stream=spoken&from=start', protocol);
      expect([protocol, await reader.until('batch')]).toEqual([
        protocol,
        expect.objectContaining({ stream: 'spoken' }),
      ]);
    }
    for (const protocol of ['otlp.proto', 's2.proto']) {
      const reader = socket(client, '?stream=spoken&from=start', protocol);
      expect(await reader.until('positions')).toMatchObject({ stream: 'spoken', next: { seq_num: 1 } });
      const message = await reader.next();
      expect(Buffer.isBuffer(message)).toBe(true);
      if (protocol === 's2.proto') expect(readBatch.decode(message as Buffer)).toMatchObject({ records: [{}] });
    }
    const view = socket(client, '?stream=spoken&from=start', 'view.json');
    expect(await view.until('joined')).toMatchObject({
      streams: [{ stream: 'spoken', seqNum: 0, streamId: expect.any(String) }],
    });
  });

  test('are filtered, and the reader is told how far each is', async () => {
    const client = await basin();
    for (const name of ['a', 'b']) await client.texts(name, 'no', 'yes', 'no');
    const reader = socket(client, `?prefix=&from=start&filter=${encodeURIComponent('body~yes')}`);
    expect(await bodies(reader, 2)).toEqual(['a yes', 'b yes']);
    const passed = [await reader.until('passed'), await reader.until('passed')];
    expect(passed.map(({ stream, next }) => [stream, (next as Json).seq_num])).toEqual([
      ['a', 3],
      ['b', 3],
    ]);
  });
});

describe('many streams with a resume map', () => {
  test('go on from a resume map in several messages, and a stream that is not in it is new', async () => {
    const client = await basin();
    for (const name of ['a', 'b', 'c']) await client.texts(name, 'x', 'y');
    const reader = socket(client, '?prefix=&from=resume');
    await reader.until('hello');
    reader.socket.send(JSON.stringify({ resume: { a: 1 }, more: true }));
    reader.socket.send(JSON.stringify({ resume: { b: { seq_num: 2 }, gone: 4 } }));
    expect((await reader.until('joined')).streams).toMatchObject([
      { stream: 'a', seq_num: 1 },
      { stream: 'b', seq_num: 2 },
      { stream: 'c', seq_num: 0 },
    ]);
    expect(await reader.until('left')).toMatchObject({ stream: 'gone', code: 'stream_not_found' });
    expect(await bodies(reader, 'caught_up')).toEqual(['a y', 'c x', 'c y']);
  });

  test.each([
    ['{"resume":{"a":-1}}', 4400, 'bad_frame', '"a"'],
    ['{"resume":{"a":{"seqnum":1}}}', 4400, 'bad_frame', 'seq_num'],
    ['{"resume":{},"mroe":true}', 4400, 'bad_frame', 'mroe'],
    ['{"resum":{}}', 4400, 'bad_frame', 'resum'],
    ['nonsense', 4400, 'bad_frame', 'JSON'],
    ['{"resume":{"a":9}}', 4416, 'range_not_satisfiable', 'its tail is 1'],
  ])('refuse the resume map %s', async (message, code, word, hint) => {
    const client = new RecordsClient(server, 'many-refused');
    await root.control('PUT', '/v1/basins/many-refused', { config: { create_stream_on_append: true } });
    if ((await client.tail('a'))[0] === 404) await client.texts('a', 'x');
    const reader = socket(client, '?prefix=&from=resume');
    await reader.until('hello');
    reader.socket.send(message);
    expect(await reader.until('error')).toMatchObject({ code: word, message: expect.stringContaining(hint) });
    expect((await reader.ended).code).toBe(code);
  });

  test('take no other message', async () => {
    const reader = socket(await basin(), '?prefix=');
    await reader.until('hello');
    reader.socket.send('{"resume":{}}');
    expect((await reader.ended).code).toBe(4400);
  });
});

const REFUSED = [
  ['', 'prefix'],
  ['?prefix=a&stream=b', 'prefix'],
  ['?perfix=a', 'did you mean prefix'],
  ['?prefix=&form=start', 'did you mean'],
  ['?prefix=&from=strat', 'did you mean `start`'],
  ['?prefix=&seq_num=0', 'seq_num'],
  ['?glob=', 'matches nothing'],
  ['?stream=', 'empty'],
  ['?prefix=&filter=lvel%3Dwarn', 'lvel'],
] as const;

describe('what is asked wrongly', () => {
  test.each(REFUSED)('is told of %s on both protocols', async (query, hint) => {
    const reader = socket(root, query);
    expect(await reader.until('error')).toMatchObject({ message: expect.stringContaining(hint) });
    expect((await reader.ended).code).toBe(4400);
    const headers = root.headers({ accept: 'text/event-stream' });
    const answer = outcome(await call(server.port, { method: 'GET', path: `/v1/records${query}`, headers }));
    expect(answer).toEqual([400, expect.objectContaining({ message: expect.stringContaining(hint) })]);
  });

  test('is a basin that is not there, and a plain GET', async () => {
    const nowhere = new RecordsClient(server, 'no-such-basin');
    expect((await socket(nowhere, '?prefix=').ended).code).toBe(4404);
    const headers = nowhere.headers({ accept: 'text/event-stream' });
    const answer = outcome(await call(server.port, { method: 'GET', path: '/v1/records?prefix=', headers }));
    expect(codeOf(answer)).toEqual([404, 'basin_not_found']);
    const plain = { method: 'GET', path: '/v1/records?prefix=', headers: root.headers() };
    expect(codeOf(outcome(await call(server.port, plain)))).toEqual([400, 'bad_header']);
  });
});

describe('many streams as events', () => {
  test('come with ids that go on in each of them, also for a stream that was made meanwhile', async () => {
    const client = await basin();
    for (const name of ['a', 'b']) await client.texts(name, 'x', 'y');
    const first = await events(client, '?prefix=');
    const { id, data } = await eventOf(first, 'caught_up');
    expect(data).toEqual({ streams: 2 });
    await client.texts('a', 'z');
    const batch = await eventOf(first, 'batch');
    expect(bodiesIn(batch.data)).toEqual(['a z']);
    first.destroy();
    await client.texts('b', 'z');
    await client.texts('c', 'new');
    const again = await events(client, '?prefix=', { 'last-event-id': batch.id });
    const got: string[] = [];
    while (got.length < 2) got.push(...bodiesIn((await eventOf(again, 'batch')).data));
    expect(got).toEqual(['b z', 'c new']);
    const older = await events(client, '?prefix=', { 'last-event-id': id });
    expect(bodiesIn((await eventOf(older, 'batch')).data)).toEqual(['a z']);
  });

  test('have an id before any stream has a record', async () => {
    const client = await basin();
    const first = await events(client, '?prefix=');
    const { id } = await eventOf(first, 'caught_up');
    first.destroy();
    await client.texts('a', 'x');
    const again = await events(client, '?prefix=', { 'last-event-id': id });
    expect(bodiesIn((await eventOf(again, 'batch')).data)).toEqual(['a x']);
  });

  test('tell of streams that join and leave, and refuse an id of others', async () => {
    const client = await basin();
    const source = await events(client, '?glob=a*');
    await eventOf(source, 'caught_up');
    await client.texts('a', 'x');
    expect((await eventOf(source, 'joined')).data).toMatchObject({ streams: [{ stream: 'a', seq_num: 0 }] });
    await client.control('DELETE', '/v1/streams/a');
    expect((await eventOf(source, 'left')).data).toMatchObject({ stream: 'a', code: 'stream_deletion_pending' });
    const wrong = await client.sseMany('?prefix=', { 'last-event-id': '5,5,5' });
    expect(wrong.status).toBe(400);
    wrong.destroy();
  });
});

describe('a token', () => {
  test('sees only the streams that it may read, by the names that it uses', async () => {
    const client = await basin();
    for (const name of ['mine/1', 'mine/2', 'theirs']) await client.texts(name, 'x');
    const { client: own } = await token(client, { streams: { prefix: 'mine/' } });
    expect(await bodies(socket(own, '?prefix=&from=start'), 'caught_up')).toEqual(['mine/1 x', 'mine/2 x']);
    const named = await token(client, { streams: { prefix: 'mine/' } }, { auto_prefix_streams: true });
    const reader = socket(named.client, '?prefix=&from=start');
    expect(await bodies(reader, 'caught_up')).toEqual(['1 x', '2 x']);
    await client.texts('theirs', 'y');
    await client.texts('mine/3', 'y');
    expect(await bodies(reader, 1)).toEqual(['3 y']);
    const { data } = await eventOf(await events(named.client, '?prefix=&from=start'), 'joined');
    expect(data).toMatchObject({ streams: [{ stream: '1' }, { stream: '2' }, { stream: '3' }] });
  });

  test('is refused a stream by its name that it may not read, and a basin', async () => {
    const client = await basin();
    const { client: own } = await token(client, { streams: { prefix: 'mine/' } });
    expect((await socket(own, '?stream=mine/1&stream=theirs').refused).status).toBe(403);
    expect((await own.sseMany('?stream=theirs')).status).toBe(403);
    const { client: appender } = await token(client, { ops: ['append'] });
    expect((await socket(appender, '?prefix=').refused).status).toBe(403);
    expect((await appender.sseMany('?prefix=')).status).toBe(403);
  });

  test('that is revoked ends what it has opened', async () => {
    const client = await basin();
    const { id, client: own } = await token(client, {});
    const reader = socket(own, '?prefix=');
    await reader.until('caught_up');
    const source = await events(own, '?prefix=');
    await eventOf(source, 'caught_up');
    await root.control('DELETE', `/v1/access-tokens/${id}`);
    expect((await reader.ended).code).toBe(1008);
    expect((await eventOf(source, 'error')).data).toMatchObject({ code: expect.any(String) });
  });

  test('gets a ticket for many streams, which opens one reader of those alone', async () => {
    const client = await basin();
    for (const name of ['mine/1', 'theirs']) await client.texts(name, 'x');
    const ticket = async (): Promise<string> => {
      const wanted = { basin: client.basin, prefix: 'mine/', operation: 'read' };
      const [status, body] = await root.control('POST', '/v1/tickets', wanted);
      expect(status).toBe(201);
      return (body as { ticket: string }).ticket;
    };
    const page = (secret: string): Reader => {
      const url = `ws://127.0.0.1:${server.port}/v1/records?prefix=&from=start&ticket=${secret}`;
      const reader = new Reader(url, [], { origin: server.url });
      readers.push(reader);
      return reader;
    };
    const secret = await ticket();
    expect(await bodies(page(secret), 'caught_up')).toEqual(['mine/1 x']);
    expect((await page(secret).ended).code).toBe(4401);
    const source = await fetch(`${server.url}/v1/records?prefix=&from=start&ticket=${await ticket()}`, {
      headers: { accept: 'text/event-stream' },
    });
    expect(source.status).toBe(200);
    await source.body?.cancel();
  });
});

test('an encrypted stream leaves a reader without its key, and the others go on', async () => {
  const client = await makeBasin(server, `many-streams-${named++}`, {
    create_stream_on_append: true,
    stream_cipher: 'aes-256-gcm',
  });
  const key = Buffer.alloc(32, 7).toString('base64');
  await client.append('secret', { records: [{ body: 'x' }] }, { 's2-encryption-key': key });
  const without = socket(client, '?prefix=&from=start');
  expect(await without.until('left')).toMatchObject({ stream: 'secret', code: 'bad_header' });
  const withKey = socket(client, '?prefix=&from=start', 's2.json', {
    headers: client.headers({ 's2-encryption-key': key }),
  });
  expect(await bodies(withKey, 'caught_up')).toEqual(['secret x']);
  const other = Buffer.alloc(32, 8).toString('base64');
  const wrong = socket(client, '?prefix=&from=start', 's2.json', {
    headers: client.headers({ 's2-encryption-key': other }),
  });
  expect(await wrong.until('left')).toMatchObject({ stream: 'secret', code: 'decryption_failed' });
});
