/** `GET /v1/backup` of a real server: what it contains, who may take it, and that nothing remains however it ends. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTailrace } from '../../src/library.ts';
import { restore, saveBackup, verify } from '../../src/maintenance.ts';
import { call } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { readBack } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { type ReadBack, STREAMS, seededRandom, violations, Writers } from '../support/writers.ts';

/** Much more than sockets hold, and incompressible. */
const BIG_RECORDS = 150;
const BIG_BYTES = 100_000;

let dir: string;
let dataDir: string;
/** One server for all tests; a test that stops it starts it again. */
let server: TestServer;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-backup-'));
  dataDir = path.join(dir, 'data');
  const store = await openTailrace({ dataDir, logLevel: 'error' });
  for (let i = 0; i < BIG_RECORDS; i += 10) {
    const bodies = Array.from({ length: 10 }, () => ({ body: randomBytes(BIG_BYTES) }));
    await store.append('big', bodies);
  }
  await store.close();
  server = await start();
});

afterAll(async () => {
  await server.kill();
  rmSync(dir, { recursive: true, force: true });
});

test('a backup under load holds every record that was acknowledged before it, and no half request', async () => {
  const writers = new Writers(seededRandom(7));
  const file = path.join(dir, 'loaded');
  let known: Set<string> = new Set();
  await writers.run(server, 4, 60, () => {
    known = new Set(writers.history.filter(({ outcome }) => outcome === 'acked').map(({ id }) => id));
    void download(file).then(() => server.kill());
  });
  expect(known.size).toBeGreaterThanOrEqual(60);
  expect(writers.history.length).toBeGreaterThan(known.size);
  expect(await verify({ file })).toMatchObject({ faultCount: 0, faults: [] });
  const target = path.join(dir, 'restored');
  await restore(file, target);
  const restored = await startServer({ dataDir: target, env: { TAILRACE_ROOT_TOKEN: server.token } });
  const read = new Map<string, ReadBack>();
  for (const stream of STREAMS) read.set(stream, await readBack(restored, stream));
  await restored.kill();
  server = await start();
  // Later records may or may not be in it, but never half of a request.
  const judged = writers.history.map((written) => ({
    ...written,
    outcome: known.has(written.id) ? written.outcome : ('indefinite' as const),
  }));
  expect(violations(judged, read)).toEqual([]);
}, 60_000);

test('a backup comes over HTTP/1.1 and HTTP/2, as a file with a name, and holds no secret', async () => {
  const one = await call(server.port, { method: 'GET', path: '/v1/backup', headers: auth() });
  expect(one.status).toBe(200);
  expect(one.headers).toMatchObject({
    'content-type': 'application/vnd.tailrace.backup',
    'content-disposition': expect.stringMatching(/^attachment; filename="tailrace-\d{8}T\d{6}Z\.backup"$/),
    'cache-control': 'no-store',
  });
  const connection = await connectHttp2(server.url);
  const two = await connection.call({ method: 'GET', path: '/v1/backup', headers: auth() });
  await connection.close();
  expect(two.status).toBe(200);
  for (const [i, { body }] of [one, two].entries()) {
    const file = path.join(dir, `saved-${i}`);
    writeFileSync(file, body);
    expect(await verify({ file })).toMatchObject({ basins: 1, faultCount: 0 });
    expect(body.includes(server.token)).toBe(false);
    expect(body.includes('root-token')).toBe(false);
  }
  expect(readFileSync(path.join(dataDir, 'root-token'), 'utf8').trim()).toBe(server.token);
});

test('only the root token may take a backup', async () => {
  const none = await call(server.port, { method: 'GET', path: '/v1/backup' });
  expect([none.status, JSON.parse(none.body.toString()).code]).toEqual([401, 'authn']);
  const wrong = await call(server.port, {
    method: 'GET',
    path: '/v1/backup',
    headers: { authorization: `Bearer ${'x'.repeat(40)}` },
  });
  expect(wrong.status).toBe(401);
  expect((await call(server.port, { method: 'POST', path: '/v1/backup', headers: auth() })).status).toBe(405);
});

test('during a backup no other is possible, and everything is released when the client disconnects', async () => {
  const held = await begin();
  await until(() => copies() === 1);
  const second = await call(server.port, { method: 'GET', path: '/v1/backup', headers: auth() });
  expect([second.status, JSON.parse(second.body.toString()).code]).toEqual([429, 'rate_limited']);
  expect(Number(second.headers['retry-after'])).toBeGreaterThan(0);
  held.sent.destroy();
  await until(() => copies() === 0);
  const third = await call(server.port, { method: 'GET', path: '/v1/backup', headers: auth() });
  expect(third.status).toBe(200);
  expect(leftovers()).toEqual([]);
});

test('HEAD of a backup copies nothing and keeps nothing open', async () => {
  const head = await call(server.port, { method: 'HEAD', path: '/v1/backup', headers: auth() });
  expect([head.status, head.body.length]).toEqual([200, 0]);
  await until(() => copies() === 0);
  expect((await call(server.port, { method: 'GET', path: '/v1/backup', headers: auth() })).status).toBe(200);
});

test('a server that stops cuts a backup in progress, and ends in time', async () => {
  const held = await begin();
  const cut = new Promise<void>((resolve) => held.answer.once('close', resolve));
  held.answer.on('error', () => {});
  const exit = await server.stop();
  expect(exit).toEqual({ code: 0, signal: null });
  held.answer.resume();
  await cut;
  expect(held.answer.complete).toBe(false);
  server = await start();
});

test('kill -9 during a backup leaves nothing, and the part that was saved is not accepted as a backup', async () => {
  for (let i = 0; i < 3; i++) {
    const file = path.join(dir, 'cut');
    const { answer } = await begin();
    const saving = saveBackup(answer, file);
    const outcome = expect(saving).rejects.toBeDefined();
    await server.kill();
    await outcome;
    expect(readdirSync(dir).filter((name) => name.startsWith('cut'))).toEqual([]);
    server = await start();
    expect(leftovers()).toEqual([]);
  }
});

function start(): Promise<TestServer> {
  return startServer({ dataDir, args: ['--shutdown-timeout', '2s'] });
}

function auth() {
  return { authorization: `Bearer ${server.token}` };
}

async function download(file: string): Promise<void> {
  const { answer } = await begin();
  await saveBackup(answer, file);
}

/** The head of the response arrived; its body waits for a reader. */
async function begin(): Promise<{ readonly sent: ClientRequest; readonly answer: IncomingMessage }> {
  const sent = request({ port: server.port, host: '127.0.0.1', path: '/v1/backup', agent: false, headers: auth() });
  sent.on('error', () => {});
  sent.end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  return { sent, answer };
}

/** Copies that the server has open: files without a name. */
function copies(): number {
  const fds = `/proc/${server.pid}/fd`;
  const targets = readdirSync(fds).map((fd) => {
    try {
      return readlinkSync(path.join(fds, fd));
    } catch {
      return '';
    }
  });
  return targets.filter((name) => name.includes('tailrace.mdb.new') && name.endsWith('(deleted)')).length;
}

function leftovers(): readonly string[] {
  return readdirSync(dataDir).filter((name) => !/^(tailrace\.mdb(-lock|\.reserve)?|lock\.\d+|root-token)$/.test(name));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
