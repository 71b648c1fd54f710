/**
 * The views of unary reads and of server-sent events: the same rows, lines and requests as WebSocket readers get, and where
 * a later read goes on.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CallResponse } from '../support/http-call.ts';
import { encodeJsonFixture } from '../support/otlp-items.ts';
import { send } from '../support/otlp-send.ts';
import { codeOf, makeBasin, outcome, RecordsClient, type SseEvent } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { type Got, Reader } from '../support/socket-reader.ts';

const MiB = 1024 * 1024;
const LARGE = 'views-large';
const ENCRYPTED = 'views-encrypted';
const KEY = { 's2-encryption-key': Buffer.alloc(32, 7).toString('base64') };
const NEXT = 'tailrace-next-seq-num';
/** In the stream `mixed`: two logs, one record that is not OTLP, two spans, one metric. */
const MIXED = 6;
const SUBPROTOCOLS = { message: 'view.json', text: 'view.text', 'otlp-json': 'otlp.json', otlp: 'otlp.proto' } as const;
/** What a batch of each view has its records in. */
const CONTENT = { message: 'rows', text: 'lines', 'otlp-json': 'requests' } as const;
type TextView = keyof typeof CONTENT;
const TEXT_VIEWS = Object.keys(CONTENT) as readonly TextView[];

let server: TestServer;
let s2: RecordsClient;
/** Each of them: a client of the basin, a stream in it, and headers that a reader of it sends. */
let streams: Readonly<Record<string, readonly [RecordsClient, string, Record<string, string>]>>;

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  await sendLogs('mixed', 2);
  await s2.texts('mixed', 'not OTLP');
  const spans = ['3', '4'].map((digit) => ({
    traceId: digit.repeat(32),
    spanId: digit.repeat(16),
    name: `span ${digit}`,
    startTimeUnixNano: '1700000000000000000',
    endTimeUnixNano: '1700000000005000000',
  }));
  await accepted('traces', { resourceSpans: [{ resource: resourceOf('mixed'), scopeSpans: [{ spans }] }] });
  const metrics = [{ name: 'heap', gauge: { dataPoints: [{ asInt: '5' }] } }];
  await accepted('metrics', { resourceMetrics: [{ resource: resourceOf('mixed'), scopeMetrics: [{ metrics }] }] });
  const config = { create_stream_on_append: true, otlp_default_stream: 'all' };
  const large = await makeBasin(server, LARGE, { ...config, large_items_max: 4 * MiB });
  await sendLogs('big', 3, 'x "quoted" 日本語 😀\n'.repeat(70_000), LARGE);
  const encrypted = await makeBasin(server, ENCRYPTED, { ...config, stream_cipher: 'aes-256-gcm' });
  const headers = [[base64('otel.signal'), base64('logs')]];
  for (const n of ['first', 'second']) {
    const body = encodeJsonFixture('logs', Buffer.from(JSON.stringify(logsOf('safe', 1, n)))).toString('base64');
    const sent = await encrypted.append('safe', { records: [{ headers, body }] }, { ...KEY, 's2-format': 'base64' });
    expect(sent[0]).toBe(200);
  }
  streams = {
    'several signals': [s2, 'mixed', {}],
    'large items': [large, 'big', {}],
    'an encrypted stream': [encrypted, 'safe', KEY],
  };
});

afterAll(async () => {
  await server.stop();
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const resourceOf = (stream: string) => ({
  attributes: [
    { key: 's2.stream', value: { stringValue: stream } },
    { key: 'service.name', value: { stringValue: 'shop' } },
  ],
});

/** One request of so many logs; the last but one has the long text. */
function logsOf(stream: string, count: number, long = 'short'): object {
  const logRecords = Array.from({ length: count }, (_, n) => ({
    timeUnixNano: String(1_700_000_000_000_000_000n + BigInt(n)),
    severityNumber: n % 2 === 0 ? 9 : 17,
    body: { stringValue: `record ${n} ${n === Math.max(0, count - 2) ? long : ''}` },
  }));
  return { resourceLogs: [{ resource: resourceOf(stream), scopeLogs: [{ logRecords }] }] };
}

async function sendLogs(stream: string, count: number, long?: string, basin = 'telemetry'): Promise<void> {
  await accepted('logs', logsOf(stream, count, long), basin);
}

async function accepted(signal: 'logs' | 'traces' | 'metrics', body: object, basin = 'telemetry'): Promise<void> {
  const options = { headers: { 's2-basin': basin } };
  expect(await send(server, signal, JSON.stringify(body), options)).toEqual({ status: 200, rejected: 0, message: '' });
}

/** All frames that a WebSocket reader gets of a stream up to its tail. */
async function socketFrames(client: RecordsClient, stream: string, view: keyof typeof SUBPROTOCOLS, more: SocketMore) {
  const url = `ws://127.0.0.1:${server.port}${client.path(stream, `?seq_num=0&until=9999999999999${more.query ?? ''}`)}`;
  const reader = new Reader(url, SUBPROTOCOLS[view], { headers: client.headers(more.headers), maxPayload: 0 });
  await reader.ended;
  return reader.got;
}

interface SocketMore {
  readonly query?: string;
  readonly headers?: Record<string, string>;
}

function contentOf(frames: readonly Got[], view: TextView): readonly unknown[] {
  return frames.flatMap((frame) => (Buffer.isBuffer(frame) ? [] : ((frame[CONTENT[view]] as unknown[]) ?? [])));
}

/** Every answer of unary reads of `count` records each, until the tail. */
async function pages(client: RecordsClient, stream: string, query: string, headers = {}): Promise<CallResponse[]> {
  const answers: CallResponse[] = [];
  for (let next = '0'; ; ) {
    const answer = await client.get(stream, `?seq_num=${next}${query}`, headers);
    if (answer.status === 416) return answers;
    expect([answer.status, answer.body.length < 200 ? answer.body.toString() : '']).toEqual([200, expect.anything()]);
    expect(Number(answer.headers[NEXT])).toBeGreaterThan(Number(next));
    answers.push(answer);
    next = String(answer.headers[NEXT]);
  }
}

const linesOf = ({ body }: CallResponse): string[] => body.toString().split('\n').slice(0, -1);
const jsonLines = (answer: CallResponse): unknown[] => linesOf(answer).map((line) => JSON.parse(line));
const dataOf = (events: readonly SseEvent[]): Record<string, unknown>[] =>
  events.filter(({ event }) => event === 'batch').map(({ data }) => JSON.parse(data) as Record<string, unknown>);

describe.each(['several signals', 'large items', 'an encrypted stream'])('of %s', (name) => {
  const target = () => streams[name] as (typeof streams)[string];

  test('rows come as one object, and one to a line where that is asked for', async () => {
    const [client, stream, headers] = target();
    const rows = contentOf(await socketFrames(client, stream, 'message', { headers }), 'message');
    expect(rows.length).toBeGreaterThan(0);
    for (const count of ['', '&count=1', '&count=2']) {
      const answers = await pages(client, stream, `&view=message${count}`, headers);
      const bodies = answers.map(({ body }) => JSON.parse(body.toString()) as { rows: unknown[] });
      expect(bodies.flatMap((body) => body.rows)).toEqual(rows);
      expect(answers[0]?.headers['content-type']).toBe('application/json');
      expect(bodies.at(-1)).toMatchObject({ next: { seqNum: rows.length }, tail: { seqNum: rows.length } });
      const asLines = await pages(client, stream, `&view=message${count}`, {
        ...headers,
        accept: 'application/x-ndjson',
      });
      expect(asLines.flatMap(jsonLines)).toEqual(rows);
      expect(asLines[0]?.headers['content-type']).toBe('application/x-ndjson');
    }
  });

  test('text comes as plain lines', async () => {
    const [client, stream, headers] = target();
    const lines = contentOf(await socketFrames(client, stream, 'text', { headers }), 'text');
    for (const count of ['', '&count=1']) {
      const answers = await pages(client, stream, `&view=text${count}`, headers);
      expect(answers.flatMap(linesOf)).toEqual(lines);
      expect(answers[0]?.headers['content-type']).toBe('text/plain; charset=utf-8');
    }
  });

  test('OTLP/JSON comes as the lines that the file receiver of a Collector reads', async () => {
    const [client, stream, headers] = target();
    for (const count of ['', '&count=1']) {
      const answers = await pages(client, stream, `&view=otlp-json${count}`, headers);
      const requests: unknown[] = [];
      for (const frame of await socketFrames(client, stream, 'otlp-json', { headers, query: '' })) {
        requests.push(...contentOf([frame], 'otlp-json'));
      }
      if (count === '') expect(answers.flatMap(jsonLines)).toEqual(requests);
      else expect(itemsIn(answers.flatMap(jsonLines))).toEqual(itemsIn(requests));
      expect(answers[0]?.headers['content-type']).toBe('application/x-ndjson');
    }
  });

  test('OTLP comes as one message of one signal, which any receiver takes', async () => {
    const [client, stream, headers] = target();
    const frames = await socketFrames(client, stream, 'otlp', { headers });
    const binary = frames.filter((frame): frame is Buffer => Buffer.isBuffer(frame));
    const answers = (await pages(client, stream, '&view=otlp', headers)).filter(({ body }) => body.length > 0);
    expect(Buffer.concat(answers.map(({ body }) => body)).equals(Buffer.concat(binary))).toBe(true);
    for (const { body, headers: got } of answers) {
      expect(got['content-type']).toBe('application/x-protobuf');
      const signal = got['tailrace-signal'] as 'logs';
      const again = await send(server, signal, body, { headers: { 's2-basin': LARGE } });
      expect(again).toEqual({ status: 200, rejected: 0, message: '' });
    }
    expect(answers.map(({ headers: got }) => got['tailrace-signal'])).toEqual(
      name === 'several signals' ? ['logs', 'traces', 'metrics'] : answers.map(() => 'logs'),
    );
  });

  test.each(TEXT_VIEWS)('events have the view %s, and resume within it', async (view) => {
    const [client, stream, headers] = target();
    const wanted = contentOf(await socketFrames(client, stream, view, { headers }), view);
    const query = `?seq_num=0&until=9999999999999&view=${view}`;
    const events = await (await client.sse(stream, query, headers)).rest();
    expect(contentOf(dataOf(events), view)).toEqual(wanted);
    expect(events.at(-1)?.data).toBe('[DONE]');
    const [first] = events;
    const later = await (await client.sse(stream, query, { ...headers, 'last-event-id': first?.id ?? '' })).rest();
    expect(later.map(({ id, data }) => [id, data])).toEqual(events.slice(1).map(({ id, data }) => [id, data]));
  });
});

/** Every log, span and metric in some requests. */
function itemsIn(requests: readonly unknown[]): unknown[] {
  const items: unknown[] = [];
  const look = (value: unknown, key: string): void => {
    if (key === 'logRecords' || key === 'spans' || key === 'metrics') items.push(...(value as unknown[]));
    else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) look(member, name);
    }
  };
  look(requests, '');
  return items;
}

describe('with a filter', () => {
  test.each([
    ['signal=traces', [3, 4], MIXED],
    ['level>=error', [1], MIXED],
    ['signal!=logs', [2, 3, 4, 5], MIXED],
    ['name=nothing', [], MIXED],
  ])('%s a unary read has the rows that are wanted, and where to go on', async (filter, seqNums, next) => {
    const query = `?seq_num=0&view=message&filter=${encodeURIComponent(filter)}`;
    const answer = await s2.get('mixed', query);
    const { rows } = JSON.parse(answer.body.toString()) as { rows: { seqNum: number }[] };
    expect(rows.map(({ seqNum }) => seqNum)).toEqual(seqNums);
    expect(answer.headers[NEXT]).toBe(String(next));
  });

  test('events have the rows that are wanted, in every view', async () => {
    for (const [view, count] of [
      ['message', 2],
      ['text', 2],
      ['otlp-json', 1],
    ] as const) {
      const query = `?seq_num=0&until=9999999999999&view=${view}&filter=signal%3Dtraces`;
      const events = await (await s2.sse('mixed', query)).rest();
      expect(contentOf(dataOf(events), view)).toHaveLength(count);
    }
  });

  test('large items come one to an event, each with the id of its own', async () => {
    const [large] = streams['large items'] as (typeof streams)[string];
    await sendLogs('two', 3, 'y'.repeat(1.2 * MiB), LARGE);
    const query = '?seq_num=0&until=9999999999999&view=message&filter=level%3Dinfo';
    const events = (await (await large.sse('two', query)).rest()).filter(({ event }) => event === 'batch');
    expect(
      events.map(({ id, data }) => [id?.split(',')[0], (JSON.parse(data) as { rows: object[] }).rows.length]),
    ).toEqual(expect.arrayContaining([['2', 1]]));
    expect(contentOf(dataOf(events), 'message')).toHaveLength(2);
  });

  test('a unary read of OTLP goes over other signals', async () => {
    const answer = await s2.get('mixed', '?seq_num=0&view=otlp&filter=signal%3Dmetrics');
    expect([answer.headers['tailrace-signal'], answer.headers[NEXT]]).toEqual(['metrics', String(MIXED)]);
  });
});

describe('where nothing is found', () => {
  test('a read that waited says where it is', async () => {
    const answer = await s2.get('mixed', `?seq_num=${MIXED}&wait=1&view=text`);
    expect([answer.status, answer.body.length, answer.headers[NEXT]]).toEqual([200, 0, String(MIXED)]);
  });

  test('a read for which the next record is too large says that it is where it was', async () => {
    const answer = await s2.get('mixed', '?seq_num=1&bytes=1&view=message');
    expect([outcome(answer), answer.headers[NEXT]]).toEqual([[200, { rows: [] }], '1']);
  });

  test('a read beyond the tail is refused as in S2', async () => {
    expect((await s2.get('mixed', '?seq_num=7&view=otlp')).status).toBe(416);
  });
});

describe('live', () => {
  test('events follow in a view, with pings in the words of its rows', async () => {
    await s2.texts('live', 'first');
    for (const [view, word] of [
      ['message', 'seqNum'],
      ['text', 'seq_num'],
    ] as const) {
      const events = await s2.sse('live', `?tail_offset=1&view=${view}`);
      const [first, ping] = [await events.next(), await events.next()];
      const { next } = JSON.parse(first?.data ?? '') as { next: Record<string, number> };
      expect(JSON.parse(ping?.data ?? '')).toMatchObject({ tail: { [word]: next[word] } });
      await s2.texts('live', `more ${view}`);
      expect((await events.next())?.data).toContain(`more ${view}`);
      events.destroy();
    }
  });

  test('the EventSource of a page resumes by itself, and loses and repeats nothing', async () => {
    const bodies: string[] = [];
    for (let n = 0; n < 5; n++) await s2.texts('page', `body ${n}`);
    // As the HTML standard has it: the same URL, and the id of the last event.
    for (let lastId: string | undefined; bodies.length < 5; ) {
      const headers: Record<string, string> = lastId === undefined ? {} : { 'last-event-id': lastId };
      const events = await s2.sse('page', '?seq_num=0&view=message&bytes=70', headers);
      const event = await events.next();
      lastId = event?.id;
      bodies.push(...contentOf(dataOf(event === undefined ? [] : [event]), 'message').map(bodyOf));
      events.destroy();
      if (event?.event !== 'batch') break;
    }
    expect(bodies).toEqual(Array.from({ length: 5 }, (_, n) => `body ${n}`));
  });
});

const bodyOf = (row: unknown): string => (row as { body: string }).body;

describe('a page', () => {
  const path = '/v1/streams/mixed/records?seq_num=0&until=9999999999999';

  async function ticket(): Promise<string> {
    const asked = { basin: 'telemetry', stream: 'mixed', operation: 'read' };
    const [status, body] = await s2.control('POST', '/v1/tickets', asked);
    expect(status).toBe(201);
    return (body as { ticket: string }).ticket;
  }

  test('opens a view with a ticket and a URL alone, once', async () => {
    const secret = await ticket();
    const open = () =>
      fetch(`${server.url}${path}&view=message&ticket=${secret}`, { headers: { accept: 'text/event-stream' } });
    const events = await open();
    expect([events.status, (await events.text()).includes('"spanId":"3333333333333333"')]).toEqual([200, true]);
    expect((await open()).status).toBe(401);
  });

  test('names the format of bytes in the URL, since it sends no headers', async () => {
    const [, batch] = await s2.read('mixed', '?seq_num=2&count=1&format=base64');
    expect(batch).toMatchObject({ records: [{ body: base64('not OTLP') }] });
    const answer = await fetch(`${server.url}${path}&format=base64&ticket=${await ticket()}`, {
      headers: { accept: 'text/event-stream' },
    });
    expect(await answer.text()).toContain(base64('not OTLP'));
  });

  test('opens a view over WebSocket with the same parameter', async () => {
    const url = `ws://127.0.0.1:${server.port}${path}`;
    const socket = async (more: string, protocol: string[]) => {
      const reader = new Reader(`${url}${more}`, protocol, { headers: s2.headers() });
      return [(await reader.ended).code, contentOf(reader.got, 'text').length];
    };
    expect(await socket('&view=text', [])).toEqual([1000, MIXED]);
    expect(await socket('&view=text', ['view.text'])).toEqual([1000, MIXED]);
    expect(await socket('&view=text', ['view.json'])).toEqual([4400, 0]);
    expect(await socket('&view=txt', [])).toEqual([4400, 0]);
  });
});

describe('a view that cannot be is refused', () => {
  test.each([
    ['?seq_num=0&view=mesage', {}, 'message'],
    ['?seq_num=0&view=', {}, 'one of raw, otlp, otlp-json, message, text'],
    ['?seq_num=0&view=text&view=text', {}, 'view'],
    ['?seq_num=0&view=otlp', { accept: 'text/event-stream' }, 'otlp-json'],
    ['?seq_num=0&format=bas64', {}, 'base64'],
  ])('%s with %j', async (query, headers, hint) => {
    const answer = await s2.get('mixed', query, headers);
    expect(codeOf(outcome(answer))[0]).toBe(400);
    expect(answer.body.toString()).toContain(hint);
  });

  test('for s2s sessions, whose frames are those of S2', async () => {
    const connection = new S2sConnection(server);
    const session = connection.read('mixed', 'seq_num=0&view=text');
    expect(await session.status).toBe(400);
    connection.close();
  });
});

test.each(TEXT_VIEWS)(
  'readers of many streams get the view %s as events too, with the name of the stream',
  async (view) => {
    const source = await s2.sseMany(`?stream=mixed&from=start&view=${view}`);
    let event = await source.next();
    while (event?.event === 'joined') event = await source.next();
    expect(event?.event).toBe('batch');
    expect(JSON.parse(event?.data ?? '')).toMatchObject({ stream: 'mixed', [CONTENT[view]]: expect.any(Array) });
    source.destroy();
  },
);
