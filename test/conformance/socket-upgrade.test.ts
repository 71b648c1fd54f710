/** Which upgrades are accepted, and how the others are refused. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { BasinRule } from '../../src/access/basin-rule.ts';
import { unlimited } from '../../src/access/grant.ts';
import { Origins } from '../../src/access/origins.ts';
import { TailraceError } from '../../src/model/error.ts';
import { connectRaw } from '../support/http-call.ts';
import { Reader } from '../support/socket-reader.ts';
import { ScriptedLog, type ScriptedServer, startScriptedServer, TOKEN } from '../support/socket-script.ts';

const BEARER = { authorization: `Bearer ${TOKEN}` };

let server: ScriptedServer;
let log: ScriptedLog;
const readers: Reader[] = [];

async function start(options: Parameters<typeof startScriptedServer>[1] = {}): Promise<void> {
  log = new ScriptedLog();
  log.push('end');
  server = await startScriptedServer(log, options);
}

interface Attempt {
  readonly path?: string;
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly origin?: string;
}

function attempt({ path, protocols = ['s2.json'], headers = BEARER, origin }: Attempt): Reader {
  const url = `ws://127.0.0.1:${server.port}${path ?? '/v1/streams/my-app/records'}`;
  const reader = new Reader(url, protocols, { headers, ...(origin === undefined ? {} : { origin }) });
  readers.push(reader);
  return reader;
}

/** How an attempt ends: the HTTP status of a refusal, or the close code and the code of the error frame. */
async function outcome(options: Attempt): Promise<number | readonly [number, unknown]> {
  const reader = attempt(options);
  const closed = reader.ended.then(({ code }) => {
    const last = reader.got.at(-1) as { type?: string; code?: string } | undefined;
    return [code, last?.type === 'error' ? last.code : undefined] as const;
  });
  return Promise.race([reader.refused.then(({ status }) => status), closed]);
}

afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
  await server.close();
});

const HANDSHAKE: Readonly<Record<string, string>> = {
  host: 'localhost',
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 's2.json',
  ...BEARER,
};

test.each<[what: string, method: string, headers: Readonly<Record<string, string>>, status: number]>([
  ['another method', 'POST', { 'content-length': '0' }, 405],
  ['a key that is none', 'GET', { 'sec-websocket-key': 'short' }, 400],
  ['a version that is not there', 'GET', { 'sec-websocket-version': '99' }, 400],
  ['a list of protocols that is none', 'GET', { 'sec-websocket-protocol': 's2.json, s2.json' }, 400],
])('%s is refused with the reason and a correlation id', async (_, method, changed, status) => {
  await start();
  const lines = Object.entries({ ...HANDSHAKE, ...changed }).map(([name, value]) => `${name}: ${value}\r\n`);
  const connection = await connectRaw(server.port);
  connection.send(`${method} /v1/streams/my-app/records HTTP/1.1\r\n${lines.join('')}\r\n`);
  await connection.closed;
  expect(connection.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .*x-correlation-id: \\S.*"message":"`, 'is'));
});

describe('without an Origin', () => {
  test.each([
    ['no token', {}],
    ['an unknown token', { authorization: `Bearer trk_${'0'.repeat(48)}` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
  ])('%s is a plain 401', async (_name, headers) => {
    await start();
    const { status, headers: answer, body } = await attempt({ headers }).refused;
    expect(status).toBe(401);
    expect(answer['www-authenticate']).toBe('Bearer');
    expect(answer['content-type']).toBe('application/json');
    expect(JSON.parse(body)).toMatchObject({ code: 'authn' });
  });

  test('a token that may not read there is a plain 403', async () => {
    await start();
    await server.close();
    const access = {
      admit: () => {},
      watch: () => () => {},
      identify: () => unlimited('caller'),
      redeem: () => {
        throw new TailraceError('authn', 'no tickets');
      },
      expectAllowed: () => {
        throw new TailraceError('permission_denied', 'not yours');
      },
    };
    server = await startScriptedServer(log, { access });
    expect(await outcome({})).toBe(403);
    expect(await outcome({ origin: `http://127.0.0.1:${server.port}` })).toEqual([4403, 'permission_denied']);
  });

  test.each([[{ authorization: `Bearer ${TOKEN}` }], [{ authorization: `bearer  ${TOKEN}` }]])(
    'the right token gets in',
    async (headers) => {
      await start();
      expect(await outcome({ headers })).toEqual([1000, undefined]);
    },
  );
});

describe('from a page', () => {
  test('of our own host a bad token is told by a frame', async () => {
    await start();
    const origin = `http://127.0.0.1:${server.port}`;
    expect(await outcome({ origin, headers: {} })).toEqual([4401, 'authn']);
    expect(await outcome({ origin, headers: {}, protocols: ['bearer.wrong', 's2.json'] })).toEqual([4401, 'authn']);
    expect(await outcome({ origin, headers: {}, protocols: [`bearer.${TOKEN}`, 's2.json'] })).toEqual([
      1000,
      undefined,
    ]);
  });

  test.each(['http://evil.example', 'http://127.0.0.1:1', 'null', 'file://', 'nonsense'])(
    'of %s is refused, whatever its token',
    async (origin) => {
      await start();
      expect(await outcome({ origin })).toBe(403);
    },
  );

  test.each(['#.localhost', '/', '/page', '?x', '.evil.example', ':80', '\\.localhost'])(
    'whose Origin is our own with %j behind it is refused',
    async (rest) => {
      await start();
      const own = `http://127.0.0.1:${server.port}`;
      expect(await outcome({ origin: `${own}${rest}` })).toBe(403);
      expect(await outcome({ origin: own.replace('//', '//evil.com@') })).toBe(403);
      expect(await outcome({ origin: own })).toEqual([1000, undefined]);
    },
  );

  test('of a configured origin gets in', async () => {
    await start({ origins: new Origins(['https://app.example']) });
    expect(await outcome({ origin: 'https://app.example' })).toEqual([1000, undefined]);
    expect(await outcome({ origin: 'https://app.example.evil' })).toBe(403);
    await server.close();
    await start({ origins: new Origins(['*']) });
    expect(await outcome({ origin: 'https://any.example' })).toEqual([1000, undefined]);
  });

  test('without tokens only pages of this machine', async () => {
    await start({ mode: { type: 'open' } });
    expect(await outcome({ headers: {} })).toEqual([1000, undefined]);
    expect(await outcome({ headers: { host: 'evil.example' }, origin: 'http://evil.example' })).toBe(403);
    expect(await outcome({ headers: { 'sec-fetch-site': 'cross-site' } })).toBe(403);
  });
});

describe('what is asked for', () => {
  test.each<[string, Attempt, number | readonly [number, string]]>([
    ['another path', { path: '/v1/streams/my-app' }, 404],
    ['a slash in the path', { path: '/v1/streams/a/b/records' }, 404],
    ['a trailing slash', { path: '/v1/streams/a/records/' }, 404],
    ['unknown subprotocols only', { protocols: ['graphql-ws'] }, 400],
    ['a path that is not UTF-8', { path: '/v1/streams/%ff/records' }, [4400, 'bad_path']],
    ['a stream name with NUL', { path: '/v1/streams/a%00b/records' }, [4400, 'bad_path']],
    ['a bad query', { path: '/v1/streams/a/records?seq_num=x' }, [4400, 'bad_query']],
    ['two starts', { path: '/v1/streams/a/records?seq_num=1&tail_offset=1' }, [4400, 'invalid']],
    ['a bad format', { path: '/v1/streams/a/records?format=xml' }, [4400, 'bad_query']],
    ['an unknown basin', { path: '/v1/streams/a/records?basin=no-such-basin' }, [4404, 'basin_not_found']],
    ['a bad basin', { path: '/v1/streams/a/records?basin=X' }, [4400, 'bad_query']],
    ['a bad basin header', { headers: { ...BEARER, 's2-basin': 'X' } }, [4400, 'bad_header']],
    [
      'two basins',
      { path: '/v1/streams/a/records?basin=telemetry', headers: { ...BEARER, 's2-basin': 'other-basin' } },
      [4400, 'bad_header'],
    ],
  ])('%s', async (_name, options, expected) => {
    await start();
    expect(await outcome(options)).toEqual(expected);
  });

  test('a stream that is not there', async () => {
    await start();
    log.openFault = new TailraceError('stream_not_found', 'stream `my-app` in basin `telemetry` not found');
    expect(await outcome({})).toEqual([4404, 'stream_not_found']);
  });

  test('no basin at all', async () => {
    await start({ basinRule: new BasinRule({ defaultBasin: undefined }) });
    expect(await outcome({})).toEqual([4400, 'bad_request']);
  });

  test.each([
    ['the default basin', '/v1/streams/my-app/records', {}, 'telemetry', 'my-app'],
    ['a basin by query', '/v1/streams/my-app/records?basin=other-basin', {}, 'other-basin', 'my-app'],
    ['a basin by header', '/v1/streams/my-app/records', { 's2-basin': 'other-basin' }, 'other-basin', 'my-app'],
    ['an encoded slash', '/v1/streams/a%2Fb%20%C3%BC/records', {}, 'telemetry', 'a/b ü'],
  ])('%s', async (_name, path, headers, basin, stream) => {
    await start();
    const reader = attempt({ path, headers: { ...BEARER, ...headers } });
    expect(await reader.next()).toEqual({ type: 'hello', stream_id: '7', basin, stream });
  });

  test('the range that the query says reaches the log', async () => {
    await start();
    await attempt({ path: '/v1/streams/a/records?timestamp=5&clamp=true&count=3&bytes=4&until=9&wait=2' }).ended;
    expect(log.reads[0]?.range).toEqual({
      start: { timestamp: 5 },
      clamp: true,
      count: 3,
      bytes: 4,
      until: 9,
      waitMs: 2_000,
    });
  });
});
