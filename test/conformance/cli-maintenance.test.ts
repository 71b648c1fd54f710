/** Maintenance of a store by the command line: usage, backups, restoring, verifying and compacting. */

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
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
  await shell('seq 100 | tailrace append kept');
  await shell('tailrace backup "$D/store.backup"');
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const shell = (line: string) => runShell(line, { server, env: { D: folder } });
const jsonOf = ({ stdout }: CliResult) => JSON.parse(stdout) as Record<string, unknown>;

describe('metrics', () => {
  test('are printed for each level, as lines and as JSON', async () => {
    expect(await run('metrics', 'active-basins')).toEqual({ code: 0, stdout: 's2://telemetry\n', stderr: '' });
    const appends = await run('metrics', 'append-ops', 's2://telemetry', '--start-ago', '1h', '--interval', 'minute');
    expect(appends.stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:00\.000Z +1 operations {2}express\n$/);
    const stored = jsonOf(await run('metrics', 'storage', 'telemetry/kept', '--json'));
    expect(stored).toMatchObject({ values: [{ gauge: { unit: 'bytes', values: expect.any(Array) } }] });
    const silent = await run('metrics', 'append-ops', 'telemetry', '--start-ago', '2d', '--end-ago', '1d');
    expect(silent).toMatchObject({ code: 0, stdout: '', stderr: 'no append-ops in this time\n' });
  });

  test.each([
    [['metrics', 'storage'], 2, 'storage is one of a basin and a stream'],
    [['metrics', 'colours', 'telemetry'], 2, 'a basin has storage, append-ops'],
    [['metrics', 'append-ops', 'telemetry/kept'], 2, 'a stream has storage'],
    [['metrics', 'active-basins', '--interval', 'year'], 2, 'minute, hour, day'],
    [['metrics', 'active-basins', '--start-ago', '1d', '--start-timestamp', '0'], 2, 'only one of --start-timestamp'],
    [['metrics', 'active-basins', '--start-ago', '1h', '--end-ago', '2h'], 1, 'start must not be after end'],
    [['metrics', 'active-basins', '--start-timestamp', '2020-01-01'], 1, '90 days'],
  ])('exit with an error for %j: code %i', async (args, code, words) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(words);
  });
});

describe('backup and restore', () => {
  test('a restored store has what was backed up while the server was running', async () => {
    const restored = await shell('tailrace restore "$D/store.backup" --data-dir "$D/restored" --json');
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    expect(jsonOf(restored)).toMatchObject({ basins: 1, streams: 1, records: 100, fault_count: 0 });
    const verified = await shell('tailrace verify --data-dir "$D/restored"');
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(verified.stdout).toContain('1 basin, 1 stream, 100 records');
    const node = await shell(
      'cp -r "$D/restored" "$D/node" && cp -r "$D/restored" "$D/node/p1" && tailrace verify --data-dir "$D/node"',
    );
    expect(node).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('2 partitions, 2 basins, 2 streams, 200 records'),
    });
    expect(await readdir(join(folder, 'restored'))).not.toContain('root-token');
    const second = await startServer({
      dataDir: join(folder, 'restored'),
      env: { TAILRACE_ROOT_TOKEN: 'another-root-token-of-32-characters-or-more' },
    });
    try {
      const read = await runCli(['read', 'kept', '-s', '0', '--no-follow', '--view', 'raw', '--format', 'text'], {
        server: second,
      });
      expect(read.stdout.trim().split('\n')).toEqual(Array.from({ length: 100 }, (_, index) => String(index + 1)));
    } finally {
      await second.stop();
    }
  });

  test('a backup through a pipe is the same file', async () => {
    const piped = await shell('tailrace backup - > "$D/piped.backup"; tailrace verify "$D/piped.backup" --json');
    expect(jsonOf(piped)).toMatchObject({ records: 100, fault_count: 0 });
    const said = await shell('tailrace backup "$D/again.backup" --json');
    const { size } = await stat(join(folder, 'again.backup'));
    expect(jsonOf(said)).toMatchObject({ bytes: size, rows: expect.any(Number) });
  });

  test('a directory that no server uses is backed up without one, also through a pipe', async () => {
    await shell('tailrace restore "$D/store.backup" --data-dir "$D/stopped"');
    const saved = await shell('tailrace backup "$D/stopped.backup" --data-dir "$D/stopped" --verify --json');
    expect(saved).toMatchObject({ code: 0, stderr: '' });
    expect(jsonOf(saved)).toMatchObject({ verified: { records: 100, fault_count: 0 } });
    const piped = await shell(
      'tailrace backup - --data-dir "$D/stopped" >"$D/piped.backup" && tailrace verify "$D/piped.backup" --json',
    );
    expect(jsonOf(piped)).toMatchObject({ streams: 1, records: 100, fault_count: 0 });
  });

  test('a damaged or cut file exits with code 1, and nothing of it is restored', async () => {
    const whole = await readFile(join(folder, 'store.backup'));
    const damaged = Buffer.from(whole);
    const middle = Math.floor(whole.length / 2);
    damaged[middle] = (damaged[middle] ?? 0) ^ 1;
    await writeFile(join(folder, 'damaged'), damaged);
    await writeFile(join(folder, 'cut'), whole.subarray(0, -5));
    for (const name of ['damaged', 'cut']) {
      expect((await shell(`tailrace verify "$D/${name}"`)).code).toBe(1);
      const restored = await shell(`tailrace restore "$D/${name}" --data-dir "$D/from-${name}"`);
      expect(restored).toMatchObject({ code: 1, stdout: '' });
      expect(await readdir(join(folder, `from-${name}`))).toEqual([]);
    }
  });

  test('only the root token may take a backup; a file that cannot be written exits with code 2', async () => {
    const other = await runCli(['backup', join(folder, 'x')], { server, env: { TAILRACE_TOKEN: 'trk_wrong' } });
    expect(other).toMatchObject({ code: 3, stdout: '' });
    expect(await readdir(folder)).not.toContain('x');
    expect((await run('backup', join(folder, 'no-such-folder', 'x'))).code).toBe(2);
    expect((await shell('tailrace backup x --data-dir "$D" --endpoint http://127.0.0.1')).stderr).toContain('not both');
  });
});

describe('verify and compact', () => {
  test('a directory with a running server, an empty one, and a missing one are refused', async () => {
    for (const command of ['verify', 'compact']) {
      const busy = await run(command, '--data-dir', server.dataDir);
      expect(busy).toMatchObject({ code: 5, stdout: '' });
      expect((await run(command, '--data-dir', join(folder, 'nowhere'))).code).toBe(2);
    }
    expect(await run('backup', join(folder, 'x'), '--data-dir', server.dataDir)).toMatchObject({ code: 5, stdout: '' });
    expect((await run('backup', join(folder, 'x'), '--data-dir', join(folder, 'nowhere'))).code).toBe(2);
    expect(await readdir(folder)).not.toContain('x');
    expect((await shell('tailrace restore "$D/store.backup" --data-dir "$D"')).stderr).toContain('is not empty');
    expect((await run('verify', 'a-file', '--data-dir', 'x')).code).toBe(2);
    expect((await run('restore', join(folder, 'nothing'))).code).toBe(2);
  });

  test('compacting keeps everything, in place and elsewhere', async () => {
    await shell('tailrace restore "$D/store.backup" --data-dir "$D/large" -q');
    const elsewhere = jsonOf(await shell('tailrace compact --data-dir "$D/large" --to "$D/small" --json'));
    expect(elsewhere).toMatchObject({ bytes_before: expect.any(Number), bytes_after: expect.any(Number) });
    expect(await shell('tailrace compact --data-dir "$D/large"')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/: [\d.]+ \w+ → [\d.]+ \w+\n$/),
    });
    for (const name of ['large', 'small']) {
      expect(jsonOf(await shell(`TAILRACE_DATA_DIR="$D/${name}" tailrace verify --json`))).toMatchObject({
        records: 100,
        fault_count: 0,
      });
    }
  });
});

describe('clock confirm', () => {
  test('prints the clock and whether expiry had stopped; it needs the root token', async () => {
    const confirmed = jsonOf(await run('clock', 'confirm', '--json'));
    expect(confirmed).toEqual({ clock: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), was_paused: false });
    expect(await run('clock', 'confirm')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^confirmed .*Z: expiry had not stopped\n$/),
      stderr: '',
    });
    const other = await runCli(['clock', 'confirm'], { server, env: { TAILRACE_TOKEN: 'trk_wrong' } });
    expect(other).toMatchObject({ code: 3, stdout: '' });
  });
});
