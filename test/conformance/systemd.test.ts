/**
 * The units of `scripts/deploy/`: systemd's own tools take them, and a server that is started as they say tells its
 * supervisor when it is ready, alive and stopping.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { SHUTDOWN_TIMEOUT_MS } from '../../src/model/limits.ts';
import { CLI_MAIN } from '../support/cli.ts';
import { type Datagrams, missingForDatagrams, receiveDatagrams } from '../support/datagrams.ts';
import { ROOT_TOKEN, rememberSecret } from '../support/secrets.ts';
import { readUnit } from '../support/unit-file.ts';

const DEPLOY = path.resolve(import.meta.dirname, '../../scripts/deploy');
const SERVICE = path.join(DEPLOY, 'tailrace.service');
const SOCKET = path.join(DEPLOY, 'tailrace.socket');
/** Ten times the exposure that `systemd-analyze security` may find. */
const THRESHOLD = '20';

const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-systemd-'));
const children: ChildProcess[] = [];
afterAll(() => {
  // One that a failed test has left.
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
const withAnalyze = hasAnalyze ? test : test.skip;
if (!hasAnalyze) process.stderr.write('skipped: systemd-analyze is not there\n');
const missing = missingForDatagrams();
const withNotify = missing === undefined ? test : test.skip;
if (missing !== undefined) process.stderr.write(`skipped: ${missing} is not there\n`);

function analyze(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args], { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

withAnalyze('systemd-analyze verify finds nothing wrong with the units, and does with a misspelt one', () => {
  expect(analyze('verify', '--man=no', SERVICE, SOCKET)).toEqual({ status: 0, said: '' });
  const wrong = path.join(dir, 'wrong.service');
  writeFileSync(wrong, readFileSync(SERVICE, 'utf8').replace('PrivateTmp=', 'PrivateTemp='));
  expect(analyze('verify', '--man=no', wrong, SOCKET).said).toContain('PrivateTemp');
});

withAnalyze('systemd-analyze security finds an exposure of at most 2.0, and more without the hardening', () => {
  const security = ['security', '--offline=true', '--no-pager', `--threshold=${THRESHOLD}`];
  expect(analyze(...security, SERVICE)).toMatchObject({ status: 0 });
  const open = path.join(dir, 'open.service');
  writeFileSync(open, readFileSync(SERVICE, 'utf8').replace(/^NoNewPrivileges=[\s\S]*^SystemCallFilter=.*$/m, ''));
  expect(analyze(...security, open).status).not.toBe(0);
});

test('the service gives the server more time to stop than it takes, and lets its notices through', () => {
  const service = readUnit(SERVICE);
  expect(Number(service.one('Service', 'TimeoutStopSec')) * 1_000).toBeGreaterThan(SHUTDOWN_TIMEOUT_MS);
  expect([service.one('Service', 'Type'), service.one('Service', 'NotifyAccess')]).toEqual(['notify', 'all']);
  expect(service.one('Unit', 'Requires')).toBe(path.basename(SOCKET));
  // The server takes one socket; another address needs another unit.
  expect(readUnit(SOCKET).all('Socket', 'ListenStream')).toHaveLength(1);
});

interface Service {
  readonly port: number;
  readonly state: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
}

/** Starts a server as the units say: the command, the variables, the folder and the socket. */
async function startService(name: string, env: Readonly<Record<string, string>>): Promise<Service> {
  const service = readUnit(SERVICE);
  const folder = path.join(dir, name);
  const state = path.join(folder, service.one('Service', 'StateDirectory'));
  const bin = path.join(folder, 'bin');
  for (const made of [state, bin]) mkdirSync(made, { recursive: true });
  // What npm install --global makes.
  symlinkSync(CLI_MAIN, path.join(bin, 'tailrace'));
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const inState = (text: string): string => text.replaceAll('%S', folder);
  const declared = service.all('Service', 'Environment').map((one) => inState(one).split('=') as [string, string]);
  const listening = net.createServer();
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as net.AddressInfo;
  const { fd } = (listening as unknown as { readonly _handle: { readonly fd: number } })._handle;
  // systemd sets LISTEN_PID in the process that it forks.
  const exec = `LISTEN_PID=$$ exec ${service.one('Service', 'ExecStart')}`;
  const child = spawn('/bin/sh', ['-c', exec], {
    cwd: inState(service.one('Service', 'WorkingDirectory')),
    env: { PATH: bin, TAILRACE_GRPC_PORT: '0', ...Object.fromEntries(declared), LISTEN_FDS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe', fd],
  });
  children.push(child);
  await new Promise((resolve) => listening.close(resolve));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { port, state, child, ended, output: () => output };
}

function rememberToken({ state }: Service): void {
  rememberSecret(ROOT_TOKEN, readFileSync(path.join(state, 'root-token'), 'utf8').trim());
}

withNotify('a server that is started as the units say tells when it is ready, alive and stopping', async () => {
  const socket = path.join(dir, 'notify');
  const datagrams: Datagrams = await receiveDatagrams(socket);
  // The directory of systemd-notify, after the one that npm fills.
  const notify = path.dirname(spawnSync('sh', ['-c', 'command -v systemd-notify'], { encoding: 'utf8' }).stdout.trim());
  const PATH = `${path.join(dir, 'told', 'bin')}:${notify}`;
  const service = await startService('told', { PATH, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '100000' });
  await datagrams.saw(/^READY=1$/);
  rememberToken(service);
  expect((await fetch(`http://127.0.0.1:${service.port}/readyz`)).status).toBe(200);
  expect(datagrams.messages.flat()).toContain(`STATUS=listening on http://127.0.0.1:${service.port}`);
  await datagrams.saw(/^WATCHDOG=1$/);
  service.child.kill('SIGTERM');
  await datagrams.saw(/^STOPPING=1$/);
  expect(await service.ended).toBe(0);
  await datagrams.close();
  expect(existsSync(path.join(service.state, 'tailrace.mdb'))).toBe(true);
});

test('without systemd-notify the server says what is missing, and serves', async () => {
  const service = await startService('untold', { NOTIFY_SOCKET: path.join(dir, 'none') });
  while (!service.output().includes('could not be told')) {
    expect(service.child.exitCode).toBeNull();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  rememberToken(service);
  expect(service.output()).toMatch(/READY=1.*NOTIFY_SOCKET is set.*systemd-notify.*Type=exec/);
  expect((await fetch(`http://127.0.0.1:${service.port}/health`)).status).toBe(200);
  service.child.kill('SIGTERM');
  expect(await service.ended).toBe(0);
});
