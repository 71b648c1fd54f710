/**
 * Real exporters of three signals over three protocols, whose server is killed while they export and comes back on the
 * same ports: nothing that they report as exported is lost, and in a basin with a window nothing is there twice. The
 * long form is `npm run torture -- exporters`. The controls: without a window the same kills double, and a server that
 * acknowledges before it commits loses.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { killWhileExporting, missingAndDoubled } from '../../scripts/torture/exporters/kill-rounds.ts';
import { freePort } from '../support/free-port.ts';
import { startSeamsServer } from '../support/seams.ts';
import { startServer } from '../support/server.ts';
import { seededRandom } from '../support/writers.ts';

const KILLS = 4;
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);

let dataDir: string;
let args: readonly string[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-exporters-'));
  args = ['--port', String(await freePort()), '--grpc-port', String(await freePort())];
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

test(`exporters lose nothing in ${KILLS} kills, and a window keeps what they repeat from being there twice (seed ${SEED})`, async () => {
  const basins = { 'with-window': { otlp_dedupe_window: 600 }, 'without-window': {} };
  const start = () => startServer({ dataDir, args });
  const random = seededRandom(SEED);
  const { server, figures, reported } = await killWhileExporting({ rounds: KILLS, random, start, basins });
  const known = await missingAndDoubled(server, reported, 'with-window');
  const unknown = await missingAndDoubled(server, reported, 'without-window');
  await server.kill();
  expect(known).toEqual({ missing: [], doubled: [] });
  expect(unknown.missing).toEqual([]);
  expect(unknown.doubled.length).toBeGreaterThanOrEqual(figures.answersLost);
  expect(figures.answersLost).toBe(KILLS / 2);
  expect(figures.failures).toBeGreaterThan(0);
}, 120_000);

test('exporters are detected to lose records when a response comes before the transaction is handed to the engine', async () => {
  const start = () => startSeamsServer({ dataDir, args, earlyAck: true });
  const basins = { 'with-window': { otlp_dedupe_window: 600 } };
  const { server, reported } = await killWhileExporting({ rounds: 1, random: () => 0, start, basins });
  const { missing } = await missingAndDoubled(server, reported, 'with-window');
  await server.kill();
  expect(missing).not.toEqual([]);
}, 60_000);
