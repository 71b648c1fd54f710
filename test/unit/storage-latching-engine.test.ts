/** What the engine does when its store fails: a fake store fails on demand and records the calls it receives. */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Engine, EngineState, Entry, Write } from '../../src/storage/engine.ts';
import type { FreeSpace } from '../../src/storage/free-space.ts';
import { LatchingEngine } from '../../src/storage/latching-engine.ts';
import type { RawSnapshot, RawStore, StoreUsage } from '../../src/storage/raw-store.ts';

const PROBE_MS = 5;

/** A disk that outlives its stores, with switches for its faults. */
class FakeDisk implements FreeSpace {
  readonly durable: string[][] = [];
  /** Transactions that are waiting for `release`. */
  held: (() => void)[] = [];
  hold = false;
  failing: Error | undefined;
  /** The failed transaction is found on disk afterwards. */
  failsAfterWriting = false;
  noSpace = false;
  /** Why the disk gives no space for a transaction. */
  denial: string | undefined;
  /** How often the reserve was filled again. */
  replenished = 0;
  cannotReopen = false;
  readonly opened: boolean[] = [];
  /** Snapshots not yet released; a store must not be closed while one exists. */
  pinned = 0;
  given = 0;

  open(readOnly: boolean): RawStore {
    this.opened.push(readOnly);
    if (this.cannotReopen) throw new Error('gone');
    return new FakeStore(this);
  }

  release(): void {
    this.hold = false;
    for (const go of this.held.splice(0)) go();
  }

  refusal(): string | undefined {
    return undefined;
  }

  secure(): string | undefined {
    return this.denial;
  }

  wrote(): void {}

  replenish(): void {
    this.replenished += 1;
  }

  close(): void {}

  isBack(): boolean {
    return !this.noSpace;
  }

  isExhausted(): boolean {
    return this.noSpace;
  }

  freeBytes(): number | undefined {
    return undefined;
  }
}

class FakeStore implements RawStore {
  readonly #disk: FakeDisk;
  #closed = false;

  constructor(disk: FakeDisk) {
    this.#disk = disk;
  }

  async write(writes: readonly Write[]): Promise<void> {
    const disk = this.#disk;
    if (this.#closed) throw new Error('used after close');
    disk.given += 1;
    if (disk.hold) await new Promise<void>((go) => disk.held.push(go));
    const names = writes.map((write) => Buffer.from(write.key).toString('latin1'));
    const failure = disk.failing;
    if (failure === undefined || disk.failsAfterWriting) disk.durable.push(names);
    if (failure !== undefined) throw failure;
  }

  get(): Uint8Array | undefined {
    if (this.#closed) throw new Error('used after close');
    return Buffer.from('value');
  }

  scan(): readonly Entry[] {
    return [];
  }

  snapshot(): RawSnapshot {
    this.#disk.pinned += 1;
    return {
      scan: () => this.scan(),
      release: () => {
        this.#disk.pinned -= 1;
      },
    };
  }

  usage(): StoreUsage {
    return { usedBytes: 0, pageBytes: 0, lastTransaction: this.#disk.durable.length };
  }

  async close(): Promise<void> {
    if (this.#disk.pinned > 0) throw new Error('closed over a snapshot');
    this.#closed = true;
  }
}

let disk: FakeDisk;
let engine: Engine;
let states: EngineState[];
const unhandled: unknown[] = [];
const note = (error: unknown) => void unhandled.push(error);

beforeEach(() => {
  process.on('unhandledRejection', note);
  disk = new FakeDisk();
  states = [];
  engine = new LatchingEngine({
    store: new FakeStore(disk),
    reopen: (readOnly) => disk.open(readOnly),
    freeSpace: disk,
    probeMs: PROBE_MS,
  });
  engine.onState((state) => states.push(state));
});

afterEach(async () => {
  disk.release();
  await engine.close();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

test('a failed commit fails with all commits after it, nothing more is written, and reads still work', async () => {
  disk.hold = true;
  const commits = [put('a'), put('b'), put('c')].map((write) => engine.commit([write]));
  const outcomes = Promise.allSettled(commits);
  disk.failing = new Error('EIO');
  disk.release();
  expect(codes(await outcomes)).toEqual(['storage', 'storage', 'storage']);
  expect(disk.given).toBe(1);
  disk.failing = undefined;
  await expect(engine.commit([put('d')])).rejects.toMatchObject({ code: 'storage' });
  await expect(engine.commit([put('e')], { mayUseReserve: true })).rejects.toMatchObject({ code: 'storage' });
  expect(disk.durable).toEqual([]);
  expect(states).toEqual(['read_only']);
  expect(disk.opened).toEqual([true]);
  expect(await engine.get(Buffer.from('a'))).toBeDefined();
  expect((await engine.stat()).state).toBe('read_only');
});

test('commits before the failed one stay acknowledged', async () => {
  await engine.commit([put('a')]);
  disk.failing = new Error('EIO');
  await expect(engine.commit([put('b')])).rejects.toMatchObject({ code: 'storage' });
  expect(disk.durable).toEqual([['a']]);
});

test('a full disk reopens the store, refuses commits, and resumes after a durable probe', async () => {
  disk.noSpace = true;
  disk.failing = new Error('ENOSPC');
  const outcomes = await Promise.allSettled([engine.commit([put('a')]), engine.commit([put('b')])]);
  expect(codes(outcomes)).toEqual(['storage_full', 'storage_full']);
  expect(states).toEqual(['full']);
  await expect(engine.commit([put('c')])).rejects.toMatchObject({ code: 'storage_full' });
  disk.failing = undefined;
  await engine.commit([put('trim')], { mayUseReserve: true });
  expect(states).toEqual(['full']);
  const resumed = new Promise<void>((resolve) => engine.onState((state) => state === 'open' && resolve()));
  disk.noSpace = false;
  await resumed;
  await engine.commit([put('d')]);
  expect(disk.durable.map((names) => names[0])).toEqual(['trim', '\xff\x01', 'd']);
});

test('what the disk gives no space for is not given to the store, and all behind it fails with it', async () => {
  disk.hold = true;
  const first = engine.commit([put('a')]);
  const behind = Promise.allSettled([engine.commit([put('b')]), engine.commit([put('c')], { mayUseReserve: true })]);
  disk.noSpace = true;
  disk.denial = 'a quota';
  disk.release();
  await first;
  expect(codes(await behind)).toEqual(['storage_full', 'storage_full']);
  expect({ given: disk.given, states, opened: disk.opened }).toEqual({ given: 1, states: ['full'], opened: [] });
  const resumed = new Promise<void>((resolve) => engine.onState((state) => state === 'open' && resolve()));
  disk.noSpace = false;
  disk.denial = undefined;
  await resumed;
  expect(disk.replenished).toBe(1);
});

test('a probe that fails for another reason makes the engine read-only', async () => {
  disk.noSpace = true;
  disk.failing = new Error('ENOSPC');
  await expect(engine.commit([put('a')])).rejects.toMatchObject({ code: 'storage_full' });
  const latched = new Promise<void>((resolve) => engine.onState((state) => state === 'read_only' && resolve()));
  disk.noSpace = false;
  await latched;
  await expect(engine.commit([put('b')], { mayUseReserve: true })).rejects.toMatchObject({ code: 'storage' });
});

test('the engine does not claim that nothing was written when the failed transaction turns out to be on disk', async () => {
  disk.noSpace = true;
  disk.failsAfterWriting = true;
  disk.failing = new Error('ENOSPC');
  await expect(engine.commit([put('a')])).rejects.toMatchObject({ code: 'storage' });
  expect(states).toEqual(['full']);
  disk.failing = undefined;
});

test('nothing is served from the old store when the store does not open again', async () => {
  disk.noSpace = true;
  disk.cannotReopen = true;
  disk.failing = new Error('ENOSPC');
  await expect(engine.commit([put('a')])).rejects.toMatchObject({ code: 'storage' });
  expect(states).toEqual(['read_only']);
  await expect(engine.get(Buffer.from('a'))).rejects.toMatchObject({ code: 'storage' });
});

test('commits that wait during a transaction are joined in order, and close waits for them', async () => {
  disk.hold = true;
  const names = ['a', 'b', 'c', 'd'];
  const settled: string[] = [];
  const commits = names.map((name) => engine.commit([put(name)]).then(() => settled.push(name)));
  const closed = engine.close();
  disk.release();
  await Promise.all(commits);
  await closed;
  expect(settled).toEqual(names);
  expect(disk.durable).toEqual([['a'], ['b', 'c', 'd']]);
});

test('a snapshot ends when the store is reopened, and is released only once', async () => {
  const range = { from: Buffer.of(0), to: Buffer.of(255), limit: 1 };
  const snapshot = await engine.snapshot();
  const other = await engine.snapshot();
  expect(await snapshot.scan(range)).toEqual([]);
  other.release();
  other.release();
  expect(disk.pinned).toBe(1);
  disk.failing = new Error('EIO');
  await expect(engine.commit([put('a')])).rejects.toMatchObject({ code: 'storage' });
  expect({ opened: disk.opened, pinned: disk.pinned }).toEqual({ opened: [true], pinned: 0 });
  await expect(snapshot.scan(range)).rejects.toMatchObject({ code: 'storage' });
  snapshot.release();
  expect(disk.pinned).toBe(0);
  await engine.snapshot();
  await engine.close();
  expect(disk.pinned).toBe(0);
  await expect(engine.snapshot()).rejects.toMatchObject({ code: 'closed' });
});

function put(name: string): Write {
  return { type: 'put', key: Buffer.from(name), value: Buffer.from(name) };
}

function codes(outcomes: readonly PromiseSettledResult<void>[]): unknown[] {
  return outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'fulfilled'));
}
