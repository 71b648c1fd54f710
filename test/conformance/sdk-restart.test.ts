/**
 * A server that stops and starts again under sessions of the official SDK over plain HTTP: they switch to the new one
 * by themselves, and nothing is lost, repeated, or stored without an ack.
 */

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startServer } from '../support/server.ts';

const CLIENT = fileURLToPath(new URL('../support/sdk-restart-client.mjs', import.meta.url));
const RECORDS = 250;
/** The server stops each time after this number of submitted records. */
const EVERY = 100;
/** SSE knows no advice to reconnect: a follower over it stays until the server ends it. */
const TIMEOUT = ['--shutdown-timeout', '3s'];

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-restart-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

test('sessions over fetch and SSE continue after a restart of the server', async () => {
  let server = await startServer({ dataDir, args: TIMEOUT });
  const { port, token } = server;
  const args = [CLIENT, `${port}`, token, 'fetch', `${RECORDS}`, `${EVERY}`];
  const env = { ...process.env, NODE_OPTIONS: '' };
  const client = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let restarts = 0;
  let result = '';
  for await (const line of createInterface({ input: client.stdout })) {
    if (!line.startsWith('submitted')) {
      result = line;
      continue;
    }
    restarts++;
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    server = await startServer({ dataDir, args: [...TIMEOUT, '--port', String(port)] });
  }
  await server.stop();
  expect(restarts).toBe(Math.floor((RECORDS - 1) / EVERY));
  const { acked, seen } = JSON.parse(result) as { acked: number[]; seen: [number, number][] };
  const all = Array.from({ length: RECORDS }, (_, i) => i);
  expect(acked).toEqual(all);
  expect(seen).toEqual(all.map((i) => [i, i]));
}, 60_000);
