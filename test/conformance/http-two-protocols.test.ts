/**
 * One port, two protocols: everything that works over HTTP/1.1 works over HTTP/2, and neither is mistaken for the
 * other.
 */

import { constants } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connectRaw } from '../support/http-call.ts';
import {
  connectHttp2,
  FRAME,
  frame,
  framesIn,
  type Http2Connection,
  headersFrame,
  PREFACE,
  resetFrame,
} from '../support/http2-call.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const MIB = 1024 * 1024;
const LOG = { body: { stringValue: 'hello' } };

let server: TestServer;
let h2: Http2Connection;

beforeAll(async () => {
  server = await startServer();
  h2 = await connectHttp2(server.url);
});

afterAll(async () => {
  await h2.close();
  await server.stop();
});

function json(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', ...extra };
}

function logs(count = 1): string {
  return JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: Array(count).fill(LOG) }] }] });
}

async function tailOf(stream: string): Promise<number> {
  const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  const answer = await h2.call({ method: 'GET', path: `/v1/streams/${stream}/records/tail`, headers });
  return JSON.parse(String(answer.body)).tail.seq_num;
}

describe('a connection', () => {
  test('with a preface that arrives byte by byte is HTTP/2', async () => {
    const connection = await connectRaw(server.port);
    const bytes = Buffer.concat([
      PREFACE,
      frame(FRAME.settings, 0, 0),
      frame(FRAME.ping, 0, 0, Buffer.from('12345678')),
    ]);
    for (const byte of bytes) {
      connection.send(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await connection.until(/12345678/);
    const types = framesIn(Buffer.from(connection.received(), 'latin1')).map(({ type }) => type);
    expect(types[0]).toBe(FRAME.settings);
    expect(types).toContain(FRAME.ping);
    connection.destroy();
  });

  test.each(['P', 'PO', 'PR', 'PRI', 'PRI * HTTP/'])(
    'with %j and then nothing of the preface is HTTP/1.1',
    async (first) => {
      const connection = await connectRaw(server.port);
      connection.send(first);
      await new Promise((resolve) => setTimeout(resolve, 20));
      // One of them continues as a valid request.
      if ('POST'.startsWith(first)) {
        const rest = `POST /v1/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;
        connection.send(rest.slice(first.length));
        expect(await connection.until(/\{\}$/)).toMatch(/^HTTP\/1\.1 200 /);
        connection.destroy();
        return;
      }
      connection.send('x\r\n\r\n');
      await connection.closed;
      expect(connection.received()).toMatch(/^HTTP\/1\.1 400 /);
    },
  );

  test('with the HTTP/2 preface as a HTTP/1.1 request is refused', async () => {
    const connection = await connectRaw(server.port);
    connection.send('PRI * HTTP/1.1\r\nhost: x\r\n\r\n');
    await connection.closed;
    expect(connection.received()).toMatch(/^HTTP\/1\.1 [45]\d\d /);
  });

  test('that ends before it sends anything affects no other', async () => {
    for (const said of ['', 'P', 'PRI * ']) {
      const connection = await connectRaw(server.port);
      connection.send(said);
      connection.destroy();
      await connection.closed;
    }
    expect((await h2.call({ method: 'GET', path: '/health' })).status).toBe(200);
  });

  test('with an upgrade to h2c ignores it, with a body and without', async () => {
    const connection = await connectRaw(server.port);
    const upgrade =
      'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n';
    connection.send(`GET /health HTTP/1.1\r\nhost: x\r\n${upgrade}\r\n`);
    expect(await connection.until(/OK$/)).toMatch(/^HTTP\/1\.1 200 /);
    const auth = `authorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n`;
    connection.send(`POST /v1/logs HTTP/1.1\r\nhost: x\r\n${upgrade}${auth}\r\n`);
    connection.send('{}');
    await connection.until(/HTTP\/1\.1 200 OK.*HTTP\/1\.1 200 OK.*\{\}$/s);
    connection.send(`POST /v1/logs HTTP/1.1\r\nhost: x\r\n${auth}\r\n{}`);
    await connection.until(/(HTTP\/1\.1 200 OK.*){3}\{\}$/s);
    connection.destroy();
  });

  test('with a WebSocket shares the port, and its refusal has the id of the request', async () => {
    const path = '/v1/streams/ws/records?seq_num=0';
    const body = logs();
    const sent = await h2.call({ path: '/v1/logs', headers: json({ 's2-stream': 'ws' }), body });
    expect(sent.status).toBe(200);
    const url = `ws://127.0.0.1:${server.port}${path}`;
    const refused = new Reader(url, ['s2.json'], { headers: { 'x-correlation-id': 'my-upgrade' } });
    expect((await refused.refused).headers['x-correlation-id']).toBe('my-upgrade');
    const own = new Reader(url, ['s2.json'], {});
    expect((await own.refused).headers['x-correlation-id']).toMatch(/^[\w-]{8,}$/);
    await Promise.all([refused.close(), own.close()]);
  });
});

describe('every route on HTTP/2', () => {
  test('accepts OTLP in JSON and compressed, with and without a length', async () => {
    const headers = json();
    const before = await tailOf('unknown_service');
    for (const call of [
      { path: '/v1/logs', headers, body: logs() },
      { path: '/v1/logs', headers: { ...headers, 'content-length': String(logs().length) }, body: logs() },
      { path: '/v1/logs', headers, chunks: [Buffer.from(logs().slice(0, 20)), Buffer.from(logs().slice(20))] },
      { path: '/v1/logs', headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(logs()) },
    ]) {
      const answer = await h2.call(call);
      expect([answer.status, String(answer.body), answer.headers['content-type']]).toEqual([
        200,
        '{}',
        'application/json',
      ]);
    }
    expect(await tailOf('unknown_service')).toBe(before + 4);
  });

  test("returns the caller's correlation id, and a generated one without it", async () => {
    const [own, given] = await Promise.all([
      h2.call({ method: 'GET', path: '/health' }),
      h2.call({ method: 'GET', path: '/health', headers: { 'x-correlation-id': 'abc-1' } }),
    ]);
    expect(own.headers['x-correlation-id']).toMatch(/^[\w-]{8,}$/);
    expect(given.headers['x-correlation-id']).toBe('abc-1');
    expect(Object.keys(given.headers)).not.toContain('connection');
  });

  test('returns for HEAD the headers of GET and no body', async () => {
    const answer = await h2.call({ method: 'HEAD', path: '/health' });
    expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([200, '2', 0]);
  });

  test.each([
    ['an unknown path', { method: 'GET', path: '/nowhere' }, 404, 'not_found'],
    ['another method', { method: 'DELETE', path: '/health' }, 405, 'method_not_allowed'],
    ['no token', { method: 'GET', path: '/v1/basins' }, 401, 'authn'],
  ])('responds as over HTTP/1.1: %s', async (_, request, status, code) => {
    const answer = await h2.call(request);
    expect([answer.status, JSON.parse(String(answer.body)).code]).toEqual([status, code]);
    expect(answer.headers.allow).toBe(status === 405 ? 'GET, HEAD' : undefined);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  });

  test('returns 412 with only the current state for a condition that does not hold', async () => {
    const headers = json({ 's2-basin': 'telemetry' });
    const path = '/v1/streams/conditions/records';
    const append = (body: object) => h2.call({ path, headers, body: JSON.stringify(body) });
    expect((await append({ records: [{ body: 'a' }] })).status).toBe(200);
    const answer = await append({ records: [{ body: 'b' }], match_seq_num: 7 });
    expect([answer.status, JSON.parse(String(answer.body))]).toEqual([412, { seq_num_mismatch: 1 }]);
    const fenced = await append({ records: [{ body: 'b' }], fencing_token: 'mine' });
    expect([fenced.status, JSON.parse(String(fenced.body))]).toEqual([412, { fencing_token_mismatch: '' }]);
  });

  test('serves 150 requests at once on one connection, each with a body of its own', async () => {
    expect(h2.session.remoteSettings.maxConcurrentStreams).toBeGreaterThanOrEqual(150);
    expect(h2.session.remoteSettings.initialWindowSize).toBe(8 * MIB);
    const headers = json({ 's2-basin': 'telemetry' });
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, i) =>
        h2.call({ path: `/v1/streams/p${i}/records`, headers, body: JSON.stringify({ records: [{ body: `${i}` }] }) }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const reads = await Promise.all(
      answers.map((_, i) => h2.call({ method: 'GET', path: `/v1/streams/p${i}/records?seq_num=0&count=1`, headers })),
    );
    expect(reads.map(({ body }) => JSON.parse(String(body)).records[0].body)).toEqual(reads.map((_, i) => `${i}`));
  });

  test('requires a local Host without tokens, as over HTTP/1.1', async () => {
    const open = await startServer({ args: ['--no-auth'] });
    const connection = await connectHttp2(open.url);
    const basins = (authority: string) =>
      connection.call({ method: 'GET', path: '/v1/basins', headers: { ':authority': authority } });
    expect((await basins('localhost:1')).status).toBe(200);
    expect((await basins('evil.example')).status).toBe(403);
    await connection.close();
    await open.stop();
  });
});

describe('uploads on HTTP/2', () => {
  test('are told to continue when the client waits for it', async () => {
    const stream = h2.open({ path: '/v1/logs', headers: json({ expect: '100-continue' }) });
    await new Promise<void>((resolve) => stream.once('continue', resolve));
    const status = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    stream.end('{}');
    expect(await status).toBe(200);
  });

  test('are refused by their length when too large, and the connection stays open', async () => {
    const stream = h2.open({ path: '/v1/logs', headers: json({ 'content-length': String(64 * MIB) }) });
    const status = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    stream.on('error', () => {});
    const closed = new Promise<void>((resolve) => stream.once('close', resolve));
    stream.resume().write(Buffer.alloc(4 * MIB));
    expect(await status).toBe(413);
    await closed;
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    expect((await h2.call({ method: 'GET', path: '/health' })).status).toBe(200);
  });

  test('are refused at the limit when they have no length', async () => {
    const stream = h2.open({ path: '/v1/logs', headers: json() });
    const status = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])));
    const closed = new Promise<void>((resolve) => stream.once('close', resolve));
    stream.on('error', () => {});
    stream.resume();
    for (let i = 0; i < 20; i++) stream.write(Buffer.alloc(MIB));
    expect(await status).toBe(413);
    await closed;
  });

  test('that are short are read when refused, and the response is complete', async () => {
    const headers = { ...json(), authorization: 'Bearer wrong' };
    const answer = await h2.call({ path: '/v1/logs', headers, body: Buffer.alloc(100_000) });
    expect([answer.status, JSON.parse(String(answer.body)).code]).toEqual([401, 16]);
  });

  test('leave nothing when reset in the middle, and their memory is released', async () => {
    const connection = await connectHttp2(server.url);
    const cut = async (): Promise<void> => {
      const stream = connection.open({ path: '/v1/logs', headers: json({ 'content-length': String(12 * MIB) }) });
      stream.on('error', () => {});
      const closed = new Promise<void>((resolve) => stream.once('close', resolve));
      await new Promise<void>((resolve) => stream.write(Buffer.alloc(1_000), () => resolve()));
      stream.close(constants.NGHTTP2_CANCEL);
      await closed;
    };
    // Twice the default limit of bytes in flight, if they were not released.
    for (let i = 0; i < 85; i++) await cut();
    const whole = await connection.call({ path: '/v1/logs', headers: json(), body: logs(2) });
    expect(whole.status).toBe(200);
    await connection.close();
  });

  test('that are reset half-way are never accepted as complete', async () => {
    const headers = json({ 's2-basin': 'telemetry' });
    const pseudo = { ':method': 'POST', ':scheme': 'http', ':authority': 'x', ':path': '/v1/streams/halves/records' };
    const path = pseudo[':path'];
    expect((await h2.call({ path, headers, body: '{"records":[{"body":"first"}]}' })).status).toBe(200);
    const connection = await connectRaw(server.port);
    connection.send(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
    const codes = [constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR];
    for (const [index, code] of codes.entries()) {
      const stream = 2 * index + 1;
      connection.send(headersFrame(stream, { ...pseudo, ...headers }, false));
      // It would be complete if it ended here.
      connection.send(frame(FRAME.data, 0, stream, Buffer.from('{"records":[{"body":"half"}]}')));
      connection.send(frame(FRAME.ping, 0, 0, Buffer.from(`before-${index}`)));
      await connection.until(new RegExp(`before-${index}`));
      connection.send(resetFrame(stream, code));
    }
    connection.send(frame(FRAME.ping, 0, 0, Buffer.from('all-sent')));
    await connection.until(/all-sent/);
    connection.destroy();
    expect((await h2.call({ path, headers, body: '{"records":[{"body":"last"}]}' })).status).toBe(200);
    expect(await tailOf('halves')).toBe(2);
  });
});
