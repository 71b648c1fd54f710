/** `tailrace serve` from outside: what it prints, how it refuses to start, and how it ends. */

import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/client/client.ts';
import { runCli, startCli } from '../support/cli.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-serve-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe('the start', () => {
  test('prints the address first, then lines to paste, and no secret into a pipe', async () => {
    const server = await startServer({ dataDir });
    const token = (await readFile(join(dataDir, 'root-token'), 'utf8')).trim();
    await server.stop();
    const lines = server.stdout().split('\n');
    expect(lines[0]).toBe(`listening on ${server.url}`);
    expect(lines).toContain(`export OTEL_EXPORTER_OTLP_ENDPOINT=${server.url}`);
    expect(lines).toContain('export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf');
    expect(lines).toContain(`export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$(cat ${dataDir}/root-token)"`);
    expect(lines).toContain('export OTEL_RESOURCE_ATTRIBUTES=s2.stream=my-app');
    expect(lines).toContain('export OTEL_SERVICE_NAME=my-app');
    expect(server.stdout()).toContain(`# data directory ${dataDir} (new; 0 streams, `);
    expect(token).toMatch(/^trk_[0-9a-f]{48}$/);
    expect(server.stdout() + server.stderr()).not.toContain(token);
  });

  test('of a restored store names no file that is not there', async () => {
    const [restored, file] = [join(dataDir, 'restored'), join(dataDir, 'backup')];
    const first = await startServer({ dataDir: join(dataDir, 'first') });
    expect((await runCli(['backup', file], { server: first })).code).toBe(0);
    await first.stop();
    expect((await runCli(['restore', file, '--data-dir', restored])).code).toBe(0);
    const second = await startServer({ dataDir: restored });
    const who = await runCli(['whoami'], { env: { TAILRACE_ENDPOINT: second.url, TAILRACE_TOKEN: first.token } });
    await second.stop();
    expect(who.stdout).toContain('the root token');
    expect(second.stdout()).not.toContain('root-token)');
    expect(second.stdout()).toContain('export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$TAILRACE_TOKEN"');
    expect(second.stdout()).toContain(`npx tailrace root-token reset --data-dir ${restored}`);
    expect(second.stdout()).not.toContain('--token-file');
  });

  const atTerminal = HAS_TERMINAL ? test : test.skip;
  atTerminal('shows no audit lines on the first screen of a terminal, and they are in the log otherwise', async () => {
    const args = ['serve', '--port', '0', '--data-dir', join(dataDir, 'seen')];
    const seen = await runAtTerminal(args, { prompt: 'then watch it', typed: '\x03', env: {} });
    expect(seen.screen).toContain('# the root token below is shown only now');
    expect(seen.screen).not.toContain('audit');
    const logged = await startServer({ dataDir: join(dataDir, 'logged') });
    await logged.stop();
    expect(logged.stderr()).toContain('"msg":"audit: make-root-token done"');
  });

  test('finds the data of the previous start', async () => {
    const first = await startServer({ dataDir });
    await runCli(['send', 'log', '--stream', 'a'], { server: first });
    await first.stop();
    const second = await startServer({ dataDir });
    await second.stop();
    expect(second.stdout()).toContain(`# data directory ${dataDir} (found; 1 stream, `);
    expect((await readdir(dataDir)).sort()).toEqual([
      'root-token',
      'tailrace.mdb',
      'tailrace.mdb-lock',
      'tailrace.mdb.reserve',
    ]);
  });

  test('names the flag when the port is taken, with an exit code of its own', async () => {
    const server = await startServer();
    try {
      const failed = await failToStart({ dataDir, args: ['--port', String(server.port)] });
      expect(failed.code).toBe(6);
      expect(failed.stderr).toContain('--port');
      expect(failed.stdout).toBe('');
    } finally {
      await server.stop();
    }
  });

  test('is refused when the data directory is in use', async () => {
    const server = await startServer({ dataDir });
    try {
      expect(await failToStart({ dataDir })).toMatchObject({ code: 5, stdout: '' });
    } finally {
      await server.stop();
    }
  });

  test('prefers a flag to its variable, and names an invalid variable', async () => {
    const env = { TAILRACE_PORT: 'nonsense' };
    const server = await startServer({ dataDir, env });
    await server.stop();
    const failed = await runCli(['serve', '--data-dir', dataDir], { env });
    expect(failed).toMatchObject({ code: 2, stdout: '' });
    expect(failed.stderr).toContain('TAILRACE_PORT');
  });
});

test('a start loads no library before it listens that only some requests need, so that a restart is short', async () => {
  const file = join(dataDir, 'modules');
  const preload = new URL('../support/modules-loaded.mjs', import.meta.url).href;
  const env = { NODE_OPTIONS: `--import=${preload}`, MODULES_FILE: file };
  const server = await startServer({ dataDir: join(dataDir, 'store'), env });
  await server.stop();
  const modules = await readFile(file, 'utf8');
  const packages = [...new Set([...modules.matchAll(/node_modules\/([^/\n]+)\//g)].map((found) => found[1]))];
  expect(packages).toEqual(expect.arrayContaining(['zod', 'lmdb', 'pino']));
  // In the bundle of the command line.
  expect(packages).not.toContain('commander');
  const late = ['jose', 'libsodium-wrappers-sumo', 'prom-client', 'protobufjs', 'ws', 'yaml', 'zstddec'];
  expect(packages.filter((name) => late.includes(name ?? ''))).toEqual([]);
  const parts = await partsOf(modules.split('\n').filter((name) => name.includes('/dist/')));
  expect(parts).toEqual(expect.arrayContaining(['src/server.js', 'src/config.js']));
  expect(parts.filter((part) => /^src\/(client|socket|otlp\/(scan|json|views))\//.test(part))).toEqual([]);
});

/** The modules that files hold: a bundle says before each which one it is. */
async function partsOf(urls: readonly string[]): Promise<readonly string[]> {
  const parts = urls.map(async (url) => {
    if (!url.includes('/dist/cli/server/')) return [url.replace(/^.*\/dist\//, '')];
    const text = await readFile(fileURLToPath(url), 'utf8');
    return [...text.matchAll(/^\/\/ (src\/.*)$/gm)].map((found) => found[1] ?? '');
  });
  return (await Promise.all(parts)).flat();
}

describe('the end', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('is orderly after %s', async (signal) => {
    const server = await startServer({ dataDir });
    expect(await server.stop(signal)).toEqual({ code: 0, signal: null });
  });

  test('is announced to a tail, which reconnects to the next server on that port', async () => {
    const first = await startServer({ dataDir });
    await runCli(['send', 'log', 'before', '--stream', 'a'], { server: first });
    const tail = startCli(['tail', 'a'], { server: first });
    await tail.saw('before');
    await first.stop();
    await tail.saw('connection lost');
    const second = await startServer({ dataDir, args: ['--port', String(first.port)] });
    await runCli(['send', 'log', 'after', '--stream', 'a'], { server: second });
    await tail.saw('after');
    const { stdout } = await tail.stop('SIGINT');
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    await second.stop();
  });

  test('is immediate after a second signal, whatever is in flight', async () => {
    const server = await startServer({ dataDir, args: ['--shutdown-timeout', '60s'] });
    const headers = {
      authorization: `Bearer ${server.token}`,
      'content-type': 'application/json',
      'content-length': 1_000,
      expect: '100-continue',
    };
    const upload = request(`${server.url}/v1/logs`, { method: 'POST', headers });
    const cut = new Promise((resolve) => upload.on('error', resolve));
    upload.flushHeaders();
    // From then on it is under way.
    await once(upload, 'continue');
    process.kill(server.pid, 'SIGTERM');
    // The first signal has arrived when new connections are refused.
    while (await answers(server.url)) await new Promise((resolve) => setImmediate(resolve));
    // The same signal sent at once could count as an echo of the first: this is another one.
    expect(await server.stop('SIGINT')).toEqual({ code: null, signal: 'SIGINT' });
    await cut;
  });

  test('has a last log line after a fault of our own, also with writes in flight', async () => {
    const fault = "process.on('SIGUSR2',()=>{throw%20new%20Error('boom')})";
    const server = await startServer({ dataDir, env: { NODE_OPTIONS: `--import=data:text/javascript,${fault}` } });
    const sends = runCli(['send', 'log', '--count', '100000', '--stream', 'a'], { server });
    while (!(await hasStream(server, 'a'))) await new Promise((resolve) => setImmediate(resolve));
    expect(await server.stop('SIGUSR2')).toEqual({ code: null, signal: 'SIGABRT' });
    expect(JSON.parse(server.stderr().trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      level: 'error',
      err: { message: 'boom' },
    });
    expect((await sends).code).toBe(75);
    const again = await startServer({ dataDir });
    expect(await again.stop()).toEqual({ code: 0, signal: null });
  });
});

async function hasStream(server: TestServer, stream: string): Promise<boolean> {
  const client = createClient({ endpoint: server.url, token: server.token, basin: 'telemetry' });
  return client.checkTail(stream).then(
    () => true,
    () => false,
  );
}

async function answers(url: string): Promise<boolean> {
  return fetch(`${url}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  );
}
