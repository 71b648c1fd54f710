/** What every replicated log and its bucket must do, as a suite that is called once for each of them. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { KeyBucket, LogPage, PublishOutcome, ReplicatedLog } from '../../src/storage/replicated/replicated-log.ts';

export interface ReplicatedLogs {
  /** An empty log, as two nodes see it. */
  openLog(): Promise<readonly [ReplicatedLog, ReplicatedLog]>;
  /** An empty bucket, as two nodes see it. */
  openBucket(): Promise<readonly [KeyBucket, KeyBucket]>;
  dispose(): Promise<void>;
}

const MiB = 1024 * 1024;
const PAGE_BYTES = 64 * MiB;

/** Runs the suite on what `create` returns, which all tests share: each opens a log or a bucket of its own. */
export function replicatedLogContract(name: string, create: () => Promise<ReplicatedLogs>): void {
  describe(`contract of a replicated log: ${name}`, () => {
    let logs: ReplicatedLogs;
    beforeAll(async () => {
      logs = await create();
    });
    afterAll(() => logs.dispose());

    publishes(() => logs.openLog());
    reads(() => logs.openLog());
    keepsValues(() => logs.openBucket());
  });
}

function publishes(open: () => Promise<readonly [ReplicatedLog, ReplicatedLog]>): void {
  let log: ReplicatedLog;
  let other: ReplicatedLog;
  beforeEach(async () => {
    [log, other] = await open();
  });

  test('commands get ascending sequences and are read back in their order by another node', async () => {
    expect(await log.bounds()).toEqual({ first: 1, last: 0 });
    const commands = [bytesOf('one'), bytesOf('two'), bytesOf('three')];
    let last = 0;
    for (const command of commands) last = await store(log, command, last);
    expect(last).toBe(3);
    expect(await readAll(other, 3)).toEqual(commands.map((bytes, i) => ({ sequence: i + 1, bytes })));
    expect(await other.bounds()).toEqual({ first: 1, last: 3 });
  });

  test('a command of any size is one command again, and no byte is another one', async () => {
    const commands = [0, 1, 999_999, 1_000_000, 1_000_001, 4 * MiB].map((size) => new Uint8Array(randomBytes(size)));
    const sequences: number[] = [];
    for (const command of commands) sequences.push(await store(log, command, sequences.at(-1) ?? 0));
    const found = await readAll(other, sequences.at(-1) ?? 0);
    expect(found.map(({ sequence }) => sequence)).toEqual(sequences);
    expect(found.every(({ bytes }, i) => Buffer.compare(bytes, commands[i] ?? bytesOf('')) === 0)).toBe(true);
  });

  test.each([1, 2 * MiB])(
    'who publishes %i bytes behind an old sequence is superseded and stores nothing',
    async (size) => {
      await store(log, bytesOf('first'), 0);
      const last = await store(other, bytesOf('second'), 1);
      expect(await log.publish(new Uint8Array(size), newId(), 1)).toEqual({ type: 'superseded' });
      expect(await log.publish(new Uint8Array(size), newId(), 0)).toEqual({ type: 'superseded' });
      expect(await other.bounds()).toEqual({ first: 1, last });
      expect(await store(log, bytesOf('third'), last)).toBe(3);
    },
  );

  test.each([1, 2 * MiB])('%i bytes that are published again are stored once', async (size) => {
    const [command, id] = [new Uint8Array(randomBytes(size)), newId()];
    const outcome = await log.publish(command, id, 0);
    expect(outcome.type).toBe('stored');
    await store(other, bytesOf('behind it'), sequenceOf(outcome));
    expect(await log.publish(command, id, 0)).toEqual(outcome);
    expect(await readAll(log, sequenceOf(outcome) + 1)).toHaveLength(2);
  });

  test('of two publishers that want the same place one is stored', async () => {
    const outcomes = await Promise.all([
      log.publish(bytesOf('mine'), newId(), 0),
      other.publish(bytesOf('theirs'), newId(), 0),
    ]);
    expect(outcomes.map(({ type }) => type).sort()).toEqual(['stored', 'superseded']);
    const winner = outcomes[0]?.type === 'stored' ? 'mine' : 'theirs';
    expect(await readAll(log, 1)).toEqual([{ sequence: 1, bytes: bytesOf(winner) }]);
  });

  test('an announcement reaches all nodes until they stop to listen', async () => {
    const first = new Promise<number>((resolve) => void other.onAnnounced(resolve));
    const own = new Promise<number>((resolve) => void log.onAnnounced(resolve));
    const late: number[] = [];
    const stop = other.onAnnounced((sequence) => late.push(sequence));
    stop();
    // Whoever listens may not be known yet: announcements are no promise, so they are repeated.
    const repeat = setInterval(() => log.announce(7), 20);
    expect(await Promise.all([first, own])).toEqual([7, 7]);
    clearInterval(repeat);
    expect(late).toEqual([]);
  });
}

function reads(open: () => Promise<readonly [ReplicatedLog, ReplicatedLog]>): void {
  let log: ReplicatedLog;
  let other: ReplicatedLog;
  beforeEach(async () => {
    [log, other] = await open();
  });

  test('a page holds what fits into its bytes, and at least one command', async () => {
    const big = new Uint8Array(randomBytes(2 * MiB));
    let last = 0;
    for (const command of [bytesOf('a'), bytesOf('b'), big, bytesOf('c')]) last = await store(log, command, last);
    const sizes: number[][] = [];
    for (let after = 0; after < last; ) {
      const page = await pageBehind(other, after, 1000);
      sizes.push(page.map(({ bytes }) => bytes.length));
      after = page.at(-1)?.sequence ?? after;
    }
    expect(sizes).toEqual([[1, 1], [big.length], [1]]);
  });

  test('nothing is behind the end, and nothing in an empty log', async () => {
    expect(await log.read(0, PAGE_BYTES)).toEqual({ type: 'commands', commands: [] });
    await store(log, bytesOf('one'), 0);
    expect(await log.read(1, PAGE_BYTES)).toEqual({ type: 'commands', commands: [] });
    expect(await log.read(9, PAGE_BYTES)).toEqual({ type: 'commands', commands: [] });
  });

  test('a reader that comes after a purge is told where the rest begins, and publishing goes on', async () => {
    let last = 0;
    for (const text of ['a', 'b', 'c', 'd']) last = await store(log, bytesOf(text), last);
    await log.purge(2);
    expect(await log.bounds()).toEqual({ first: 3, last: 4 });
    expect(await gapBehind(other, 0)).toBe(3);
    expect(await gapBehind(other, 1)).toBe(3);
    expect(await pageBehind(other, 2, PAGE_BYTES)).toHaveLength(2);
    // Also one that is meant for more than there is.
    await log.purge(9);
    expect(await log.bounds()).toEqual({ first: 5, last: 4 });
    expect(await gapBehind(other, 3)).toBe(5);
    expect(await log.read(4, PAGE_BYTES)).toEqual({ type: 'commands', commands: [] });
    expect(await store(other, bytesOf('e'), 4)).toBe(5);
  });

  test('a command is found among the last ones, is missing where they are others, and is unknown where they were purged', async () => {
    const ids = Array.from({ length: 4 }, newId);
    const [first = newId(), large = newId()] = ids;
    const ends: number[] = [];
    for (const [i, id] of ids.entries()) {
      const command = new Uint8Array(i === 1 ? 3 * MiB : 10);
      ends.push(sequenceOf(await log.publish(command, id, ends.at(-1) ?? 0)));
    }
    const last = ends.at(-1) ?? 0;
    expect(last).toBeGreaterThan(ids.length);
    for (const id of ids) expect(await other.find(id, last, 4)).toBe('found');
    // Its end is that of its last message.
    expect(await other.find(large, ends[1] ?? 0, 1)).toBe('found');
    expect(await other.find(large, last, 2)).toBe('missing');
    expect(await other.find(large, ends[0] ?? 0, 4)).toBe('missing');
    expect(await other.find(newId(), last, 4)).toBe('missing');
    expect(await other.find(newId(), last, 5)).toBe('missing');
    await log.purge(ends[0] ?? 0);
    expect(await other.find(large, last, 3)).toBe('found');
    expect(await other.find(first, last, 3)).toBe('missing');
    expect(await other.find(first, last, 4)).toBe('unknown');
  });
}

function keepsValues(open: () => Promise<readonly [KeyBucket, KeyBucket]>): void {
  let bucket: KeyBucket;
  let other: KeyBucket;
  beforeEach(async () => {
    [bucket, other] = await open();
  });

  test('a value is written only on the revision that the writer knows', async () => {
    expect(await bucket.get('leader.0')).toBeUndefined();
    const first = await bucket.put('leader.0', bytesOf('a'), { revision: 0 });
    expect(await other.get('leader.0')).toEqual({ value: bytesOf('a'), revision: first });
    expect(await other.put('leader.0', bytesOf('b'), { revision: 0 })).toBeUndefined();
    const second = await other.put('leader.0', bytesOf('c'), { revision: first ?? -1 });
    expect(second).not.toBe(first);
    expect(await bucket.put('leader.0', bytesOf('d'), { revision: first ?? -1 })).toBeUndefined();
    expect(await bucket.get('leader.0')).toEqual({ value: bytesOf('c'), revision: second });
    const third = await bucket.put('leader.0', bytesOf(''), {});
    expect(await other.get('leader.0')).toEqual({ value: bytesOf(''), revision: third });
  });

  test('of two who write a new key one wins', async () => {
    const revisions = await Promise.all([
      bucket.put('node.1', bytesOf('mine'), { revision: 0 }),
      other.put('node.1', bytesOf('theirs'), { revision: 0 }),
    ]);
    expect(revisions.filter((revision) => revision !== undefined)).toHaveLength(1);
    const winner = revisions[0] === undefined ? 'theirs' : 'mine';
    expect((await bucket.get('node.1'))?.value).toEqual(bytesOf(winner));
  });

  test('a value goes when its time is over, and its revision no longer counts', async () => {
    const revision = await bucket.put('leader.1', bytesOf('a'), { revision: 0, ttlMs: 1000 });
    await bucket.put('leader.2', bytesOf('stays'), {});
    expect(await other.get('leader.1')).toEqual({ value: bytesOf('a'), revision });
    while ((await other.get('leader.1')) !== undefined) await new Promise(setImmediate);
    expect(await bucket.put('leader.1', bytesOf('late'), { revision: revision ?? -1 })).toBeUndefined();
    expect([...(await other.list('leader.')).keys()]).toEqual(['leader.2']);
    const next = await other.put('leader.1', bytesOf('b'), { revision: 0, ttlMs: 3_600_000 });
    expect(await bucket.get('leader.1')).toEqual({ value: bytesOf('b'), revision: next });
  });

  test('a list has the values whose keys begin so', async () => {
    expect(await other.list('')).toEqual(new Map());
    for (const key of ['a.1', 'a.2', 'a.2x', 'a2.1']) await bucket.put(key, bytesOf(key), {});
    await bucket.put('a.1', bytesOf('new'), {});
    const texts = async (prefix: string) =>
      [...(await other.list(prefix))].map(([key, { value }]) => `${key}=${Buffer.from(value)}`).sort();
    expect(await texts('a.')).toEqual(['a.1=new', 'a.2=a.2', 'a.2x=a.2x']);
    expect(await texts('a2.')).toEqual(['a2.1=a2.1']);
    expect(await texts('')).toHaveLength(4);
    expect(await texts('c.')).toEqual([]);
  });

  test('who releases a value removes it only on the revision that it wrote', async () => {
    const first = (await bucket.put('leader.3', bytesOf('a'), { revision: 0 })) ?? -1;
    const second = (await other.put('leader.3', bytesOf('b'), {})) ?? -1;
    await bucket.remove('leader.3', first);
    expect((await bucket.get('leader.3'))?.revision).toBe(second);
    await other.remove('leader.3', second);
    await other.remove('leader.3', second);
    expect(await bucket.get('leader.3')).toBeUndefined();
    expect(await bucket.put('leader.3', bytesOf('c'), { revision: 0 })).toBeGreaterThan(second);
  });
}

async function store(log: ReplicatedLog, command: Uint8Array, after: number): Promise<number> {
  return sequenceOf(await log.publish(command, newId(), after));
}

function sequenceOf(outcome: PublishOutcome): number {
  if (outcome.type !== 'stored') throw new Error(`it was not stored: ${outcome.type}`);
  return outcome.sequence;
}

/** One page; copies may be behind, so that it asks until there is one. */
async function pageBehind(log: ReplicatedLog, after: number, bytesMax: number) {
  for (;;) {
    const page: LogPage = await log.read(after, bytesMax);
    if (page.type === 'gap') throw new Error(`a gap before ${page.first}`);
    if (page.commands.length > 0) return page.commands;
  }
}

/** Where the log begins for a reader that is too late; copies may be behind with a purge. */
async function gapBehind(log: ReplicatedLog, after: number): Promise<number> {
  for (;;) {
    const page = await log.read(after, PAGE_BYTES);
    if (page.type === 'gap') return page.first;
  }
}

async function readAll(log: ReplicatedLog, last: number) {
  const found: { sequence: number; bytes: Uint8Array }[] = [];
  for (let after = 0; after < last; after = found.at(-1)?.sequence ?? 0) {
    found.push(...(await pageBehind(log, after, PAGE_BYTES)));
  }
  return found;
}

function newId(): Uint8Array {
  return new Uint8Array(randomBytes(16));
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}
