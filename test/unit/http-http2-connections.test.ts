/** How long HTTP/2 connections may stay silent, on a clock that the test moves. */

import { type ClientHttp2Session, connect } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Http2 } from '../../src/http/connection/http2.ts';
import { KEEP_ALIVE_TIMEOUT_MS, SOCKET_PING_MS, SOCKET_SILENCE_MS } from '../../src/model/limits.ts';
import { connectRaw } from '../support/http-call.ts';
import { FRAME, frame, framesIn, headersFrame, PREFACE } from '../support/http2-call.ts';
import { ManualClock } from '../support/socket-clock.ts';

const GET = { ':method': 'GET', ':scheme': 'http', ':authority': 'x', ':path': '/' };

let clock: ManualClock;
let port: Server;
let sockets: Socket[];
let asked: number;
let client: ClientHttp2Session | undefined;

beforeEach(async () => {
  clock = new ManualClock();
  sockets = [];
  asked = 0;
  const request = (): void => {
    asked++;
  };
  const http2 = new Http2({ request, upgrade: () => {} }, clock);
  port = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    http2.take(socket);
  });
  await new Promise<void>((resolve) => port.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  client?.destroy();
  for (const socket of sockets) socket.destroy();
  port.close();
});

function number(): number {
  return (port.address() as AddressInfo).port;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Advances the clock in steps, as sweeps do. */
function advance(ms: number): void {
  for (let gone = 0; gone < ms; gone += 1_000) clock.advance(1_000);
}

test('an idle connection gets a GOAWAY after the keep-alive timeout, one with a request does not', async () => {
  client = connect(`http://127.0.0.1:${number()}`);
  const goaway = new Promise<number>((resolve) => client?.once('goaway', resolve));
  const stream = client.request({ ':path': '/' });
  stream.on('error', () => {});
  await until(() => asked === 1);
  advance(2 * KEEP_ALIVE_TIMEOUT_MS);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
  stream.close();
  await new Promise((resolve) => stream.once('close', resolve));
  const other = client.request({ ':path': '/' });
  other.on('error', () => {});
  await until(() => asked === 2);
  other.close();
  await new Promise((resolve) => other.once('close', resolve));
  await new Promise((resolve) => client?.ping(resolve));
  advance(KEEP_ALIVE_TIMEOUT_MS);
  expect(await goaway).toBe(0);
  await until(() => sockets.every(({ destroyed }) => destroyed));
});

test('a peer that has a request and stops answering pings is closed, also when it broke the protocol', async () => {
  const silent = await connectRaw(number());
  silent.send(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0), headersFrame(1, GET, true)]));
  await until(() => asked === 1);
  advance(SOCKET_PING_MS + 1_000);
  const frames = () => framesIn(Buffer.from(silent.received(), 'latin1')).map(({ type }) => type);
  await until(() => frames().includes(FRAME.ping));
  advance(SOCKET_SILENCE_MS - 2_000);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
  advance(2_000);
  await silent.closed;
});

test('a peer that answers pings may wait without a limit', async () => {
  client = connect(`http://127.0.0.1:${number()}`);
  client.request({ ':path': '/' }).on('error', () => {});
  await until(() => asked === 1);
  for (let i = 0; i < 50; i++) {
    advance(SOCKET_PING_MS);
    // The response to our ping comes after the response to the peer's ping.
    await new Promise((resolve) => client?.ping(resolve));
    await new Promise((resolve) => client?.ping(resolve));
  }
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false]);
});
