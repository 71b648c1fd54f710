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

test('running HTTP/2 requests finish after the GOAWAY, and HTTP/1.1 clients are told to close', async () => {
  const server = await startServer();
  const h2 = await connectHttp2(server.url);
  const h1 = await connectRaw(server.port);
  h1.send('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  await h1.until(/OK$/);
  const upload = h2.open({ path: '/v1/streams/s/records', headers: { ...headersOf(server), expect: '100-continue' } });
  const answer = answerOf(upload);
  await new Promise<void>((resolve) => upload.once('continue', resolve));
  const exit = server.stop();
  await until(() => h2.goaways.length > 0);
  h1.send('GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n');
  await h1.closed;
  expect(h1.received()).toMatch(/HTTP\/1\.1 503 .*connection: close/is);
  await expect(connectRaw(server.port)).rejects.toThrow();
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

test('a request that crosses the GOAWAY on its way is answered, not refused', async () => {
  const server = await startServer();
  const pseudo = { ':scheme': 'http', ':authority': 'x' };
  const client = await connectRaw(server.port);
  client.send(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
  const upload = { ...pseudo, ':method': 'POST', ':path': '/v1/logs', ...headersOf(server) };
  client.send(Buffer.concat([headersFrame(1, upload, false), frame(FRAME.ping, 0, 0, Buffer.from('is there'))]));
  await client.until(/is there/);
  const exit = server.stop();
  const frames = () => framesIn(Buffer.from(client.received(), 'latin1'));
  const goaways = () => frames().filter(({ type }) => type === FRAME.goaway);
  await until(() => goaways().length > 0);
  expect(goaways()[0]?.payload).toEqual(Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
  client.send(headersFrame(3, { ...pseudo, ':method': 'GET', ':path': '/readyz' }, true));
  await until(() => frames().some(({ type, stream }) => type === FRAME.data && stream === 3));
  expect(client.received()).toContain('"draining"');
  client.send(frame(FRAME.data, 1, 1, Buffer.from('{}')));
  await until(() => frames().some(({ type, stream }) => type === FRAME.data && stream === 1));
  client.destroy();
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
  await until(() => h2.goaways.length > 0);
  // Told at once that the server stops, and served until the end.
  await until(() => session.text().split('event: ping').length > 2);
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
