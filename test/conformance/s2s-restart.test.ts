/**
 * Sessions of the official SDK while their server restarts: they go on with the new one by
 * themselves. The SDK runs in a process of its own, because it compares errors by class and tests load other classes.
 */

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startServer, type TestServer } from '../support/server.ts';

const CLIENT = fileURLToPath(new URL('../support/s2s-restart-client.mjs', import.meta.url));
const TEST_MS = 60_000;

let dataDir: string;
let server: TestServer;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-restart-'));
});

afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

test(
  'every record is there once and in order, for the writer and for the reader',
  async () => {
    const port = await freePort();
    await start(port);
    const client = startClient(server);
    await client.acked(100);
    for (let restart = 0; restart < 2; restart++) {
      expect((await server.stop()).code).toBe(0);
      await start(port);
      await client.acked(client.count() + 100);
    }
    const { acked, read } = await client.finish();
    expect(acked.length).toBeGreaterThanOrEqual(300);
    expect(acked).toEqual(acked.map((_, i) => i));
    expect(read).toEqual(acked.map((_, i) => `record ${i}`));
  },
  TEST_MS,
);

/** On the same port each time: clients come back to where they were. */
async function start(port: number): Promise<void> {
  server = await startServer({ dataDir, args: ['--port', String(port), '--shutdown-timeout', '8s'] });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

interface SdkClient {
  /** Records that are acknowledged. */
  count(): number;
  /** Resolves when so many are. */
  acked(count: number): Promise<void>;
  /** Lets it come to its end: sequence numbers in the order of their acks, and all that was read. */
  finish(): Promise<{ readonly acked: readonly number[]; readonly read: readonly string[] }>;
}

function startClient({ port, token }: TestServer): SdkClient {
  const child = spawn(process.execPath, [CLIENT, String(port), token], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  let text = '';
  let check = (): void => {};
  child.stdout.on('data', (more: Buffer) => {
    text += more.toString();
    check();
  });
  const count = (): number => text.split('\n').length - 1;
  return {
    count,
    acked: (wanted) =>
      new Promise((resolve, reject) => {
        check = () => {
          if (count() >= wanted) resolve();
        };
        check();
        void exited.then((code) => reject(new Error(`the client ended with code ${code}`)));
      }),
    finish: async () => {
      child.stdin.end();
      if ((await exited) !== 0) throw new Error('the client failed');
      return JSON.parse(text.trim().split('\n').at(-1) ?? '');
    },
  };
}
