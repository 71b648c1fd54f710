/** Starts the processes that the benchmarks measure, and reads their CPU time and memory from the system. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LoadOptions, LoadResult } from './load.ts';

/** A server under measurement. */
export interface BenchServer {
  readonly port: number;
  readonly dataDir: string;
  readonly headers: Readonly<Record<string, string>>;
  /** CPU seconds, user and system, since it started. */
  cpuSeconds(): number;
  /** Anonymous resident memory in bytes; the mapped file is not counted. */
  anonymousBytes(): number;
  /** Stops it; the data directory stays. */
  end(): Promise<void>;
  /** Stops it, if need be, and removes its data. */
  stop(): Promise<void>;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Tailrace as users start it: embedded store, fsync, authentication on; over a store of its own unless one is given. */
export async function startTailrace(
  dataDir = mkdtempSync(join(tmpdir(), 'tailrace-bench-')),
  wantedPort = 0,
): Promise<BenchServer> {
  const args = ['serve', '--port', String(wantedPort), '--data-dir', dataDir, '--log-level', 'error'];
  const child = spawn(process.execPath, [here('../../cli/main.js'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await portOf(child);
  const token = readFileSync(join(dataDir, 'root-token'), 'utf8').trim();
  return benchServer(child, port, dataDir, { authorization: `Bearer ${token}` });
}

/** A script of this folder that prints a port; its data, if any, is below `dataDir`. */
export async function startScript(name: string, args: readonly string[] = []): Promise<BenchServer> {
  const child = spawn(process.execPath, [here(name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  return benchServer(child, await portOf(child), '', {});
}

/** Runs a script of this folder to its end and reads its one line of JSON. */
export async function runScript<T>(
  name: string,
  args: readonly string[],
  nodeFlags: readonly string[] = [],
): Promise<T> {
  const child = spawn(process.execPath, [...nodeFlags, here(name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return JSON.parse(output) as T;
}

/** Loads a server from a process of its own. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const result = await runScript<LoadResult>('load.js', [JSON.stringify(options)]);
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.requests} requests were not answered with 200`);
  return result;
}

function benchServer(child: ChildProcess, port: number, dataDir: string, headers: Record<string, string>): BenchServer {
  const pid = child.pid ?? 0;
  const end = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  return {
    port,
    dataDir,
    headers,
    cpuSeconds: () => cpuSeconds(pid),
    anonymousBytes: () =>
      Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024,
    end,
    stop: async () => {
      await end();
      if (dataDir !== '') rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error('the process has no standard output');
  for await (const line of createInterface({ input: child.stdout })) {
    const match = /listening on http:\/\/[^:]+:(\d+)/.exec(line);
    if (match) {
      child.stdout.resume();
      return Number(match[1]);
    }
  }
  throw new Error('the process ended before it listened');
}

/** User and system, since a process started. Clock ticks are hundredths of a second on every Linux that we run on. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
