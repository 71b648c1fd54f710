/** Unary reads: where they start, what bounds them, what they return, and what they refuse. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import { call } from '../support/http-call.ts';
import { codeOf, outcome, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const ReadBatch = root.lookupType('s2.v1.ReadBatch');
const AppendInput = root.lookupType('s2.v1.AppendInput');

let server: TestServer;
let s2: RecordsClient;
const TEN = { seq_num: 10, timestamp: 19 };

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  // Ten records of 9 bytes metered, at 10 to 19 ms, in three batches; and a stream that has none.
  const record = (i: number) => ({ body: String(i), timestamp: 10 + i });
  for (const [from, to] of [
    [0, 4],
    [4, 5],
    [5, 10],
  ] as const) {
    const records = Array.from({ length: to - from }, (_, k) => record(from + k));
    expect((await s2.append('ten', { records }))[0]).toBe(200);
  }
});

afterAll(async () => {
  await server.stop();
});

const seqs = async (query: string) => (await s2.batch('ten', query)).records.map(({ seq_num }) => seq_num);

describe('start', () => {
  test.each([
    ['?seq_num=0', 0],
    ['?seq_num=7', 7],
    ['?seq_num=9&clamp=true', 9],
    ['?timestamp=0', 0],
    ['?timestamp=14', 4],
    ['?timestamp=19', 9],
    ['?tail_offset=1', 9],
    ['?tail_offset=4', 6],
    ['?tail_offset=10', 0],
    ['?tail_offset=11', 0],
    ['?tail_offset=18446744073709551615', 0],
  ])('%s', async (query, first) => {
    expect((await seqs(query))[0]).toBe(first);
  });

  // Clamping leads to the tail, and at the tail only a reader that waits may stand.
  const beyond = ['seq_num=11', 'timestamp=20', 'seq_num=18446744073709551615', 'timestamp=18446744073709551615'];
  const atTail = ['', 'seq_num=10', 'tail_offset=0'];

  test.each([...atTail, ...beyond])('?%s without a wait is 416 with the tail, clamped or not', async (start) => {
    const rests = ['', '&clamp=true', '&count=5', '&bytes=100', '&wait=0'];
    // A timestamp at or behind `until` is another fault.
    if (!start.startsWith('timestamp=1')) rests.push('&until=99');
    for (const rest of rests) {
      expect(await s2.read('ten', `?${start}${rest}`)).toEqual([416, { tail: TEN }]);
    }
  });

  test.each(beyond)('?%s with a wait is 416 unless it is clamped', async (start) => {
    expect(await s2.read('ten', `?${start}&wait=1`)).toEqual([416, { tail: TEN }]);
  });

  test('no start is the tail', async () => {
    expect(await s2.read('ten')).toEqual([416, { tail: TEN }]);
  });

  test('two of them are invalid, whatever they are', async () => {
    for (const query of ['?seq_num=0&timestamp=0', '?seq_num=0&tail_offset=0', '?timestamp=0&tail_offset=0']) {
      expect(codeOf(await s2.read('ten', query))).toEqual([422, 'invalid']);
    }
  });
});

describe('waiting at the tail', () => {
  test('is empty when the wait is over', async () => {
    const starts = ['', 'seq_num=10', 'tail_offset=0', 'seq_num=99&clamp=true', 'timestamp=99&clamp=true'];
    const outcomes = await Promise.all(starts.map((start) => s2.read('ten', `?${start}&wait=1`)));
    expect(outcomes).toEqual(starts.map(() => [200, { records: [] }]));
  });

  test('ends with the first batch that comes', async () => {
    await s2.texts('waited', 'before');
    const waiting = s2.batch('waited', '?seq_num=1&wait=60');
    const { start } = await s2.texts('waited', 'a', 'b');
    expect(start.seq_num).toBe(1);
    const { records, tail } = await waiting;
    expect(records.map(({ body }) => body)).toEqual(['a', 'b']);
    expect(tail).toMatchObject({ seq_num: 3 });
  });

  test('is cut at the bounds', async () => {
    await s2.texts('bounded', 'before');
    const waiting = s2.batch('bounded', '?seq_num=1&wait=60&count=1');
    await s2.texts('bounded', 'a', 'b');
    expect((await waiting).records.map(({ body }) => body)).toEqual(['a']);
  });

  test('is not done with records in hand', async () => {
    expect(await seqs('?seq_num=8&wait=60')).toEqual([8, 9]);
  });

  test('from a number that was trimmed ends at once only with a record', async () => {
    const trim = { headers: [['', 'dHJpbQ==']], body: '//////////8=' };
    await s2.append('gone', { records: [trim] }, { 's2-format': 'base64' });
    expect(await s2.read('gone', '?seq_num=0')).toEqual([200, { records: [] }]);
    const waiting = s2.batch('gone', '?seq_num=0&wait=60');
    await s2.texts('gone', 'new');
    expect((await waiting).records.map(({ body }) => body)).toEqual(['new']);
  });

  test('ends with an empty answer when the server stops', async () => {
    const own = await startServer();
    const client = new RecordsClient(own);
    await client.texts('stopped', 'a');
    const waiting = client.read('stopped', '?seq_num=1&wait=60');
    // It is known to be there when a later request of the same kind was answered by the same server.
    expect((await client.read('stopped', '?seq_num=0'))[0]).toBe(200);
    await own.stop();
    expect(await waiting).toEqual([200, { records: [] }]);
  });
});

describe('bounds', () => {
  test.each([
    ['?seq_num=0&count=3', [0, 1, 2]],
    ['?seq_num=3&count=3', [3, 4, 5]],
    ['?seq_num=8&count=3', [8, 9]],
    ['?seq_num=0&bytes=27', [0, 1, 2]],
    ['?seq_num=0&bytes=26', [0, 1]],
    ['?seq_num=0&bytes=9', [0]],
    ['?seq_num=0&bytes=8', []],
    ['?seq_num=9&bytes=8&wait=60', []],
    ['?seq_num=0&until=13', [0, 1, 2]],
    ['?seq_num=0&until=10', []],
    ['?seq_num=4&until=14', []],
    ['?seq_num=4&until=15', [4]],
    ['?timestamp=14&until=15', [4]],
    ['?seq_num=0&until=0', []],
    ['?seq_num=0&count=5&bytes=27&until=19', [0, 1, 2]],
    ['?seq_num=0&count=2&bytes=27&until=19', [0, 1]],
    ['?seq_num=0&count=5&bytes=100&until=11', [0]],
    ['?seq_num=0&count=18446744073709551615&bytes=18446744073709551615&until=18446744073709551615', 10],
  ])('%s', async (query, expected) => {
    const found = await seqs(query);
    expect(found).toEqual(typeof expected === 'number' ? Array.from({ length: expected }, (_, i) => i) : expected);
  });

  test.each(['count=0', 'bytes=0', 'count=0&bytes=0&wait=60'])(
    '%s is empty at once, wherever it starts',
    async (zero) => {
      for (const start of [
        '',
        'seq_num=0',
        'seq_num=10',
        'seq_num=99',
        'timestamp=99',
        'tail_offset=3',
        'timestamp=0',
      ]) {
        expect(await s2.read('ten', `?${start}&${zero}`)).toEqual([200, { records: [] }]);
      }
      expect(codeOf(await s2.read('ten', `?timestamp=5&until=5&${zero}`))).toEqual([422, 'invalid']);
      expect(codeOf(await s2.read('missing', `?seq_num=0&${zero}`))).toEqual([404, 'stream_not_found']);
    },
  );

  test('1,000 records are one answer at most', async () => {
    const records = Array.from({ length: 800 }, () => ({}));
    for (let i = 0; i < 2; i++) await s2.append('many', { records });
    for (const query of ['', '&count=5000']) {
      const { records: found, tail } = await s2.batch('many', `?seq_num=0${query}`);
      expect([found.length, tail]).toEqual([1_000, undefined]);
    }
    expect((await s2.batch('many', '?seq_num=1000')).records).toHaveLength(600);
  });

  test('1 MiB metered is one answer at most', async () => {
    const third = { body: 'x'.repeat(349_525 - 8) };
    for (let i = 0; i < 2; i++) await s2.append('large', { records: [third, third] });
    expect((await s2.batch('large', '?seq_num=0')).records).toHaveLength(3);
    expect((await s2.batch('large', '?seq_num=0&bytes=99999999')).records).toHaveLength(3);
    const full = { body: 'y'.repeat(1_048_576 - 8) };
    await s2.append('large', { records: [full] });
    expect((await s2.batch('large', '?seq_num=4')).records[0]?.body).toHaveLength(1_048_568);
    expect((await s2.batch('large', '?seq_num=4&bytes=1048575')).records).toEqual([]);
  });
});

describe('refused queries', () => {
  test.each([
    'seq_num=-1',
    'seq_num=1.0',
    'seq_num=',
    'timestamp=x',
    'tail_offset=1e1',
    'count=-1',
    'bytes=0x10',
    'until=18446744073709551616',
    'wait=1.5',
    'wait=4294967296',
    'clamp=yes',
    'seq_num=1&seq_num=1',
  ])('%s is a bad query', async (query) => {
    expect(codeOf(await s2.read('ten', `?${query}`))).toEqual([400, 'bad_query']);
  });

  test('a start at or behind until is invalid', async () => {
    expect(codeOf(await s2.read('ten', '?timestamp=15&until=15'))).toEqual([422, 'invalid']);
    expect(codeOf(await s2.read('ten', '?timestamp=16&until=15'))).toEqual([422, 'invalid']);
  });
});

describe('answers', () => {
  test('say where the stream ends when they end there', async () => {
    expect((await s2.batch('ten', '?seq_num=0')).tail).toEqual(TEN);
    expect((await s2.batch('ten', '?seq_num=0&count=10')).tail).toEqual(TEN);
    expect((await s2.batch('ten', '?seq_num=0&count=9')).tail).toBeUndefined();
  });

  test('leave out what is empty, and keep headers in order with their repeats', async () => {
    const headers = [
      ['b', '1'],
      ['a', '2'],
      ['b', '1'],
      ['x', ''],
    ];
    await s2.append('headers', { records: [{ headers }, { body: '' }, { headers: [], body: 'x' }] });
    const { records } = await s2.batch('headers', '?seq_num=0');
    expect(records).toEqual([
      { seq_num: 0, timestamp: expect.any(Number), headers },
      { seq_num: 1, timestamp: expect.any(Number) },
      { seq_num: 2, timestamp: expect.any(Number), body: 'x' },
    ]);
  });

  test('of one encoding hold what the others took', async () => {
    const body = Buffer.from([0, 255, 0x61]);
    const proto = AppendInput.encode(
      AppendInput.fromObject({ records: [{ body, headers: [{ name: Buffer.from('é'), value: body }] }] }),
    ).finish();
    const sent = await s2.post('mixed', proto, { 'content-type': 'application/x-protobuf' });
    expect(JSON.parse(sent.body.toString())).toMatchObject({ start: { seq_num: 0 }, end: { seq_num: 1 } });
    await s2.append('mixed', { records: [{ body: 'text é' }] });
    await s2.append('mixed', { records: [{ body: 'AP9h' }] }, { 's2-format': 'base64' });

    const base64 = await s2.batch('mixed', '?seq_num=0', { 's2-format': 'base64' });
    const text = Buffer.from('text é').toString('base64');
    expect(base64.records).toMatchObject([
      { body: 'AP9h', headers: [['w6k=', 'AP9h']] },
      { body: text },
      { body: 'AP9h' },
    ]);
    const raw = await s2.batch('mixed', '?seq_num=0', { 's2-format': 'raw' });
    expect(raw.records).toMatchObject([
      { body: '\0\ufffda', headers: [['é', '\0\ufffda']] },
      { body: 'text é' },
      { body: '\0\ufffda' },
    ]);

    const answer = await s2.get('mixed', '?seq_num=0', { accept: 'application/protobuf' });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/protobuf']);
    const batch = ReadBatch.toObject(ReadBatch.decode(answer.body), { longs: Number, bytes: String });
    expect(batch).toMatchObject({
      records: [
        { body: 'AP9h', headers: [{ name: 'w6k=', value: 'AP9h' }] },
        { seqNum: 1, body: text },
        { seqNum: 2, body: 'AP9h' },
      ],
      tail: { seqNum: 3 },
    });
  });

  test('in protobuf are one batch, and an empty one is no bytes', async () => {
    const proto = { accept: 'application/protobuf' };
    const all = ReadBatch.toObject(ReadBatch.decode((await s2.get('ten', '?seq_num=0', proto)).body), {
      longs: Number,
    });
    expect(all.records).toHaveLength(10);
    expect(all.tail).toEqual({ seqNum: 10, timestamp: 19 });
    const none = await s2.get('ten', '?seq_num=0&count=0', proto);
    expect([none.status, none.headers['content-type'], none.body.length]).toEqual([200, 'application/protobuf', 0]);
    const refused = await s2.get('ten', '?seq_num=11', proto);
    expect([refused.headers['content-type'], outcome(refused)]).toEqual(['application/json', [416, { tail: TEN }]]);
  });

  test('to HEAD have no body', async () => {
    const head = await call(server.port, { method: 'HEAD', path: s2.path('ten', '?seq_num=0'), headers: s2.headers() });
    expect([head.status, head.body.length]).toEqual([200, 0]);
    const events = s2.headers({ accept: 'text/event-stream' });
    const sse = await call(server.port, { method: 'HEAD', path: s2.path('ten', '?seq_num=0'), headers: events });
    expect([sse.status, sse.body.length]).toEqual([200, 0]);
  });
});

describe('which fault wins', () => {
  const bad = { 's2-format': 'nonsense' };
  const get = (path: string, headers: Record<string, string>) => call(server.port, { method: 'GET', path, headers });

  test.each(['', '/tail'])(
    'the basin, the path, the query, the headers, the bounds, then what is there: %s',
    async (end) => {
      const authorization = `Bearer ${server.token}`;
      const codes = [
        await get(`/v1/streams/%ff/records${end}?seq_num=x`, { authorization, 's2-basin': 'NO' }),
        await get(`/v1/streams/%ff/records${end}?seq_num=x&basin=other-basin`, s2.headers(bad)),
        await get(`/v1/streams/%ff/records${end}?seq_num=x`, s2.headers(bad)),
      ].map((answer) => codeOf(outcome(answer)));
      expect(codes).toEqual([
        [400, 'bad_header'],
        [400, 'bad_header'],
        [400, 'bad_path'],
      ]);
    },
  );

  test('the query, the headers, the bounds, then what is there', async () => {
    const contradiction = '?seq_num=0&timestamp=0';
    const codes = [
      await s2.read('missing', `${contradiction}&wait=x`, bad),
      await s2.read('missing', contradiction, bad),
      await s2.read('missing', contradiction, { 's2-stream-config': 'no' }),
      await s2.read('missing', contradiction, { 's2-encryption-key': '' }),
      await s2.read('missing', contradiction),
      await s2.read('missing', '?seq_num=0'),
    ].map(codeOf);
    expect(codes).toEqual([
      [400, 'bad_query'],
      [400, 'bad_header'],
      [400, 'bad_header'],
      [400, 'bad_header'],
      [422, 'invalid'],
      [404, 'stream_not_found'],
    ]);
    const nowhere = new RecordsClient(server, 'no-such-basin');
    expect(codeOf(await nowhere.read('missing', '?seq_num=0'))).toEqual([404, 'basin_not_found']);
    expect(codeOf(await nowhere.tail('missing'))).toEqual([404, 'basin_not_found']);
  });

  test('the tail looks at none of the headers of reads', async () => {
    const path = `${s2.path('ten')}/tail`;
    const headers = s2.headers({ ...bad, 's2-encryption-key': '', 's2-stream-config': 'no' });
    expect(outcome(await get(path, headers))).toEqual([200, { tail: TEN }]);
  });
});
