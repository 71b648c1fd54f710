/**
 * kill -9 under a load of OTLP and of S2 sessions in the same streams; restart, read back. Nothing acknowledged is
 * lost, there is no gap, no duplicate and no half request, and all records are in one order. The control acknowledges
 * when positions are assigned, before the transaction is handed to the engine: the same checker must detect it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { crashAndReadBack, expectNothingLost } from '../support/crash-rounds.ts';
import { startSeamsServer } from '../support/seams.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';
import { seededRandom } from '../support/writers.ts';

const KILLS = Number(process.env.TAILRACE_TEST_KILLS ?? shareOf(20));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);

let dataDir: string;

const crash = (server: TestServer): Promise<void> => server.kill();

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-crash-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

describe('kill -9 under load', () => {
  test(`loses nothing that was acknowledged in ${KILLS} kills (seed ${SEED})`, async () => {
    const outcome = await crashAndReadBack({
      ...{ rounds: KILLS, random: seededRandom(SEED), crash },
      start: () => startServer({ dataDir }),
    });
    expectNothingLost(outcome, KILLS);
  }, 240_000);

  test('is detected to lose records when an ack comes before the transaction is handed to the engine', async () => {
    const { faults } = await crashAndReadBack({
      ...{ rounds: 1, random: seededRandom(SEED), crash },
      start: () => startSeamsServer({ dataDir, earlyAck: true }),
      startLast: () => startServer({ dataDir }),
    });
    expect(faults.filter((fault) => fault.includes('lost'))).not.toEqual([]);
  }, 60_000);
});
