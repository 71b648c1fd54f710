/** How the port of gRPC opens and closes: with the other one, in its order, and with words that help. */

import { mkdtempSync, rmSync } from 'node:fs';
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import {
  EXPORT,
  framed,
  GrpcClient,
  HEALTH,
  NOT_SERVING,
  openCall,
  SERVICE_UNKNOWN,
  SERVING,
} from '../support/grpc-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { failToStart, startServer } from '../support/server.ts';

const CANCELLED = 1;

/** Whether something listens. */
function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** What a watch of the health service was told. */
function watch(client: GrpcClient, service: string) {
  const name = Buffer.from(service);
  const call = client.stream(HEALTH.watch, Buffer.concat([Buffer.of(10, name.length), name]));
  const told: Buffer[] = [];
  const first = new Promise<void>((resolve) => call.once('data', () => resolve()));
  call.on('data', (message: Buffer) => told.push(message));
  const status = new Promise<number>((resolve) => call.once('status', ({ code }) => resolve(code)));
  return { told, first, status, cancel: () => call.cancel() };
}

test('a server that stops ends the calls of gRPC under way, refuses new ones, and tells those who watch its health', async () => {
  const server = await startServer();
  const port = Number(new URL(server.grpcUrl ?? '').port);
  const client = new GrpcClient(server);
  const raw = await connectHttp2(server.grpcUrl ?? '');
  const authorization = `Bearer ${server.token}`;
  const [known, unknown, cancelled] = [watch(client, ''), watch(client, 'no.such.Service'), watch(client, '')];
  await Promise.all([known.first, unknown.first, cancelled.first]);
  cancelled.cancel();
  expect(await cancelled.status).toBe(CANCELLED);
  // A call whose message has begun.
  const upload = openCall(raw, EXPORT.logs, { authorization });
  upload.stream.write(framed(Buffer.alloc(0)).subarray(0, 3));
  expect((await client.call(HEALTH.check, Buffer.alloc(0))).message).toEqual(SERVING);
  const exit = server.stop();
  while (await isOpen(port));
  expect(await known.status).toBe(14);
  expect(known.told).toEqual([SERVING, NOT_SERVING]);
  expect(await unknown.status).toBe(14);
  expect(unknown.told).toEqual([SERVICE_UNKNOWN]);
  const check = openCall(raw, HEALTH.check);
  check.stream.end(framed(Buffer.alloc(0)));
  expect((await check.end).body).toEqual(framed(NOT_SERVING));
  const late = openCall(raw, EXPORT.logs, { authorization });
  late.stream.end(framed(Buffer.alloc(0)));
  const { headers } = await late.end;
  expect([headers['grpc-status'], headers['grpc-message']]).toEqual(['14', expect.stringContaining('stopping')]);
  expect(headers['grpc-status-details-bin']).toEqual(expect.any(String));
  expect(raw.goaways).toEqual([]);
  upload.stream.end(framed(Buffer.alloc(0)).subarray(3));
  expect((await upload.end).headers['grpc-status']).toBe('0');
  await raw.closed;
  expect(new Set(raw.goaways)).toEqual(new Set([constants.NGHTTP2_NO_ERROR]));
  expect(await exit).toEqual({ code: 0, signal: null });
  client.close();
});

test('a port of gRPC that is taken stops the start with words that name its flag, and 0 leaves it closed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tailrace-port-taken-'));
  const first = await startServer();
  try {
    const port = new URL(first.grpcUrl ?? '').port;
    const failed = await failToStart({ dataDir: dir, args: ['--grpc-port', port] });
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain(`port ${port} on 127.0.0.1 is taken`);
    expect(failed.stderr).toContain('--grpc-port 0');
    const off = await startServer({ dataDir: dir, args: ['--grpc-port', '0'] });
    expect(off.stdout()).not.toContain('grpc');
    expect(await off.stop()).toEqual({ code: 0, signal: null });
  } finally {
    await first.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
