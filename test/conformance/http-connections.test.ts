/** Connections that do what no exporter should: each gets a response or is cut, and other clients are not affected. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call, connectRaw } from '../support/http-call.ts';
import { refusalOfUpload } from '../support/refused-upload.ts';
import { startServer, type TestServer } from '../support/server.ts';

const MIB = 1024 * 1024;

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'debug'] });
});

afterAll(async () => {
  expect((await call(server.port, { method: 'GET', path: '/health' })).status).toBe(200);
  await server.stop();
});

function head(extra: string, path = '/v1/logs', token = server.token): string {
  return `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n${extra}\r\n`;
}

describe('a request with Expect: 100-continue', () => {
  test('is told to continue, then gets its response', async () => {
    const connection = await connectRaw(server.port);
    connection.send(head('content-length: 2\r\nexpect: 100-continue\r\n'));
    expect(await connection.until(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    connection.send('{}');
    expect(await connection.until(/\{\}$/)).toMatch(/HTTP\/1\.1 200 OK/);
    connection.destroy();
  });

  test.each([
    ['without a token', 'content-length: 2\r\n', 'wrong', 401],
    ['with a body that is too large', `content-length: ${64 * MIB}\r\n`, undefined, 413],
    ['with an unknown coding', 'content-length: 2\r\ncontent-encoding: br\r\n', undefined, 415],
  ])('that is %s is refused before its body, and the connection closed', async (_, extra, token, status) => {
    const connection = await connectRaw(server.port);
    connection.send(head(`${extra}expect: 100-continue\r\n`, '/v1/logs', token));
    await connection.closed;
    expect(connection.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(connection.received()).toMatch(/connection: close/i);
    expect(connection.received()).not.toContain('100 Continue');
  });
});

describe('a refused upload', () => {
  test('is read to its end when it is short, and the connection stays open', async () => {
    const connection = await connectRaw(server.port);
    connection.send(`${head('content-length: 5\r\n', '/v1/logs', 'wrong')}12345`);
    await connection.until(/401 Unauthorized.*"message"/s);
    connection.send(`${head('content-length: 2\r\n')}{}`);
    expect(await connection.until(/HTTP\/1\.1 200 OK.*\{\}$/s)).not.toMatch(/connection: close/i);
    connection.destroy();
  });

  test('is read to its end when the client wants to close: the response is not lost by a reset', async () => {
    expect(await refusalOfUpload(server.port)).toMatch(/connection: close.*"message"/is);
  });

  test('is answered at once when it is long, read a little more, and cut', async () => {
    const connection = await connectRaw(server.port);
    connection.send(head(`content-length: ${64 * MIB}\r\n`));
    connection.send(Buffer.alloc(100_000));
    const answer = await connection.until(/--wire-bytes-max/);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/connection: close/i);
    connection.send(Buffer.alloc(2 * MIB));
    await connection.closed;
  });

  test('in chunks stops at the limit', async () => {
    const connection = await connectRaw(server.port);
    connection.send(head('transfer-encoding: chunked\r\n'));
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MIB), Buffer.from('\r\n')]);
    for (let i = 0; i < 17; i++) connection.send(chunk);
    expect(await connection.until(/--wire-bytes-max/)).toMatch(/^HTTP\/1\.1 413 /);
    connection.destroy();
    await connection.closed;
  });
});

describe('invalid HTTP', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n', 400],
    ['a header that cannot be', 'GET /health HTTP/1.1\r\nhost: x\r\nbad header: x\r\n\r\n', 400],
    ['two lengths', 'POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400],
    [
      'length and chunks',
      'POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
    ],
    [
      'no host',
      `POST /v1/logs HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      400,
    ],
    ['a call to a proxy', 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n', 400],
    [
      'a chunk without a length',
      'POST /v1/ingest-token/exchange HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
    ['headers that are too large', `GET /health HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
  ])('is refused and the connection closed: %s', async (_, bytes, status) => {
    const connection = await connectRaw(server.port);
    connection.send(bytes);
    await connection.closed;
    expect(connection.received()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(connection.received()).toMatch(/x-correlation-id: /i);
  });

  test.each([
    ['garbage', 'hello\r\n\r\n'],
    ['a call to a proxy', 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n'],
  ])('behind a request does not take its response: %s', async (_, bytes) => {
    const connection = await connectRaw(server.port);
    const record = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`;
    connection.send(`${head(`content-length: ${record.length}\r\n`)}${record}${bytes}`);
    await connection.closed;
    expect(connection.received()).toMatch(/^HTTP\/1\.1 200 .*\{\}HTTP\/1\.1 400 /s);
  });

  test('of 2,000 headers is refused, 150 headers are accepted', async () => {
    const many = (count: number): string => 'a: b\r\n'.repeat(count);
    const connection = await connectRaw(server.port);
    connection.send(`${head(`${many(2_000)}content-length: 2\r\n`)}{}`);
    expect(await connection.until(/"message"/)).toMatch(/^HTTP\/1\.1 400 /);
    connection.destroy();
    const other = await connectRaw(server.port);
    other.send(`${head(`${many(150)}content-length: 2\r\n`)}{}`);
    expect(await other.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200 /);
    other.destroy();
  });

  test('does no harm with headers named like properties of objects', async () => {
    const connection = await connectRaw(server.port);
    const extra = '__proto__: x\r\nconstructor: x\r\ntoString: x\r\nhasOwnProperty: x\r\ncontent-length: 2\r\n';
    connection.send(`${head(extra)}{}`);
    expect(await connection.until(/\{\}$/)).toMatch(/^HTTP\/1\.1 200 /);
    connection.destroy();
  });
});

test('pipelined requests on a connection get their responses in order', async () => {
  const connection = await connectRaw(server.port);
  const ids = Array.from({ length: 20 }, (_, i) => `pipelined-${i}`);
  connection.send(ids.map((id) => `${head(`x-correlation-id: ${id}\r\ncontent-length: 2\r\n`)}{}`).join(''));
  await connection.until(/pipelined-19\r\n/);
  expect([...connection.received().matchAll(/pipelined-\d+/g)].map(String)).toEqual(ids);
  connection.destroy();
});

test('a sender that disconnects in the middle leaves nothing, and its memory is released', async () => {
  const cut = async (): Promise<void> => {
    const connection = await connectRaw(server.port);
    connection.send(head(`content-length: ${12 * MIB}\r\n`));
    connection.send(Buffer.alloc(1_000));
    await new Promise((resolve) => setImmediate(resolve));
    connection.destroy();
    await connection.closed;
  };
  // Twice the default limit of bytes in flight, if they were not released.
  for (let i = 0; i < 85; i++) await cut();
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  expect((await call(server.port, { path: '/v1/logs', headers, body: '{}' })).status).toBe(200);
});

test('a refusal is a warning on stderr once, and a debug line with its id each time', async () => {
  const send = (id: string) => call(server.port, { path: '/v1/lgos', headers: { 'x-correlation-id': id }, body: '{}' });
  const ids = ['warn-1', 'warn-2', 'warn-3'];
  for (const id of ids) expect((await send(id)).status).toBe(404);
  // The response may arrive before the line, which comes through another pipe.
  while (!server.stderr().includes('warn-3')) await new Promise((resolve) => setTimeout(resolve, 5));
  const lines = server
    .stderr()
    .split('\n')
    .filter((line) => line.includes('/v1/lgos'))
    .map((line) => JSON.parse(line) as { level: string; correlationId: string; msg: string });
  expect(lines.filter(({ level }) => level === 'warn')).toMatchObject([
    { correlationId: 'warn-1', msg: expect.stringContaining('/v1/logs') },
  ]);
  expect(new Set(lines.map(({ correlationId }) => correlationId))).toEqual(new Set(ids));
});
