/** A lost root token is replaced while the server is stopped: the old one is dead, other tokens remain valid. */

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { resetRootToken } from '../../src/maintenance.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { LogFields } from '../../src/observe/logger.ts';
import { createServer } from '../../src/server.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { runCli } from '../support/cli.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-root-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true });
});

const whoami = ({ url }: TestServer, secret: string) =>
  runCli(['whoami'], { env: { TAILRACE_ENDPOINT: url, TAILRACE_TOKEN: secret } });
const reset = (...args: string[]) => runCli(['root-token', 'reset', '--data-dir', dataDir, ...args]);

/** What the audit log says about it. */
const resetsIn = (server: TestServer): Record<string, unknown>[] =>
  server
    .stderr()
    .split('\n')
    .filter((line) => line.includes('"action":"reset-root-token"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const atTerminal = HAS_TERMINAL ? test : test.skip;
atTerminal('a reset asks at a terminal, and neither a no nor --dry-run changes the token', async () => {
  const server = await startServer({ dataDir });
  await server.stop();
  const args = ['root-token', 'reset', '--data-dir', dataDir];
  const refused = await runAtTerminal([...args, '--color', 'never'], { prompt: '[y/N] ', typed: 'n\r', env: {} });
  expect(refused.screen).toContain(`Make a new root token for the store in ${dataDir}, and the old one void`);
  expect(refused.screen).toContain('nothing was changed');
  expect(refused.code).toBe(1);
  expect((await reset('--dry-run')).stdout).toContain('nothing is changed; without --dry-run: Make a new root token');
  expect((await readFile(join(dataDir, 'root-token'), 'utf8')).trim()).toBe(server.token);
  const unasked = await runAtTerminal([...args, '--yes'], { prompt: '[y/N] ', typed: '', env: {} });
  expect(unasked).toMatchObject({ code: 0, screen: expect.not.stringContaining('[y/N]') });
  expect((await readFile(join(dataDir, 'root-token'), 'utf8')).trim()).not.toBe(server.token);
});

test('the new token works, the old one does not, and other tokens remain', async () => {
  const before = await startServer({ dataDir });
  const issued = await runCli(['tokens', 'issue', 'other', '--ops', 'read'], { server: before });
  const inUse = await reset();
  expect(inUse).toMatchObject({ code: 5, stdout: '' });
  expect((await whoami(before, before.token)).code).toBe(0);
  await before.stop();

  const file = join(dataDir, 'root-token');
  const done = await reset();
  expect(done).toMatchObject({ code: 0, stdout: `${file}\n` });
  expect(done.stderr).toBe('the old root token is void; the new one is in this file:\n');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const secret = (await readFile(file, 'utf8')).trim();
  expect(secret).toMatch(/^trk_[0-9a-f]{48}$/);
  expect(secret).not.toBe(before.token);
  expect(done.stdout + done.stderr).not.toContain(secret);

  const after = await startServer({ dataDir });
  expect((await whoami(after, secret)).stdout).toContain('the root token');
  expect((await whoami(after, before.token)).code).toBe(3);
  expect((await whoami(after, issued.stdout.trim())).stdout).toContain('other');
  await after.stop();
  expect(resetsIn(after)).toMatchObject([{ action: 'reset-root-token', outcome: 'done', principal: 'operator' }]);
  const sinceMs = Date.now() - Date.parse(String(resetsIn(after)[0]?.doneAt));
  expect(sinceMs).toBeGreaterThan(0);

  const again = await startServer({ dataDir });
  await again.stop();
  expect(resetsIn(again)).toEqual([]);
});

test('nothing is created where there is no store', async () => {
  const nothing = await reset('--json');
  expect(nothing).toMatchObject({ code: 2, stdout: '' });
  expect(nothing.stderr).toContain(`there is no store in ${dataDir}`);
});

test('on a network file system the command works when the server is allowed there', async () => {
  // Every file system is NFS to these processes.
  const preload = `import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { statfsSync } = fs;
    fs.statfsSync = (path) => ({ ...statfsSync(path), type: 0x6969 });
    syncBuiltinESMExports();`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
  const refused = await failToStart({ dataDir, env });
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--allow-network-fs')]);
  const before = await startServer({ dataDir, env, args: ['--allow-network-fs'] });
  await before.stop();
  expect(await runCli(['root-token', 'reset', '--data-dir', dataDir], { env })).toMatchObject({ code: 0 });
  const after = await startServer({ dataDir, env, args: ['--allow-network-fs'] });
  expect(after.token).not.toBe(before.token);
  expect((await whoami(after, after.token)).code).toBe(0);
  await after.stop();
});

test('a full disk does not keep a server from starting: the next start reports the replaced token again', async () => {
  const told: unknown[][] = [];
  const start = async (wrapEngine: (engine: Engine) => Engine = (engine) => engine): Promise<void> => {
    const lines: LogFields[] = [];
    const take = (fields: LogFields): void => void lines.push(fields);
    const logger = { debug: take, info: take, warn: take, error: take };
    const server = await createServer({ port: 0, dataDir }, { logger, wrapEngine });
    await server.close();
    told.push(lines.filter(({ audit }) => audit === true).map(({ action }) => action));
  };
  await start();
  await resetRootToken(dataDir);
  await start(withoutSpace);
  await start();
  await start();
  expect(told).toEqual([['make-root-token'], ['reset-root-token'], ['reset-root-token'], []]);
});

/** No row can be deleted. */
function withoutSpace(engine: Engine): Engine {
  const commit: Engine['commit'] = (writes, options) =>
    writes.some(({ type }) => type === 'delete')
      ? Promise.reject(new TailraceError('storage_full', 'the disk is full'))
      : engine.commit(writes, options);
  return new Proxy(engine, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
