/**
 * A full store, by our own cap and by the file-size limit of the process. Appends are refused with 503, reads continue,
 * a trim frees space, and service resumes by itself; nothing acknowledged is lost.
 */

import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { append, appendUntilTaken, fill, names } from '../support/filling.ts';
import { startSeamsServer } from '../support/seams.ts';
import { startServer, type TestServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const CAP_BYTES = 40 * MiB;
/** More than twice what fits. */
const APPENDS = 180;

let server: TestServer | undefined;

afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
});

describe('a full store', () => {
  test('with --store-bytes-max returns 503, still reads, and resumes when a trim frees space', async () => {
    server = await startSeamsServer({ args: ['--store-bytes-max', String(CAP_BYTES)] });
    await fillTrimAndResume(server);
  }, 120_000);

  test('revokes and rotates tokens durably while there is no space', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-full-'));
    const args = ['--store-bytes-max', String(CAP_BYTES)];
    try {
      server = await startServer({ dataDir, args });
      const revoked = await issue(server, 'revoked');
      const rotated = await issue(server, 'rotated');
      await fill(server);
      expect((await tokens(server, 'POST', '', { id: 'one-more', scope: { ops: ['read'] } })).status).toBe(500);
      expect((await tokens(server, 'DELETE', '/revoked')).status).toBe(204);
      const rotation = await tokens(server, 'POST', '/rotated/rotate');
      expect(rotation.status).toBe(200);
      const { access_token: fresh } = (await rotation.json()) as { access_token: string };
      await server.stop('SIGKILL');

      server = await startServer({ dataDir, args });
      expect(await whoami(server, revoked)).toBe(401);
      expect(await whoami(server, rotated)).toBe(401);
      expect(await whoami(server, fresh)).toBe(200);
    } finally {
      await server?.stop('SIGKILL');
      await rm(dataDir, { recursive: true, force: true });
    }
  }, 120_000);

  test('with --when-full drop-oldest drops the oldest records, lets senders wait shortly, and keeps everything newer', async () => {
    const args = ['--store-bytes-max', String(CAP_BYTES), '--when-full', 'drop-oldest'];
    server = await startSeamsServer({ args });
    const acked: string[] = [];
    for (let i = 0; i < APPENDS; i++) {
      await appendUntilTaken(server, `record-${i}`);
      acked.push(`record-${i}`);
    }
    const left = await names(server);
    expect(left.length).toBeGreaterThan(20);
    expect(left.length).toBeLessThan(APPENDS);
    expect(left).toEqual(acked.slice(-left.length));
  }, 120_000);

  test('under the file-size limit of the process (ulimit -f) returns 503, still reads, and resumes after a trim', async () => {
    if (spawnSync('prlimit', ['--version']).status !== 0) {
      console.warn('skipped: prlimit is not here, so the file size of a process cannot be limited');
      return;
    }
    server = await startSeamsServer({ env: { SEAMS_FILE_BYTES_MAX: String(CAP_BYTES) } });
    await fillTrimAndResume(server);
  }, 120_000);
});

async function fillTrimAndResume(target: TestServer): Promise<void> {
  const { acked, refused } = await fill(target);
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(5);
  expect(acked.length).toBeGreaterThan(10);

  expect(await names(target)).toEqual(acked);
  const ready = await fetch(`${target.url}/readyz`, { headers: { authorization: `Bearer ${target.token}` } });
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ writes: 'full' });
  expect((await append(target, 'still-full')).status).toBe(503);

  process.kill(target.pid, 'SIGUSR2'); // the seams server trims every stream to its tail
  const resumedAt = await appendUntilTaken(target, 'back-again');
  expect(resumedAt).toBeGreaterThanOrEqual(0);
  expect((await names(target)).filter((name) => name === 'back-again')).toEqual(['back-again']);
}

async function issue(target: TestServer, id: string): Promise<string> {
  const answer = await tokens(target, 'POST', '', { id, scope: { ops: ['read'] } });
  expect(answer.status).toBe(201);
  return ((await answer.json()) as { access_token: string }).access_token;
}

function tokens({ url, token }: TestServer, method: string, path: string, body?: unknown): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  return fetch(`${url}/v1/access-tokens${path}`, { method, headers, ...sent });
}

async function whoami({ url }: TestServer, secret: string): Promise<number> {
  return (await fetch(`${url}/v1/whoami`, { headers: { authorization: `Bearer ${secret}` } })).status;
}
