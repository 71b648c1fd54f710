/** What every engine must do, as a suite that is called once for each engine. */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Engine, EngineState, Write } from '../../src/storage/engine.ts';

export interface EngineUnderTest {
  readonly engine: Engine;
  /** Closes it and opens it again on the same data; undefined where no data outlives a close. */
  readonly reopen: (() => Promise<Engine>) | undefined;
  /** Removes what the engine left on disk. */
  readonly dispose: () => Promise<void>;
}

const CAP_BYTES = 8 * 1024 * 1024;

/** Runs the suite on engines that `create` returns; `storeBytesMax` is passed on when it is given. */
export function engineContract(name: string, create: (storeBytesMax?: number) => Promise<EngineUnderTest>): void {
  describe(`engine contract: ${name}`, () => {
    let under: EngineUnderTest;
    const now = () => under;

    beforeEach(async () => {
      under = await create();
    });

    afterEach(async () => {
      await under.engine.close();
      await under.dispose();
    });

    readsAndWrites(now);
    scans(now);
    snapshots(now);
    lifeAndFaults(now);
    capacity(create);
  });
}

function readsAndWrites(now: () => EngineUnderTest): void {
  test('a committed value is read back, and a missing key is undefined', async () => {
    const { engine } = now();
    await engine.commit([put('a', 'one'), put('b', '')]);
    expect(text(await engine.get(key('a')))).toBe('one');
    expect(text(await engine.get(key('b')))).toBe('');
    expect(await engine.get(key('c'))).toBeUndefined();
  });

  test('later commits win, deletes remove, and deleting what is missing is no error', async () => {
    const { engine } = now();
    await engine.commit([put('a', '1'), put('b', '1')]);
    await engine.commit([put('a', '2'), remove('b'), remove('missing')]);
    expect(text(await engine.get(key('a')))).toBe('2');
    expect(await engine.get(key('b'))).toBeUndefined();
  });

  test('within one transaction the last write of a key wins', async () => {
    const { engine } = now();
    await engine.commit([put('a', '1'), remove('a'), put('a', '3')]);
    expect(text(await engine.get(key('a')))).toBe('3');
  });

  test('an empty commit resolves after the commits before it', async () => {
    const { engine } = now();
    const settled: string[] = [];
    await Promise.all([
      engine.commit([put('a', '1')]).then(() => settled.push('a')),
      engine.commit([]).then(() => settled.push('nothing')),
    ]);
    await engine.commit([]);
    expect(settled).toEqual(['a', 'nothing']);
  });

  test('commits that are not awaited take effect in the order of the calls', async () => {
    const { engine } = now();
    const commits: Promise<void>[] = [];
    const settled: number[] = [];
    for (let i = 0; i < 100; i++) {
      commits.push(engine.commit([put('n', String(i)), put(`k${i}`, 'x')]).then(() => void settled.push(i)));
    }
    await Promise.all(commits);
    expect(text(await engine.get(key('n')))).toBe('99');
    expect(settled).toEqual([...Array(100).keys()]);
  });

  test('returned values are copies that later commits do not change', async () => {
    const { engine } = now();
    for (const size of [3, 1_000, 40_000, 3_000_000]) {
      await engine.commit([{ type: 'put', key: key('a'), value: Buffer.alloc(size, 1) }]);
      const got = await engine.get(key('a'));
      const [scanned] = await engine.scan({ from: key('a'), to: key('b'), limit: 1 });
      await engine.commit([{ type: 'put', key: key('a'), value: Buffer.alloc(size, 2) }]);
      await engine.get(key('a'));
      expect(got).toHaveLength(size);
      expect(got?.every((byte) => byte === 1)).toBe(true);
      expect(scanned?.value.every((byte) => byte === 1)).toBe(true);
      got?.fill(9);
      expect((await engine.get(key('a')))?.every((byte) => byte === 2)).toBe(true);
    }
  });

  test('the longest names that we write fit into a key', async () => {
    const { engine } = now();
    const long = Buffer.alloc(521, 0xfe);
    await engine.commit([{ type: 'put', key: long, value: Buffer.from('deep') }]);
    expect(text(await engine.get(long))).toBe('deep');
  });
}

function scans(now: () => EngineUnderTest): void {
  test('keys are ordered by their bytes, in both directions, from inclusive to exclusive', async () => {
    const { engine } = now();
    const keys = [[20], [20, 0], [20, 0xff], [21], [0x7f], [0x80, 1], [0xfe]].map((bytes) => Buffer.from(bytes));
    await engine.commit([...keys].reverse().map((k) => ({ type: 'put' as const, key: k, value: k })));
    const range = { from: Buffer.of(20, 0), to: Buffer.of(0x80, 1), limit: 100 };
    const inRange = keys.slice(1, 5);
    expect((await engine.scan(range)).map((entry) => [...entry.key])).toEqual(inRange.map((k) => [...k]));
    const backwards = await engine.scan({ ...range, reverse: true });
    expect(backwards.map((entry) => [...entry.value])).toEqual(inRange.reverse().map((k) => [...k]));
  });

  test('a scan stops at its limit and at its bytes, but always returns one entry', async () => {
    const { engine } = now();
    await engine.commit([put('a', 'x'.repeat(100)), put('b', 'x'.repeat(100)), put('c', 'x')]);
    const all = { from: key('a'), to: key('z'), limit: 100 };
    expect(await engine.scan({ ...all, limit: 2 })).toHaveLength(2);
    expect(await engine.scan({ ...all, bytesMax: 1 })).toHaveLength(1);
    expect(await engine.scan({ ...all, bytesMax: 199 })).toHaveLength(1);
    expect(await engine.scan({ ...all, bytesMax: 200 })).toHaveLength(2);
    expect(await engine.scan({ ...all, bytesMax: 201 })).toHaveLength(3);
    expect(await engine.scan({ ...all, from: key('z'), to: key('a') })).toEqual([]);
    expect(await engine.scan({ ...all, from: key('d') })).toEqual([]);
  });

  test('a scan puts values into memory that it is given, as far as they fit, and the others into their own', async () => {
    const { engine } = now();
    const values = ['first', 'x'.repeat(100), 'third', 'y'.repeat(50_000)];
    await engine.commit(values.map((value, i) => put(`k${i}`, value)));
    const into = Buffer.alloc(10);
    const all = { from: key('k'), to: key('l'), limit: 10 };
    const page = await engine.scan({ ...all, into });
    expect(page.map((entry) => text(entry.value))).toEqual(values);
    expect(page.map((entry) => entry.value.buffer === into.buffer)).toEqual([true, false, true, false]);
    expect(text(into)).toBe('firstthird');
    const cut = await engine.scan({ ...all, into, valueBytesMax: 3 });
    expect(cut.map((entry) => text(entry.value))).toEqual(['fir', 'xxx', 'thi', 'yyy']);
    expect((await engine.scan(all)).map((entry) => text(entry.value))).toEqual(values);
  });

  test('a scan cuts values where only their beginning is requested', async () => {
    const { engine } = now();
    await engine.commit([put('a', 'head'.concat('x'.repeat(100_000))), put('b', 'hi')]);
    const page = await engine.scan({ from: key('a'), to: key('z'), limit: 10, valueBytesMax: 4 });
    expect(page.map((entry) => text(entry.value))).toEqual(['head', 'hi']);
  });

  test('a scan that cuts values tells how long they are, and its bytes count them as a whole', async () => {
    const { engine } = now();
    await engine.commit([put('a', 'x'.repeat(100_000)), put('b', 'hi'), put('c', '')]);
    const cut = { from: key('a'), to: key('z'), limit: 10, valueBytesMax: 4 };
    for (const into of [undefined, Buffer.alloc(10)]) {
      const page = await engine.scan({ ...cut, ...(into === undefined ? {} : { into }) });
      expect(page.map(({ valueBytes }) => valueBytes)).toEqual([100_000, 2, 0]);
    }
    expect(await engine.scan({ ...cut, bytesMax: 100_001 })).toHaveLength(1);
    expect(await engine.scan({ ...cut, bytesMax: 100_002 })).toHaveLength(3);
  });

  test('pages that go backwards are together the whole range, by their limit and by their bytes', async () => {
    const { engine } = now();
    const names = Array.from({ length: 40 }, (_, i) => `p${String(i).padStart(2, '0')}`);
    await engine.commit(names.map((name, i) => put(name, name.repeat(1 + (i % 7)))));
    for (const bounds of [{ limit: 1 }, { limit: 7 }, { limit: 100, bytesMax: 1 }, { limit: 100, bytesMax: 30 }]) {
      const seen: string[] = [];
      for (let to = key('q'); ; ) {
        const page = await engine.scan({ from: key('p'), to, reverse: true, ...bounds });
        const last = page.at(-1);
        if (last === undefined) break;
        seen.push(...page.map((entry) => Buffer.from(entry.key).toString()));
        to = Buffer.from(last.key);
      }
      expect(seen).toEqual([...names].reverse());
    }
  });

  test('the last key not above n is found by one step backwards', async () => {
    const { engine } = now();
    await engine.commit([put('k1', '1'), put('k5', '5'), put('k9', '9')]);
    const page = await engine.scan({ from: key('k'), to: key('k8'), limit: 1, reverse: true });
    expect(page.map((entry) => text(entry.value))).toEqual(['5']);
  });
}

function snapshots(now: () => EngineUnderTest): void {
  const everything = { from: Buffer.of(0), to: Buffer.of(255), limit: 1_000 };

  test('a snapshot shows the state at its start, whatever is written meanwhile', async () => {
    const { engine } = now();
    await engine.commit([put('a', '1'), put('b', 'x'.repeat(10_000)), put('c', '3')]);
    const before = await engine.scan(everything);
    const snapshot = await engine.snapshot();
    for (let i = 0; i < 20; i++) {
      await engine.commit([put('a', `${i}`.repeat(5_000)), remove('b'), put(`d${i}`, 'y'.repeat(9_000))]);
    }
    expect(await snapshot.scan(everything)).toEqual(before);
    expect(texts(await snapshot.scan({ ...everything, from: key('b'), bytesMax: 1 }))).toEqual(['b']);
    expect(texts(await snapshot.scan({ ...everything, reverse: true, limit: 1 }))).toEqual(texts(before.slice(-1)));
    const later = await engine.snapshot();
    expect(await later.scan(everything)).toEqual(await engine.scan(everything));
    snapshot.release();
    snapshot.release();
    later.release();
    expect(await engine.get(key('b'))).toBeUndefined();
  });

  test('an unreleased snapshot does not keep the engine from closing, and ends with it', async () => {
    const { engine } = now();
    await engine.commit([put('a', '1')]);
    const snapshot = await engine.snapshot();
    await engine.close();
    await expect(snapshot.scan(everything)).rejects.toMatchObject({ code: 'storage' });
    snapshot.release();
  });
}

function lifeAndFaults(now: () => EngineUnderTest): void {
  test('a bad key is refused and nothing of its transaction is written', async () => {
    const { engine } = now();
    const commit = async () => engine.commit([put('a', '1'), { type: 'put', key: new Uint8Array(0), value: key('x') }]);
    await expect(commit()).rejects.toMatchObject({ code: 'fatal' });
    expect(await engine.get(key('a'))).toBeUndefined();
    await engine.commit([put('b', '2')]);
    expect(text(await engine.get(key('b')))).toBe('2');
  });

  test('reads and commits after close are refused, and close may be called twice', async () => {
    const { engine } = now();
    const states: EngineState[] = [];
    engine.onState((state) => states.push(state));
    const last = engine.commit([put('a', '1')]);
    await Promise.all([engine.close(), engine.close()]);
    await expect(last).resolves.toBeUndefined();
    await expect(engine.commit([put('b', '1')])).rejects.toMatchObject({ code: 'closed' });
    await expect(engine.get(key('a'))).rejects.toMatchObject({ code: 'closed' });
    expect((await engine.stat()).state).toBe('closed');
    expect(states).toEqual(['closed']);
  });

  test('a close and an open lose nothing', async () => {
    let { engine } = now();
    await engine.commit([put('a', '1'), put('big', 'x'.repeat(200_000))]);
    const { reopen } = now();
    if (reopen === undefined) return;
    engine = await reopen();
    expect(text(await engine.get(key('a')))).toBe('1');
    expect(await engine.get(key('big'))).toHaveLength(200_000);
    await engine.close();
  });
}

function capacity(create: (storeBytesMax?: number) => Promise<EngineUnderTest>): void {
  test('a full engine refuses before it writes, still reads, gains space by deletes, and resumes by itself', async () => {
    const capped = await create(CAP_BYTES);
    const states: EngineState[] = [];
    let resumed = (): void => {};
    const open = new Promise<void>((resolve) => {
      resumed = resolve;
    });
    capped.engine.onState((state) => {
      states.push(state);
      if (state === 'open') resumed();
    });
    const written = await fill(capped.engine);
    expect(written).toBeGreaterThan(10);
    expect(states).toEqual(['full']);
    expect((await capped.engine.stat()).state).toBe('full');
    expect(await capped.engine.get(numbered(0))).toHaveLength(100_000);
    await expect(capped.engine.commit([put('small', '1')])).rejects.toMatchObject({ code: 'storage_full' });

    await capped.engine.commit([put('trim', '1')], { mayUseReserve: true });
    for (let i = 0; i < written; i++) {
      await capped.engine.commit([{ type: 'delete', key: numbered(i) }], { mayUseReserve: true });
    }
    await open;
    expect(states).toEqual(['full', 'open']);
    await capped.engine.commit([put('again', '1')]);
    expect(text(await capped.engine.get(key('again')))).toBe('1');
    expect(text(await capped.engine.get(key('trim')))).toBe('1');
    expect((await capped.engine.stat()).usedBytes).toBeLessThanOrEqual(CAP_BYTES);
    await capped.engine.close();
    await capped.dispose();
  });

  test('a commit handed over after a refused one fails with it', async () => {
    const capped = await create(CAP_BYTES);
    const commits = [
      capped.engine.commit([put('before', '1')]),
      capped.engine.commit([{ type: 'put', key: key('huge'), value: Buffer.alloc(2 * CAP_BYTES) }]),
      capped.engine.commit([put('after', '1')]),
      capped.engine.commit([put('after-too', '1')], { mayUseReserve: true }),
    ];
    const outcomes = (await Promise.allSettled(commits)).map((outcome) => outcome.status);
    expect(outcomes).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(text(await capped.engine.get(key('before')))).toBe('1');
    expect(await capped.engine.get(key('after'))).toBeUndefined();
    expect(await capped.engine.get(key('after-too'))).toBeUndefined();
    await capped.engine.close();
    await capped.dispose();
  });
}

/** Commits blocks until the engine is full; returns how many it accepted. */
async function fill(engine: Engine): Promise<number> {
  for (let i = 0; ; i++) {
    try {
      await engine.commit([{ type: 'put', key: numbered(i), value: Buffer.alloc(100_000, i) }]);
    } catch (error) {
      expect(error).toMatchObject({ code: 'storage_full' });
      return i;
    }
  }
}

function numbered(i: number): Uint8Array {
  return key(`n${String(i).padStart(6, '0')}`);
}

function key(name: string): Uint8Array {
  return Buffer.from(name);
}

function put(name: string, value: string): Write {
  return { type: 'put', key: key(name), value: Buffer.from(value) };
}

function remove(name: string): Write {
  return { type: 'delete', key: key(name) };
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString();
}

function texts(entries: readonly { readonly key: Uint8Array }[]): readonly (string | undefined)[] {
  return entries.map((entry) => text(entry.key));
}
