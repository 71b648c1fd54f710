/** Programs of other languages: whether they are here, building with them outside of the repository, and running what was built. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The form cannot run here, for the reason in its message. */
export class Skipped extends Error {}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Of what a failed build says, the end. */
const ERROR_CHARS = 500;
/** Builds take both processors of a small machine for minutes; other work goes first. */
const BUILD_ENV = { GOFLAGS: '-p=1', CGO_ENABLED: '0', CARGO_BUILD_JOBS: '1' };

/** @throws Skipped when one of them is not on the path */
export function needPrograms(...names: readonly string[]): void {
  const missing = names.filter((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing.length > 0) throw new Skipped(`${missing.join(' and ')} must be installed`);
}

/** The sources of a folder beside this file; what is built does not belong there. */
export function sourcesOf(name: string): string {
  return path.join(fileURLToPath(new URL('../../../scripts/interop/', import.meta.url)), name);
}

/**
 * A folder of the user's cache that `build` has filled. It does so when the files in `inputs`, which are copied there, or
 * `key` are others than the last time.
 * @throws Skipped when a step fails: most often because packages cannot be downloaded
 */
export async function built(
  name: string,
  inputs: Readonly<Record<string, string>>,
  build: (step: (...command: readonly string[]) => void, folder: string) => void,
): Promise<string> {
  const folder = path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'tailrace-interop', name);
  const stamp = path.join(folder, '.built');
  const fingerprint = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return folder;
  process.stdout.write(`building ${name}; the first time takes minutes\n`);
  mkdirSync(folder, { recursive: true });
  rmSync(stamp, { force: true });
  for (const [file, text] of Object.entries(inputs)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  build((...command) => {
    const env = { ...process.env, ...BUILD_ENV };
    const { status, stdout, stderr } = spawnSync('nice', ['-n', '10', ...command], {
      cwd: folder,
      env,
      encoding: 'utf8',
    });
    if (status !== 0)
      throw new Skipped(`${command.join(' ')} failed: ${`${stdout}${stderr}`.trim().slice(-ERROR_CHARS)}`);
  }, folder);
  writeFileSync(stamp, fingerprint);
  return folder;
}

/** The files of a folder of sources, by their relative path. */
export function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const full = names.map((entry) => path.join(entry.parentPath, entry.name));
  return Object.fromEntries(full.map((file) => [path.relative(folder, file), readFileSync(file, 'utf8')]));
}

/** Starts a program with these variables, and none of ours or OpenTelemetry's from outside. */
export function run(
  { file, args }: Command,
  env: Readonly<Record<string, string>>,
): { readonly child: ChildProcess; readonly ended: Promise<Ended>; output(): string } {
  const own = Object.entries(process.env).filter(([name]) => !/^(TAILRACE|OTEL)_/.test(name));
  const child = spawn(file, args, { env: { ...Object.fromEntries(own), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      output += text.toString();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
  return { child, ended, output: () => output };
}
