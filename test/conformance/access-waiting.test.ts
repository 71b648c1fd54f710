/**
 * Requests that take a while when their token ends: a read that waits for records, and bodies that arrive slowly. They
 * have no response yet, so they are refused within a second, and nothing of them is stored.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TokenBook } from '../support/access-callers.ts';
import { otlpBody } from '../support/access-rows.ts';
import { call, connectRaw } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { type Outcome, outcome, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let root: RecordsClient;
let book: TokenBook;
let http2: Http2Connection;

beforeAll(async () => {
  server = await startServer();
  root = new RecordsClient(server);
  book = new TokenBook(server.port, server.token);
  http2 = await connectHttp2(server.url);
  await root.texts('read', 'r0');
  await book.control('PUT', '/v1/basins/waiting-basin');
});

afterAll(async () => {
  await http2.close();
  await server.stop();
});

const REFUSED = [401, { code: 'authn', message: expect.any(String) }];
/** From the end of the stream on. */
const WAIT = '?seq_num=1&wait=60';

const ENDINGS: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
  'is revoked': (id) => book.control('DELETE', `/v1/access-tokens/${id}`),
  'is rotated': (id) => book.control('POST', `/v1/access-tokens/${id}/rotate`),
};

describe.each(Object.entries(ENDINGS))('when its token %s', (_name, end) => {
  test.each(['HTTP/1.1', 'HTTP/2'])('a waiting read is refused over %s', async (version) => {
    const { id, secret } = await book.issue();
    const client = new RecordsClient({ port: server.port, token: secret });
    const read = version === 'HTTP/2' ? http2Read(client) : client.read('read', WAIT);
    await untilItWaits();
    await end(id);
    expect(await read).toEqual(REFUSED);
  });

  test.each([
    ['an append', 'POST /v1/streams/slow/records', JSON.stringify({ records: [{ body: 'x' }] })],
    ['OTLP data', 'POST /v1/logs', JSON.stringify(otlpBody('logs', 'slow'))],
    ['a change of a basin', 'PATCH /v1/basins/waiting-basin', '{"create_stream_on_append":true}'],
    ['a new stream', 'PUT /v1/streams/slow', '{}'],
  ])('%s whose body comes later is refused, and has no effect', async (_what, target, body) => {
    const { id, secret } = await book.issue();
    const answer = await sendSlowly(target, secret, body, () => end(id));
    expect(answer).toMatch(/HTTP\/1\.1 401 /);
    expect((await root.tail('slow'))[0]).toBe(404);
    expect(await root.control('GET', '/v1/basins/waiting-basin')).toMatchObject([
      200,
      { create_stream_on_append: false },
    ]);
  });
});

test('a waiting read is refused when its token expires', async () => {
  const expires_at = new Date(Date.now() + 2_000).toISOString();
  const { secret } = await book.issue({}, { expires_at });
  const read = new RecordsClient({ port: server.port, token: secret }).read('read', WAIT);
  await untilItWaits();
  expect(await read).toEqual(REFUSED);
});

test('OTLP data with a short-lived token is refused when its access token is revoked meanwhile', async () => {
  const { id, secret } = await book.issue();
  const jwt = await book.jwt(secret);
  const body = JSON.stringify(otlpBody('logs', 'slow'));
  const whole = await sendSlowly('POST /v1/logs', jwt, body, async () => {});
  expect(whole).toMatch(/HTTP\/1\.1 200 /);
  const answer = await sendSlowly('POST /v1/logs', jwt, body, () => end(id));
  expect(answer).toMatch(/HTTP\/1\.1 401 /);
  expect(await root.tail('slow')).toMatchObject([200, { tail: { seq_num: 1 } }]);

  async function end(of: string): Promise<void> {
    await book.control('DELETE', `/v1/access-tokens/${of}`);
  }
});

/** Resolves when one reader is there, as the server counts them: then it was authorized. */
async function untilItWaits(): Promise<void> {
  const headers = { authorization: `Bearer ${server.token}` };
  for (;;) {
    const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
    if (body.toString().includes('tailrace_open_readers{protocol="unary"} 1')) return;
  }
}

async function http2Read(client: RecordsClient): Promise<Outcome> {
  return outcome(await http2.call({ method: 'GET', path: client.path('read', WAIT), headers: client.headers() }));
}

/** A request whose head is accepted, as `100 Continue` shows, before something happens, and whose body follows. */
async function sendSlowly(
  target: string,
  secret: string,
  body: string,
  between: () => Promise<unknown>,
): Promise<string> {
  const raw = await connectRaw(server.port);
  const head = [
    `${target} HTTP/1.1`,
    'Host: localhost',
    `Authorization: Bearer ${secret}`,
    'S2-Basin: telemetry',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Expect: 100-continue',
  ];
  raw.send(`${head.join('\r\n')}\r\n\r\n`);
  await raw.until(/100 Continue/);
  await between();
  raw.send(body);
  const answer = await raw.until(/HTTP\/1\.1 [2-5]\d\d /);
  raw.destroy();
  return answer;
}
