/**
 * HTTP/2 frames in any order and of any shape, from clients that disconnect at any time: they can crash node's own
 * parser when sessions and streams are ended in the middle of a read.
 */

import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { EXPORT } from '../support/grpc-call.ts';
import { call } from '../support/http-call.ts';
import { FRAME, frame, headersFrame, PREFACE } from '../support/http2-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const CONNECTIONS = 400;
const AT_ONCE = 20;
const PATHS = [
  '/grpc.health.v1.Health/Watch',
  EXPORT.logs,
  '/health',
  '/v1/logs',
  '/v1/streams/s/records',
  '/v1/streams/s/records/tail',
  '/nope',
  '*',
];
const METHODS = ['GET', 'POST', 'HEAD', 'DELETE', 'CONNECT'];
const TYPES = ['application/json', 's2s/proto', 'text/plain', 'application/grpc'];

/** A reproducible pseudo-random generator. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function code(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** What one client sends, part by part. */
function script(seed: number, server: TestServer): Buffer[] {
  const next = numbers(seed);
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;
  let stream = 1;
  const request = (): Buffer => {
    const target = { ':method': pick(METHODS), ':scheme': 'http', ':authority': 'x', ':path': pick(PATHS) };
    const about = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry', 'content-type': pick(TYPES) };
    const bytes = headersFrame(stream, { ...target, ...about }, next(5) < 2);
    stream += 2;
    return bytes;
  };
  const last = (): number => Math.max(1, stream - pick([2, 4]));
  const makers = [
    request,
    request,
    request,
    () => frame(FRAME.data, next(2), last(), Buffer.alloc(next(20_000))),
    () => frame(FRAME.rstStream, 0, last(), code(pick([0, 1, 5, 8, 99]))),
    () => frame(FRAME.goaway, 0, 0, Buffer.alloc(8)),
    () => frame(FRAME.settings, 0, 0),
    () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
    () => headersFrame(last(), { ':method': 'GET', ':scheme': 'http', ':path': '/' }, true),
    () => frame(next(12), next(256), next(8), Buffer.alloc(next(50), next(256))),
  ];
  const pieces = Array.from({ length: 1 + next(30) }, () =>
    Buffer.concat(Array.from({ length: 1 + next(6) }, () => pick(makers)())),
  );
  return [Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0)]), ...pieces];
}

async function play(pieces: readonly Buffer[], port: number, isRude: boolean): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}).resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (isRude) socket.resetAndDestroy();
  else socket.destroy();
  await closed;
}

test.each(['HTTP', 'gRPC'])('any frames leave the port of %s and the server alive', async (name) => {
  const server = await startServer({ args: ['--log-level', 'error', '--shutdown-timeout', '2s'] });
  const port = name === 'HTTP' ? server.port : Number(new URL(server.grpcUrl ?? '').port);
  for (let seed = 0; seed < CONNECTIONS; seed += AT_ONCE) {
    const seeds = Array.from({ length: AT_ONCE }, (_, i) => seed + i);
    await Promise.all(seeds.map((each) => play(script(each, server), port, each % 3 === 0)));
  }
  expect((await call(server.port, { method: 'GET', path: '/health' })).status).toBe(200);
  expect(server.stderr()).toBe('');
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});
