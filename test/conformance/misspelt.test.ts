/**
 * What is misspelt is refused, with the nearest name: a parameter that is ignored changes what a call does, and nothing says
 * so. Every route of the table is called, so a new one is tested by itself.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { allRoutes, type RouteDeps } from '../../src/http/routes/all-routes.ts';
import { ACCESS_ROWS, otlpBody } from '../support/access-rows.ts';
import { EXPORT, encodeOtlp, framed, openCall } from '../support/grpc-call.ts';
import { type Call, type CallResponse, call } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { send } from '../support/otlp-send.ts';
import { codeOf, makeBasin, outcome, type RecordsClient } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

/** The handlers are not called, so nothing below them is needed. */
const GROUPS = allRoutes({} as RouteDeps);
const ROUTES = GROUPS.flatMap(({ takesUnknown, routes }) => routes.map((route) => ({ ...route, takesUnknown })));
const STRICT = ROUTES.filter(({ takesUnknown, query }) => takesUnknown !== true && query !== 'any');
const LENIENT = ROUTES.filter(({ takesUnknown, path }) => takesUnknown === true && !path.includes('profiles'));
const BASIN = 'misspelt';

let server: TestServer;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  s2 = await makeBasin(server, BASIN, { create_stream_on_append: true, otlp_default_stream: 'all' });
  await s2.texts('some', 'x');
});

afterAll(async () => {
  await server.stop();
});

function ask(method: string, path: string, query: string, headers: Record<string, string> = {}): Promise<CallResponse> {
  const filled = path.replace('{basin}', BASIN).replace('{stream}', 'some').replace('{id}', 'nothing');
  const all = { authorization: `Bearer ${server.token}`, 's2-basin': BASIN, ...headers };
  const sent: Call = { method, path: filled + query, headers: all };
  return call(server.port, sent);
}

const messageOf = (answer: CallResponse): string => (JSON.parse(answer.body.toString()) as { message: string }).message;

test('every route says what it takes, and only data of senders, probes of health and links to the page may say anything', () => {
  const others = ROUTES.filter((route) => !STRICT.includes(route)).map(({ path }) => path);
  expect(others.filter((path) => !/\/v1\/(logs|traces|metrics|traces\/otlp)$|profiles$/.test(path)).sort()).toEqual([
    '/',
    '/assets/{file}',
    '/dashboard',
    '/health',
    '/ping',
    '/readyz',
  ]);
});

// First: of one sender only so many causes of warnings are told apart in a minute.
describe('data of senders', () => {
  test.each(LENIENT.map(({ path }) => path))('is taken at %s, whatever is misspelt', async (path) => {
    const signal = (['logs', 'traces', 'metrics'] as const).find((each) => path.includes(`/${each}`)) ?? 'logs';
    const body = JSON.stringify(otlpBody(signal, 'sent'));
    const headers = { 's2-basin': BASIN, 's2-stream': 'x' };
    expect(await send(server, signal, body, { path: `${path}?basn=other`, headers })).toMatchObject({ status: 200 });
  });

  test.each([
    ['parameter', /no query parameter \\"basn\\" here: did you mean basin\? \(the request is taken without it\)/],
    ['header', /there is no header \\"s2-stream\\": did you mean s2-stream-config\?/],
  ])('leaves a warning about its %s', async (_what, warning) => {
    while (!warning.test(server.stderr())) await new Promise((resolve) => setImmediate(resolve));
  });

  test('is taken over gRPC', async () => {
    const grpc = await connectHttp2(server.grpcUrl ?? '');
    const headers = { authorization: `Bearer ${server.token}`, 's2-basin': BASIN, 's2-streem': 'x' };
    const { stream, end } = openCall(grpc, EXPORT.logs, headers);
    stream.end(framed(encodeOtlp('logs', otlpBody('logs', 'sent'))));
    expect((await end).headers['grpc-status']).toBe('0');
    await grpc.close();
  });

  test('is all there', async () => {
    const { records } = await s2.batch('sent', '?seq_num=0');
    expect(records).toHaveLength(LENIENT.length + 1);
  });
});

describe.each(STRICT.map((route) => [`${route.method} ${route.path}`, route] as const))('%s', (name, route) => {
  const { method, path, query } = route;
  const { once, many = [] } = query === undefined || query === 'any' ? { once: [] } : query;

  test('refuses a query parameter that nothing has', async () => {
    const answer = await ask(method, path, '?xyzzy_=1');
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_query']);
    expect(messageOf(answer)).toContain('"xyzzy_"');
  });

  test('names the nearest one of those that it has', async () => {
    for (const known of [...once, ...many]) {
      const answer = await ask(method, path, `?${known}x=1`);
      expect([codeOf(outcome(answer)), messageOf(answer)]).toEqual([
        [400, 'bad_query'],
        `there is no query parameter "${known}x" here: did you mean ${known}?`,
      ]);
    }
  });

  test('refuses one that is there twice', async () => {
    for (const known of once) {
      const answer = await ask(method, path, `?${known}=1&${known}=1`);
      expect([known, codeOf(outcome(answer))]).toEqual([known, [400, 'bad_query']]);
      expect(messageOf(answer)).toContain(`\`${known}\``);
    }
  });

  test('refuses headers of ours that do not exist', async () => {
    for (const [header, hint] of [
      ['S2-Basinn', 's2-basin'],
      ['s2-fromat', 's2-format'],
      ['S2-Encryption', 's2-encryption-key'],
      ['Tailrace-Next-Seq-Num', 's2-format'],
      ['s2-nothing-like-it', 's2-stream-config'],
    ] as const) {
      const answer = await ask(method, path, '', { [header]: 'x' });
      expect([header, codeOf(outcome(answer))]).toEqual([header, [400, 'bad_header']]);
      expect(messageOf(answer)).toContain(header.toLowerCase());
      expect(messageOf(answer)).toContain(hint);
    }
  });

  test('tells a stranger nothing of that', async () => {
    const isOpen = ACCESS_ROWS[name]?.needs === 'nothing';
    const answer = await ask(method, path, '?xyzzy_=1', { authorization: 'Bearer unknown' });
    expect(codeOf(outcome(answer))).toEqual(isOpen ? [400, 'bad_query'] : [401, 'authn']);
    if (!isOpen) expect(messageOf(answer)).not.toContain('xyzzy');
  });
});

test('nothing was done by the calls that were refused', async () => {
  expect(await s2.bodies('some')).toEqual(['x']);
  expect((await s2.control('GET', `/v1/basins/${BASIN}`))[0]).toBe(200);
});

describe('other ways to read and append', () => {
  const wrong = ['seqnum=0', 'xyzzy_=1', 'seq_num=0&seq_num=1', 'seq_num=0&filter=levle%3Dwarn'];

  test.each(wrong)('?%s is refused in server-sent events', async (query) => {
    const answer = await s2.get('some', `?${query}`, { accept: 'text/event-stream' });
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_query']);
  });

  test.each(wrong)('?%s is refused in an s2s session', async (query) => {
    const connection = new S2sConnection(server);
    const session = connection.read('some', query, { 's2-basin': BASIN });
    expect(await session.refusal()).toMatchObject({ status: 400, json: { code: 'bad_query' } });
    connection.close();
  });

  test.each([...wrong, 'stream_id=1&stream_id=2', 'before_=1'])('?%s is refused on a WebSocket', async (query) => {
    const url = `ws://127.0.0.1:${server.port}${s2.path('some', `?${query}`)}`;
    const reader = new Reader(url, 'view.json', { headers: s2.headers() });
    expect(await reader.until('error')).toMatchObject({ code: 'bad_query' });
    expect((await reader.ended).code).toBe(4400);
  });

  test.each([{ 's2-fromat': 'raw' }, { 'tailrace-view': 'text' }, { 's2-format': 'bas64' }])(
    'the headers %j are refused on a WebSocket',
    async (headers) => {
      const url = `ws://127.0.0.1:${server.port}${s2.path('some', '?seq_num=0')}`;
      const reader = new Reader(url, [], { headers: s2.headers(headers) });
      const { code, message } = await reader.until('error');
      expect([code, message]).toEqual(['bad_header', expect.stringContaining(Object.keys(headers)[0] ?? '')]);
      expect((await reader.ended).code).toBe(4400);
    },
  );

  test('a key that is no base64 is refused on a WebSocket for an encrypted stream', async () => {
    const encrypted = await makeBasin(server, 'misspelt-key', {
      create_stream_on_append: true,
      stream_cipher: 'aes-256-gcm',
    });
    const key = Buffer.alloc(32, 1).toString('base64');
    await encrypted.append('safe', { records: [{ body: 'x' }] }, { 's2-encryption-key': key });
    const end = async (shown: string) => {
      const headers = encrypted.headers({ 's2-encryption-key': shown });
      const url = `ws://127.0.0.1:${server.port}${encrypted.path('safe', '?seq_num=0&count=1')}`;
      return (await new Reader(url, [], { headers }).ended).code;
    };
    expect([await end(key), await end(`${key.slice(0, 20)}!${key.slice(20, 43)}`)]).toEqual([1000, 4400]);
  });

  test('a ticket is refused where it opens nothing', async () => {
    const answer = await s2.get('some', '?seq_num=0&ticket=tkt_1');
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_query']);
  });
});

test('probes of health may say anything', async () => {
  for (const path of ['/health', '/ping', '/readyz']) expect((await ask('GET', path, '?at=1&at=2')).status).toBe(200);
});
