/**
 * Which basin a call is about: one rule for S2's calls, OTLP and WebSockets, over both HTTP versions. The header
 * S2-Basin, else `?basin=`, else the Host, else the token's only basin, else the default basin.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Call, type CallResponse, call, connectRaw } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { codeOf, makeBasin, outcome, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const ONE = 'chosen-one';
const TWO = 'chosen-two';
const DEFAULT = 'telemetry';
const SUFFIX = 'b.example.com';
const RECORDS = '/v1/streams/where/records';

/** What a request says about its basin. */
interface Way {
  readonly header?: string;
  readonly query?: string;
  readonly host?: string;
  readonly token?: string;
}

type Send = (call: Call, host: string | undefined) => Promise<CallResponse>;

let server: TestServer;
let h2: Http2Connection;
let bound: string;

beforeAll(async () => {
  server = await startServer({ args: ['--basin-host-suffix', SUFFIX] });
  h2 = await connectHttp2(server.url);
  const policy = { create_stream_on_append: true, otlp_default_stream: 'otlp' };
  for (const name of [ONE, TWO]) {
    const basin = await makeBasin(server, name, policy);
    await basin.texts('where', `in ${name}`);
  }
  await new RecordsClient(server).texts('where', `in ${DEFAULT}`);
  const scope = { basins: { exact: ONE }, streams: { prefix: '' }, op_groups: { stream: { read: true, write: true } } };
  const [, issued] = await new RecordsClient(server).control('POST', '/v1/access-tokens', { id: 'bound', scope });
  bound = (issued as { access_token: string }).access_token;
});

afterAll(async () => {
  await h2.close();
  await server.stop();
});

const overHttp1: Send = (one, host) =>
  call(server.port, { ...one, headers: { ...one.headers, ...(host === undefined ? {} : { host }) } });
const overHttp2: Send = (one, host) =>
  h2.call({ ...one, headers: { ...one.headers, ...(host === undefined ? {} : { ':authority': host }) } });

function send(by: Send, one: Call, { header, query, host, token = server.token }: Way): Promise<CallResponse> {
  const path = query === undefined ? one.path : `${one.path}${one.path.includes('?') ? '&' : '?'}${query}`;
  const basin = header === undefined ? {} : { 's2-basin': header };
  return by({ ...one, path, headers: { authorization: `Bearer ${token}`, ...one.headers, ...basin } }, host);
}

const JSON_BODY = { 'content-type': 'application/json' };
const FROM_START = `${RECORDS}?seq_num=0&count=1`;
const READS: readonly (readonly [string, Call])[] = [
  ['a page of records', { method: 'GET', path: FROM_START }],
  ['server-sent events', { method: 'GET', path: FROM_START, headers: { accept: 'text/event-stream' } }],
  ['an s2s session', { method: 'GET', path: FROM_START, headers: { 'content-type': 's2s/proto' } }],
];

const chosen = (): readonly (readonly [string, Way, string])[] => [
  ['the header', { header: ONE }, ONE],
  ['the parameter', { query: `basin=${ONE}` }, ONE],
  ['the Host', { host: `${ONE}.localhost:${server.port}` }, ONE],
  ['the Host without a port', { host: `${ONE}.localhost` }, ONE],
  ['the Host in capitals', { host: `${ONE.toUpperCase()}.LocalHost` }, ONE],
  ['the Host under the configured suffix', { host: `${TWO}.${SUFFIX}:443` }, TWO],
  ["the token's only basin", { token: bound }, ONE],
  ['the default', {}, DEFAULT],
  ['the header and a parameter that agree', { header: TWO, query: `basin=${TWO}` }, TWO],
  ['all of them, which agree', { header: ONE, query: `basin=${ONE}`, host: `${ONE}.localhost`, token: bound }, ONE],
  ['the Host before the default basin', { host: `${TWO}.localhost` }, TWO],
  ...NOTHING.map((host) => [`not the Host ${host}`, { host }, DEFAULT] as const),
];

/** Legal hosts that name no basin. */
const NOTHING = [
  'localhost',
  '127.0.0.1:4318',
  '[::1]:4318',
  'evil.example',
  SUFFIX,
  `${ONE}.example.com`,
  `${ONE}.evil.${SUFFIX}`,
  `evil.${ONE}.localhost`,
  `${ONE}localhost`,
  `${ONE}.localhost.example`,
  'db.localhost',
  'not_a_basin.localhost',
  ONE,
];

const VERSIONS: readonly (readonly [string, Send])[] = [
  ['HTTP/1.1', overHttp1],
  ['HTTP/2', overHttp2],
];

describe.each(VERSIONS)('over %s', (_version, by) => {
  test('every kind of read finds the basin by the same rule', async () => {
    for (const [way, how, basin] of chosen()) {
      for (const [kind, read] of READS) {
        const { status, body } = await send(by, read, how);
        const text = /in (telemetry|chosen-\w+)/.exec(body.toString())?.[0];
        expect([way, kind, status, text]).toEqual([way, kind, 200, `in ${basin}`]);
      }
    }
  });

  test('calls on streams and on the tail find the basin by the same rule', async () => {
    for (const [way, how, basin] of chosen()) {
      const tail = await send(by, { method: 'GET', path: `${RECORDS}/tail` }, how);
      expect([way, tail.status]).toEqual([way, 200]);
      const name = `made ${_version} (${way})`;
      const path = `/v1/streams/${encodeURIComponent(name)}`;
      const as = { ...how, token: server.token };
      if (how.token !== undefined) continue;
      const made = await send(by, { method: 'PUT', path, headers: JSON_BODY, body: '{}' }, as);
      expect([way, made.status]).toEqual([way, 201]);
      const listed = await send(by, { method: 'GET', path: `/v1/streams?prefix=${encodeURIComponent(name)}` }, as);
      expect([way, JSON.parse(listed.body.toString())]).toMatchObject([way, { streams: [{ name }] }]);
      expect(await streamStatus(basin, name)).toBe(200);
      expect((await send(by, { method: 'PATCH', path, headers: JSON_BODY, body: '{}' }, as)).status).toBe(200);
      expect((await send(by, { method: 'DELETE', path }, as)).status).toBe(202);
      const body = JSON.stringify({ stream: `${name}-posted` });
      expect((await send(by, { path: '/v1/streams', headers: JSON_BODY, body }, as)).status).toBe(201);
      expect(await streamStatus(basin, `${name}-posted`)).toBe(200);
    }
  });

  test('appends and OTLP data go to the basin by the same rule', async () => {
    for (const [way, how, basin] of chosen()) {
      const stream = `sent-${_version}-${way}`;
      const path = `/v1/streams/${encodeURIComponent(stream)}/records`;
      const body = JSON.stringify({ records: [{ body: 'x' }] });
      const { status } = await send(by, { path, headers: JSON_BODY, body }, how);
      const sent = await send(by, otlp(`${stream}-otlp`), how);
      expect([way, status, sent.status]).toEqual([way, 200, 200]);
      expect([way, await streamStatus(basin, stream)]).toEqual([way, 200]);
      expect([way, await streamStatus(basin, `${stream}-otlp`)]).toEqual([way, 200]);
    }
  });
});

describe.each(VERSIONS)('what is refused over %s', (_version, by) => {
  const conflicts = (): readonly (readonly [string, Way])[] => [
    ['the header and the Host', { header: TWO, host: `${ONE}.localhost:${server.port}` }],
    ['the header and a Host under the suffix', { header: TWO, host: `${ONE}.${SUFFIX}` }],
    ['the parameter and the Host', { query: `basin=${TWO}`, host: `${ONE}.localhost` }],
    ['the header and the parameter', { header: ONE, query: `basin=${TWO}` }],
    ['the Host and both others', { header: TWO, query: `basin=${TWO}`, host: `${ONE}.localhost` }],
  ];

  test('two different basins are refused on every call', async () => {
    for (const [which, how] of conflicts()) {
      for (const [, read] of [...READS, ...CALLS]) {
        const answer = await send(by, read, how);
        expect([which, read.path, codeOf(outcome(answer))]).toEqual([which, read.path, [400, 'bad_header']]);
      }
      const { status, body } = await send(by, otlp('refused'), how);
      expect([which, status, JSON.parse(body.toString())]).toMatchObject([which, 400, { code: 3 }]);
      expect(body.toString()).toContain(ONE);
      expect(body.toString()).toContain(TWO);
    }
    expect(await streamStatus(ONE, 'refused')).toBe(404);
    expect(await streamStatus(TWO, 'refused')).toBe(404);
  });

  test('a header that contradicts the Host is refused also where no basin is needed', async () => {
    const host = `${ONE}.localhost`;
    for (const path of ['/v1/basins', '/v1/access-tokens', '/health']) {
      const answer = await send(by, { method: 'GET', path }, { header: TWO, host });
      expect([path, codeOf(outcome(answer))]).toEqual([path, [400, 'bad_header']]);
      expect((await send(by, { method: 'GET', path }, { host })).status).toBe(200);
    }
  });

  test.each([
    ['an illegal parameter', { query: 'basin=X' }, 'bad_query'],
    ['an empty parameter', { query: 'basin=' }, 'bad_query'],
    ['two parameters', { query: `basin=${ONE}&basin=${ONE}` }, 'bad_query'],
    ['an illegal parameter beside a good header', { header: ONE, query: 'basin=X' }, 'bad_query'],
    ['an illegal header', { header: 'X' }, 'bad_header'],
    ['an illegal header beside a good Host', { header: 'X', host: `${ONE}.localhost` }, 'bad_header'],
  ] as const)('%s is refused', async (_, how, code) => {
    for (const [, one] of [...READS, ...CALLS]) {
      expect(codeOf(outcome(await send(by, one, how)))).toEqual([400, code]);
    }
  });

  test('a stranger learns nothing, whatever basin is meant', async () => {
    for (const how of [
      {},
      { host: `${ONE}.localhost` },
      { host: 'no-such-basin.localhost' },
      { query: `basin=${ONE}` },
    ]) {
      for (const [, one] of [...READS, ...CALLS]) {
        expect(codeOf(outcome(await send(by, one, { ...how, token: 'unknown' })))).toEqual([401, 'authn']);
      }
    }
  });

  test('a basin that the Host names and that is not there is not found, and never the default one', async () => {
    const missing = await send(by, { method: 'GET', path: FROM_START }, { host: 'no-such-basin.localhost' });
    expect(codeOf(outcome(missing))).toEqual([404, 'basin_not_found']);
  });
});

const CALLS: readonly (readonly [string, Call])[] = [
  ['a list', { method: 'GET', path: '/v1/streams' }],
  ['a creation', { path: '/v1/streams', headers: JSON_BODY, body: '{"stream":"refused"}' }],
  ['a configuration', { method: 'GET', path: '/v1/streams/where' }],
  ['an append', { path: RECORDS, headers: JSON_BODY, body: '{"records":[{"body":"x"}]}' }],
  ['a tail', { method: 'GET', path: `${RECORDS}/tail` }],
];

describe('a WebSocket', () => {
  const open = ({ header, query, host, token = server.token }: Way): Reader => {
    const url = `ws://127.0.0.1:${server.port}${FROM_START}${query === undefined ? '' : `&${query}`}`;
    const about = { ...(header && { 's2-basin': header }), ...(host && { host }) };
    return new Reader(url, 's2.json', { headers: { authorization: `Bearer ${token}`, ...about } });
  };

  test('finds the basin by the same rule', async () => {
    for (const [way, how, basin] of chosen()) {
      expect([way, await open(how).next()]).toMatchObject([way, { type: 'hello', basin }]);
    }
  });

  test('that names two basins is refused', async () => {
    for (const how of [
      { header: TWO, host: `${ONE}.localhost` },
      { query: `basin=${TWO}`, host: `${ONE}.localhost` },
      { header: ONE, query: `basin=${TWO}` },
    ]) {
      expect((await open(how).ended).code).toBe(4400);
    }
  });

  test.each(['evil.com:80.localhost', 'a b.localhost', 'localhost:99999'])(
    'with the Host %s is refused',
    async (host) => {
      expect((await open({ host }).refused).status).toBe(400);
    },
  );
});

/** What no client sends, and what attacks do. */
const MALFORMED = [
  'evil.com:80.localhost',
  'evil.com:80:80',
  'evil.com#.localhost',
  'evil.com/.localhost',
  'evil.com?.localhost',
  'user@chosen-one.localhost',
  'evil.com\\.localhost',
  'evil.com .localhost',
  'chosen-one..localhost',
  '.localhost',
  'chosen-one.localhost, evil.com',
  'localhost:99999',
  'localhost:8o',
  '::1',
  '[::1',
  '[chosen-one.localhost]',
  '[::1]evil.com',
  'http://chosen-one.localhost',
  '%zz.localhost',
];

describe('a malformed Host', () => {
  test.each(MALFORMED)('%j is refused over HTTP/1.1', async (host) => {
    const answer = await overHttp1({ method: 'GET', path: '/health' }, host);
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_header']);
  });

  test('is refused for OTLP data in the form of OTLP', async () => {
    const { status, body } = await send(overHttp1, otlp('refused'), { host: 'evil.com:80.localhost' });
    expect([status, JSON.parse(body.toString())]).toMatchObject([
      400,
      { code: 3, message: expect.stringMatching(/Host/) },
    ]);
  });

  test.each(['evil.com:80.localhost', 'user@chosen-one.localhost', 'chosen-one..localhost'])(
    '%j is refused as the :authority of HTTP/2',
    async (host) => {
      const answer = await overHttp2({ method: 'GET', path: '/health' }, host);
      expect(codeOf(outcome(answer))).toEqual([400, 'bad_header']);
    },
  );

  test.each([
    ['two different ones', 'Host: localhost\r\nHost: evil.com\r\n'],
    ['the same one twice', 'Host: localhost\r\nhost: localhost\r\n'],
  ])('that is there twice is refused: %s', async (_, hosts) => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    for (const request of [
      `GET /health HTTP/1.1\r\n${hosts}Connection: close\r\n\r\n`,
      `GET ${RECORDS} HTTP/1.1\r\n${hosts}${upgrade}${key}\r\n`,
    ]) {
      const raw = await connectRaw(server.port);
      raw.send(request);
      await raw.closed;
      expect(raw.received()).toMatch(/^HTTP\/1\.1 400 [\s\S]*"bad_header"/);
    }
  });

  test('that differs from the :authority is refused', async () => {
    const headers = { ':authority': 'chosen-one.localhost', host: 'evil.com' };
    expect(codeOf(outcome(await h2.call({ method: 'GET', path: '/health', headers })))).toEqual([400, 'bad_header']);
    const same = { ':authority': 'chosen-one.localhost', host: 'Chosen-One.localhost' };
    expect((await h2.call({ method: 'GET', path: '/health', headers: same })).status).toBe(200);
  });

  test.each(['', 'my_service:4318', 'xn--bcher-kva.example', '[fe80::1%25eth0]:80', 'a!b', 'localhost:', 'localhost.'])(
    'is not what a legal one is: %j is taken',
    async (host) => {
      const raw = await connectRaw(server.port);
      raw.send(`GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      await raw.closed;
      expect(raw.received()).toContain('200 OK');
    },
  );

  test('is not a missing one, which HTTP/1.0 allows', async () => {
    const raw = await connectRaw(server.port);
    raw.send('GET /health HTTP/1.0\r\n\r\n');
    await raw.closed;
    expect(raw.received()).toContain('200 OK');
  });
});

function otlp(stream: string): Call {
  const attributes = [{ key: 's2.stream', value: { stringValue: stream } }];
  const logs = { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords: [{}] }] }] };
  return { path: '/v1/logs', headers: JSON_BODY, body: JSON.stringify(logs) };
}

async function streamStatus(basin: string, stream: string): Promise<number> {
  const [status] = await new RecordsClient(server, basin).control('GET', `/v1/streams/${encodeURIComponent(stream)}`);
  return status;
}
