/** A data directory of every earlier format opens, and everything in it can be read. */

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Log } from '../../src/log/log.ts';
import type { Stream } from '../../src/log/stream.ts';
import { verify } from '../../src/maintenance.ts';
import type { Clock } from '../../src/model/clock.ts';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { readDueKey, settingsKey } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { decodeStream, encodeFormat, encodeStream, FORMAT_VERSION } from '../../src/storage/values.ts';
import { goldenMessages } from '../support/golden-messages.ts';
import { type GoldenStore, type GoldenStream, unpackGoldenStore } from '../support/golden-store.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { storedRows, tamper } from '../support/stored-rows.ts';

/** Of every format that this build can open there is a store. */
const FORMATS = Array.from({ length: FORMAT_VERSION }, (_, n) => n + 1);
/** The store of format 3 holds records of S2 alone. */
const WITH_OTLP = [1, 2, 4];

let dir: string;
/** Open resources, closed in reverse order. */
let open: { close(): Promise<void> }[] = [];

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-golden-'));
});

afterEach(async () => {
  await close();
  rmSync(dir, { recursive: true, force: true });
});

test.each(FORMATS)('everything in a store of format %i is read as it was written', async (format) => {
  const golden = unpackGoldenStore(format, dir);
  const log = await opened(golden);
  // An append shows the fencing token.
  const expected = streamsOf(golden).map(({ fencingToken: _, ...stream }) => stream);
  expect(await contents(log, golden)).toEqual(expected);
  for (const { name, createdAt, config } of golden.basins) {
    const basin = log.basin(name);
    expect({ createdAt: basin?.createdAt, deletedAt: basin?.deletedAt }).toEqual({ createdAt, deletedAt: undefined });
    expect(basin?.config).toMatchObject({ ...config, defaultStream: leavesOf(config.defaultStream) });
    expect(basin?.config.streamCipher).toBe(config.streamCipher);
    expect(basin?.config.oidc).toEqual(config.oidc);
  }
});

test.each(FORMATS)('a store of format %i accepts appends after the old records, and they survive', async (format) => {
  const golden = unpackGoldenStore(format, dir);
  let log = await opened(golden);
  for (const { basin, name, tail, fencingToken } of streamsOf(golden)) {
    const record = { body: Buffer.from('new'), headers: [], timestamp: golden.now };
    const stream = await streamAt(log, basin, name);
    const call = { stream, records: [record], ...keyOf(golden) };
    if (fencingToken !== undefined) {
      const fenced = { code: 'fencing_token_mismatch', detail: { fencingToken } };
      await expect(log.appendRecords({ ...call, fencingToken: 'wrong' })).rejects.toMatchObject(fenced);
    }
    const { start } = await log.appendRecords(call);
    expect({ name, seqNum: start.seqNum }).toEqual({ name, seqNum: tail.seqNum });
    expect(start.timestamp).toBeGreaterThanOrEqual(tail.timestamp);
  }
  await close();
  expect(await verify({ dataDir: dir })).toMatchObject({ format: FORMAT_VERSION, faultCount: 0, faults: [] });
  log = await opened(golden);
  for (const { basin, name, tail } of streamsOf(golden)) {
    const { seqNum } = await log.checkTail(await streamAt(log, basin, name));
    expect({ name, seqNum }).toEqual({ name, seqNum: tail.seqNum + 1 });
  }
});

test.each(FORMATS)('a store of format %i passes verification and stays unchanged', async (format) => {
  const golden = unpackGoldenStore(format, dir);
  const streams = streamsOf(golden);
  const report = await verify({ dataDir: dir });
  const basins = golden.basins.length;
  expect(report).toMatchObject({ format, basins, streams: streams.length, faultCount: 0, faults: [] });
  expect(report.records).toBe(streams.reduce((sum, { count }) => sum + count, 0));
  expect((await verify({ dataDir: dir })).format).toBe(format);
});

test.each(WITH_OTLP)('what readers of OTLP get of a store of format %i is what any receiver takes', async (format) => {
  const messages = await goldenMessages(format, dir);
  expect(messages.length).toBeGreaterThan(0);
  for (const { signal, records, message, json } of messages) {
    const found = scanRequest(signal, Buffer.from(message), OTLP_LIMITS);
    // Ids of the right length or none, no groups, and nothing that is nested too deep.
    expect([found.itemCount, found.oddIds.size, found.hasGroups]).toEqual([records, 0, false]);
    expect([found.badItems.size, found.badScopes.size, found.badResources.size]).toEqual([0, 0, 0]);
    const items = itemsOf(signal, message, false);
    expect(items).toHaveLength(records);
    expect(itemsOf(signal, Buffer.from(json), true)).toEqual(items);
  }
});

test('a store of format 4 keeps rows of summaries, policies, answers for repeats, and records that are cut for S2', async () => {
  const golden = unpackGoldenStore(4, dir);
  const kinds = new Set((await storedRows(dir)).map((row) => row.slice(0, 2)));
  expect([...kinds]).toEqual(expect.arrayContaining(['0a', '0b']));
  const policy = golden.basins.find(({ name }) => name === 'with-policy')?.config;
  expect(policy).toMatchObject({ otlp: { dedupeSeconds: 3_600, largeItemsMax: 4_194_304 } });
  const log = await opened(golden);
  const stream = await streamAt(log, 'with-policy', 'large/logs');
  const range = { start: { seqNum: 0 }, clamp: true, count: undefined, bytes: undefined, until: undefined, waitMs: 0 };
  const headers: string[] = [];
  for await (const event of log.read(stream, range, new AbortController().signal)) {
    if (event.type !== 'records') continue;
    for (let i = event.from; i < event.to; i++) {
      headers.push(...event.block.record(i).headers.map(([name]) => Buffer.from(name).toString()));
    }
  }
  expect(headers).toContain('otel.truncated_bytes');
});

async function opened({ now: written }: GoldenStore, laterMs = 0): Promise<Log> {
  const now = written + laterMs;
  const clock: Clock = { now: () => now, monotonicMs: () => performance.now(), timer: () => () => {} };
  const engine = await openLmdbEngine({ path: dir });
  open.push(engine);
  const onFatal = (error: unknown): void => {
    throw error;
  };
  const log = await Log.open(engine, { clock, onFatal });
  open.push(log);
  return log;
}

async function close(): Promise<void> {
  for (const each of open.reverse()) await each.close();
  open = [];
}

test('records that expire in a store of format 1, which had no schedule, are deleted in time', async () => {
  const golden = unpackGoldenStore(1, dir);
  const before = await verify({ dataDir: dir });
  await (await opened(golden)).backgroundSettled();
  await close();
  expect(await verify({ dataDir: dir })).toMatchObject({
    format: FORMAT_VERSION,
    blocks: before.blocks,
    faultCount: 0,
  });
  await (await opened(golden, 8 * 86_400_000)).backgroundSettled();
  await close();
  // The clock jumped while the store was closed, so an operator must confirm it.
  expect(await verify({ dataDir: dir })).toMatchObject({ blocks: before.blocks, faults: [] });
  const log = await opened(golden, 8 * 86_400_000);
  log.confirmClock();
  await log.backgroundSettled();
  await close();
  // The remaining records never expire.
  expect(await verify({ dataDir: dir })).toMatchObject({ records: 2, blocks: 1, faultCount: 0 });
});

test('an interrupted upgrade is continued at the next start', async () => {
  const golden = unpackGoldenStore(1, dir);
  await tamper(dir, () => []);
  const upgraded = await storedRows(dir);
  expect(upgraded.some((row) => row.startsWith('0904'))).toBe(true);
  unpackGoldenStore(1, dir);
  const engine = await openLmdbEngine({ path: dir });
  const rows = await engine.scan({ from: Buffer.of(9), to: Buffer.of(10), limit: 1_000 });
  // As if the process was killed after its first transaction: the new version is written, the schedule is not.
  await engine.commit([
    ...rows.slice(2).map(({ key }) => ({ type: 'delete', key }) as const),
    { type: 'put', key: settingsKey('upgrading'), value: encodeFormat(1) },
  ]);
  await engine.commit(
    (await engine.scan({ from: Buffer.of(3), to: Buffer.of(4), limit: 1_000 })).map(({ key, value }) => {
      const row = decodeStream(value);
      const gone = rows.slice(2).some((pending) => readDueKey(pending.key).stream === row.number);
      return { type: 'put', key, value: gone ? encodeStream({ ...row, dueAt: undefined }) : value };
    }),
  );
  await engine.close();
  await tamper(dir, () => []);
  expect(await storedRows(dir)).toEqual(upgraded);
  expect((await verify({ dataDir: dir })).streams).toBe(streamsOf(golden).length);
});

function streamsOf(golden: GoldenStore): readonly (GoldenStream & { readonly basin: string })[] {
  return golden.basins.flatMap(({ name: basin, streams }) => streams.map((stream) => ({ basin, ...stream })));
}

function keyOf({ encryptionKey }: GoldenStore): { encryptionKey?: Uint8Array } {
  return encryptionKey === undefined ? {} : { encryptionKey: Buffer.from(encryptionKey, 'hex') };
}

/** As the log shows it: a config field that was added later makes no difference. */
async function contents(log: Log, golden: GoldenStore) {
  const found = [];
  for (const basin of log.listBasins()) {
    const { streams } = await log.listStreams(basin, { prefix: '', startAfter: '', limit: 1_000 });
    for (const { name, createdAt } of streams) {
      const expected = streamsOf(golden).find((each) => each.basin === basin.name && each.name === name);
      const stream = await log.getStream(basin, name);
      const records = await recordsOf(log, stream, keyOf(golden));
      const [first] = records;
      found.push({
        basin: basin.name,
        name,
        createdAt,
        config: expected?.config.map(([leaf]) => [leaf, leafOf(stream.config, leaf)]) ?? [],
        ...(stream.cipher === undefined ? {} : { cipher: stream.cipher }),
        tail: await log.checkTail(stream),
        count: records.length,
        first: first?.[0] ?? null,
        ...(records.length > 10 ? { digest: sha256(JSON.stringify(records)) } : { records }),
      });
    }
  }
  return found;
}

async function recordsOf(log: Log, stream: Stream, key: { encryptionKey?: Uint8Array }) {
  const records: [number, number, number, string][] = [];
  const range = { start: { seqNum: 0 }, clamp: true, count: undefined, bytes: undefined, until: undefined, waitMs: 0 };
  try {
    for await (const event of log.read(stream, range, new AbortController().signal, key)) {
      if (event.type !== 'records') continue;
      for (let i = event.from; i < event.to; i++) {
        const { seqNum, timestamp, headers, body } = event.block.record(i);
        const digest = createHash('sha256');
        for (const [name, value] of headers)
          digest.update(`${name.length},${value.length};`).update(name).update(value);
        const hash = digest.update(body).digest('hex').slice(0, 16);
        records.push([seqNum, timestamp, event.block.meteredBytesOf(i), hash]);
      }
    }
  } catch (error) {
    // There is nothing to read at the tail.
    expect(error).toMatchObject({ code: 'range_not_satisfiable' });
  }
  return records;
}

function leafOf(config: object, leaf: string): unknown {
  return new Map<string, unknown>(Object.entries(config)).get(leaf) ?? null;
}

function leavesOf(pairs: readonly (readonly [string, unknown])[]) {
  return Object.fromEntries(pairs.map(([leaf, value]) => [leaf, value ?? undefined]));
}

async function streamAt(log: Log, basinName: string, name: string) {
  const basin = log.basin(basinName);
  if (basin === undefined) throw new Error(`no basin ${basinName}`);
  return log.getStream(basin, name);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
