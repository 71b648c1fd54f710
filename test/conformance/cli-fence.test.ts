/** Commands that are records, and records with a key, by the command line against a real server. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-cli-'));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const shell = (line: string, env: Record<string, string> = {}) =>
  runShell(line, { server, env: { D: folder, ...env } });
const rows = ({ stdout }: CliResult) =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('fence and trim', () => {
  test('a fencing token hands a stream over to another writer', async () => {
    expect(await run('fence', 'fenced', 'one')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^fenced: 0\.\.1, tail 1 @ \d+\n$/),
    });
    expect((await shell('echo x | tailrace append fenced -f one')).code).toBe(0);
    expect((await run('fence', 'fenced', 'two', '--fencing-token', 'one', '--match-seq-num', '2')).code).toBe(0);
    const stale = await shell('echo x | tailrace append fenced -f one');
    expect(stale.code).toBe(5);
    expect(stale.stderr).toContain('the fencing token of the stream is "two"');
    expect((await run('fence', 'fenced', 'three', '-f', 'one')).code).toBe(5);
    expect((await run('fence', 'fenced', '')).code).toBe(0);
    expect((await shell('echo x | tailrace append fenced -f two')).stderr).toContain('is none');
    const long = await run('fence', 'fenced', 'x'.repeat(37));
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining('at most 36 bytes') });
  });

  test('trimmed records are gone, and readers are told', async () => {
    await shell('seq 5 | tailrace append trimmed');
    const result = await run('trim', 'trimmed', '3', '--json');
    expect(rows(result)).toMatchObject([{ start: { seq_num: 5 }, end: { seq_num: 6 } }]);
    const left = await run('read', 'trimmed', '-s', '0', '--no-follow', '--format', 'json');
    expect(rows(left).map((row) => row.seq_num)).toEqual([3, 4, 5]);
    expect(left.stderr).toContain('records 0 to 2 of s2://telemetry/trimmed are gone');
    expect((await run('trim', 'trimmed', '4', '-f', 'other')).code).toBe(5);
    expect((await run('trim', 'trimmed', 'four')).code).toBe(2);
  });
});

describe('encrypted streams', () => {
  const key = randomBytes(32).toString('base64');
  const other = randomBytes(32).toString('base64');

  beforeAll(async () => {
    await run('basins', 'create', 'sealed-eu', '--stream-cipher', 'aes-256-gcm', '--create-stream-on-append');
    await writeFile(join(folder, 'key'), `${key}\n`);
    await writeFile(join(folder, 'bad-key'), 'c2hvcnQ=');
  });

  test('accept and return records with the key, from a file or the environment', async () => {
    const appended = await shell('echo secret | tailrace append s2://sealed-eu/x --encryption-key-file "$D/key"');
    expect(appended.code).toBe(0);
    const env = { TAILRACE_ENCRYPTION_KEY: key };
    const line = 'tailrace read s2://sealed-eu/x -s 0 --no-follow --format json';
    expect(rows(await shell(line, env))).toMatchObject([{ body: 'secret' }]);
    expect(rows(await shell(`tailrace tail s2://sealed-eu/x --no-follow --format json`, env))).toHaveLength(1);
    const wrong = await shell(line, { TAILRACE_ENCRYPTION_KEY: other });
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    const none = await shell(line);
    expect(none).toMatchObject({ code: 2, stdout: '' });
    for (const { stderr } of [wrong, none]) expect(stderr).not.toContain(other);
  });

  test('refuse an invalid key before anything is sent, without repeating it', async () => {
    const file = await shell('echo x | tailrace append s2://sealed-eu/x --encryption-key-file "$D/bad-key"');
    expect(file).toMatchObject({ code: 2, stderr: expect.stringContaining('is not the base64 of 32 bytes') });
    const bad = { TAILRACE_ENCRYPTION_KEY: 'hunter2' };
    const variable = await shell('echo x | tailrace append s2://sealed-eu/x', bad);
    expect(variable).toMatchObject({ code: 2, stderr: expect.stringContaining('TAILRACE_ENCRYPTION_KEY') });
    expect(variable.stderr).not.toContain('hunter2');
  });
});
