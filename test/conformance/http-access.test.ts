/** Authentication: the root token, tokens from outside, and a server without tokens, which serves this machine only. */

import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { failToStart, startServer } from '../support/server.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-access-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

async function statusWith(port: number, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await call(port, { method: 'GET', path: '/v1/basins', headers })).status;
}

describe('the root token', () => {
  test('is created once, stored in a file that only its owner can read, and kept', async () => {
    const first = await startServer({ dataDir });
    expect(first.token).toMatch(/^trk_[0-9a-f]{48}$/);
    expect((await stat(join(dataDir, 'root-token'))).mode & 0o777).toBe(0o600);
    expect(await statusWith(first.port, first.token)).toBe(200);
    expect(await statusWith(first.port, `${first.token}0`)).toBe(401);
    await first.stop();
    const second = await startServer({ dataDir });
    expect(second.token).toBe(first.token);
    expect(await statusWith(second.port, first.token)).toBe(200);
    await second.stop();
  });

  test('from outside replaces the stored one and is written to no file', async () => {
    const made = await startServer({ dataDir });
    await made.stop();
    const given = 'an-outside-secret-of-40-characters-00000';
    const server = await startServer({ dataDir, env: { TAILRACE_ROOT_TOKEN: given } });
    expect(await statusWith(server.port, given)).toBe(200);
    expect(await statusWith(server.port, made.token)).toBe(401);
    await server.stop();
    const back = await startServer({ dataDir });
    expect([await statusWith(back.port, made.token), await statusWith(back.port, given)]).toEqual([200, 401]);
    await back.stop();
  });

  test('is exclusive: no token may be issued under its id, which would become the root token at the next start', async () => {
    const server = await startServer({ dataDir });
    const { status, body } = await call(server.port, {
      path: '/v1/access-tokens',
      headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id: 'root', scope: { ops: ['read'] } }),
    });
    expect([status, JSON.parse(body.toString())]).toMatchObject([
      422,
      { message: expect.stringContaining('root token') },
    ]);
    await server.stop();
    const again = await startServer({ dataDir });
    expect(await statusWith(again.port, server.token)).toBe(200);
    await again.stop();
  });

  test('from a file of the operator is not generated', async () => {
    const file = join(dataDir, 'my-token');
    await writeFile(file, `${'s'.repeat(32)}\n`);
    const store = join(dataDir, 'store');
    const server = await startServer({ dataDir: store, args: ['--root-token-file', file] });
    expect(await statusWith(server.port, 's'.repeat(32))).toBe(200);
    expect(await readdir(store)).not.toContain('root-token');
    await server.stop();
  });

  test.each([
    ['a short secret', { TAILRACE_ROOT_TOKEN: 'short' }, []],
    ['a file that is not there', {}, ['--root-token-file', '/nowhere/at/all']],
  ])('is refused at the start: %s', async (_, env, args) => {
    const failed = await failToStart({ dataDir, env, args });
    expect([failed.code, failed.stdout]).toEqual([2, '']);
    expect(failed.stderr).not.toContain('short-');
  });
});

describe('without tokens', () => {
  test('a server refuses an address beyond this machine', async () => {
    const failed = await failToStart({ dataDir, args: ['--no-auth', '--host', '0.0.0.0'] });
    expect(failed.code).toBe(2);
    expect(failed.stderr).toContain('--no-auth');
  });

  test('only this machine and its pages have access, and no token is created', async () => {
    const server = await startServer({ dataDir, args: ['--no-auth', '--basin-host-suffix', 'b.example.com'] });
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await call(server.port, { method: 'GET', path: '/v1/basins', headers })).status;
    const port = server.port;
    for (const host of [
      `localhost:${port}`,
      `db.localhost:${port}`,
      `some-basin.localhost:${port}`,
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      'LOCALHOST',
    ]) {
      expect([host, await status({ host })]).toEqual([host, 200]);
    }
    for (const host of [
      'evil.example',
      `127.0.0.1.evil.example:${port}`,
      '10.0.0.1',
      'localhost.evil.example',
      ...REBOUND,
    ]) {
      expect([host, await status({ host })]).toEqual([host, 403]);
    }
    for (const host of ['evil.com:80.localhost', 'evil.com#.localhost', 'evil.com/.localhost', 'x@a.localhost']) {
      expect([host, await status({ host })]).toEqual([host, 400]);
    }
    const foreign = ['https://evil.example', 'null', 'http://localhost.evil.example', 'file://'];
    for (const origin of [...foreign, ...MALFORMED_ORIGINS]) {
      expect([origin, await status({ origin })]).toEqual([origin, 403]);
    }
    expect(await status({ origin: 'http://localhost:3000' })).toBe(200);
    expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await status({ 'sec-fetch-site': 'same-origin' })).toBe(200);
    const refused = await call(port, { path: '/v1/logs', headers: { host: 'evil.example' }, body: '{}' });
    expect([refused.status, JSON.parse(refused.body.toString())]).toMatchObject([403, { code: 7 }]);
    expect(server.token).toBe('');
    await server.stop();
  });
});

/** Names that the operator of a name server could point to this machine. */
const REBOUND = ['some-basin.b.example.com', 'some-basin.localhost.evil.example', 'evil-localhost', 'a!b.localhost'];

/** What looks as if it ended in a name of this machine. */
const MALFORMED_ORIGINS = [
  'http://evil.com#.localhost',
  'http://evil.com?.localhost',
  'http://evil.com/.localhost',
  'http://evil.com\\.localhost',
  'http://evil.com:80.localhost',
  'http://evil.com@localhost',
  'http://localhost:99999',
  'http://localhost/',
  'http://evil.com, http://localhost',
  'http://a b.localhost',
  'http://',
];
