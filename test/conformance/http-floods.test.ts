/** HTTP/2 clients that do what no client should: their connections are cut, and other clients are not affected. */

import { constants } from 'node:http2';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { call, connectRaw, type RawConnection } from '../support/http-call.ts';
import { connectHttp2, FRAME, frame, framesIn, headersFrame, PREFACE, resetFrame } from '../support/http2-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const READ = {
  ':method': 'GET',
  ':scheme': 'http',
  ':authority': 'x',
  ':path': '/v1/streams/followed/records?wait=60',
};

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const headers = json();
  const body = '{"records":[{"body":"first"}]}';
  expect((await call(server.port, { path: '/v1/streams/followed/records', headers, body })).status).toBe(200);
});

afterAll(async () => {
  expect((await call(server.port, { method: 'GET', path: '/health' })).status).toBe(200);
  await server.stop();
});

function json(): Record<string, string> {
  return { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry', 'content-type': 'application/json' };
}

async function begin(): Promise<RawConnection> {
  const connection = await connectRaw(server.port);
  connection.send(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]));
  return connection;
}

/** Codes of the GOAWAY frames in the received bytes. */
function goaways(connection: RawConnection): number[] {
  return framesIn(Buffer.from(connection.received(), 'latin1'))
    .filter(({ type }) => type === FRAME.goaway)
    .map(({ payload }) => payload.readUInt32BE(4));
}

/** Sends until the server closes the connection. */
async function flood(connection: RawConnection, next: (round: number) => Buffer): Promise<void> {
  let over = false;
  void connection.closed.then(() => {
    over = true;
  });
  for (let round = 0; !over; round++) {
    connection.send(next(round));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('requests that are reset at once, repeatedly, end the connection', async () => {
  const connection = await begin();
  const headers = { ...READ, authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  await flood(connection, (round) => {
    const pairs = Array.from({ length: 50 }, (_, i) => {
      const stream = 2 * (50 * round + i) + 1;
      return [headersFrame(stream, headers, true), resetFrame(stream, constants.NGHTTP2_CANCEL)];
    });
    return Buffer.concat(pairs.flat());
  });
  expect(goaways(connection).at(-1)).not.toBe(constants.NGHTTP2_NO_ERROR);
});

test('250 sessions that are reset together are not a flood', async () => {
  const connection = await connectHttp2(server.url);
  const { ':path': path, ':method': method } = READ;
  const streams = Array.from({ length: 250 }, () => {
    const headers = { ...json(), accept: 'text/event-stream' };
    return connection.open({ method, path: `${path}&tail_offset=1`, headers }).end();
  });
  await Promise.all(streams.map((stream) => new Promise((resolve) => stream.once('response', resolve))));
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
  expect((await connection.call({ method: 'GET', path: '/health' })).status).toBe(200);
  await connection.close();
});

test.each([
  ['pings', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ['settings', frame(FRAME.settings, 0, 0)],
])('endless %s end the connection', async (_, one) => {
  const connection = await begin();
  const many = Buffer.concat(Array(1_000).fill(one));
  await flood(connection, () => many);
});

test('streams beyond the limit are refused one by one, then the connection is cut', async () => {
  const connection = await begin();
  const headers = { ...READ, authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  await flood(connection, (round) =>
    headersFrame(2 * round + 1, { ...headers, ':path': `${READ[':path']}&tail_offset=0` }, true),
  );
});

test.each([
  ['a frame of a wrong shape', frame(FRAME.rstStream, 0, 0, Buffer.alloc(3))],
  ['data on a stream that is not there', frame(FRAME.data, 0, 99, Buffer.alloc(10))],
  ['a frame that is too large', Buffer.concat([Buffer.of(0xff, 0xff, 0xff), Buffer.alloc(6)])],
])('%s ends a connection', async (_, bytes) => {
  const connection = await begin();
  connection.send(frame(FRAME.ping, 0, 0, Buffer.from('is there')));
  await connection.until(/is there/);
  connection.send(bytes);
  while (goaways(connection).length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(goaways(connection)).toEqual([expect.any(Number)]);
  expect(goaways(connection)).not.toEqual([constants.NGHTTP2_NO_ERROR]);
  connection.destroy();
});

test('headers that are too large or too many are refused', async () => {
  const connection = await connectHttp2(server.url);
  const ask = (headers: Record<string, string>) => connection.call({ method: 'GET', path: '/health', headers });
  await expect(ask({ x: 'y'.repeat(40_000) })).rejects.toThrow();
  const many = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`x-${i}`, 'y']));
  await expect(ask(many)).rejects.toThrow();
  expect((await ask({})).status).toBe(200);
  await connection.close();
});
