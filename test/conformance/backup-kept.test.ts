/**
 * Backups on a schedule: `tailrace backup --to`, which names, checks and deletes them; the drill of restoring one; and the
 * units that run it every night.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { FAMILY } from '../../src/storage/keys.ts';
import { otlpBody } from '../support/access-rows.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { unpackGoldenStore } from '../support/golden-store.ts';
import { call } from '../support/http-call.ts';
import { parsePrometheus } from '../support/prometheus.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { tamper } from '../support/stored-rows.ts';

const NAME = /^tailrace-\d{8}T\d{6}\.\d{3}Z\.backup$/;
const TOKEN = 'the-root-token-of-a-drill-that-restores';
/** Sorted, these are older than whatever a test makes. */
const OLD = ['20200101T000000.000Z', '20200102T000000.000Z', '20200103T000000.000Z'].map(
  (at) => `tailrace-${at}.backup`,
);

let dir: string;
let server: TestServer;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-kept-'));
  server = await startServer({ env: { TAILRACE_ROOT_TOKEN: TOKEN } });
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  for (const stream of ['shop', 'bank', 'shop']) {
    const body = JSON.stringify(otlpBody('logs', stream));
    expect((await call(server.port, { path: '/v1/logs', headers, body })).status).toBe(200);
  }
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (...args: readonly string[]): Promise<CliResult> => runCli(['backup', ...args], { server });

/** A folder with files that are no backups of ours, or old ones. */
function folder(name: string, ...files: readonly string[]): string {
  const made = path.join(dir, name);
  mkdirSync(made);
  for (const file of files) writeFileSync(path.join(made, file), 'old');
  return made;
}

/** What every stream holds, in short. */
async function digest(at: TestServer): Promise<string> {
  const hash = createHash('sha256');
  for (const stream of ['bank', 'shop']) {
    for (const { seqNum, timestamp, headers, body } of await readStream(at, stream)) {
      hash.update(JSON.stringify([stream, seqNum, timestamp, headers, Buffer.from(body).toString('hex')]));
    }
  }
  return hash.digest('hex');
}

async function lastBackup(): Promise<number | undefined> {
  const { body } = await call(server.port, {
    method: 'GET',
    path: '/metrics',
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return parsePrometheus(body.toString()).find(({ name }) => name === 'tailrace_last_backup_timestamp_seconds')?.value;
}

test('each backup gets a name with its time, and the newest ones are kept, nothing else is touched', async () => {
  const strange = ['notes.txt', 'tailrace-20200101.backup', `${OLD[0]}.sig`];
  const to = folder('kept', ...OLD, ...strange);
  expect(await lastBackup()).toBeUndefined();
  const before = Date.now() / 1_000;
  const { code, stdout, stderr } = await run('--to', to, '--keep', '3', '--verify');
  expect([code, stderr]).toEqual([0, '']);
  const backups = readdirSync(to).filter((name) => NAME.test(name));
  const [made = ''] = backups.filter((name) => !OLD.includes(name));
  expect(backups).toEqual([OLD[1], OLD[2], made]);
  expect(stdout).toContain(`${path.join(to, made)}: `);
  expect(stdout).toMatch(/1 basin, 2 streams, 3 records, .*; sound\n3 backups kept, 1 deleted\n$/);
  expect(
    readdirSync(to)
      .filter((name) => !backups.includes(name))
      .toSorted(),
  ).toEqual(strange.toSorted());
  expect(await lastBackup()).toBeGreaterThanOrEqual(before);
  const second = JSON.parse((await run('--to', to, '--keep', '1', '--verify', '--json')).stdout) as { file: string };
  expect(second).toMatchObject({ verified: { fault_count: 0, records: 3 }, kept: 1, deleted: [OLD[1], OLD[2], made] });
  expect(readdirSync(to).filter((name) => NAME.test(name))).toEqual([path.basename(second.file)]);
});

test('without --keep all stay, and without --verify nothing is read again', async () => {
  const to = folder('all', ...OLD);
  const made = JSON.parse((await run('--to', to, '--json')).stdout) as { file: string };
  expect(Object.keys(made).toSorted()).toEqual(['bytes', 'file', 'rows']);
  expect(readdirSync(to)).toEqual([...OLD, path.basename(made.file)]);
});

test('what a killed run left goes after an hour, and what another run may be writing stays', async () => {
  const [abandoned, fresh] = [`${OLD[0]}.partial`, `${OLD[1]}.partial`] as const;
  const to = folder('partial', abandoned, fresh);
  const hourAgo = Date.now() / 1_000 - 3_601;
  utimesSync(path.join(to, abandoned), hourAgo, hourAgo);
  expect((await run('--to', to, '--keep', '2')).code).toBe(0);
  expect(readdirSync(to).filter((name) => name.endsWith('.partial'))).toEqual([fresh]);
});

test('a backup that fails deletes no older one, and its code says so', async () => {
  const to = folder('failing', ...OLD);
  const wrong = await runCli(['backup', '--to', to, '--keep', '1'], { server, env: { TAILRACE_TOKEN: 'trk_wrong' } });
  expect(wrong.code).toBe(3);
  const away = { TAILRACE_ENDPOINT: 'http://127.0.0.1:9', TAILRACE_TOKEN: TOKEN };
  expect((await runCli(['backup', '--to', to, '--keep', '1'], { env: away })).code).toBe(75);
  expect(readdirSync(to)).toEqual(OLD);
});

test('a backup in which a fault is found is kept, deletes no older one, and ends with code 1', async () => {
  const dataDir = path.join(dir, 'damaged');
  unpackGoldenStore(4, dataDir);
  await tamper(dataDir, (rows) => [
    { type: 'delete', key: rows.findLast(({ key }) => key[0] === FAMILY.blocks)?.key ?? Buffer.of(0) },
  ]);
  const damaged = await startServer({ dataDir, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
  try {
    const to = folder('faulty', ...OLD);
    const { code, stdout } = await runCli(['backup', '--to', to, '--keep', '1', '--verify'], { server: damaged });
    expect([code, stdout]).toEqual([1, expect.stringMatching(/; 2 faults\n/)]);
    expect(readdirSync(to)).toHaveLength(OLD.length + 1);
    expect((await runCli(['backup', '--to', to, '--keep', '1'], { server: damaged })).code).toBe(0);
    expect(readdirSync(to)).toHaveLength(1);
  } finally {
    await damaged.stop();
  }
});

test.each([
  [[], 'name a file for the backup, or a folder with --to'],
  [['a.backup', '--to', '.'], 'not both'],
  [['a.backup', '--keep', '2'], '--keep is for backups that --to names'],
  [['-', '--verify'], '--verify reads a file'],
  [['--to', '.', '--keep', '0'], 'whole number from 1 to 10000'],
  [['--to', '.', '--keep', '10001'], 'whole number from 1 to 10000'],
  [['--to', 'nowhere'], 'there is no folder nowhere: make it, or mount the disk'],
] as const)('%j is refused with code 2, before the server is called', async (args, words) => {
  const { code, stderr } = await runCli(['backup', ...args], { env: { TAILRACE_ENDPOINT: 'http://127.0.0.1:9' } });
  expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
});

test('the drill: a backup is made, verified and restored, and a server on it has every record', async () => {
  const to = folder('drill');
  const expected = await digest(server);
  expect((await run('--to', to, '--keep', '7', '--verify')).code).toBe(0);
  const [name = ''] = readdirSync(to);
  const [file, restored] = [path.join(to, name), path.join(dir, 'restored')];
  expect((await runCli(['verify', file])).code).toBe(0);
  expect((await runCli(['restore', file, '--data-dir', restored])).code).toBe(0);
  const second = await startServer({ dataDir: restored, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
  try {
    expect(await digest(second)).toBe(expected);
    // The comparison notices a record more.
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    await call(second.port, { path: '/v1/logs', headers, body: JSON.stringify(otlpBody('logs', 'shop')) });
    expect(await digest(second)).not.toBe(expected);
  } finally {
    await second.stop();
  }
});

const UNITS = fileURLToPath(new URL('../../scripts/deploy/', import.meta.url));
const SERVICE = 'tailrace-backup.service';
const HAS_SYSTEMD = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!HAS_SYSTEMD)
  process.stderr.write('skipped "units of systemd": no systemd-analyze here (apt-get install systemd)\n');

(HAS_SYSTEMD ? test : test.skip)('systemd takes the units that make a backup every night', () => {
  const copy = path.join(dir, 'units');
  mkdirSync(copy);
  for (const unit of [SERVICE, 'tailrace-backup.timer']) cpSync(path.join(UNITS, unit), path.join(copy, unit));
  // The server's unit is looked up too; here it need not be more than there.
  if (!existsSync(path.join(UNITS, 'tailrace.service'))) {
    writeFileSync(path.join(copy, 'tailrace.service'), '[Service]\nExecStart=/usr/bin/env true\n');
  } else cpSync(path.join(UNITS, 'tailrace.service'), path.join(copy, 'tailrace.service'));
  const verify = (...units: readonly string[]) => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
      cwd: copy,
      encoding: 'utf8',
    });
    return [status, stderr.split('\n').filter((line) => line.includes('tailrace-backup'))];
  };
  expect(verify(SERVICE, 'tailrace-backup.timer')).toEqual([0, []]);
  // It notices a wrong word.
  writeFileSync(path.join(copy, SERVICE), readFileSync(path.join(copy, SERVICE), 'utf8').replace('Type=', 'Tipe='));
  expect(verify(SERVICE)).not.toEqual([0, []]);
});

test('the command of the unit is one that the command line takes', async () => {
  const unit = readFileSync(path.join(UNITS, SERVICE), 'utf8');
  const [, command = ''] = /^ExecStart=\/usr\/bin\/env tailrace (.*)$/m.exec(unit) ?? [];
  const to = folder('unit', ...OLD);
  const credentials = folder('credentials');
  writeFileSync(path.join(credentials, 'token'), TOKEN, { mode: 0o600 });
  const args = command
    .replace('%S/tailrace-backup', to)
    .replace(/\$\{\w+\}/, credentials)
    .split(' ');
  const { code, stdout } = await runCli(args, { env: { TAILRACE_ENDPOINT: server.url } });
  expect([code, stdout]).toEqual([0, expect.stringContaining('sound\n4 backups kept, 0 deleted')]);
});
