/**
 * kill -9 under a load of OTLP and of S2 sessions in the same streams; restart, read back. Nothing acknowledged is
 * lost, there is no gap, no duplicate and no half request, and all records are in one order. The control acknowledges
 * when positions are assigned, before the transaction is handed to the engine: the same checker must detect it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readBack } from '../support/read-back.ts';
import { startSeamsServer } from '../support/seams.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { SessionWriters } from '../support/session-writers.ts';
import { shareOf } from '../support/share-of.ts';
import { type ReadBack, STREAMS, seededRandom, violations, Writers, type WrittenRequest } from '../support/writers.ts';

const KILLS = Number(process.env.TAILRACE_TEST_KILLS ?? shareOf(20));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-crash-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe('kill -9 under load', () => {
  test(`loses nothing that was acknowledged in ${KILLS} kills (seed ${SEED})`, async () => {
    const { faults, acked, ackedInSessions, records } = await killAndReadBack(KILLS, () => startServer({ dataDir }));
    expect(faults).toEqual([]);
    expect(acked).toBeGreaterThanOrEqual(KILLS);
    expect(ackedInSessions).toBeGreaterThanOrEqual(KILLS);
    expect(records).toBeGreaterThan(acked);
  }, 240_000);

  test('is detected to lose records when an ack comes before the transaction is handed to the engine', async () => {
    const { faults } = await killAndReadBack(
      1,
      () => startSeamsServer({ dataDir, earlyAck: true }),
      () => startServer({ dataDir }),
    );
    expect(faults.filter((fault) => fault.includes('lost'))).not.toEqual([]);
  }, 60_000);
});

interface Outcome {
  readonly faults: readonly string[];
  readonly acked: number;
  readonly ackedInSessions: number;
  readonly records: number;
}

async function killAndReadBack(kills: number, start: () => Promise<TestServer>, startLast = start): Promise<Outcome> {
  const random = seededRandom(SEED);
  const writers = new Writers(random);
  const sessions = new SessionWriters(random);
  for (let kill = 0; kill < kills; kill++) {
    const server = await start();
    const acks = 5 + Math.floor(random() * 60);
    await Promise.all([writers.run(server, 8, acks, () => server.kill()), sessions.run(server)]);
  }
  const server = await startLast();
  const read = new Map<string, ReadBack>();
  for (const stream of STREAMS) read.set(stream, await readBack(server, stream));
  await server.stop();
  return {
    faults: violations([...writers.history, ...sessions.history], read),
    acked: ackedOf(writers.history),
    ackedInSessions: ackedOf(sessions.history),
    records: [...read.values()].reduce((sum, { names }) => sum + names.length, 0),
  };
}

function ackedOf(history: readonly WrittenRequest[]): number {
  return history.filter((written) => written.outcome === 'acked').length;
}
