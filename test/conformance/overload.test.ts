/**
 * Requests come at several times the rate that the server can take, whatever becomes of them: each is stored and answered
 * with 200, or refused with 503 before its body is read. None is reset, and memory stays within its limit.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { OpenLoopOptions, OpenLoopResult } from '../../scripts/torture/open-loop.ts';
import { OVERLOAD_RECORDS, overloadBody } from '../../scripts/torture/overload-body.ts';
import { call, connectRaw } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const MEMORY_LIMIT_MIB = 256;
const RSS_MARGIN_MIB = 200;
const OPEN_LOOP = fileURLToPath(new URL('../../dist/scripts/torture/open-loop.js', import.meta.url));

let server: TestServer;
let headers: Readonly<Record<string, string>>;
let scratch = '';

beforeAll(async () => {
  server = await startServer({ args: ['--memory-limit', `${MEMORY_LIMIT_MIB}MiB`, '--log-level', 'error'] });
  headers = {
    authorization: `Bearer ${server.token}`,
    'content-type': 'application/json',
    'content-encoding': 'gzip',
  };
  scratch = mkdtempSync(join(tmpdir(), 'tailrace-overload-'));
  writeFileSync(join(scratch, 'body'), overloadBody());
});

afterAll(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await server.stop();
});

function flood(
  perSecond: number,
  fresh: boolean,
): { readonly child: ChildProcess; readonly result: Promise<OpenLoopResult> } {
  const bodyFile = join(scratch, 'body');
  const options: OpenLoopOptions = {
    port: server.port,
    path: '/v1/logs',
    headers,
    bodyFile,
    perSecond,
    seconds: 3,
    fresh,
  };
  const child = spawn(process.execPath, [OPEN_LOOP, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString();
  });
  const result = new Promise<OpenLoopResult>((resolve, reject) => {
    child.once('close', (code) => (code === 0 ? resolve(JSON.parse(output)) : reject(new Error(`the load: ${code}`))));
  });
  return { child, result };
}

function anonymousMiB(): number {
  const kib = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) / 1_024;
}

/** Asks whether a body may come; 503 when it may not. */
async function refusedBeforeItsBody(): Promise<boolean> {
  const connection = await connectRaw(server.port);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  connection.send(
    `POST /v1/logs HTTP/1.1\r\nhost: x\r\n${lines.join('')}content-length: ${MiB}\r\nexpect: 100-continue\r\n\r\n`,
  );
  const text = await connection.until(/100 Continue\r\n\r\n|"message":.*\}/s);
  connection.destroy();
  if (text.startsWith('HTTP/1.1 100 Continue')) return false;
  // Not for want of memory.
  expect(text).toMatch(/^HTTP\/1\.1 503 .*\r\nretry-after: \d.*more than it gets done in time/is);
  return true;
}

async function storedRecords(): Promise<number> {
  const { body } = await call(server.port, {
    method: 'GET',
    path: '/v1/streams/flooded/records/tail',
    headers: { authorization: headers.authorization ?? '' },
  });
  return (JSON.parse(body.toString()) as { tail: { seq_num: number } }).tail.seq_num;
}

test('far beyond its capacity the server refuses with 503 before the body, resets no client, and stores what it says', async () => {
  const before = anonymousMiB();
  const loads = [flood(200, false), flood(50, true)];
  const results = Promise.all(loads.map(({ result }) => result));
  let isOver = false;
  void results.then(
    () => {
      isOver = true;
    },
    () => {
      isOver = true;
    },
  );
  let refused = 0;
  let peak = 0;
  while (!isOver) {
    if (await refusedBeforeItsBody()) refused++;
    peak = Math.max(peak, anonymousMiB());
  }
  const counts = new Map<string, number>();
  for (const result of await results) {
    for (const [how, count] of Object.entries(result.counts)) counts.set(how, (counts.get(how) ?? 0) + count);
  }
  expect([...counts.keys()].sort()).toEqual(['200', '503']);
  expect(refused).toBeGreaterThan(0);
  expect(await storedRecords()).toBe((counts.get('200') ?? 0) * OVERLOAD_RECORDS);
  expect(peak - before).toBeLessThan(MEMORY_LIMIT_MIB + RSS_MARGIN_MIB);
});

test('when the flood is over, the next request is taken', async () => {
  const stored = await storedRecords();
  const sent = await call(server.port, { path: '/v1/logs', headers, body: readFileSync(join(scratch, 'body')) });
  expect(sent.status).toBe(200);
  expect(await storedRecords()).toBe(stored + OVERLOAD_RECORDS);
});
