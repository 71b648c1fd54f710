/** How a server ends: requests in flight are finished, readers are told, and the next start finds everything. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { connectRaw } from '../support/http-call.ts';
import { readStream } from '../support/read-back.ts';
import { failToStart, startServer } from '../support/server.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-life-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

const BODY = JSON.stringify({
  resourceLogs: [
    {
      resource: { attributes: [{ key: 's2.stream', value: { stringValue: 'a' } }] },
      scopeLogs: [{ logRecords: [{ body: { stringValue: 'in flight' } }] }],
    },
  ],
});

async function refusesConnections(port: number): Promise<void> {
  for (;;) {
    const refused = await connectRaw(port).then(
      (connection) => {
        connection.destroy();
        return false;
      },
      () => true,
    );
    if (refused) return;
  }
}

describe('SIGTERM', () => {
  test('finishes an upload that is in flight, tells readers, and loses nothing', async () => {
    const server = await startServer({ dataDir });
    const headers = { authorization: `Bearer ${server.token}` };
    const first = await fetch(`${server.url}/v1/logs`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: BODY,
    });
    expect(first.status).toBe(200);
    const reader = new WebSocket(`ws://127.0.0.1:${server.port}/v1/streams/a/records`, 's2.json', { headers });
    const frames: { type: string; code?: string; records?: unknown[] }[] = [];
    const level = new Promise<void>((resolve) =>
      reader.on('message', (data) => {
        frames.push(JSON.parse(String(data)) as { type: string });
        if (frames.at(-1)?.type === 'caught_up') resolve();
      }),
    );
    const closed = new Promise<number>((resolve) => reader.on('close', (code) => resolve(code)));
    await level;
    const upload = await connectRaw(server.port);
    upload.send(
      `POST /v1/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    await upload.until(/100 Continue/);
    process.kill(server.pid, 'SIGTERM');
    await refusesConnections(server.port);
    upload.send(BODY);
    expect(await upload.until(/\r\n\r\nHTTP.*\r\n\r\n/s)).toMatch(/HTTP\/1\.1 200 OK\r\n.*connection: close/is);
    expect(await closed).toBe(1012);
    expect(frames.at(-1)).toMatchObject({ type: 'error', code: 'draining' });
    expect(frames.filter(({ type }) => type === 'batch').flatMap(({ records }) => records)).toHaveLength(1);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    const next = await startServer({ dataDir });
    expect(next.token).toBe(server.token);
    expect(await readStream(next, 'a')).toHaveLength(2);
    await next.stop();
  });
});

describe('the data directory', () => {
  test('has one owner; after kill -9 the next server owns it at once', async () => {
    const first = await startServer({ dataDir });
    const second = await failToStart({ dataDir });
    expect(second.stderr).toContain(dataDir);
    expect(second.stderr).toContain(String(first.pid));
    await first.kill();
    const third = await startServer({ dataDir });
    expect((await fetch(`${third.url}/health`)).status).toBe(200);
    await third.stop();
  });

  test('holds no secret except the file root-token, and logs hold none', async () => {
    const server = await startServer({ dataDir, args: ['--log-level', 'debug'] });
    for (const authorization of [`Bearer ${server.token}`, 'Bearer trk_wrong-secret-0123456789']) {
      const headers = { authorization, 'content-type': 'application/json' };
      await (await fetch(`${server.url}/v1/logs`, { method: 'POST', headers, body: BODY })).arrayBuffer();
    }
    await server.stop();
    const store = await readFile(join(dataDir, 'tailrace.mdb'));
    for (const secret of [server.token, 'trk_wrong-secret-0123456789']) {
      expect(store.includes(secret)).toBe(false);
      expect(`${server.stdout()}${server.stderr()}`).not.toContain(secret);
    }
    expect((await readFile(join(dataDir, 'root-token'), 'utf8')).trim()).toBe(server.token);
  });
});
