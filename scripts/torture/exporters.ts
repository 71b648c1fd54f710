/**
 * Real exporters of three signals over three protocols export while their server is killed, many times: when a response
 * is about to leave, and at random. Nothing that an exporter reports as exported may be lost, and in a basin with a
 * window nothing may be there twice.
 *
 * Negative control: in the basin without a window the same kills must double items.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/free-port.ts';
import { type KilledServer, killWhileExporting, missingAndDoubled } from './exporters/kill-rounds.ts';

const ROUNDS = Number(process.env.TAILRACE_TORTURE_ROUNDS ?? 60);
const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-'));
  const ports = { http: await freePort(), grpc: await freePort() };
  const basins = { 'with-window': { otlp_dedupe_window: 3_600 }, 'without-window': {} };
  const start = () => startOn(dataDir, ports);
  const random = () => randomInt(1_000_000) / 1_000_000;
  try {
    const { server, figures, reported } = await killWhileExporting({ rounds: ROUNDS, random, start, basins });
    const known = await missingAndDoubled(server, reported, 'with-window');
    const unknown = await missingAndDoubled(server, reported, 'without-window');
    await server.kill();
    const missing = [...known.missing, ...unknown.missing];
    if (missing.length > 0) throw new Error(`${missing.length} reported items are lost, such as ${missing[0]}`);
    if (known.doubled.length > 0) throw new Error(`${known.doubled.length} items are doubled: ${known.doubled[0]}`);
    if (unknown.doubled.length === 0) throw new Error('negative control: nothing is doubled without a window');
    console.log(`exporters: ${ROUNDS} kills: ${JSON.stringify(figures)}; 0 lost, 0 doubled`);
    console.log(
      `exporters: negative control: without a window ${unknown.doubled.length} items are doubled, as expected`,
    );
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function startOn(
  dataDir: string,
  ports: { readonly http: number; readonly grpc: number },
): Promise<KilledServer> {
  const listen = ['--port', String(ports.http), '--grpc-port', String(ports.grpc)];
  const args = [MAIN, 'serve', ...listen, '--data-dir', dataDir, '--log-level', 'error'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('listening on')) continue;
    child.stdout.resume();
    return {
      url: `http://127.0.0.1:${ports.http}`,
      grpcUrl: `http://127.0.0.1:${ports.grpc}`,
      port: ports.http,
      token: readFileSync(path.join(dataDir, 'root-token'), 'utf8').trim(),
      kill: () => kill(child),
    };
  }
  throw new Error('the server ended before it listened');
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
