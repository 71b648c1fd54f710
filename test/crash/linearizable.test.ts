/**
 * Concurrent clients of every kind on one stream, kill -9 and restart: the responses of all clients are compared with
 * the final log. The control acknowledges before the transaction is handed to the engine.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { judge } from '../support/history.ts';
import { History, readLog, runClients } from '../support/history-clients.ts';
import { startSeamsServer } from '../support/seams.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';
import { seededRandom } from '../support/writers.ts';

const KILLS = Number(process.env.TAILRACE_TEST_HISTORY_KILLS ?? shareOf(4));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? Date.now() % 1_000_000);

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-history-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

test(`${KILLS} kills among concurrent clients leave a linearizable history (seed ${SEED})`, async () => {
  const { history, faults } = await run(KILLS, () => startServer({ dataDir }));
  expect(faults).toEqual([]);
  const appends = history.operations.filter((operation) => operation.kind === 'append');
  // A history without conflicts, conditions or crashes would prove nothing.
  for (const outcome of ['ok', 'failed', 'indefinite'] as const)
    expect(appends.filter((append) => append.outcome === outcome).length).toBeGreaterThan(KILLS);
  expect(appends.some(({ seenToken }) => seenToken !== undefined)).toBe(true);
  expect(appends.some(({ seenSeqNum }) => seenSeqNum !== undefined)).toBe(true);
  expect(history.followed.some(({ bodies }) => bodies.length > 0)).toBe(true);
}, 600_000);

test('early acks are detected as a history that is not linearizable', async () => {
  const { faults } = await run(
    1,
    () => startSeamsServer({ dataDir, earlyAck: true }),
    () => startServer({ dataDir }),
  );
  expect(faults).toContainEqual(expect.stringContaining('was acknowledged, yet'));
}, 60_000);

interface Judged {
  readonly history: History;
  readonly faults: readonly string[];
}

async function run(kills: number, start: () => Promise<TestServer>, startLast = start): Promise<Judged> {
  const history = new History(seededRandom(SEED));
  for (let kill = 0; kill < kills; kill++) {
    const server = await start();
    let killed: Promise<void> | undefined;
    await runClients(server, history, 200 + history.upTo(800), () => {
      killed = server.kill();
    });
    await (killed ?? server.kill());
    history.died();
  }
  const server = await startLast();
  const log = await readLog(server);
  await server.stop();
  const faults = judge(history.operations, log);
  for (const { from, bodies } of history.followed) {
    const first = bodies.findIndex((body, i) => body !== log[from + i]);
    if (first !== -1)
      faults.push(`a follower got ${bodies[first]} at ${from + first}, where the log has ${log[from + first]}`);
  }
  return { history, faults };
}
