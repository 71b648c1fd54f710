/** What streams hold and get, in one list; and who reads a stream, and how far behind. Each as far as the caller may know. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';

import type { ReaderJson } from '../../src/client/stream-readers.ts';
import type { StreamFiguresJson } from '../../src/model/stream-figures.ts';
import { runCli } from '../support/cli.ts';
import { makeBasin, RecordsClient } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

let server: TestServer;
let s2: RecordsClient;
const readers: Reader[] = [];

beforeAll(async () => {
  server = await startServer();
  s2 = await makeBasin(server, 'figures-1', { create_stream_on_append: true });
});

afterAll(async () => {
  for (const reader of readers) await reader.close();
  await server.stop();
});

interface Row {
  readonly name: string;
  readonly figures?: StreamFiguresJson | null;
}

async function list(client: RecordsClient, query: string): Promise<readonly Row[]> {
  const [status, body] = await client.control('GET', `/v1/streams${query}`);
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return (body as { streams: readonly Row[] }).streams;
}

async function tokenFor(id: string, scope: object): Promise<RecordsClient> {
  const [status, body] = await s2.control('POST', '/v1/access-tokens', { id, scope });
  if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`);
  return new RecordsClient({ port: server.port, token: (body as { access_token: string }).access_token }, 'figures-1');
}

describe('the list of streams', () => {
  test('has records, bytes, times and rates where it is asked for them, and is as S2 has it elsewhere', async () => {
    const records = [10, 20, 30].map((timestamp) => ({ timestamp, body: 'x'.repeat(92) }));
    await s2.append('a', { records });
    await s2.append('a', { records: [{ timestamp: 40, body: 'x'.repeat(92) }] });
    await s2.control('POST', '/v1/streams', { stream: 'empty' });
    const [a, empty] = await list(s2, '?figures=true');
    expect(a).toMatchObject({
      name: 'a',
      figures: {
        ...{ first_seq_num: 0, next_seq_num: 4, records: 4, metered_bytes: 400 },
        ...{ first_timestamp: 10, last_timestamp: 40 },
      },
    });
    const { records_per_second: rate, metered_bytes_per_second: bytes } = a?.figures ?? {};
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThanOrEqual(4);
    expect(Math.abs(Number(bytes) - 100 * Number(rate))).toBeLessThan(0.1);
    expect(empty).toMatchObject({
      name: 'empty',
      figures: { records: 0, metered_bytes: 0, first_timestamp: null, last_timestamp: null, records_per_second: 0 },
    });
    for (const query of ['', '?figures=false']) {
      for (const row of await list(s2, query)) {
        expect(Object.keys(row)).toEqual(['name', 'created_at', 'deleted_at', 'cipher']);
      }
    }
  });

  test('begins with the first record that is left, also inside of what one append brought', async () => {
    const records = [10, 20, 30].map((timestamp) => ({ timestamp, body: '' }));
    await s2.append('cut', { records });
    await s2.append('cut', { records: [{ headers: [['', 'trim']], body: '\0\0\0\0\0\0\0\x01', timestamp: 50 }] });
    while ((await s2.batch('cut', '?seq_num=0&count=1')).records[0]?.seq_num !== 1);
    const [cut] = await list(s2, '?figures=true&prefix=cut');
    expect(cut?.figures).toMatchObject({ first_seq_num: 1, next_seq_num: 4, records: 3, first_timestamp: 20 });
  });

  test('comes in pages, and our client joins them', async () => {
    const names = ['p-1', 'p-2', 'p-3'];
    for (const name of names) await s2.texts(name, 'x');
    const [second] = await list(s2, '?figures=true&prefix=p-&start_after=p-1&limit=1');
    expect([second?.name, second?.figures?.records]).toEqual(['p-2', 1]);
    const client = createClient({ endpoint: server.url, token: server.token, basin: 'figures-1' });
    const found = [];
    for await (const entry of client.listStreams({ prefix: 'p-', figures: true })) found.push(entry);
    expect(found.map(({ name, figures }) => [name, figures?.records])).toEqual(names.map((name) => [name, 1]));
    for await (const entry of client.listStreams({ prefix: 'p-' })) expect(entry).not.toHaveProperty('figures');
  });

  test.each([
    ['?figures=yes', '`figures` must be true or false'],
    ['?figure=true', 'did you mean figures?'],
  ])('%s is refused', async (query, message) => {
    const [status, body] = await s2.control('GET', `/v1/streams${query}`);
    expect([status, (body as { message: string }).message]).toEqual([400, expect.stringContaining(message)]);
  });

  test('shows no figures to a token that may not check tails, and only its streams to one with a scope', async () => {
    const all = { basins: { prefix: '' }, streams: { prefix: 'p-' } };
    const lists = await tokenFor('lists', { ...all, ops: ['list-streams'] });
    expect((await list(lists, '?figures=true')).map(({ name, figures }) => [name, figures])).toEqual([
      ...[
        ['p-1', null],
        ['p-2', null],
        ['p-3', null],
      ],
    ]);
    const checks = await tokenFor('checks', { ...all, ops: ['list-streams', 'check-tail'] });
    expect((await list(checks, '?figures=true')).map(({ name, figures }) => [name, figures?.records])).toEqual([
      ...[
        ['p-1', 1],
        ['p-2', 1],
        ['p-3', 1],
      ],
    ]);
  });

  test('ls -l prints it', async () => {
    const { code, stdout } = await runCli(['ls', '-l', 's2://figures-1/p-'], { server });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^RECORDS +SIZE +LAST +RATE +NUMBERS +OLDEST +CREATED +STREAM\n( {6}1 +9 B {2}.* 0\.\.0 .*s2:\/\/figures-1\/p-\d\n){3}$/,
    );
  });
});

async function readersOf(client: RecordsClient, stream = 'read'): Promise<readonly ReaderJson[]> {
  const [status, body] = await client.control('GET', `/v1/streams/${stream}/readers`);
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return (body as { readers: readonly ReaderJson[] }).readers;
}

describe('the readers of a stream', () => {
  function socket(client: RecordsClient, query: string): Reader {
    const url = `ws://127.0.0.1:${server.port}/v1/streams/read/records?basin=figures-1&${query}`;
    const reader = new Reader(url, 'view.json', { headers: { authorization: `Bearer ${client.server.token}` } });
    readers.push(reader);
    return reader;
  }

  test('are there with their protocol, position and lag while they read, and no longer', async () => {
    await s2.texts('read', 'a', 'b', 'c');
    expect(await readersOf(s2)).toEqual([]);
    const reads = await tokenFor('reads', { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['read'] });
    const ahead = socket(s2, 'seq_num=0');
    await ahead.until('caught_up');
    const own = socket(reads, 'seq_num=0&filter=signal%3Dlogs');
    await own.until('caught_up');
    const sse = await s2.sse('read', '?seq_num=0');
    await sse.next();
    const connection = new S2sConnection(server);
    const session = connection.read('read', 'seq_num=0', { 's2-basin': 'figures-1' });
    await session.nextBatch();

    const seen = await readersOf(s2);
    expect(seen.map(({ protocol, view, token }) => [protocol, view, token]).sort()).toEqual([
      ['s2s', 's2.proto', 'root'],
      ['sse', 's2.json', 'root'],
      ['websocket', 'view.json', 'reads'],
      ['websocket', 'view.json', 'root'],
    ]);
    for (const reader of seen) {
      expect(reader).toMatchObject({ next_seq_num: 3, lag_records: 0, waiting_bytes: 0, address: '127.0.0.1' });
      expect(Date.parse(reader.since)).toBeGreaterThan(0);
    }
    const [status, body] = await s2.control('GET', '/v1/streams/read/readers?limit=1');
    expect([status, body]).toMatchObject([200, { tail: { seq_num: 3 }, has_more: true }]);

    const others = await readersOf(reads);
    expect(others.map(({ token, address }) => [token, address]).sort()).toEqual([
      ...[
        [null, null],
        [null, null],
        [null, null],
        ['reads', '127.0.0.1'],
      ],
    ]);

    sse.destroy();
    session.cancel();
    connection.close();
    await ahead.close();
    await own.close();
    while ((await readersOf(s2)).length > 0);
  });

  test('one that takes nothing is behind, and comes first', async () => {
    const body = 'x'.repeat(1_000_000);
    for (let i = 0; i < 16; i++) await s2.append('read', { records: [{ body }] });
    const level = socket(s2, '');
    await level.until('caught_up');
    const slow = socket(s2, 'seq_num=0');
    await new Promise((resolve) => slow.socket.once('open', resolve));
    slow.socket.pause();
    let first: ReaderJson | undefined;
    while (first === undefined || first.waiting_bytes === 0) [first] = await readersOf(s2);
    expect(first.lag_records).toBe(19 - first.next_seq_num);
    expect(first.lag_records).toBeGreaterThan(0);
    const client = createClient({ endpoint: server.url, token: server.token, basin: 'figures-1' });
    const listed = await client.readers('read');
    expect(listed.readers.map(({ lag_records }) => lag_records > 0)).toEqual([true, false]);
    expect(listed).toMatchObject({ tail: { seqNum: 19 }, hasMore: false });
  });
});

test('a reader of many streams is among the readers of each of them', async () => {
  await s2.texts('together', 'a', 'b');
  const headers = { authorization: `Bearer ${s2.server.token}` };
  const many = (query: string): Reader => {
    const url = `ws://127.0.0.1:${server.port}/v1/records?basin=figures-1&${query}`;
    const reader = new Reader(url, 's2.json', { headers });
    readers.push(reader);
    return reader;
  };
  const it = many('prefix=tog&from=start');
  const another = many('prefix=x');
  for (const reader of [it, another]) await reader.until('caught_up');
  const seen = await readersOf(s2, 'together');
  expect(seen.map(({ protocol, view, lag_records: lag }) => [protocol, view, lag])).toEqual([
    ['websocket', 's2.json', 0],
  ]);
  for (const reader of [it, another]) await reader.close();
  while ((await readersOf(s2, 'together')).length > 0);
});

describe('a list of readers that makes no sense', () => {
  test.each([
    ['?limit=x', 400, '`limit`'],
    ['?limitt=1', 400, 'did you mean limit?'],
  ])('%s is refused', async (query, status, message) => {
    const [got, body] = await s2.control('GET', `/v1/streams/read/readers${query}`);
    expect([got, (body as { message: string }).message]).toEqual([status, expect.stringContaining(message)]);
  });

  test('a stream that does not exist is 404, and is not made', async () => {
    expect((await s2.control('GET', '/v1/streams/none/readers'))[0]).toBe(404);
    expect(await list(s2, '?prefix=none')).toEqual([]);
  });
});
