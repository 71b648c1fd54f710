/**
 * What a newcomer does: the packed file is installed into an empty folder, and run by npx from another one, each with an
 * empty cache of npm. The bound of the size is held; times are said, because they are those of the network too.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { needPrograms, Skipped } from './tool-chain.ts';

const INSTALLED_MB_MAX = 60;
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export async function run(): Promise<void> {
  needPrograms('npm');
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-newcomer-'));
  try {
    const pack = npm(ROOT, folder, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder);
    const [{ filename }] = JSON.parse(pack.stdout) as [{ filename: string }];
    installs(folder, path.join(folder, filename));
    await runsByNpx(folder, filename);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function installs(folder: string, file: string): void {
  const project = path.join(folder, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{}');
  const started = performance.now();
  const { status, stderr } = npm(project, folder, 'install', '--omit=dev', file);
  if (status !== 0) throw new Skipped(`npm install failed: ${stderr.trim().slice(-300)}`);
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  const megabytes = bytesIn(path.join(project, 'node_modules')) / 1e6;
  say(`installed in ${seconds} s with an empty cache: ${megabytes.toFixed(1)} MB`);
  if (megabytes >= INSTALLED_MB_MAX) throw new Error(`${megabytes} MB are installed, ${INSTALLED_MB_MAX} are allowed`);
}

/** From `npx` to the first record of one's own on the tail. */
async function runsByNpx(folder: string, filename: string): Promise<void> {
  const empty = path.join(folder, 'empty');
  mkdirSync(empty);
  const file = path.join('..', filename);
  rmSync(path.join(folder, 'cache'), { recursive: true, force: true });
  const started = performance.now();
  const env = environment(folder);
  const args = ['--yes', file, 'serve', '--port', '0', '--grpc-port', '0'];
  // A process group of its own: npx does not end with its child.
  const child = spawn('npx', args, { cwd: empty, env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const url = await listening(child);
    const up = performance.now();
    const token = readFileSync(path.join(empty, 'data/root-token'), 'utf8').trim();
    const cli = (...command: readonly string[]) =>
      spawnSync('npx', ['--yes', file, ...command], {
        cwd: empty,
        env: { ...env, TAILRACE_ENDPOINT: url, TAILRACE_TOKEN: token },
        encoding: 'utf8',
      });
    const sent = cli('send', 'log', 'hello', '--stream', 'my-app');
    const { stdout } = cli('tail', 'my-app', '--no-follow');
    if (!stdout.includes('hello')) throw new Error(`nothing on the tail: ${sent.stderr}${stdout}`);
    const [serve, all] = [up - started, performance.now() - started].map((ms) => (ms / 1_000).toFixed(1));
    say(`from npx with an empty cache: listening after ${serve} s, the first record on the tail after ${all} s`);
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    await new Promise((resolve) => child.on('close', resolve));
  }
}

async function listening(child: ChildProcess): Promise<string> {
  let output = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (text: Buffer) => {
      output += text.toString();
      const url = /listening on (\S+)/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.on('close', (code) => reject(new Error(`npx ended with ${code}:\n${output}`)));
  });
}

function npm(cwd: string, folder: string, ...args: readonly string[]) {
  return spawnSync('npm', [...args], { cwd, env: environment(folder), encoding: 'utf8' });
}

/** None of our settings, and a cache of its own. */
function environment(folder: string): Record<string, string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !/^(TAILRACE|npm)_/.test(name));
  return { ...Object.fromEntries(own), npm_config_cache: path.join(folder, 'cache') };
}

function bytesIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return names.reduce((sum, entry) => sum + lstatSync(path.join(entry.parentPath, entry.name)).size, 0);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
