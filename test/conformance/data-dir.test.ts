/**
 * Directories and files that cannot be used, as an operator mistypes them: each answer says who may not use which path and
 * what to do, with code 2; and a directory that others can write in is never served from as it is.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli } from '../support/cli.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Somebody who owns nothing here. */
const STRANGER = 65_534;
const isRoot = process.geteuid?.() === 0;

let dir: string;
let backup: string;
let server: TestServer;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-paths-'));
  chmodSync(dir, 0o755);
  writeFileSync(path.join(dir, 'file'), 'x');
  backup = path.join(dir, 'whole.backup');
  server = await startServer();
  expect((await runCli(['backup', backup], { server })).code).toBe(0);
  chmodSync(backup, 0o644);
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true });
});

describe('a data directory', () => {
  test.each([
    ['file', 'is a file'],
    ['file/below', 'is a file'],
    ['/proc/tailrace/cannot-be-here', 'cannot be made'],
  ])(
    'that is %s is refused by every command that makes one, with user and path',
    async (name, words) => {
      const made = path.resolve(dir, name);
      const backup = path.join(dir, 'whole.backup');
      expect((await runCli(['backup', backup], { server })).code).toBe(0);
      chmodSync(backup, 0o644);
      for (const args of [
        ['serve', '--port', '0'],
        ['restore', backup],
      ]) {
        const { code, stdout, stderr } = await runCli([...args, '--data-dir', made]);
        expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
        expect(stderr).toMatch(/^tailrace: the data directory \S+ cannot be (made|used) by \S+ \(uid \d+\): .+: .+\n$/);
        expect(stderr).toContain(made);
        expect(stderr).toContain(words);
      }
    },
    30_000,
  );

  test('of another user is refused with user, uid and path', async () => {
    if (!isRoot) return console.warn('skipped: only root can run a process as another user');
    const closed = path.join(dir, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    for (const [command, made] of [
      ['serve', closed],
      ['verify', path.join(closed, 'below')],
      ['restore', path.join(dir, 'not-there')],
    ] as const) {
      const given = command === 'restore' ? [backup] : [];
      const { code, stderr } = await asStranger([command, ...given, '--data-dir', made]);
      expect({ made, code }).toEqual({ made, code: 2 });
      expect(stderr).toContain(made);
      expect(stderr).toMatch(/by \S+ \(uid 65534\): .*EACCES/);
      expect(stderr).not.toMatch(/^ {4}at /m);
    }
  }, 30_000);
});

describe('a data directory that others can write in', () => {
  test.each([0o777, 0o720])('is narrowed when it is ours and holds nothing else, and the log says so', async (mode) => {
    const open = path.join(dir, `open-${mode.toString(8)}`);
    mkdirSync(open);
    chmodSync(open, mode);
    const started = await startServer({ dataDir: open });
    await started.stop();
    expect(statSync(open).mode & 0o777).toBe(0o700);
    expect(started.stderr()).toContain(`"was":"0${mode.toString(8)}"`);
    const again = await startServer({ dataDir: open });
    await again.stop();
    expect(again.stderr()).not.toContain('"was"');
  });

  test('is not one that others can only read: that stays as it is', async () => {
    const readable = path.join(dir, 'readable');
    mkdirSync(readable);
    chmodSync(readable, 0o755);
    await (await startServer({ dataDir: readable })).stop();
    expect(statSync(readable).mode & 0o777).toBe(0o755);
  });

  test('is refused with the fix when it is not ours, or holds other things', async () => {
    const shared = path.join(dir, 'shared');
    mkdirSync(shared);
    writeFileSync(path.join(shared, 'not-of-a-store'), 'x');
    chmodSync(shared, 0o777);
    const sticky = path.join(dir, 'sticky');
    mkdirSync(sticky);
    chmodSync(sticky, 0o1777);
    const foreign = path.join(dir, 'foreign');
    if (isRoot) {
      mkdirSync(foreign);
      chmodSync(foreign, 0o777);
      chownSync(foreign, STRANGER, STRANGER);
    }
    for (const dataDir of [shared, sticky, ...(isRoot ? [foreign] : [])]) {
      const before = statSync(dataDir).mode;
      const { code, stderr } = await failToStart({ dataDir });
      expect({ dataDir, code }).toEqual({ dataDir, code: 2 });
      expect(stderr).toContain(`--data-dir ${path.join(dataDir, 'tailrace')}`);
      expect(stderr).toContain('others can write in it');
      expect(statSync(dataDir).mode).toBe(before);
    }
  });
});

describe('files of maintenance', () => {
  const refusal = async (...args: string[]): Promise<CliResult> => {
    const result = await runCli(args, { server });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).not.toMatch(/^ {4}at /m);
    return result;
  };

  test('a backup goes into a file, whose directory is there', async () => {
    expect((await refusal('backup', dir)).stderr).toContain(`is a directory: name a file in it, such as ${dir}/`);
    expect((await refusal('backup', path.join(dir, 'nowhere', 'x'))).stderr).toContain(path.join(dir, 'nowhere'));
    expect((await refusal('backup', path.join(dir, 'file', 'x'))).stderr).toContain('is a file');
    expect((await refusal('backup', '/proc/x')).stderr).toMatch(/\/proc\/x cannot be written by \S+ \(uid \d+\)/);
    if (!isRoot) return;
    const mine = path.join(dir, 'mine.backup');
    expect((await asStranger(['backup', mine])).stderr).toMatch(/mine\.backup cannot be written by \S+ \(uid 65534\)/);
  }, 30_000);

  test('a backup comes from a file that can be read', async () => {
    for (const command of ['verify', 'restore']) {
      expect((await refusal(command, dir)).stderr).toContain('is a directory');
      expect((await refusal(command, path.join(dir, 'nothing'))).stderr).toContain('there is no file');
      expect((await refusal(command, path.join(dir, 'file', 'x'))).stderr).toContain('there is no file');
    }
    expect((await refusal('verify', '--data-dir', path.join(dir, 'file'))).stderr).toContain('is a file');
    expect((await refusal('compact', '--data-dir', path.join(dir, 'file'))).stderr).toContain('is a file');
    if (!isRoot) return;
    const secret = path.join(dir, 'secret.backup');
    writeFileSync(secret, 'x', { mode: 0o600 });
    const { code, stderr } = await asStranger(['verify', secret]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/secret\.backup cannot be read by \S+ \(uid 65534\)/);
  }, 30_000);
});

async function asStranger(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const env = { ...process.env, NODE_OPTIONS: '', TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token };
  const child = spawn(process.execPath, [MAIN, ...args], { uid: STRANGER, gid: STRANGER, cwd: '/', env });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  child.stdout.resume();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}
