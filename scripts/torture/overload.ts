/**
 * An open loop of ten times what the server can take, over connections that stay and over new ones. Every request gets 200
 * or 503, those that are taken are done within a second, what is done is at least four fifths of the best, memory stays
 * within its limit and 200 MiB, and after it everything is taken again within five seconds.
 *
 * The load shares the processors with the server. So the best is measured while the same load floods another server, which
 * reads and throws away: what the server gets done less than that, it loses by refusing. On a busy machine the figures say
 * more about the machine. The control takes all work, and must be late.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadOptions } from '../bench/load.ts';
import { type BenchServer, load, runScript, startScript } from '../bench/processes.ts';
import type { OpenLoopOptions, OpenLoopResult } from './open-loop.ts';
import { OVERLOAD_RECORDS, OVERLOAD_STREAM, overloadBody } from './overload-body.ts';
import { call, expectThat, type Headers, MiB, report, startVictim } from './victim.ts';

const LIMIT_MIB = 512;
const MARGIN_MIB = 200;
const FACTOR = 10;
const ROUNDS = 10;
const SECONDS = 30;
const CONTROL_SECONDS = 10;
const RECOVERY_SECONDS = 10;
const CAPACITY_REQUESTS = 300;
const CAPACITY_CONNECTIONS = 6;
/** Longer than the best takes beside it. */
const BESIDE_SECONDS = 8;
const P99_MS_MAX = 1_000;
const RECOVERY_MS_MAX = 5_000;
const GOODPUT_SHARE_MIN = 0.8;

interface Flood {
  readonly server: BenchServer;
  readonly headers: Headers;
  readonly bodyFile: string;
  /** Requests a second, by few connections, with nothing beside them. */
  readonly capacity: number;
  /** The same beside the load, by its kind. */
  readonly best: { readonly stays: number; readonly fresh: number };
}

export async function run(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'tailrace-overload-'));
  const bodyFile = join(scratch, 'body');
  writeFileSync(bodyFile, overloadBody());
  try {
    await withServer(bodyFile, async (flood) => {
      for (let round = 1; round <= ROUNDS; round++) await floodedOnce(flood, round);
    });
    await control(bodyFile);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function floodedOnce(flood: Flood, round: number): Promise<void> {
  const { server, capacity, best } = flood;
  const before = server.anonymousBytes();
  const stored = await storedRecords(flood);
  const memory = watchMemory(server);
  const isFresh = round % 2 === 0;
  const flooded = await send(flood, capacity * FACTOR, SECONDS, isFresh);
  const after = await send(flood, capacity / 2, RECOVERY_SECONDS, false);
  const peak = (memory.stop() - before) / MiB;
  const share = flooded.goodPerSecond / (isFresh ? best.fresh : best.stays);
  const answered = { ...flooded.counts };
  report(
    `round ${round}, ${isFresh ? 'new connections' : 'connections that stay'}: ${text(answered)}; ` +
      `p50 ${flooded.p50Ms} ms, p99 ${flooded.p99Ms} ms, refused within ${flooded.refusedP99Ms} ms; ` +
      `${flooded.goodPerSecond.toFixed(1)} a second, ${Math.round(share * 100)} % of the best; ` +
      `memory +${Math.round(peak)} MiB; taken again after ${after.lastRefusedMs} ms`,
  );
  const acknowledged = (flooded.counts['200'] ?? 0) + (after.counts['200'] ?? 0);
  expectThat(
    (await storedRecords(flood)) - stored === acknowledged * OVERLOAD_RECORDS,
    'what is acknowledged is stored, no more',
  );
  for (const counts of [flooded.counts, after.counts]) {
    expectThat(
      Object.keys(counts).every((how) => how === '200' || how === '503'),
      'each request gets 200 or 503',
    );
  }
  expectThat(flooded.p99Ms <= P99_MS_MAX, `99 of 100 that are taken are done within ${P99_MS_MAX} ms`);
  expectThat(share >= GOODPUT_SHARE_MIN, 'at least 80 % of the best is done');
  expectThat(peak < LIMIT_MIB + MARGIN_MIB, 'memory stays within the limit and 200 MiB');
  expectThat(after.lastRefusedMs <= RECOVERY_MS_MAX, 'after the flood everything is taken within 5 s');
}

async function control(bodyFile: string): Promise<void> {
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--import ${new URL('no-shedding.js', import.meta.url).href}`;
  try {
    await withServer(bodyFile, async (flood) => {
      const { counts, p99Ms } = await send(flood, flood.capacity * FACTOR, CONTROL_SECONDS, false);
      report(`control that takes all work: ${text(counts)}; p99 ${p99Ms} ms`);
      expectThat(p99Ms > P99_MS_MAX, 'a server that takes all work is late');
    });
  } finally {
    process.env.NODE_OPTIONS = before ?? '';
  }
}

async function withServer(bodyFile: string, use: (flood: Flood) => Promise<void>): Promise<void> {
  const server = await startVictim(LIMIT_MIB);
  try {
    const headers = { ...server.headers, 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const options = { port: server.port, path: '/v1/logs', headers, bodyFile, connections: CAPACITY_CONNECTIONS };
    await load({ ...options, requests: CAPACITY_REQUESTS });
    const alone = await load({ ...options, requests: CAPACITY_REQUESTS });
    const capacity = alone.requests / alone.seconds;
    const best = {
      stays: await besideLoad(options, capacity, false),
      fresh: await besideLoad(options, capacity, true),
    };
    report(
      `requests of ${OVERLOAD_RECORDS} records a second: ${capacity.toFixed(1)} alone, ${best.stays.toFixed(1)} beside the load, ` +
        `${best.fresh.toFixed(1)} beside one with new connections`,
    );
    await use({ server, headers, bodyFile, capacity, best });
  } finally {
    await server.stop();
  }
}

/** What the server gets done while the load goes to another one. */
async function besideLoad(options: Omit<LoadOptions, 'requests'>, capacity: number, fresh: boolean): Promise<number> {
  const { headers, bodyFile } = options;
  const other = await startScript('swallow.js');
  try {
    const open = { port: other.port, path: '/v1/logs', headers, bodyFile, perSecond: capacity * FACTOR, fresh };
    const flooding = runScript('../torture/open-loop.js', [JSON.stringify({ ...open, seconds: BESIDE_SECONDS })]);
    const { requests, seconds } = await load({ ...options, requests: CAPACITY_REQUESTS });
    await flooding;
    return requests / seconds;
  } finally {
    await other.stop();
  }
}

function send(flood: Flood, perSecond: number, seconds: number, fresh: boolean): Promise<OpenLoopResult> {
  const { server, headers, bodyFile } = flood;
  const options: OpenLoopOptions = {
    port: server.port,
    path: '/v1/logs',
    headers,
    bodyFile,
    perSecond,
    seconds,
    fresh,
  };
  return runScript<OpenLoopResult>('../torture/open-loop.js', [JSON.stringify(options)]);
}

async function storedRecords({ server, headers }: Flood): Promise<number> {
  const path = `/v1/streams/${OVERLOAD_STREAM}/records/tail`;
  const { body } = await call(server.port, 'GET', path, { authorization: headers.authorization ?? '' });
  return (JSON.parse(body) as { tail: { seq_num: number } }).tail.seq_num;
}

function watchMemory(server: BenchServer): { stop(): number } {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, server.anonymousBytes());
  };
  const timer = setInterval(look, 100);
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return peak;
    },
  };
}

function text(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([how, count]) => `${count} × ${how}`)
    .join(', ');
}
