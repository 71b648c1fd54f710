/** Reads backwards and around a record: the last ones that are wanted, where to go on, bounds, and clear refusals. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import { runCli } from '../support/cli.ts';
import { send } from '../support/otlp-send.ts';
import { type JsonBatch, makeBasin, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const RECORDS = 60;
/** Every twentieth record is a warning, none of them among the last ten. */
const WARNINGS = [5, 25, 45];
const FILTER = 'level>=warn';

let server: TestServer;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  for (let from = 0; from < RECORDS; from += 12) await sendLogs('shop', from, from + 12);
});

afterAll(() => server.stop());

async function sendLogs(stream: string, from: number, to: number): Promise<void> {
  const logRecords = Array.from({ length: to - from }, (_, k) => ({
    timeUnixNano: String((1_700_000_000_000 + from + k) * 1e6),
    severityNumber: (from + k) % 20 === 5 ? 13 : 9,
    body: { stringValue: `record ${from + k}` },
  }));
  const attributes = [{ key: 's2.stream', value: { stringValue: stream } }];
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  expect(await send(server, 'logs', body)).toEqual({ status: 200, rejected: 0, message: '' });
}

interface Page {
  readonly seqs: readonly number[];
  /** Where older records are, where newer ones are, and whether there are no older ones. */
  readonly older: string;
  readonly newer: string;
  readonly atStart: string;
}

async function page(client: RecordsClient, stream: string, query: string, headers = {}): Promise<Page> {
  const answer = await client.get(stream, query, headers);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  const { records } = JSON.parse(answer.body.toString()) as JsonBatch;
  return {
    seqs: records.map(({ seq_num }) => seq_num),
    older: String(answer.headers['tailrace-next-before']),
    newer: String(answer.headers['tailrace-next-seq-num']),
    atStart: String(answer.headers['tailrace-at-start']),
  };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe('backwards', () => {
  test('the last records before the tail come in ascending order, with where to go on', async () => {
    expect(await page(s2, 'shop', '?before=tail&limit=15')).toEqual({
      ...{ seqs: range(45, 60), older: '45', newer: '60', atStart: 'false' },
    });
    expect((await s2.batch('shop', '?before=tail&limit=1')).tail?.seq_num).toBe(60);
  });

  test('a position counts as the tail does, and the start of the stream is told', async () => {
    expect(await page(s2, 'shop', '?before=60&limit=1')).toMatchObject({ seqs: [59] });
    expect(await page(s2, 'shop', '?before=7&limit=100')).toEqual({
      ...{ seqs: range(0, 7), older: '0', newer: '7', atStart: 'true' },
    });
    expect(await page(s2, 'shop', '?before=0')).toMatchObject({ seqs: [], atStart: 'true' });
    expect((await s2.batch('shop', '?before=7')).tail).toBeUndefined();
  });

  test('with a filter they are the last that it wants', async () => {
    const query = `?before=tail&limit=2&filter=${encodeURIComponent(FILTER)}`;
    expect(await page(s2, 'shop', query)).toEqual({
      ...{ seqs: WARNINGS.slice(1), older: '25', newer: '60', atStart: 'false' },
    });
    const older = query.replace('tail', '25');
    expect(await page(s2, 'shop', older)).toEqual({ seqs: [5], older: '0', newer: '25', atStart: 'true' });
  });

  test('protobuf has the same records', async () => {
    const accept = { accept: 'application/protobuf' };
    const forward = await s2.get('shop', '?seq_num=50&count=10', accept);
    expect((await s2.get('shop', '?before=tail&limit=10', accept)).body).toEqual(forward.body);
  });

  test('without a limit there are 100, and never more than 1,000 or 1 MiB', async () => {
    const body = 'x'.repeat(4_000);
    for (let i = 0; i < 5; i++) await s2.append('long', { records: range(0, 240).map(() => ({ body: '' })) });
    await s2.append('large', { records: range(0, 250).map(() => ({ body })) });
    await s2.append('large', { records: range(0, 250).map(() => ({ body })) });
    expect((await page(s2, 'long', '?before=tail')).seqs).toEqual(range(1_100, 1_200));
    expect((await page(s2, 'long', '?before=tail&limit=1000')).seqs).toHaveLength(1_000);
    expect((await page(s2, 'long', '?before=tail&limit=5000')).seqs).toHaveLength(1_000);
    const { seqs, older } = await page(s2, 'large', '?before=tail&limit=500');
    expect([seqs.length, older]).toEqual([Math.floor(2 ** 20 / 4_008), String(500 - seqs.length)]);
  });

  test('trimmed records are not there, and their end is the start', async () => {
    await s2.texts('cut', ...range(0, 20).map(String));
    const trim = { headers: [['', 'trim']], body: '\0\0\0\0\0\0\0\x07' };
    expect((await s2.append('cut', { records: [trim] }))[0]).toBe(200);
    await expectTrimmed('cut', 7);
    expect(await page(s2, 'cut', '?before=10')).toEqual({ seqs: [7, 8, 9], older: '7', newer: '10', atStart: 'true' });
    expect(await page(s2, 'cut', '?before=3')).toMatchObject({ seqs: [], atStart: 'true' });
  });

  test('are there in a view too, with the same headers', async () => {
    const { headers, body } = await s2.get('shop', '?before=tail&limit=2&view=text');
    expect(body.toString().trimEnd().split('\n')).toHaveLength(2);
    expect([headers['tailrace-next-before'], headers['tailrace-at-start'], headers['tailrace-next-seq-num']]).toEqual([
      ...['58', 'false', '60'],
    ]);
  });

  test('beyond the tail is 416 as for every read, unless it is clamped', async () => {
    expect(await s2.read('shop', '?before=61')).toEqual([416, { tail: { seq_num: 60, timestamp: 1_700_000_000_059 } }]);
    expect(await page(s2, 'shop', '?before=61&clamp=true&limit=1')).toMatchObject({ seqs: [59], newer: '60' });
  });
});

describe('what makes no sense', () => {
  test.each([
    ['?limit=5', 400, '`limit` goes with `before`'],
    ['?context=5', 400, '`context` goes with `around`'],
    ['?before=tail&limit=0', 400, '`limit` must be a whole number from 1'],
    ['?before=end', 400, '`before` must be a sequence number, or `tail`'],
    ['?before=5&seq_num=1', 400, 'with `before` a read takes no `seq_num`'],
    ['?before=5&around=5', 400, 'with `before` a read takes no `around`'],
    ['?before=5&limitt=3', 400, 'did you mean limit?'],
    ['?around=5&filter=level%3Dwarn', 400, 'with `around` a read takes no `filter`'],
    ['?before=5&before=6', 400, 'the query parameter `before` is there twice'],
  ])('%s is refused', async (query, status, message) => {
    const answer = await s2.get('shop', query);
    expect([answer.status, JSON.parse(answer.body.toString()).message]).toEqual([
      status,
      expect.stringContaining(message),
    ]);
  });

  test('a live read takes no such parameter', async () => {
    const sse = await s2.get('shop', '?before=5', { accept: 'text/event-stream' });
    expect([sse.status, JSON.parse(sse.body.toString()).message]).toEqual([400, expect.stringContaining('`before`')]);
    const url = `ws://127.0.0.1:${server.port}/v1/streams/shop/records?before=5`;
    const reader = new Reader(url, 's2.json', { headers: { authorization: `Bearer ${server.token}` } });
    expect((await reader.until('error')).message).toContain('`before`');
    expect((await reader.ended).code).toBe(4400);
    await reader.close();
  });

  test('an encrypted stream needs its key', async () => {
    const secret = await makeBasin(server, 'secret-basin', {
      create_stream_on_append: true,
      stream_cipher: 'aes-256-gcm',
    });
    const key = { 's2-encryption-key': randomBytes(32).toString('base64') };
    await secret.append('s', { records: [{ body: 'a timeout' }, { body: 'fine' }, { body: 'fine too' }] }, key);
    expect((await secret.get('s', '?before=tail')).status).toBe(400);
    expect(await page(secret, 's', '?before=tail&limit=2', key)).toMatchObject({ seqs: [1, 2] });
    expect(await page(secret, 's', '?before=tail&filter=timeout', key)).toMatchObject({ seqs: [0] });
    const other = { 's2-encryption-key': randomBytes(32).toString('base64') };
    expect((await secret.get('s', '?before=tail', other)).status).toBe(400);
  });
});

describe('around a record', () => {
  test('there are as many before it as after it, by position, and where to go on at both ends', async () => {
    expect(await page(s2, 'shop', '?around=30&context=3')).toEqual({
      ...{ seqs: range(27, 34), older: '27', newer: '34', atStart: 'false' },
    });
    expect((await page(s2, 'shop', '?around=30')).seqs).toEqual(range(25, 36));
  });

  test('at an end of the stream there are fewer', async () => {
    expect(await page(s2, 'shop', '?around=1&context=3')).toMatchObject({ seqs: range(0, 5), atStart: 'true' });
    expect((await page(s2, 'shop', '?around=59&context=3')).seqs).toEqual(range(56, 60));
    expect((await page(s2, 'shop', '?around=30&context=0')).seqs).toEqual([30]);
  });

  test('with more than fits, both sides have their share of 1 MiB', async () => {
    const { seqs } = await page(s2, 'large', '?around=250&context=499');
    expect([seqs.length, seqs.indexOf(250)]).toEqual([Math.floor(2 ** 20 / 4_008), expect.any(Number)]);
    expect(Math.abs(seqs.indexOf(250) - seqs.length / 2)).toBeLessThan(2);
    const atEnd = await page(s2, 'large', '?around=490&context=499');
    expect([atEnd.seqs.length, atEnd.seqs.at(-1)]).toEqual([Math.floor(2 ** 20 / 4_008), 499]);
    expect((await page(s2, 'long', '?around=600&context=5000')).seqs).toEqual(range(101, 1_100));
  });

  test('a record that is not there yet is 416, one that was trimmed away 404 with the first one', async () => {
    expect((await s2.read('shop', '?around=60'))[0]).toBe(416);
    await s2.texts('gone', ...range(0, 20).map(String));
    const trim = { headers: [['', 'trim']], body: '\0\0\0\0\0\0\0\x07' };
    expect((await s2.append('gone', { records: [trim] }))[0]).toBe(200);
    await expectTrimmed('gone', 7);
    const [status, body] = await s2.read('gone', '?around=6');
    expect([status, body]).toEqual([404, { code: 'not_found', message: expect.stringContaining('first one is 7') }]);
    expect((await page(s2, 'gone', '?around=7&context=2')).seqs).toEqual([7, 8, 9]);
  });
});

/** Until the trim point has moved: trims take effect after they are acknowledged. */
async function expectTrimmed(stream: string, first: number): Promise<void> {
  while ((await s2.batch(stream, '?seq_num=0&count=1')).records[0]?.seq_num !== first);
}

describe('our client', () => {
  test('reads back and around', async () => {
    const client = createClient({ endpoint: server.url, token: server.token });
    const back = await client.readBack('shop', { limit: 2, filter: FILTER });
    expect(back).toMatchObject({ nextBefore: 25, nextSeqNum: 60, isAtStart: false });
    expect(back.records.map(({ seqNum }) => seqNum)).toEqual([25, 45]);
    const around = await client.readAround('shop', 30, { context: 1 });
    expect(around.records.map(({ seqNum }) => seqNum)).toEqual([29, 30, 31]);
    await expect(client.readAround('shop', 60)).rejects.toMatchObject({ code: 'range_not_satisfiable' });
  });
});

describe('tail --filter', () => {
  const numbersIn = (text: string): number[] => [...text.matchAll(/record (\d+)/g)].map(([, digits]) => Number(digits));

  test('shows the last records that are wanted, not those among the last ten', async () => {
    const args = ['tail', 'shop', '--no-follow', '--filter', FILTER];
    const { code, stdout } = await runCli(args, { server });
    expect([code, numbersIn(stdout)]).toEqual([0, WARNINGS]);
    const two = await runCli([...args, '-n', '2'], { server });
    expect([two.code, numbersIn(two.stdout)]).toEqual([0, WARNINGS.slice(1)]);
  });

  test('shows nothing where nothing is wanted', async () => {
    const none = await runCli(['tail', 'shop', '--no-follow', '--filter', 'level=fatal'], { server });
    expect([none.code, none.stdout]).toEqual([0, '']);
    const zero = await runCli(['tail', 'shop', '--no-follow', '-n', '0', '--filter', FILTER], { server });
    expect([zero.code, zero.stdout]).toEqual([0, '']);
  });
});
