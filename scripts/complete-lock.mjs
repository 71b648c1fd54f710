/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out.
 *
 * npm leaves them out when the registry in use does not have them (a mirror may hold one platform only), and then
 * `npm ci` refuses the lock file, here and on every other platform. Run this after each `npm install` of a package.
 *
 *   node scripts/complete-lock.mjs            writes
 *   node scripts/complete-lock.mjs --check    writes nothing; exit code 1 when something is missing
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './prepare.mjs';

const OPERATING_SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'sunos', 'wasi', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

const file = path.join(ROOT, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = Object.entries(lock.packages).flatMap(([parent, entry]) => missingBelow(parent, entry));

if (process.argv.includes('--check')) {
  for (const { name } of missing) console.error(`package-lock.json lacks ${name}: run node scripts/complete-lock.mjs`);
  process.exitCode = missing.length === 0 ? 0 : 1;
} else if (missing.length > 0) {
  for (const { name, entry } of missing) lock.packages[`node_modules/${name}`] = entry;
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  console.log(`added ${missing.length} packages to package-lock.json`);
}

function missingBelow(parent, entry) {
  const wanted = Object.entries(entry.optionalDependencies ?? {});
  const locked = (name) => lock.packages[`${parent}/node_modules/${name}`] ?? lock.packages[`node_modules/${name}`];
  const sibling = wanted.map(([name]) => locked(name)).find((found) => found !== undefined);
  return wanted
    .map(([name, range]) => [name, range.replace(/^[~^]/, '')])
    .filter(([name, version]) => locked(name) === undefined && /^\d/.test(version))
    .map(([name, version]) => ({ name, entry: entryOf(name, version, sibling ?? entry) }));
}

/** The least version of a range, the platform from the name, the rest from a sibling. The integrity cannot be known here. */
function entryOf(name, version, sibling) {
  const words = name.split('/').at(-1).split('-');
  const os = words.includes('windows') ? 'win32' : OPERATING_SYSTEMS.find((word) => words.includes(word));
  const cpu = PROCESSORS.find((word) => words.includes(word));
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined;
  return {
    version,
    ...(cpu && { cpu: [cpu] }),
    ...(sibling.dev && { dev: true }),
    ...(os === 'linux' && libc && { libc: [libc] }),
    ...(sibling.license && { license: sibling.license }),
    optional: true,
    ...(os && { os: [os] }),
    ...(sibling.engines && { engines: sibling.engines }),
  };
}
