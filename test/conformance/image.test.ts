/**
 * The image: its file and what its build gets, and its last stage performed step by step in a clean folder, which then
 * runs as a container would. What the first stage makes is taken from this checkout; `npm run interop -- image` makes it.
 */

import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isSent, pairsOf, readDockerfile, type Stage } from '../support/dockerfile.ts';
import { type Container, ImageRoot, missingForImages } from '../support/image-root.ts';
import { ROOT_TOKEN, rememberSecret } from '../support/secrets.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const [build, image] = readDockerfile(path.join(ROOT, 'Dockerfile')) as [Stage, Stage];
const IGNORE = readFileSync(path.join(ROOT, '.dockerignore'), 'utf8');
const USER = '10001';

function valuesOf(name: string): readonly string[] {
  return image.steps.filter((step) => step.name === name).map(({ value }) => value);
}

function listOf(name: string): readonly string[] {
  return JSON.parse(valuesOf(name)[0]?.replace(/^CMD /, '') ?? '[]') as string[];
}

test('both stages have the same slim base of a fixed digest, and a Node that the package takes', () => {
  const { engines } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    engines: { node: string };
  };
  expect(build.base).toMatch(/^node:\d+\.\d+\.\d+-\w+-slim@sha256:[0-9a-f]{64}$/);
  expect(image.base).toBe(build.base);
  const [, major] = /^node:(\d+)/.exec(image.base) ?? [];
  expect(Number(major)).toBeGreaterThanOrEqual(Number(/\d+/.exec(engines.node)?.[0]));
});

test('labels, ports, volume and signal are those of the server, and no shell is process 1', () => {
  const { version, license } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  const labels = pairsOf(valuesOf('LABEL')[0] ?? '');
  expect(labels).toMatchObject({
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': license,
    'org.opencontainers.image.revision': '$REVISION',
  });
  expect(valuesOf('EXPOSE')).toEqual(['4317 4318']);
  expect([listOf('VOLUME'), valuesOf('STOPSIGNAL'), listOf('CMD')]).toEqual([['/data'], ['SIGTERM'], ['serve']]);
  expect(listOf('ENTRYPOINT')[0]).toBe('node');
  expect(valuesOf('USER')).toEqual([`${USER}:${USER}`]);
});

test('a build gets what it reads and nothing else: no data, no token, no history', () => {
  const read =
    /const SOURCES = \[([^\]]+)\]/.exec(readFileSync(path.join(ROOT, 'scripts/prepare.mjs'), 'utf8'))?.[1] ?? '';
  const sources = [...read.matchAll(/'([^']+)'/g)].map(([, name = '']) => name);
  expect(sources.length).toBeGreaterThan(5);
  const copied = image.steps
    .filter(({ name, flags }) => name === 'COPY' && flags.from === 'build')
    .flatMap(({ value }) => value.split(' ').slice(0, -1))
    .map((name) => path.relative('/build', name));
  const made = /^(dist|node_modules)(\/|$)/;
  const wanted = [...sources, ...copied, '.npmrc', 'src/server.ts', 'scripts/build.mjs'].filter(
    (name) => !made.test(name),
  );
  expect(wanted.filter((name) => !isSent(IGNORE, name))).toEqual([]);
  const unwanted = ['.git', '.git/config', 'data/root-token', 'node_modules/ws/index.js', 'dist/cli/main.js', '.env'];
  const secrets = ['scripts/root-token', 'src/a/b.token', 'scripts/deploy/secrets/root', 'test/unit/stamp.test.ts'];
  expect([...unwanted, ...secrets].filter((name) => isSent(IGNORE, name))).toEqual([]);
});

const missing = missingForImages();
if (missing !== undefined) process.stderr.write(`skipped: running the image needs ${missing}\n`);

(missing === undefined ? describe : describe.skip)('in a container, the image', () => {
  let root: ImageRoot;
  let container: Container;

  beforeAll(async () => {
    root = ImageRoot.ofThisMachine();
    root.perform(image, ROOT, ({ name, value }) => {
      if (name !== 'COPY' || !value.includes('node_modules')) return false;
      // As it is, with what is only for development: the long form takes it out.
      root.mount(path.join(ROOT, 'node_modules'), '/opt/tailrace/node_modules');
      return true;
    });
    container = root.start([...listOf('ENTRYPOINT'), ...listOf('CMD')]);
    await container.saw('listening on');
    rememberSecret(ROOT_TOKEN, readFileSync(path.join(root.folder, 'data/root-token'), 'utf8').trim());
  });

  afterAll(() => root.remove());

  test('runs as a user of its own, who owns the data and nothing of the program', () => {
    expect(container.owner()).toBe(`${USER}:${USER}`);
    const data = statSync(path.join(root.folder, 'data'));
    expect([data.uid, data.gid, data.mode & 0o777]).toEqual([10_001, 10_001, 0o700]);
    const store = statSync(path.join(root.folder, 'data/tailrace.mdb'));
    expect([store.uid, store.mode & 0o077]).toEqual([10_001, 0]);
    expect(container.exec('touch', '/opt/tailrace/dist/cli/main.js')).toMatchObject({ status: 1 });
    expect(container.exec('id', '--user', '--name').output).toBe('tailrace\n');
  });

  test('is healthy by its own check, and takes records on both ports', () => {
    expect(container.exec(...listOf('HEALTHCHECK'))).toEqual({ status: 0, output: 'http://127.0.0.1:4318 is alive\n' });
    expect(container.exec('tailrace', 'ping', '--endpoint', 'http://127.0.0.1:9').status).not.toBe(0);
    const connect = `require('net').connect(4317, '127.0.0.1').on('connect', () => process.exit(0))`;
    expect(container.exec('node', '-e', connect)).toEqual({ status: 0, output: '' });
    expect(container.exec('tailrace', 'send', 'log', 'hello', '--stream', 'my-app').status).toBe(0);
    expect(container.exec('tailrace', 'tail', 'my-app', '--no-follow').output).toContain('hello');
  });

  test('stops in order within the grace of docker stop', async () => {
    expect(await container.stop()).toBe(0);
    expect(container.output()).toContain('stopped');
  });
});
