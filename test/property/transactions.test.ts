/**
 * Every transaction must leave a store that passes verification, because a kill may come after any of them: workers do
 * everything at once that changes a store, while it is full most of the time, or while its commits fail, and one in
 * three transactions is checked.
 */

import { expect, test } from '@jest/globals';
import { Log } from '../../src/log/log.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Engine, Entry, Snapshot } from '../../src/storage/engine.ts';
import { FAMILY, settingsKey } from '../../src/storage/keys.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { type Fault, verifyRows } from '../../src/storage/offline/verify.ts';
import { encodeFormat, FORMAT_VERSION } from '../../src/storage/values.ts';
import fc from '../support/fast-check.ts';
import { TestClock, turn } from '../support/log-harness.ts';
import { shareOf } from '../support/share-of.ts';
import { seededRandom } from '../support/writers.ts';

const RUNS = Number(process.env.TAILRACE_TEST_TRANSACTION_RUNS ?? shareOf(12));
const WORKERS = 12;
const ACTS_EACH = 25;
/** A check costs more than a write. */
const LOOK_EVERY = 3;
const REFUSALS: readonly string[] = [
  'storage_full',
  'storage',
  'stream_deletion_pending',
  'stream_not_found',
  'resource_already_exists',
];
const BASINS = [
  ['plain-basin', {}],
  ['sealed-basin', { streamCipher: 'aes-256-gcm' }],
  ['small-basin', { defaultStream: { retentionBytes: 20_000 } }],
  ['short-basin', { defaultStream: { retentionAgeSeconds: 1, deleteOnEmptyMinAgeSeconds: 1 } }],
] as const;

const everything = fc.record({ seed: fc.nat(), whenFull: fc.constantFrom('refuse' as const, 'drop-oldest' as const) });

test('a store that is full most of the time passes verification after its transactions', async () => {
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(everything, async ({ seed, whenFull }) => {
      const engine = openMemoryEngine({ storeBytesMax: 40_000, reserveBytes: 10_000 });
      const said = await work(engine, seed, whenFull);
      // A store that is only full never reports that it failed.
      expect(said).not.toContain('storage');
      refused += said.filter((code) => code === 'storage_full').length;
    }),
    { numRuns: RUNS },
  );
  expect(refused).toBeGreaterThan(RUNS);
}, 600_000);

test('a store whose commits sometimes fail passes verification after its transactions', async () => {
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(everything, async ({ seed, whenFull }) => {
      const said = await work(failing(seed), seed, whenFull);
      failed += said.filter((code) => code === 'storage').length;
    }),
    { numRuns: RUNS },
  );
  expect(failed).toBeGreaterThan(RUNS);
}, 600_000);

/** A twentieth of all commits fails, and with each the commits handed over after it, as the contract requires. */
function failing(seed: number): Engine {
  const engine = openMemoryEngine();
  const commit = engine.commit.bind(engine);
  const random = seededRandom(seed);
  let failures = 0;
  let last: Promise<unknown> = Promise.resolve();
  engine.commit = (writes, options) => {
    const before = last;
    const failuresThen = failures;
    const done = (async () => {
      await before;
      if (failures === failuresThen && random() > 0.05) return commit(writes, options);
      await turn();
      if (failures === failuresThen) failures++;
      throw new TailraceError('storage', 'told to fail');
    })();
    last = done.catch(() => {});
    return done;
  };
  return engine;
}

/** Lets the workers finish, and checks the store meanwhile; returns the codes of refused calls. */
async function work(engine: Engine, seed: number, whenFull: 'refuse' | 'drop-oldest'): Promise<readonly string[]> {
  const clock = new TestClock();
  const faults: Fault[] = [];
  const looks: Promise<void>[] = [];
  const format = { type: 'put', key: settingsKey('format'), value: encodeFormat(FORMAT_VERSION) } as const;
  const commit = engine.commit.bind(engine);
  await retried(() => commit([format]));
  let transactions = 0;
  engine.commit = async (writes, options) => {
    await commit(writes, options);
    if (++transactions % LOOK_EVERY === 0) looks.push(look(await engine.snapshot(), faults));
  };
  const log = await Log.open(engine, { clock, whenFull, onFatal: () => {} });
  for (const [name, config] of BASINS) {
    await retried(() => log.ensureBasin(name, { createStreamOnAppend: true, ...config }));
  }
  const random = seededRandom(seed);
  const said = await Promise.all(Array.from({ length: WORKERS }, () => worker(log, clock, random)));
  await log.backgroundSettled();
  await log.close();
  await Promise.all(looks);
  expect({ seed, faults }).toEqual({ seed, faults: [] });
  return said.flat();
}

async function look(snapshot: Snapshot, faults: Fault[]): Promise<void> {
  faults.push(...(await verifyRows(all(snapshot))).faults);
  snapshot.release();
}

async function* all(snapshot: Snapshot): AsyncGenerator<readonly Entry[]> {
  yield await snapshot.scan({ from: Buffer.of(0), to: Buffer.of(FAMILY.engine), limit: 1e9 });
}

async function worker(log: Log, clock: TestClock, random: () => number): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < ACTS_EACH; i++) {
    clock.advance(Math.floor(random() * 100));
    try {
      await act(log, random);
    } catch (error) {
      if (!(error instanceof TailraceError) || !REFUSALS.includes(error.code)) throw error;
      codes.push(error.code);
      await turn();
    }
  }
  return codes;
}

async function act(log: Log, random: () => number): Promise<unknown> {
  const below = (limit: number): number => Math.floor(random() * limit);
  const [basinName] = BASINS[below(BASINS.length)] ?? BASINS[0];
  const basin = log.basin(basinName) ?? log.listBasins()[0];
  if (basin === undefined) throw new Error('basins were made first');
  const name = `stream-${below(4)}`;
  const what = below(20);
  const retentionBytes = 1 + below(50_000);
  if (what === 0) return log.deleteStream(basin, name);
  if (what === 1) return log.createStream(basin, name, { retentionBytes });
  if (what === 2) return log.ensureStream(basin, name, { retentionBytes });
  if (what === 3) return log.reconfigureStream(basin, name, { retentionBytes });
  const stream = await log.openStream(basin, name, 'append');
  if (what < 7) return log.trim(stream, below((await log.checkTail(stream)).seqNum + 1));
  if (what === 7) return log.appendRecords({ stream, records: [fence(below(3))], encryptionKey: Buffer.alloc(32, 9) });
  const records = Array.from({ length: 1 + below(8) }, () => ({
    headers: [],
    body: Buffer.alloc(below(3_000), `abc${below(1e9)}`),
    timestamp: undefined,
  }));
  return log.appendRecords({ stream, records, encryptionKey: Buffer.alloc(32, 9) });
}

function fence(token: number) {
  const headers = [[Buffer.alloc(0), Buffer.from('fence')]] as const;
  return { headers, body: Buffer.from(`writer-${token}`), timestamp: undefined };
}

async function retried(call: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await call();
      return;
    } catch {
      await turn();
    }
  }
}
