/**
 * CORS: pages of configured origins may call every endpoint over both HTTP versions and read every response; other
 * pages are told nothing.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { allRoutes, type RouteDeps } from '../../src/http/routes/all-routes.ts';
import { type Call, type CallResponse, call, connectRaw } from '../support/http-call.ts';
import { answerOf, connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const APP = 'https://app.example';
const EVIL = 'https://evil.example';
const ROUTES = allRoutes({} as RouteDeps).flatMap(({ routes }) => routes);
/** A response without headers of the origin. */
const FOREIGN = [EVIL, 'null', 'http://app.example', `${APP}:8443`, `${APP}/`, '*'];
const READ = '/v1/streams/pages/records?seq_num=0&count=1';

type Send = (call: Call) => Promise<CallResponse>;

let server: TestServer;
let h2: Http2Connection;

beforeAll(async () => {
  const args = ['--cors-origin', `${APP.toUpperCase()}:443`, '--cors-origin', 'http://localhost:3000'];
  args.push('--memory-limit', '16MiB', '--wire-bytes-max', '32MiB');
  server = await startServer({ args });
  h2 = await connectHttp2(server.url);
  expect((await sendLog(overHttp1, {})).status).toBe(200);
});

afterAll(async () => {
  await h2.close();
  await server.stop();
});

const overHttp1: Send = (one) => call(server.port, one);
const overHttp2: Send = (one) => h2.call(one);
/** A request whose body never comes: it is refused by its length alone. */
const announcedOverHttp1: Send = (one) => overHttp1({ ...one, headers: { ...one.headers, expect: '100-continue' } });
const announcedOverHttp2: Send = (one) => answerOf(h2.open(one));
const PROTOCOLS: readonly [name: string, send: Send, announce: Send][] = [
  ['HTTP/1.1', overHttp1, announcedOverHttp1],
  ['HTTP/2', overHttp2, announcedOverHttp2],
];

describe.each(PROTOCOLS)('preflights over %s', (_name, send) => {
  const preflight = (path: string, origin: string, more: Record<string, string> = {}): Promise<CallResponse> =>
    send({ method: 'OPTIONS', path, headers: { origin, 'access-control-request-method': 'POST', ...more } });

  test('the preflight of every route is answered without a token, with the methods of its path', async () => {
    for (const { path, method } of ROUTES) {
      const { status, headers, body } = await preflight(path.replace(/[{}]/g, ''), APP, {
        'access-control-request-headers': 'authorization,content-type,x-my-own',
      });
      expect([path, status, body.length]).toEqual([path, 204, 0]);
      expect(headers).toMatchObject({
        'access-control-allow-origin': APP,
        'access-control-allow-headers': 'authorization,content-type,x-my-own',
        'access-control-max-age': '7200',
        vary: expect.stringMatching(/^Origin, Access-Control-Request-Headers\b/),
        'x-correlation-id': expect.any(String),
      });
      const methods = String(headers['access-control-allow-methods']).split(', ');
      expect(methods).toEqual(expect.arrayContaining([method, 'OPTIONS']));
      expect(headers['access-control-allow-credentials']).toBeUndefined();
    }
  });

  test('the allowed methods are only those of the path', async () => {
    const { headers } = await preflight('/v1/logs', APP);
    expect(headers['access-control-allow-methods']).toBe('POST, OPTIONS');
    const stream = await preflight('/v1/streams/a%2Fb', APP);
    expect(stream.headers['access-control-allow-methods']).toBe('GET, HEAD, PUT, PATCH, DELETE, OPTIONS');
    // A page that calls a wrong path can read why it is wrong.
    expect((await preflight('/nowhere', APP)).status).toBe(204);
  });

  test('the usual headers are allowed when none are requested, or nonsensical ones', async () => {
    for (const asked of [
      {},
      { 'access-control-request-headers': 'a b' },
      { 'access-control-request-headers': 'x'.repeat(1_025) },
    ]) {
      const allowed = String((await preflight('/v1/logs', APP, asked)).headers['access-control-allow-headers']);
      expect(allowed.split(', ')).toEqual(
        expect.arrayContaining(['content-type', 'authorization', 's2-basin', 'traceparent']),
      );
    }
    const longest = 'x'.repeat(1_024);
    const echoed = await preflight('/v1/logs', APP, { 'access-control-request-headers': longest });
    expect(echoed.headers['access-control-allow-headers']).toBe(longest);
  });

  test('a public page may reach a private address, when it asks', async () => {
    const asked = await preflight('/v1/logs', APP, { 'access-control-request-private-network': 'true' });
    expect(asked.headers['access-control-allow-private-network']).toBe('true');
    expect((await preflight('/v1/logs', APP)).headers['access-control-allow-private-network']).toBeUndefined();
  });

  test.each(FOREIGN)('the preflight of %s is refused like any request, on every route', async (origin) => {
    for (const { path } of ROUTES) {
      const { status, headers } = await preflight(path.replace(/[{}]/g, ''), origin);
      expect([path, status]).toEqual([path, 405]);
      expect([path, corsHeaders(headers)]).toEqual([path, []]);
      expect(headers.vary).toBe('Origin');
    }
    expect((await preflight('/nowhere', origin)).status).toBe(404);
  });
});

describe.each(PROTOCOLS)('responses over %s', (_name, send, announce) => {
  test('are readable by an exporter in a page that sends data', async () => {
    for (const origin of [APP, 'http://localhost:3000']) {
      const { status, headers } = await sendLog(send, { origin });
      expect([status, headers]).toMatchObject([200, readableBy(origin)]);
    }
    const { status, headers } = await sendLog(send, { origin: EVIL });
    expect([status, corsHeaders(headers), headers.vary]).toEqual([200, [], 'Origin']);
  });

  test('are readable when they are errors', async () => {
    const cases: [number, Call][] = [
      [401, { path: '/v1/logs', headers: json({ authorization: 'Bearer unknown' }), body: '{}' }],
      [400, { path: '/v1/logs', headers: json(), body: '{"' }],
      [404, { path: '/v1/log', headers: json(), body: '{}' }],
      [404, { method: 'GET', path: '/nowhere' }],
      [405, { method: 'GET', path: '/v1/logs' }],
      [400, { method: 'GET', path: READ, headers: { ...json(), 's2-basin': 'X' } }],
      [404, { method: 'GET', path: '/v1/basins/no-such-basin', headers: json() }],
    ];
    for (const [expected, one] of cases) {
      const { status, headers } = await send({ ...one, headers: { origin: APP, ...one.headers } });
      expect([one.path, status, headers]).toMatchObject([one.path, expected, readableBy(APP)]);
    }
  });

  test('are readable when a body is too large, and when there is no memory for it', async () => {
    for (const [expected, mebibytes] of [
      [413, 33],
      [503, 20],
    ] as const) {
      const headers = json({ 'content-length': String(mebibytes * 2 ** 20), origin: APP });
      const answer = await announce({ path: '/v1/logs', headers });
      expect([answer.status, answer.headers]).toMatchObject([expected, readableBy(APP)]);
    }
  });

  test('are readable when a token lacks permission', async () => {
    const issued = await send({ path: '/v1/access-tokens', headers: json(), body: narrow() });
    const { access_token: secret } = JSON.parse(issued.body.toString()) as { access_token: string };
    const headers = { authorization: `Bearer ${secret}`, origin: APP };
    const refused = await send({ method: 'GET', path: '/v1/basins', headers });
    expect([refused.status, refused.headers]).toMatchObject([403, readableBy(APP)]);
  });

  test.each([
    ['a page of records', { accept: 'application/json' }, 'application/json'],
    ['server-sent events', { accept: 'text/event-stream' }, 'text/event-stream'],
    ['an s2s session', { 'content-type': 's2s/proto' }, 's2s/proto'],
  ])('are readable: %s', async (_form, form, contentType) => {
    const headers = { ...json(), ...form, 's2-basin': 'telemetry', origin: APP };
    const answer = await send({ method: 'GET', path: READ, headers });
    expect([answer.status, answer.headers]).toMatchObject([200, { 'content-type': contentType, ...readableBy(APP) }]);
    const foreign = await send({ method: 'GET', path: READ, headers: { ...headers, origin: EVIL } });
    expect([foreign.status, corsHeaders(foreign.headers)]).toEqual([200, []]);
  });

  test('are readable for a backup, with the name of its file', async () => {
    const { status, headers } = await send({ method: 'GET', path: '/v1/backup', headers: { ...json(), origin: APP } });
    expect([status, headers]).toMatchObject([200, { 'content-disposition': expect.any(String), ...readableBy(APP) }]);
    expect(headers['access-control-expose-headers']).toContain('Content-Disposition');
  });

  test('are readable where a page goes on reading in a view', async () => {
    const path = `${READ}&view=message`;
    const headers = { ...json(), 's2-basin': 'telemetry', origin: APP };
    const answer = await send({ method: 'GET', path, headers });
    expect(answer.headers).toMatchObject({ 'tailrace-next-seq-num': expect.stringMatching(/^\d+$/) });
    expect(answer.headers['access-control-expose-headers']).toContain(
      'Tailrace-Next-Seq-Num, Tailrace-Next-Before, Tailrace-At-Start, Tailrace-Signal',
    );
  });

  test('without an Origin say only that a cache must separate origins', async () => {
    const read = await send({ method: 'GET', path: '/health' });
    expect([read.status, corsHeaders(read.headers), read.headers.vary]).toEqual([200, [], 'Origin']);
    const { status, headers } = await sendLog(send, {});
    expect([status, corsHeaders(headers), headers.vary]).toEqual([200, [], undefined]);
  });
});

test('a request with several Origin headers has no origin', async () => {
  const raw = await connectRaw(server.port);
  raw.send(`GET /health HTTP/1.1\r\nHost: x\r\nOrigin: ${APP}\r\nOrigin: ${APP}\r\nConnection: close\r\n\r\n`);
  await raw.closed;
  expect(raw.received()).toContain('200 OK');
  expect(raw.received().toLowerCase()).not.toContain('access-control');
});

test('sockets of readers open only for configured origins', async () => {
  const url = `${server.url.replace('http', 'ws')}/v1/streams/pages/records?seq_num=0&count=1`;
  const open = (origin: string) => new Reader(url, ['s2.json', `bearer.${server.token}`], { origin });
  expect(await open(APP).next()).toMatchObject({ type: 'hello' });
  for (const origin of FOREIGN) expect([origin, (await open(origin).refused).status]).toEqual([origin, 403]);
});

test('a refused page is named in the log, with the flag that lets it in', async () => {
  const asks = { 'access-control-request-method': 'POST' };
  const plain = await startServer();
  const { token } = plain;
  await call(plain.port, { method: 'OPTIONS', path: '/v1/logs', headers: { origin: EVIL, ...asks } });
  await new Reader(`${plain.url.replace('http', 'ws')}${READ}`, ['s2.json', `bearer.${token}`], { origin: APP })
    .refused;
  await plain.stop();
  expect(plain.stderr()).toMatch(/a page may not call this server.*--cors-origin https:\/\/evil\.example lets/);
  expect(plain.stderr()).toMatch(/refused a WebSocket.*--cors-origin https:\/\/app\.example lets/);
  const open = await startServer({ args: ['--no-auth'] });
  const refused = await call(open.port, { method: 'GET', path: '/v1/basins', headers: { origin: `${EVIL}:8443` } });
  await open.stop();
  expect([refused.status, refused.body.toString()]).toEqual([403, expect.stringContaining('--cors-origin')]);
  expect(open.stderr()).toMatch(/the Origin is foreign.*--cors-origin https:\/\/evil\.example:8443 lets/);
});

test('no page is told anything when no origin is configured', async () => {
  const plain = await startServer();
  const headers = { origin: APP, 'access-control-request-method': 'POST' };
  for (const { path } of ROUTES) {
    const answer = await call(plain.port, { method: 'OPTIONS', path: path.replace(/[{}]/g, ''), headers });
    expect([path, answer.status, corsHeaders(answer.headers)]).toEqual([path, 405, []]);
  }
  const health = await call(plain.port, { method: 'GET', path: '/health', headers: { origin: APP } });
  expect([health.status, corsHeaders(health.headers), health.headers.vary]).toEqual([200, [], undefined]);
  await plain.stop();
});

test('any origin may be allowed by the environment', async () => {
  const open = await startServer({ env: { TAILRACE_CORS_ORIGIN: '*' } });
  for (const origin of [EVIL, 'null', 'capacitor://localhost']) {
    const { status, headers } = await call(open.port, { method: 'OPTIONS', path: '/v1/traces', headers: { origin } });
    expect([status, headers['access-control-allow-origin']]).toEqual([204, origin]);
  }
  await open.stop();
});

describe('without tokens', () => {
  test('pages of configured origins are accepted, under names of this machine only', async () => {
    const open = await startServer({ args: ['--no-auth'], env: { TAILRACE_CORS_ORIGIN: `${APP},http://b.example` } });
    const cross = { 'sec-fetch-site': 'cross-site' };
    const send = async (method: string, headers: Record<string, string>) => {
      const answer = await call(open.port, { method, path: '/v1/basins', headers });
      return [answer.status, answer.headers['access-control-allow-origin']];
    };
    for (const origin of [APP, 'http://b.example']) {
      expect(await send('OPTIONS', { origin, ...cross })).toEqual([204, origin]);
      expect(await send('GET', { origin, ...cross })).toEqual([200, origin]);
    }
    expect(await send('OPTIONS', { origin: EVIL, ...cross })).toEqual([403, undefined]);
    expect(await send('GET', { origin: EVIL })).toEqual([403, undefined]);
    expect(await send('GET', cross)).toEqual([403, undefined]);
    // A name that points here must not make us the own server of that page.
    expect(await send('OPTIONS', { origin: APP, host: 'rebound.example' })).toEqual([403, APP]);
    expect(await send('GET', { origin: APP, host: 'rebound.example' })).toEqual([403, APP]);
    // A page of this machine whose origin is not configured can send, and reads nothing.
    expect(await send('GET', { origin: 'http://localhost:5173' })).toEqual([200, undefined]);
    await open.stop();
  });

  test.each([
    [['--no-auth', '--cors-origin', '*'], /--cors-origin .*\* is refused with --no-auth/],
    [
      ['--cors-origin', `${APP}/page`],
      /--cors-origin .*"https:\/\/app\.example\/page" is none: write https:\/\/app\.example\b/,
    ],
  ])('with the origins %j the server refuses to start', async (args, message) => {
    const failed = await failToStart({ dataDir: '/nowhere/at/all', args });
    expect([failed.code, failed.stdout]).toEqual([2, '']);
    expect(failed.stderr).toMatch(message);
  });
});

function readableBy(origin: string): Record<string, unknown> {
  return {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': expect.stringContaining('Retry-After, X-Correlation-Id'),
    vary: 'Origin',
  };
}

/** The names of the headers that a browser would obey. */
function corsHeaders(headers: object): string[] {
  return Object.keys(headers).filter((name) => name.startsWith('access-control-'));
}

function json(more: Record<string, string> = {}): Record<string, string> {
  return { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', ...more };
}

function sendLog(send: Send, headers: Record<string, string>): Promise<CallResponse> {
  const attributes = [{ key: 's2.stream', value: { stringValue: 'pages' } }];
  const logRecords = [{ body: { stringValue: 'clicked' } }];
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  return send({ path: '/v1/logs', headers: json(headers), body });
}

let narrowTokens = 0;
function narrow(): string {
  narrowTokens += 1;
  return JSON.stringify({ id: `narrow-${narrowTokens}`, scope: { ops: ['append'] } });
}
