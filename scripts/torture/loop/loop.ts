/**
 * The event loop never stands still for long: the longest turn by processor time while the server gets the worst legal
 * requests that are known, each alone and many at once.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attack } from './attack.ts';
import { FILTER_ATTACKS } from './filter-attacks.ts';
import { connectedByTls, resetFlood } from './frames.ts';
import { LARGE_ATTACKS } from './large-attacks.ts';
import { MANY_ATTACKS } from './many-attacks.ts';
import { ATTACKS } from './otlp-attacks.ts';
import { type ProbedServer, startProbedServer } from './probed-server.ts';
import { REPAIR_ATTACKS } from './repair-attacks.ts';
import { ROWS_ATTACKS } from './rows-attacks.ts';
import { S2_ATTACKS } from './s2-attacks.ts';

/** A turn takes no more processor time, whatever is legal. */
const TURN_MS_MAX = 200;
const PLANTED_MS = 300;
const STILL_MS = 100;

export async function run(): Promise<void> {
  const only = process.argv[3];
  const server = await startProbedServer();
  const failed: string[] = [];
  try {
    await server.plant(PLANTED_MS);
    const planted = await server.worstTurnMs();
    process.stdout.write(`${String(planted).padStart(6)} ms  planted: ${PLANTED_MS} ms\n`);
    if (planted < PLANTED_MS) throw new Error('the probe does not find a planted turn');
    for (const attack of [
      ...ATTACKS,
      ...REPAIR_ATTACKS,
      ...LARGE_ATTACKS,
      ...S2_ATTACKS,
      ...ROWS_ATTACKS,
      ...FILTER_ATTACKS,
      ...MANY_ATTACKS,
    ]) {
      if (only === undefined || attack.name.includes(only)) failed.push(...(await suffer(server, attack)));
    }
  } finally {
    await server.stop();
  }
  if (only === undefined || 'TLS'.includes(only)) failed.push(...(await floodByTls()));
  if (failed.length > 0) throw new Error(`turns of more than ${TURN_MS_MAX} ms:\n  ${failed.join('\n  ')}`);
}

/** Returns what took too long. */
async function suffer(server: ProbedServer, attack: Attack): Promise<readonly string[]> {
  const shoot = await attack.prepare(server);
  await server.worstTurnMs();
  await shoot();
  const alone = await server.worstTurnMs();
  // Requests that a flood of them pushes out are no failure here.
  await Promise.allSettled(Array.from({ length: attack.together }, shoot));
  const together = await server.worstTurnMs();
  const line = `${attack.name}: ${alone} ms alone, ${together} ms with ${attack.together} at once`;
  process.stdout.write(`${line}\n`);
  return Math.max(alone, together) > TURN_MS_MAX ? [line] : [];
}

async function floodByTls(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-loop-tls-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const kind = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  try {
    if (spawnSync('openssl', [...kind, '-keyout', key, '-out', cert]).status !== 0) {
      process.stdout.write('HTTP/2 over TLS: skipped, openssl makes no certificate here\n');
      return [];
    }
    const server = await startProbedServer(['--tls-cert', cert, '--tls-key', key]);
    try {
      return await suffer(server, {
        name: 'HTTP/2 over TLS: requests that are reset at once, over 16 connections',
        together: 4,
        prepare: async () => resetFlood(server.port, 16, () => server.plant(STILL_MS), connectedByTls),
      });
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
