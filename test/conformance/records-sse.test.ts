/** Reads over server-sent events: their events, how they follow, resume and end. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { codeOf, type JsonBatch, RecordsClient, type SseEvent, type SseStream } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: RecordsClient;
const DONE: SseEvent = { event: 'message', id: undefined, data: '[DONE]' };

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  // Ten records of 9 bytes metered, at 10 to 19 ms, in three batches.
  for (const [from, to] of [
    [0, 4],
    [4, 5],
    [5, 10],
  ] as const) {
    const records = Array.from({ length: to - from }, (_, k) => ({ body: String(from + k), timestamp: 10 + from + k }));
    expect((await s2.append('ten', { records }))[0]).toBe(200);
  }
});

afterAll(async () => {
  await server.stop();
});

const batchOf = (event: SseEvent | undefined): JsonBatch => {
  expect(event?.event).toBe('batch');
  return JSON.parse(event?.data ?? '') as JsonBatch;
};
const bodiesOf = (events: readonly SseEvent[]) =>
  events.filter(({ event }) => event === 'batch').flatMap((event) => batchOf(event).records.map(({ body }) => body));

/** The next event, which must be a ping. */
async function ping(stream: SseStream): Promise<unknown> {
  const event = await stream.next();
  expect([event?.event, event?.id]).toEqual(['ping', undefined]);
  const { timestamp, tail } = JSON.parse(event?.data ?? '') as { timestamp: number; tail: unknown };
  expect(Math.abs(timestamp - Date.now())).toBeLessThan(60_000);
  return tail;
}

async function refusal(stream: string, query: string, headers = {}) {
  const answer = await s2.get(stream, query, { accept: 'text/event-stream', ...headers });
  expect(answer.headers['content-type']).toBe('application/json');
  return [answer.status, JSON.parse(answer.body.toString())] as const;
}

describe('bounded', () => {
  test('batches, then [DONE]; ids count records and bytes', async () => {
    const stream = await s2.sse('ten', '?seq_num=0&until=99');
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    const events = await stream.rest();
    expect(events.at(-1)).toEqual(DONE);
    const batches = events.slice(0, -1).map((event) => [event.id, batchOf(event).records.at(-1)?.seq_num]);
    expect(batches.at(-1)).toEqual(['9,10,90', 9]);
    for (const [id, last] of batches) expect(id).toBe(`${last},${Number(last) + 1},${9 * (Number(last) + 1)}`);
    expect(bodiesOf(events)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  test('the batch that ends at the tail says so, and no other', async () => {
    const events = await (await s2.sse('ten', '?seq_num=0&until=99')).rest();
    const tails = events.slice(0, -1).map((event) => batchOf(event).tail);
    expect(tails.at(-1)).toEqual({ seq_num: 10, timestamp: 19 });
    expect(tails.slice(0, -1).every((tail) => tail === undefined)).toBe(true);
  });

  test.each([
    ['?seq_num=2&count=3', ['2', '3', '4'], '4,3,27'],
    ['?seq_num=0&bytes=26', ['0', '1'], '1,2,18'],
    ['?timestamp=18&until=19', ['8'], '8,1,9'],
    ['?tail_offset=2&count=5', ['8', '9'], '9,2,18'],
    ['?seq_num=0&bytes=8', [], undefined],
    ['?seq_num=0&until=10', [], undefined],
  ])('%s', async (query, bodies, id) => {
    const events = await (await s2.sse('ten', query)).rest();
    expect([bodiesOf(events), events.at(-2)?.id, events.at(-1)]).toEqual([bodies, id, DONE]);
  });

  test.each(['count=0', 'bytes=0', 'count=0&wait=60'])('%s is [DONE] at once, wherever it starts', async (zero) => {
    for (const start of ['', 'seq_num=0', 'seq_num=10', 'seq_num=99', 'timestamp=99']) {
      expect(await (await s2.sse('ten', `?${start}&${zero}`)).rest()).toEqual([DONE]);
    }
  });

  test('without bounds and without a wait it ends at the tail', async () => {
    const events = await (await s2.sse('ten', '?seq_num=8&wait=0')).rest();
    expect([bodiesOf(events), events.at(-1)]).toEqual([['8', '9'], DONE]);
    expect(await (await s2.sse('ten', '?wait=0')).rest()).toEqual([DONE]);
  });

  test('in base64 when the header says so', async () => {
    const events = await (await s2.sse('ten', '?seq_num=9&count=1', { 's2-format': 'base64' })).rest();
    expect(bodiesOf(events)).toEqual([Buffer.from('9').toString('base64')]);
  });

  test('large records come in batches of 1 MiB, thousands in batches of 1,000', async () => {
    const records = Array.from({ length: 900 }, () => ({ body: 'x'.repeat(1_000) }));
    for (let i = 0; i < 3; i++) expect((await s2.append('large', { records }))[0]).toBe(200);
    const events = await (await s2.sse('large', '?seq_num=0&count=9999')).rest();
    const sizes = events.slice(0, -1).map((event) => batchOf(event).records.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2_700);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000);
    expect(events.at(-2)?.id).toBe(`2699,2700,${2_700 * 1_008}`);
  });
});

describe('refused before it begins, as any other call', () => {
  const tail = { seq_num: 10, timestamp: 19 };
  test.each([
    'seq_num=11',
    'timestamp=20',
    'seq_num=10&count=5',
    'tail_offset=0&until=99',
    'seq_num=99&clamp=true&count=1',
  ])('?%s is 416', async (query) => {
    expect(await refusal('ten', `?${query}`)).toEqual([416, { tail }]);
  });

  test('faults of the call and of what it names', async () => {
    expect(codeOf(await refusal('missing', '?seq_num=0'))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await refusal('ten', '?seq_num=x'))).toEqual([400, 'bad_query']);
    expect(codeOf(await refusal('ten', '?seq_num=0&timestamp=0'))).toEqual([422, 'invalid']);
    expect(codeOf(await refusal('ten', '?seq_num=0', { 's2-format': 'x' }))).toEqual([400, 'bad_header']);
    const ids = ['', 'x', '1', '1,2', '1,2,-3', '1,2,18446744073709551616'];
    for (const id of ids) {
      expect(codeOf(await refusal('ten', '?seq_num=0&timestamp=0', { 'last-event-id': id }))).toEqual([
        400,
        'bad_header',
      ]);
    }
  });

  test('only SSE looks at Last-Event-ID, and only the first entry of Accept makes it SSE', async () => {
    expect((await s2.batch('ten', '?seq_num=9', { 'last-event-id': 'nonsense' })).records).toHaveLength(1);
    const answer = await s2.get('ten', '?seq_num=9', { accept: 'application/json, text/event-stream' });
    expect(answer.headers['content-type']).toBe('application/json');
    const events = await s2.get('ten', '?seq_num=9&count=1', { accept: 'Text/Event-Stream;q=0.9, application/json' });
    expect(events.headers['content-type']).toBe('text/event-stream');
  });
});

describe('following', () => {
  test('a ping with the tail at once, then what comes, in order', async () => {
    const first = await s2.texts('live', 'a');
    const stream = await s2.sse('live', '?seq_num=0');
    expect(batchOf(await stream.next())).toMatchObject({ records: [{ body: 'a' }], tail: first.tail });
    expect(await ping(stream)).toEqual(first.tail);
    const second = await s2.texts('live', 'b', 'c');
    const next = await stream.next();
    expect([next?.id, batchOf(next)]).toMatchObject([
      '2,3,27',
      { records: [{ body: 'b' }, { body: 'c' }], tail: second.tail },
    ]);
    await s2.texts('live', 'd');
    expect((await stream.next())?.id).toBe('3,4,36');
    stream.destroy();
  });

  test('from the tail, clamped or by default, the ping comes first', async () => {
    const { tail } = await s2.texts('level', 'a');
    for (const query of ['', '?seq_num=99&clamp=true', '?timestamp=9999999999999&clamp=true', '?tail_offset=0']) {
      const stream = await s2.sse('level', query);
      expect(await ping(stream)).toEqual(tail);
      stream.destroy();
    }
  });

  test('many followers get the same', async () => {
    await s2.texts('many', 'first');
    const streams = await Promise.all(
      ['raw', 'base64', 'raw', 'raw'].map((format) =>
        s2.sse('many', '?seq_num=0&count=4&wait=60', { 's2-format': format }),
      ),
    );
    await Promise.all(
      streams.map(async (stream) => {
        batchOf(await stream.next());
        await ping(stream);
      }),
    );
    await s2.texts('many', 'x', 'y', 'z');
    const bodies = await Promise.all(streams.map(async (stream) => bodiesOf(await stream.rest())));
    const base64 = ['x', 'y', 'z'].map((text) => Buffer.from(text).toString('base64'));
    expect(bodies).toEqual([['x', 'y', 'z'], base64, ['x', 'y', 'z'], ['x', 'y', 'z']]);
  });

  test('a client that goes away is let go, and others go on', async () => {
    await s2.texts('leave', 'a');
    const gone = await s2.sse('leave');
    const stays = await s2.sse('leave');
    await Promise.all([ping(gone), ping(stays)]);
    gone.destroy();
    await s2.texts('leave', 'b');
    expect(batchOf(await stays.next()).records).toMatchObject([{ body: 'b' }]);
    stays.destroy();
  });
});

describe('following within bounds', () => {
  test('bounds hold over the whole session: a live batch is cut, and the session ends', async () => {
    await s2.texts('cut', 'a');
    const stream = await s2.sse('cut', '?seq_num=0&count=3&wait=60');
    batchOf(await stream.next());
    await ping(stream);
    await s2.texts('cut', 'b', 'c', 'd');
    const events = await stream.rest();
    expect([bodiesOf(events), events.at(-1)]).toEqual([['b', 'c'], DONE]);
  });

  test('bytes that do not hold the next live record end the session', async () => {
    await s2.texts('bytes', 'a');
    const stream = await s2.sse('bytes', '?seq_num=0&bytes=20&wait=60');
    batchOf(await stream.next());
    await ping(stream);
    await s2.texts('bytes', 'four');
    expect(await stream.rest()).toEqual([DONE]);
  });

  test('until ends it with the first record that has passed it', async () => {
    await s2.append('until', { records: [{ timestamp: 5 }] });
    const stream = await s2.sse('until', '?seq_num=0&until=7&wait=60');
    batchOf(await stream.next());
    await ping(stream);
    await s2.append('until', { records: [{ timestamp: 6 }] });
    expect(batchOf(await stream.next()).records).toHaveLength(1);
    await s2.append('until', { records: [{ timestamp: 7 }] });
    expect(await stream.rest()).toEqual([DONE]);
  });

  test('the wait begins anew with data, and ends with [DONE]', async () => {
    await s2.texts('wait', 'a');
    const stream = await s2.sse('wait', '?seq_num=0&wait=2');
    batchOf(await stream.next());
    await ping(stream);
    await s2.texts('wait', 'b');
    batchOf(await stream.next());
    const events = await stream.rest();
    expect(events.at(-1)).toEqual(DONE);
    expect(bodiesOf(events)).toEqual([]);
  });
});

describe('resuming', () => {
  const BOUNDS = '?timestamp=11&until=19&count=8&bytes=72';

  test('twice is one read, ids included', async () => {
    const whole = await (await s2.sse('ten', BOUNDS)).rest();
    const seen: (readonly [number, string | undefined])[] = [];
    const ids = new Map<number, string | undefined>();
    let lastEventId: string | undefined;
    for (const count of [3, 2, 99]) {
      const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
      const resumed = await (await s2.sse('ten', BOUNDS, headers)).rest();
      expect(resumed.at(-1)).toEqual(DONE);
      // The client takes some records of what it got, as if the connection had been lost there.
      let taken = 0;
      for (const event of resumed.slice(0, -1)) {
        if (taken >= count) break;
        for (const { seq_num, body } of batchOf(event).records) seen.push([seq_num, body]);
        taken += batchOf(event).records.length;
        lastEventId = event.id;
        ids.set(batchOf(event).records.at(-1)?.seq_num ?? -1, event.id);
      }
    }
    const expected = whole
      .slice(0, -1)
      .flatMap((event) => batchOf(event).records.map((one) => [one.seq_num, one.body]));
    expect(seen).toEqual(expected);
    for (const [seq, id] of ids) expect(id).toBe(`${seq},${seq},${9 * seq}`);
    expect(lastEventId).toBe('8,8,72');
    expect(await (await s2.sse('ten', BOUNDS, { 'last-event-id': '8,8,72' })).rest()).toEqual([DONE]);
  });

  test('an id overrides whatever start there is', async () => {
    for (const query of ['?seq_num=0&count=5', '?timestamp=10&count=5', '?tail_offset=9&count=5', '?count=5']) {
      const events = await (await s2.sse('ten', query, { 'last-event-id': '6,3,27' })).rest();
      expect([bodiesOf(events), events.at(-2)?.id]).toEqual([['7', '8'], '8,5,45']);
    }
  });

  test('a bound that is used up is [DONE], at the tail and beyond it too', async () => {
    for (const id of ['4,5,45', '9,99,99', '99,5,0', '18446744073709551615,5,45', '4,18446744073709551615,0']) {
      expect(await (await s2.sse('ten', '?seq_num=0&count=5', { 'last-event-id': id })).rest()).toEqual([DONE]);
    }
    expect(await (await s2.sse('ten', '?seq_num=0&bytes=45', { 'last-event-id': '4,5,45' })).rest()).toEqual([DONE]);
  });

  test('else the rules of 416 hold', async () => {
    const tail = { seq_num: 10, timestamp: 19 };
    const resumed = (query: string, id: string) => refusal('ten', query, { 'last-event-id': id });
    expect(await resumed('?seq_num=0&count=50', '9,10,90')).toEqual([416, { tail }]);
    expect(await resumed('?seq_num=0', '10,11,99')).toEqual([416, { tail }]);
    expect(await resumed('?seq_num=0', '18446744073709551615,1,9')).toEqual([416, { tail }]);
  });

  test('totals stop at the largest number', async () => {
    const id = `8,${2n ** 64n - 1n},${2n ** 64n - 5n}`;
    const events = await (await s2.sse('ten', '?until=99', { 'last-event-id': id })).rest();
    expect(events.at(-2)?.id).toBe(`9,${2n ** 64n - 1n},${2n ** 64n - 1n}`);
  });
});

describe('ending', () => {
  test('a stream that is deleted ends its followers with an error event, and no [DONE]', async () => {
    await s2.texts('deleted', 'a');
    const stream = await s2.sse('deleted', '?seq_num=0');
    batchOf(await stream.next());
    await ping(stream);
    const path = '/v1/streams/deleted';
    const answer = await call(server.port, { method: 'DELETE', path, headers: s2.headers() });
    expect(answer.status).toBe(202);
    const events = await stream.rest();
    const last = events.at(-1);
    expect(last?.event).toBe('error');
    expect(JSON.parse(last?.data ?? '')).toMatchObject({ code: 'stream_deletion_pending' });
  });

  test('a server that stops says so, and ends with the error that makes clients reconnect', async () => {
    const own = await startServer({ args: ['--shutdown-timeout', '1s'] });
    const client = new RecordsClient(own);
    await client.texts('stop', 'a');
    const stream = await client.sse('stop', '?tail_offset=0');
    await ping(stream);
    const { tail } = await client.texts('stop', 'b');
    batchOf(await stream.next());
    const stopped = own.stop();
    const events = await stream.rest();
    expect(events.map(({ event }) => event)).toEqual(['ping', 'error']);
    expect(JSON.parse(events[0]?.data ?? '')).toMatchObject({ tail });
    expect(JSON.parse(events[1]?.data ?? '')).toMatchObject({ code: 'server_draining' });
    expect(await stopped).toMatchObject({ code: 0 });
  });
});
