/**
 * Makes a checkout ready: packages as the lock file says, dist/ as the sources say. Runs on bare Node and npm.
 *
 * It prints to stderr, so that the stdout of the program that it prepares stays clean.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The server and the CLI after a build. */
export const MAIN = path.join(ROOT, 'dist/cli/main.js');

/** Written last by a build; holds the fingerprint of the sources that it was made from. */
export const STAMP_NAME = '.sources';

/** What a build reads. */
const SOURCES = [
  ...['src', 'cli', 'scripts', 'test/support', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'],
  // For the descriptions of the interface.
  ...['package.json', 'README.md', 'SECURITY.md', 'CONTRIBUTING.md'],
];

/** Runs `npm ci` unless node_modules already holds what package-lock.json asks for. Ends the process on failure. */
export function ensureInstalled() {
  requireNode();
  const reason = installReason();
  if (reason === undefined) return;
  say(`installing packages with npm ci (${reason}; about a minute)`);
  // Development packages are needed to build, whatever NODE_ENV says; no package of ours needs an install script.
  const status = npm(['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) fail('npm ci failed: see above', status);
}

/** Builds dist/ unless it was made from these sources. Ends the process on failure. */
export function ensureBuilt() {
  const reason = buildReason();
  if (reason === undefined) return;
  say(`building dist/ (${reason}; some seconds)`);
  const { status } = spawnSync(process.execPath, [path.join(ROOT, 'scripts/build.mjs')], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) fail('the build failed: see above', status);
}

/** Whether dist/ was made from these sources. */
export function isBuilt() {
  return buildReason() === undefined;
}

/** A hash over names and contents of everything that a build reads: exact, unlike the times of files. */
export function sourcesFingerprint() {
  const hash = createHash('sha256');
  for (const file of SOURCES.flatMap((name) => filesOf(name))) {
    const bytes = readFileSync(path.join(ROOT, file));
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/** One line about what is going on. */
export function say(line) {
  process.stderr.write(`tailrace: ${line}\n`);
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  fail(`Node ${process.versions.node} is too old: 20.19 or later is needed`, 1);
}

function installReason() {
  const installed = readJson('node_modules/.package-lock.json');
  if (installed === undefined) return 'node_modules is missing or incomplete';
  const wanted = readJson('package-lock.json');
  if (wanted === undefined) fail('package-lock.json is missing or damaged', 1);
  for (const [name, entry] of Object.entries(wanted.packages)) {
    const found = installed.packages?.[name];
    // Packages for other platforms are optional and are not installed.
    if (name === '' || (found === undefined && entry.optional)) continue;
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) {
      return 'node_modules does not match package-lock.json';
    }
    if (!existsSync(path.join(ROOT, name))) return `${name} is missing`;
  }
  return undefined;
}

function buildReason() {
  const stamp = path.join(ROOT, 'dist', STAMP_NAME);
  if (!existsSync(stamp) || !existsSync(MAIN)) return 'not built yet';
  return readFileSync(stamp, 'utf8').trim() === sourcesFingerprint() ? undefined : 'sources changed';
}

function filesOf(name) {
  const full = path.join(ROOT, name);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [name];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(tsx?|mjs|css|html|svg)$/.test(entry.name))
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
    .sort();
}

function readJson(name) {
  try {
    return JSON.parse(readFileSync(path.join(ROOT, name), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Under npm, the same npm; otherwise the one on the path. Its stdout joins stderr. */
function npm(args) {
  const options = { cwd: ROOT, stdio: ['ignore', 2, 2] };
  const self = process.env.npm_execpath;
  const { status } = self?.endsWith('.js')
    ? spawnSync(process.execPath, [self, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  return status;
}

function fail(line, status) {
  say(line);
  process.exit(status || 1);
}
