/**
 * kill -9 during everything that changes a store: at any moment, the remaining store passes verification. Blocks are
 * contiguous up to the tail, byte counts are right, and no row is without an owner. What ends the verification is said.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openTailrace } from '../../src/library.ts';
import { verify } from '../../src/maintenance.ts';
import { shareOf } from '../support/share-of.ts';
import { linesOf } from '../support/storage-child.ts';
import { seededRandom } from '../support/writers.ts';

const KILLS = Number(process.env.TAILRACE_TEST_KILLS ?? shareOf(6));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);
const WRITERS = fileURLToPath(new URL('../support/mixed-writers.mjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Small enough that the oldest records are dropped all the time. */
const CAP_BYTES = 6_000_000;

let dir: string;
let writers: ChildProcess | undefined;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-crash-'));
});

afterEach(() => {
  writers?.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

test(`a store whose writers are killed ${KILLS} times passes verification each time (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  let blocks = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const cap = kill % 2 === 1 ? CAP_BYTES : 0;
    const said = await runAndKill([dir, String(1 + Math.floor(random() * 1e6)), String(cap)], 300 + random() * 900);
    expect(said).toEqual(['go']);
    const report = await verify({ dataDir: dir });
    expect(report).toMatchObject({ basins: 5, faultCount: 0, faults: [] });
    blocks += report.blocks;
  }
  expect(blocks).toBeGreaterThan(KILLS);
}, 240_000);

/** Lets the writers run for a while: this is the load, nothing is awaited; returns what they printed. */
async function runAndKill(args: readonly string[], forMs: number): Promise<readonly string[]> {
  const child = spawn(process.execPath, [WRITERS, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  writers = child;
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of linesOf(child)) {
    lines.push(line);
    if (line === 'go') setTimeout(() => child.kill('SIGKILL'), forMs);
  }
  await exited;
  return lines;
}

test('a verification that damage ends says that the store is damaged, and how it ended', async () => {
  const store = await openTailrace({ dataDir: dir, logLevel: 'silent' });
  await store.append('a', [{ body: 'x' }]);
  await store.close();
  const sound = await verifying(() => {});
  expect(sound).toMatchObject({ code: 0, stderr: '' });
  const ended = await verifying((pid) => process.kill(pid, 'SIGSEGV'));
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/^tailrace: the store in .* is damaged: .* \(SIGSEGV\)\. Restore a backup; .*\n$/);
});

/** Runs the command; `onRead` is called with the process that reads the store, as soon as it is there. */
async function verifying(onRead: (pid: number) => void): Promise<{ readonly code: unknown; readonly stderr: string }> {
  const child = spawn(process.execPath, [MAIN, 'verify', '--data-dir', dir], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  for (let reads: string[] = []; reads.length === 0; await turn()) {
    reads = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ').filter(Boolean);
    if (reads[0] !== undefined) onRead(Number(reads[0]));
  }
  const [code] = await exited;
  return { code, stderr };
}
