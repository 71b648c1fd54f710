/** What a command loads before it does anything: short commands take less time than Node takes to find many modules. */

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

const PRELOAD = new URL('../support/modules-loaded.mjs', import.meta.url).href;
/** Of packages that no short command needs. */
const HEAVY = /node_modules\/(zod|protobufjs|ws|lmdb|pino|jose|prom-client|msgpackr|lz4-napi)\//;
const NODE_HTTP = 'node:_http_client';
const NODE_FETCH = 'node:internal/deps/undici/undici';

let folder: string;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-start-'));
  server = await startServer({ dataDir: join(folder, 'data') });
  await runCli(['send', 'log', 'x', '--stream', 'shop'], { server });
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Loaded {
  readonly files: readonly string[];
  readonly bytes: number;
  readonly builtin: readonly string[];
}

async function loadedBy(...args: readonly string[]): Promise<Loaded> {
  const list = join(folder, 'modules');
  const env = { NODE_OPTIONS: `--import=${PRELOAD}`, MODULES_FILE: list };
  expect(await runCli(args, { server, env })).toMatchObject({ code: 0 });
  const names = (await readFile(list, 'utf8')).split('\n').filter((name) => !name.startsWith(PRELOAD));
  const files = names
    .filter((name) => !name.startsWith('node:'))
    .map((name) => (name.startsWith('file:') ? fileURLToPath(name) : name));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { files, bytes, builtin: names.filter((name) => name.startsWith('node:')) };
}

describe('a command reads a few files and no library that it does not need:', () => {
  test.each([
    { args: ['--version'], files: 6, kib: 300 },
    { args: ['version'], files: 8, kib: 320 },
    { args: ['ls', '--help'], files: 10, kib: 320 },
    { args: ['ls', 's2://telemetry'], files: 10, kib: 320 },
    { args: ['tail', '--help'], files: 14, kib: 400 },
    { args: ['whoami'], files: 10, kib: 320 },
  ])('$args', async ({ args, files, kib }) => {
    const loaded = await loadedBy(...args);
    expect(loaded.files.filter((file) => HEAVY.test(file))).toEqual([]);
    // Otherwise nothing was seen.
    expect(loaded.files.length).toBeGreaterThan(1);
    expect(loaded.files.length).toBeLessThanOrEqual(files);
    expect(loaded.bytes).toBeLessThanOrEqual(kib * 1024);
    expect(loaded.builtin).not.toContain(NODE_FETCH);
  });

  test('the help of all commands', async () => {
    const { files, bytes } = await loadedBy('--help');
    expect(files.filter((file) => HEAVY.test(file))).toEqual([]);
    expect(files.length).toBeLessThanOrEqual(90);
    expect(bytes).toBeLessThanOrEqual(1024 * 1024);
  });
});

test('a call to a server takes the HTTP of Node, and TLS only for https', async () => {
  const { builtin } = await loadedBy('ls');
  expect(builtin).toContain(NODE_HTTP);
  expect(builtin).not.toContain('node:tls');
  expect(builtin).not.toContain('node:http2');
});
