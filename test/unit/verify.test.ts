/** What `verify` finds: a sound store passes, and each kind of damage is named with its place. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { verify } from '../../src/maintenance.ts';
import { readBlockHeader } from '../../src/storage/block/block.ts';
import { summaryBytesIn } from '../../src/storage/block/format.ts';
import type { Entry, Write } from '../../src/storage/engine.ts';
import { FAMILY, readBlockKey, readStreamKey, settingsKey } from '../../src/storage/keys.ts';
import { lockDataDir } from '../../src/storage/lock.ts';
import { encodeSummaryRow, type SummarizedBlock } from '../../src/storage/summary-rows.ts';
import { encodeTraceRow } from '../../src/storage/trace-rows.ts';
import {
  decodeStream,
  decodeStreamState,
  encodeCounters,
  encodeFormat,
  encodeStreamState,
  FORMAT_VERSION,
} from '../../src/storage/values.ts';
import { unpackGoldenStore } from '../support/golden-store.ts';
import { tamper } from '../support/stored-rows.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-verify-'));
  unpackGoldenStore(1, dir);
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test('a sound store passes, and its rows are counted', async () => {
  const progress: number[] = [];
  const report = await verify({ dataDir: dir }, (done) => progress.push(done));
  expect(report).toMatchObject({ format: 1, basins: 3, blocks: expect.any(Number), faultCount: 0, faults: [] });
  expect(report.records).toBeGreaterThan(800);
  expect(report.meteredBytes).toBeGreaterThan(1_000_000);
  expect(progress.length).toBeGreaterThan(0);
});

test('the stores of all partitions are read, and each fault says in which one it is', async () => {
  const { basins, records } = await verify({ dataDir: dir });
  const other = path.join(dir, 'p12');
  unpackGoldenStore(1, path.join(dir, 'p2'));
  unpackGoldenStore(1, other);
  mkdirSync(path.join(dir, 'p3'));
  const progress: (readonly [number, number | undefined])[] = [];
  const sound = await verify({ dataDir: dir }, (done, total) => progress.push([done, total]));
  expect(sound).toMatchObject({ partitions: 3, basins: 3 * basins, records: 3 * records, faultCount: 0 });
  expect(progress).toEqual(progress.toSorted(([one], [next]) => one - next));
  expect(new Set(progress.map(([, total]) => total)).size).toBe(1);
  await tamper(other, () => [{ type: 'delete', key: settingsKey('format') }]);
  expect(await faults()).toEqual([['partition 12: the store', 'the row with its format is missing']]);
  const lock = await lockDataDir(other);
  await expect(verify({ dataDir: dir })).rejects.toMatchObject({ code: 'data_dir_in_use' });
  await lock.release();
});

test('a flipped bit in a block is found', async () => {
  await tamper(dir, (rows) => {
    const { key, value } = blocksOf(rows, 'ticks')[3] as Entry;
    const changed = Buffer.from(value);
    const at = changed.length - 1;
    changed[at] = (changed[at] ?? 0) ^ 4;
    return [{ type: 'put', key, value: changed }];
  });
  expect(await faults()).toEqual([
    [TICKS, 'the block of record 28: a stored block is damaged: the checksum of its records does not match'],
  ]);
});

test('a block under another key, and a value that is not a block, are found', async () => {
  await tamper(dir, (rows) => {
    const [, second, third] = blocksOf(rows, 'orders');
    if (second === undefined || third === undefined) throw new Error('too few blocks');
    return [
      { type: 'put', key: second.key, value: third.value },
      { type: 'put', key: third.key, value: Buffer.from('what is this') },
    ];
  });
  const found = await faults();
  expect(found).toHaveLength(2);
  expect(found[0]?.[1]).toMatch(/^the block of record 1: .* checksum of its header/);
  expect(found[1]?.[1]).toMatch(/^the block of record \d+: .* too short/);
});

test('missing blocks are found: the first, one in the middle, the last, all', async () => {
  await tamper(dir, (rows) => [...without(rows, 'ticks', [0, 10, 34]), ...without(rows, 'noise')]);
  const found = new Map(await faults());
  expect(found.get('stream `noise` in basin `telemetry`')).toBe('records 0 to 3 are missing');
  const ticks = (await faults()).filter(([where]) => where === TICKS).map(([, what]) => what);
  expect(ticks).toEqual([
    'records 25 to 25 are missing',
    'records 35 to 35 are missing',
    'records 59 to 59 are missing',
  ]);
});

test('a tail that is too low, a wrong byte count and a time that is too early are found', async () => {
  await tamper(dir, (rows) => [
    ...state(rows, 'ticks', { nextSeq: 50 }),
    ...state(rows, 'orders', { meteredBytes: 7 }),
    ...state(rows, 'noise', { lastTimestamp: 1 }),
  ]);
  const found = new Map(await faults());
  expect(found.get(TICKS)).toBe('it has records up to 60, behind its tail at 50');
  expect(found.get('stream `orders` in basin `telemetry`')).toMatch(/^its state counts 7 bytes, its blocks have \d+$/);
  expect(found.get('stream `noise` in basin `telemetry`')).toBe('its last record is later than its state says');
});

test('rows that contradict each other are found', async () => {
  await tamper(dir, (rows) => [
    { type: 'put', key: settingsKey('counters'), value: encodeCounters({ nextBasin: 3, nextStream: 4 }) },
    ...rows.filter(({ key }) => isRowOf(key, 'audit')).map(({ key }) => ({ type: 'delete', key }) as const),
    ...rows.filter(({ key }) => key[0] === FAMILY.tokensByHash).map(({ key }) => ({ type: 'delete', key }) as const),
    { type: 'put', key: Buffer.of(77, 1), value: Buffer.of(1) },
  ]);
  const found = await faults();
  expect(found.map(([, what]) => what)).toEqual(
    expect.arrayContaining([
      'its number was not given out yet',
      'it has a state, but no row',
      'it has records, but its row or its state is missing',
      'its row is missing',
      'its family is unknown',
    ]),
  );
  expect(found.filter(([, what]) => what.includes('but its row or its state'))).toHaveLength(1);
});

test('a row that does not decode is found', async () => {
  await tamper(dir, (rows) =>
    rows
      .filter(({ key }) => key[0] === FAMILY.basins || key[0] === FAMILY.streamStates)
      .map(({ key }) => ({ type: 'put', key, value: Buffer.from([9, 9, 9]) })),
  );
  const found = (await faults()).map(([, what]) => what);
  expect(found).toEqual(
    expect.arrayContaining(['a stored basin is damaged', 'a stored stream state is damaged', 'its basin is missing']),
  );
});

test('a row of summaries that is damaged, about other blocks, or about no stream is found, and a sound one is not', async () => {
  await tamper(dir, (rows) => [put(rowAbout(rows, 'ticks', 0, 20)), put(rowAbout(rows, 'ticks', 20, 35))]);
  expect(await faults()).toEqual([]);
  await tamper(dir, (rows) => {
    const sound = rowAbout(rows, 'ticks', 0, 20);
    const flipped = Buffer.from(sound.value);
    flipped.writeUInt8(flipped.readUInt8(9) ^ 1, 9);
    const other = rowAbout(rows, 'ticks', 20, 35, (block) => ({ ...block, lastTimestamp: block.lastTimestamp + 1 }));
    const shifted = rowAbout(rows, 'orders', 0, 2, (block) => ({ ...block, count: block.count + 1_000 }));
    return [put({ ...sound, value: flipped }), put(other), put(shifted), put(encodeSummaryRow(999, 0, [ANY]))];
  });
  const found = (await faults()).map(([, what]) => what);
  expect(found).toHaveLength(4);
  expect(found.filter((what) => what.includes('its checksum does not match'))).toHaveLength(1);
  expect(found.filter((what) => what.includes('is another one'))).toHaveLength(2);
  expect(found).toContain('it has a row of summaries, but no row or no state');
  expect(found.filter((what) => what.includes('and it is made again'))).toHaveLength(3);
});

test('a row of trace ids that is damaged, between blocks, or about no stream is found, and a sound one is not', async () => {
  const filter = new Uint8Array(64);
  const about = (rows: readonly Entry[], name: string, from: number, to: number, end = 0): Entry => {
    const starts = blocksOf(rows, name).map(({ key }) => readBlockKey(key).firstSeq);
    const run = { firstSeq: starts[from] ?? 0, end: (starts[to] ?? 0) + end, lastTimestamp: 1, filter };
    return encodeTraceRow(numberOf(rows, name), [run]);
  };
  await tamper(dir, (rows) => [put(about(rows, 'ticks', 0, 20)), put(about(rows, 'ticks', 20, 30))]);
  expect(await faults()).toEqual([]);
  await tamper(dir, (rows) => {
    const sound = about(rows, 'ticks', 0, 20);
    const flipped = { ...sound, value: Buffer.concat([sound.value, Buffer.of(0)]) };
    const lost = { firstSeq: 0, end: 1, lastTimestamp: 1, filter };
    return [put(flipped), put(about(rows, 'orders', 0, 1, 1_000)), put(encodeTraceRow(999, [lost]))];
  });
  const found = (await faults()).map(([, what]) => what);
  expect(found).toHaveLength(3);
  expect(found.filter((what) => what.includes('its checksum does not match'))).toHaveLength(1);
  expect(found.filter((what) => what.includes('no block begins at record'))).toHaveLength(1);
  expect(found).toContain('it has a row of trace ids, but no row or no state');
});

test('at most a hundred faults are listed, and all are counted', async () => {
  await tamper(dir, () =>
    Array.from({ length: 150 }, (_, i) => ({ type: 'put', key: Buffer.of(99, i), value: Buffer.of(1) })),
  );
  const report = await verify({ dataDir: dir });
  expect({ count: report.faultCount, listed: report.faults.length }).toEqual({ count: 150, listed: 100 });
});

test('a stream whose deletion is under way has no faults for what is already deleted', async () => {
  await tamper(dir, (rows) => without(rows, 'ticks', [0, 1, 2]));
  expect(await faults()).toHaveLength(1);
  const { encodeStream } = await import('../../src/storage/values.ts');
  await tamper(dir, (rows) =>
    rows
      .filter(({ key }) => isRowOf(key, 'ticks'))
      .map(({ key, value }) => ({
        type: 'put',
        key,
        value: encodeStream({ ...decodeStream(value), deletedAt: 1_795_000_000_000 }),
      })),
  );
  expect(await faults()).toEqual([]);
});

test('a store that cannot be verified is refused with the reason', async () => {
  await expect(verify({ dataDir: path.join(dir, 'none') })).rejects.toMatchObject({ code: 'config' });
  await expect(verify({ file: path.join(dir, 'none') })).rejects.toMatchObject({ code: 'config' });
  await expect(verify({ file: dir })).rejects.toMatchObject({ code: 'config' });
  const lock = await lockDataDir(dir);
  await expect(verify({ dataDir: dir })).rejects.toMatchObject({ code: 'data_dir_in_use' });
  await lock.release();
  await tamper(dir, () => [{ type: 'put', key: settingsKey('format'), value: encodeFormat(FORMAT_VERSION + 1) }]);
  await expect(verify({ dataDir: dir })).rejects.toMatchObject({ code: 'format_too_new' });
  writeFileSync(path.join(dir, 'tailrace.mdb'), Buffer.alloc(20_000, 'x'));
  await expect(verify({ dataDir: dir })).rejects.toMatchObject({ code: 'corrupt' });
});

const ANY: SummarizedBlock = { kind: 'logs', count: 1, lastTimestamp: 1, summary: Buffer.of(), storedBytes: 9 };

/** What a row would say of stored blocks [from, to) of a stream, with a change. */
function rowAbout(
  rows: readonly Entry[],
  name: string,
  from: number,
  to: number,
  change: (block: SummarizedBlock) => SummarizedBlock = (block) => block,
): Entry {
  const entries = blocksOf(rows, name).slice(from, to);
  const blocks = entries.map(({ key, value }) => {
    const { kind, count, lastTimestamp } = readBlockHeader(key, value);
    return change({ kind, count, lastTimestamp, summary: summaryBytesIn(value), storedBytes: value.length });
  });
  return encodeSummaryRow(numberOf(rows, name), readBlockKey((entries[0] as Entry).key).firstSeq, blocks);
}

function put({ key, value }: Entry): Write {
  return { type: 'put', key, value };
}

const TICKS = 'stream `ticks` in basin `telemetry`';

async function faults(): Promise<(readonly [string, string])[]> {
  const { faults: found } = await verify({ dataDir: dir });
  return found.map(({ where, what }) => [where, what] as const);
}

function isRowOf(key: Uint8Array, name: string): boolean {
  return key[0] === FAMILY.streams && readStreamKey(key).name === name;
}

function numberOf(rows: readonly Entry[], name: string): number {
  const row = rows.find(({ key }) => isRowOf(key, name));
  if (row === undefined) throw new Error(`no stream ${name}`);
  return decodeStream(row.value).number;
}

function blocksOf(rows: readonly Entry[], name: string): readonly Entry[] {
  const number = numberOf(rows, name);
  return rows.filter(({ key }) => key[0] === FAMILY.blocks && readBlockKey(key).stream === number);
}

function without(rows: readonly Entry[], name: string, which?: readonly number[]): Write[] {
  const blocks = blocksOf(rows, name);
  return (which ?? [...blocks.keys()]).map((i) => ({ type: 'delete', key: (blocks[i] as Entry).key }));
}

function state(
  rows: readonly Entry[],
  name: string,
  change: Partial<ReturnType<typeof decodeStreamState>>,
): readonly Write[] {
  const number = numberOf(rows, name);
  return rows
    .filter(({ key }) => key[0] === FAMILY.streamStates && Number(Buffer.from(key).readBigUInt64BE(1)) === number)
    .map(({ key, value }) => ({
      type: 'put',
      key,
      value: encodeStreamState({ ...decodeStreamState(value), ...change }),
    }));
}
