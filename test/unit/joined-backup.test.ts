/** A backup of several stores as one: restored, it is one store with everything. */

import { createReadStream, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Log } from '../../src/log/log.ts';
import { restore, saveBackup, verify } from '../../src/maintenance.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { blockKey, FAMILY, pendingKey, settingsKey, usageKey } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { Backups } from '../../src/storage/offline/backup.ts';
import { readBackup } from '../../src/storage/offline/backup-format.ts';
import { decodeShutdown, decodeUsageCounts, encodeShutdown, encodeUsageCounts } from '../../src/storage/usage-rows.ts';
import { decodeCounters, encodeCounters, encodeFormat, FORMAT_VERSION } from '../../src/storage/values.ts';
import { BASIN, readAll, type Seen, TestClock, texts } from '../support/log-harness.ts';
import { listed } from '../support/stored-rows.ts';

const PARTITION = 2 ** 40;
const EPOCH = 2 ** 44;
const COUNTERS = settingsKey('counters');

let dir: string;
let file: string;
let target: string;
/** What fails in a log is seen in what it holds. */
const OPTIONS = { clock: new TestClock(), onFatal: () => {} };

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-joined-'));
  file = path.join(dir, 'saved.backup');
  target = path.join(dir, 'restored');
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** What each stream holds, by basin and name. */
type Contents = Map<string, readonly Seen[]>;

/** A store whose numbers begin at those of its partition, with streams in each of these basins. */
async function storeOf(partition: number, basins: readonly string[], contents: Contents): Promise<Engine> {
  const engine = openMemoryEngine();
  const next = partition * PARTITION + 1;
  await engine.commit([
    { type: 'put', key: settingsKey('format'), value: encodeFormat(FORMAT_VERSION) },
    { type: 'put', key: COUNTERS, value: encodeCounters({ nextBasin: next, nextStream: next }) },
    { type: 'put', key: settingsKey('own'), value: Buffer.of(partition) },
    { type: 'put', key: Buffer.of(FAMILY.places, partition), value: Buffer.of(1) },
  ]);
  const log = await Log.open(engine, OPTIONS);
  for (const name of basins) {
    const { it: basin } = await log.ensureBasin(name, BASIN);
    for (let s = 0; s < 4; s++) {
      const stream = await log.openStream(basin, `stream-${s}`, 'append');
      for (let i = 0; i < 12; i++) {
        const body = `${name} ${s} ${i} ${'x'.repeat(i * 900)}`;
        await log.append([{ stream, drafts: [texts(body)] }]);
      }
      await log.trim(stream, s * 3);
      contents.set(`${name}/stream-${s}`, await readAll(log, stream));
    }
  }
  await log.close();
  return engine;
}

async function backUp(first: Engine, ...others: readonly Engine[]): Promise<void> {
  const options = { file: path.join(dir, 'tailrace.mdb'), now: () => 1 };
  const backups = new Backups({ ...options, engine: first, others: async () => others });
  await saveBackup((await backups.begin()).parts(), file);
}

/** What the restored store holds, read by a log over it. */
async function restored(): Promise<{ log: Log; engine: Engine; contents: Contents }> {
  const engine = await openLmdbEngine({ path: target });
  const log = await Log.open(engine, OPTIONS);
  const contents: Contents = new Map();
  for (const basin of log.listBasins()) {
    for (const { name } of (await log.listStreams(basin, { prefix: '', startAfter: '', limit: 100 })).streams) {
      contents.set(`${basin.name}/${name}`, await readAll(log, await log.getStream(basin, name)));
    }
  }
  return { log, engine, contents };
}

test('three stores in one backup are one store with all that they hold', async () => {
  const contents: Contents = new Map();
  const first = await storeOf(0, ['basin-five', 'basin-one'], contents);
  const second = await storeOf(1, ['basin-four', 'basin-two'], contents);
  const third = await storeOf(15, ['basin-three'], contents);
  await backUp(first, second, third);
  expect(await verify({ file })).toMatchObject({ basins: 5, streams: 20, faultCount: 0 });
  await restore(file, target);
  const after = await restored();
  expect(after.contents).toEqual(contents);
  expect(await after.engine.get(settingsKey('own'))).toEqual(Buffer.of(0));
  await after.log.close();
  await after.engine.close();
  expect(await verify({ dataDir: target })).toMatchObject({ faultCount: 0 });
});

test('no number is given out twice after that, by the one store or by those of a cluster that it becomes', async () => {
  const contents: Contents = new Map();
  await backUp(await storeOf(0, ['basin-one'], contents), await storeOf(15, ['basin-two'], contents));
  await restore(file, target);
  const { log, engine } = await restored();
  const { it: basin } = await log.ensureBasin('basin-new', BASIN);
  const stream = await log.openStream(basin, 'new', 'append');
  await log.append([{ stream, drafts: [texts('new')] }]);
  const { nextBasin, nextStream } = decodeCounters((await engine.get(COUNTERS)) ?? Buffer.alloc(0));
  expect([nextBasin, nextStream]).toEqual([EPOCH + 2, EPOCH + 2]);
  await log.close();
  // It becomes the first of several stores, whose numbers begin with its own ones.
  await backUp(engine, await storeOf(EPOCH / PARTITION + 1, ['basin-other'], contents));
  await engine.close();
  rmSync(target, { recursive: true });
  await restore(file, target);
  const again = await restored();
  expect([...again.contents.keys()].sort()).toEqual([...contents.keys(), 'basin-new/new'].sort());
  const counters = await again.engine.get(COUNTERS);
  expect(decodeCounters(counters ?? Buffer.alloc(0)).nextStream).toBe(2 * EPOCH + 1);
  await again.log.close();
  await again.engine.close();
  expect(await verify({ dataDir: target })).toMatchObject({ faultCount: 0 });
});

test('counts of the account are summed, and those of a basin stay as they are', async () => {
  const contents: Contents = new Map();
  const engines = [await storeOf(0, ['basin-one'], contents), await storeOf(1, ['basin-two'], contents)];
  for (const [index, engine] of engines.entries()) {
    const counts = new Map([['op:list-basins', 5 + index]]);
    const row = (basin: string) => encodeUsageCounts({ basin, counts });
    await engine.commit([
      { type: 'put', key: usageKey('minutes', 0, 60), value: row('') },
      { type: 'put', key: usageKey('hours', 0, 0), value: row('') },
      { type: 'put', key: usageKey('hours', 7 + index, 0), value: row(`basin-${index}`) },
      { type: 'put', key: usageKey('shutdown', 0, 0), value: encodeShutdown(index === 0) },
    ]);
  }
  const [first, second] = engines as [Engine, Engine];
  await backUp(first, second);
  await restore(file, target);
  const { log, engine } = await restored();
  const countsIn = async (...key: Parameters<typeof usageKey>) => {
    return [...decodeUsageCounts((await engine.get(usageKey(...key))) ?? Buffer.alloc(0)).counts.values()];
  };
  expect(await countsIn('minutes', 0, 60)).toEqual([11]);
  expect(await countsIn('hours', 0, 0)).toEqual([11]);
  expect([await countsIn('hours', 7, 0), await countsIn('hours', 8, 0)]).toEqual([[5], [6]]);
  // The sums by basin are counted again.
  expect(decodeShutdown((await engine.get(usageKey('shutdown', 0, 0))) ?? Buffer.alloc(0))).toBe(false);
  await log.close();
  await engine.close();
});

test('a backup is refused while a basin is in two of the stores, or its rows leave one of them', async () => {
  const contents: Contents = new Map();
  const first = await storeOf(0, ['basin-one'], contents);
  const second = await storeOf(1, ['basin-two'], contents);
  const refusal = { code: 'unavailable', detail: { retryAfterSeconds: 10 } };
  const put = (key: Uint8Array) => ({ type: 'put', key, value: Buffer.alloc(0) }) as const;
  const rows = [Buffer.of(FAMILY.pendingWork, 5, 1), Buffer.of(FAMILY.pendingWork, 8, 1)];
  for (const key of [...rows, pendingKey('basinDeletion', PARTITION + 1)]) {
    await first.commit([put(key)]);
    await expect(backUp(first, second)).rejects.toMatchObject(refusal);
    await first.commit([{ type: 'delete', key }]);
  }
  // A deletion of a basin that is nowhere else goes on in the restored store.
  await first.commit([put(pendingKey('basinDeletion', 77))]);
  await backUp(first, second);
  await expect(backUp(first, first)).rejects.toMatchObject(refusal);
  expect(readdirSync(dir)).toEqual(['saved.backup']);
});

test('a backup fails where two stores have a block of the same number, so that none of them is lost unseen', async () => {
  const contents: Contents = new Map();
  const first = await storeOf(0, ['basin-one'], contents);
  const second = await storeOf(1, ['basin-two'], contents);
  await backUp(first, second);
  const block = { type: 'put', key: blockKey(PARTITION + 1, 0), value: Buffer.of(1) } as const;
  await first.commit([block]);
  await expect(backUp(first, second)).rejects.toMatchObject({ code: 'corrupt' });
});

test('a backup of one store holds its rows as they are', async () => {
  const engine = await storeOf(3, ['basin-one'], new Map());
  await backUp(engine);
  const plain: string[] = [];
  for await (const part of readBackup(createReadStream(file))) {
    if (part.type === 'rows') plain.push(...listed(part.rows));
  }
  const all = await engine.scan({ from: Buffer.of(0), to: Buffer.of(0xff), limit: 100_000 });
  expect(plain).toEqual(listed(all.filter(({ key }) => key[0] !== FAMILY.places)));
});
