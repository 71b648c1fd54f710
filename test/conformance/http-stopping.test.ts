/** How the port closes: running requests finish, clients are told to connect elsewhere, and no new request begins. */

import { constants } from 'node:http2';
import { expect, test } from '@jest/globals';
import { connectRaw } from '../support/http-call.ts';
import {
  answerOf,
  connectHttp2,
  FRAME,
  frame,
  framesIn,
  type Http2Connection,
  headersFrame,
  PREFACE,
} from '../support/http2-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

function headersOf(server: TestServer): Record<string, string> {
  return { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry', 'content-type': 'application/json' };
}

const PSEUDO = { ':scheme': 'http', ':authority': 'x' };

/** Waits until the server has begun to stop: it takes no more connections. */
async function untilRefused({ port }: TestServer): Promise<void> {
  for (;;) {
    const connection = await connectRaw(port).catch(() => undefined);
    if (connection === undefined) return;
    connection.destroy();
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function follow(connection: Http2Connection, server: TestServer) {
  const headers = { ...headersOf(server), accept: 'text/event-stream' };
  const stream = connection.open({ method: 'GET', path: '/v1/streams/s/records?seq_num=0', headers });
  let text = '';
  stream.on('data', (part) => {
    text += part;
  });
  stream.on('error', () => {});
  const ended = new Promise<void>((resolve) => stream.once('close', resolve));
  stream.end();
  return { text: () => text, ended };
}

test('idle connections delay nothing: HTTP/2 ones get a GOAWAY, silent ones are cut', async () => {
  const server = await startServer();
  const [h2, silent, idle] = await Promise.all([
    connectHttp2(server.url),
    connectRaw(server.port),
    connectRaw(server.port),
  ]);
  idle.send('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  await idle.until(/OK$/);
  expect((await h2.call({ method: 'GET', path: '/health' })).status).toBe(200);
  const exit = server.stop();
  await Promise.all([h2.closed, silent.closed, idle.closed]);
  expect(new Set(h2.goaways)).toEqual(new Set([constants.NGHTTP2_NO_ERROR]));
  expect(await exit).toEqual({ code: 0, signal: null });
});

test('running HTTP/2 requests finish before the GOAWAY, and HTTP/1.1 clients are told to close', async () => {
  const server = await startServer();
  const h2 = await connectHttp2(server.url);
  const h1 = await connectRaw(server.port);
  h1.send('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  await h1.until(/OK$/);
  const upload = h2.open({ path: '/v1/streams/s/records', headers: { ...headersOf(server), expect: '100-continue' } });
  const answer = answerOf(upload);
  await new Promise<void>((resolve) => upload.once('continue', resolve));
  const exit = server.stop();
  await untilRefused(server);
  h1.send('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
  await h1.closed;
  expect(h1.received()).toMatch(/HTTP\/1\.1 503 .*connection: close/is);
  expect((await h2.call({ method: 'GET', path: '/health' })).status).toBe(200);
  expect(h2.goaways).toEqual([]);
  upload.end('{"records":[{"body":"in flight"}]}');
  const { status, body } = await answer;
  expect([status, JSON.parse(String(body))]).toEqual([
    200,
    expect.objectContaining({ start: expect.objectContaining({ seq_num: 0 }) }),
  ]);
  await h2.closed;
  expect(new Set(h2.goaways)).toEqual(new Set([constants.NGHTTP2_NO_ERROR]));
  expect(await exit).toEqual({ code: 0, signal: null });
});

test('a request that comes while another one runs is refused, whatever it asks for', async () => {
  const server = await startServer();
  const h2 = await connectHttp2(server.url);
  const upload = h2.open({ path: '/v1/logs', headers: { ...headersOf(server), expect: '100-continue' } });
  const answer = answerOf(upload);
  await new Promise<void>((resolve) => upload.once('continue', resolve));
  const exit = server.stop();
  await untilRefused(server);
  const headers = headersOf(server);
  for (const [method, path] of [
    ['POST', '/v1/streams/s/records'],
    ['GET', '/v1/streams/s/records?seq_num=0'],
    ['GET', '/v1/streams/s/records/tail'],
    ['PUT', '/v1/streams/s'],
    ['GET', '/v1/basins'],
    ['GET', '/v1/metrics?set=active-basins'],
    ['POST', '/v1/tickets'],
  ] as const) {
    const { status, body } = await h2.call({ method, path, headers, ...(method === 'GET' ? {} : { body: '{}' }) });
    expect([path, status, JSON.parse(String(body))]).toMatchObject([path, 503, { code: 'server_draining' }]);
  }
  expect((await h2.call({ path: '/v1/traces', headers, body: '{}' })).status).toBe(503);
  expect((await h2.call({ method: 'GET', path: '/metrics', headers })).status).toBe(200);
  expect(h2.goaways).toEqual([]);
  upload.end('{}');
  expect((await answer).status).toBe(200);
  expect(await exit).toEqual({ code: 0, signal: null });
});

test('nothing comes between the last response and the GOAWAY, and nothing follows it', async () => {
  const server = await startServer();
  const client = await connectRaw(server.port);
  client.send(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
  const upload = { ...PSEUDO, ':method': 'POST', ':path': '/v1/logs', ...headersOf(server) };
  client.send(Buffer.concat([headersFrame(1, upload, false), frame(FRAME.ping, 0, 0, Buffer.from('is there'))]));
  await client.until(/is there/);
  const exit = server.stop();
  await untilRefused(server);
  client.send(frame(FRAME.data, 1, 1, Buffer.from('{}')));
  await client.closed;
  expect(await exit).toEqual({ code: 0, signal: null });
  const frames = framesIn(Buffer.from(client.received(), 'latin1'));
  const goaway = frames.findIndex(({ type }) => type === FRAME.goaway);
  expect(frames[goaway - 1]).toMatchObject({ type: FRAME.data, stream: 1, flags: 1 });
  expect(frames[goaway]?.payload).toEqual(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
  // Clients such as hyper-h2 take any other frame there as a fault, and lose what they have read with it.
  expect(new Set(frames.slice(goaway).map(({ type }) => type))).toEqual(new Set([FRAME.goaway]));
});

test('a request that crosses the GOAWAY on its way is answered, not refused', async () => {
  const server = await startServer();
  const busy = await connectHttp2(server.url);
  const upload = busy.open({ path: '/v1/logs', headers: { ...headersOf(server), expect: '100-continue' } });
  const answer = answerOf(upload);
  await new Promise<void>((resolve) => upload.once('continue', resolve));
  const client = await connectRaw(server.port);
  client.send(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), frame(FRAME.ping, 0, 0, Buffer.from('is there'))]));
  await client.until(/is there/);
  const exit = server.stop();
  const frames = () => framesIn(Buffer.from(client.received(), 'latin1'));
  await until(() => frames().some(({ type }) => type === FRAME.goaway));
  client.send(headersFrame(1, { ...PSEUDO, ':method': 'GET', ':path': '/readyz' }, true));
  await until(() => frames().some(({ type, stream }) => type === FRAME.data && stream === 1));
  expect(client.received()).toContain('"draining"');
  upload.end('{}');
  expect((await answer).status).toBe(200);
  expect(await exit).toEqual({ code: 0, signal: null });
});

test('sessions have a grace period and a last frame; then the server ends', async () => {
  const server = await startServer({ args: ['--shutdown-timeout', '2s'] });
  const h2 = await connectHttp2(server.url);
  const body = '{"records":[{"body":"first"}]}';
  expect((await h2.call({ path: '/v1/streams/s/records', headers: headersOf(server), body })).status).toBe(200);
  const session = follow(h2, server);
  await until(() => session.text().includes('event: ping'));
  const exit = server.stop();
  // Told at once that the server stops, and served until the end.
  await until(() => session.text().split('event: ping').length > 2);
  expect(h2.goaways).toEqual([]);
  await session.ended;
  expect(session.text()).toMatch(/event: error\ndata: \{"code":"server_draining".*\}\n\n$/);
  expect(await exit).toEqual({ code: 0, signal: null });
});

test('a client that reads nothing does not keep the server from ending', async () => {
  const server = await startServer({ args: ['--shutdown-timeout', '1s'] });
  const h2 = await connectHttp2(server.url);
  const stalled = h2.open({ path: '/v1/streams/s/records', headers: headersOf(server) });
  stalled.on('error', () => {});
  await new Promise<void>((resolve) => stalled.write('{"records":', () => resolve()));
  expect((await h2.call({ method: 'GET', path: '/health' })).status).toBe(200);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  await h2.closed;
});

test('a request on a connection that waits to be accepted when the stop begins gets an answer, and no reset', async () => {
  const server = await startServer();
  process.kill(server.pid, 'SIGSTOP');
  const [late, healthy] = await Promise.all([connectRaw(server.port), connectRaw(server.port)]);
  const headers = Object.entries({ ...headersOf(server), host: 'x', 'content-length': '2' });
  late.send(`POST /v1/logs HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n{}`);
  healthy.send('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  const exit = server.stop();
  process.kill(server.pid, 'SIGCONT');
  // It comes before the stop or after it.
  const answer = await late.until(/\{.*\}$/);
  expect(answer).toMatch(/^HTTP\/1\.1 (200 .*connection: close|503 .*retry-after: \d.*connection: close)/is);
  expect(await healthy.until(/OK$/)).toMatch(/^HTTP\/1\.1 200 .*connection: close/is);
  expect(await exit).toEqual({ code: 0, signal: null });
});
