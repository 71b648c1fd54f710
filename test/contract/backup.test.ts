/** Backups of each engine: consistent whatever is written meanwhile, one at a time, and nothing remains afterwards. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Engine, Snapshot } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { type Backup, Backups } from '../../src/storage/offline/backup.ts';
import { readBackup } from '../../src/storage/offline/backup-format.ts';
import { FORMAT_VERSION } from '../../src/storage/values.ts';
import { listed } from '../support/stored-rows.ts';

const MADE_AT = 1_795_000_000_000;

let dir: string;
let engine: Engine;
/** Snapshots that are held. */
let held = 0;
let backups: Backups;

describe.each(['memory', 'lmdb'])('a backup of the %s engine', (name) => {
  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'tailrace-backup-'));
    engine = name === 'memory' ? openMemoryEngine() : await openLmdbEngine({ path: dir });
    held = 0;
    const counted: Pick<Engine, 'stat' | 'snapshot'> = {
      stat: () => engine.stat(),
      snapshot: async () => counting(await engine.snapshot()),
    };
    backups = new Backups({ engine: counted as Engine, file: path.join(dir, 'tailrace.mdb'), now: () => MADE_AT });
  });

  afterEach(async () => {
    await engine.close();
    rmSync(dir, { recursive: true, force: true });
  });

  contents();
  lives();
});

function contents(): void {
  test('holds what was durable when it began', async () => {
    await fill(0, 300);
    const before = await everything();
    const backup = await backups.begin();
    expect(backup.madeAt).toBe(MADE_AT);
    const writing = fill(250, 700);
    const { head, rows } = await readAll(backup);
    await writing;
    expect(head).toEqual({ format: FORMAT_VERSION, madeAt: MADE_AT });
    expect(rows).toEqual(before);
    expect(leftovers()).toEqual([]);
    expect(held).toBe(0);
  });

  test('leaves out the rows of the engine itself', async () => {
    const before = await everything();
    await engine.commit([{ type: 'put', key: Buffer.of(0xff, 1), value: Buffer.from('probe') }]);
    expect((await readAll(await backups.begin())).rows).toEqual(before);
  });

  test('holds a large row, empty rows and keys of any length completely', async () => {
    await engine.commit([
      { type: 'put', key: Buffer.alloc(521, 3), value: Buffer.alloc(0) },
      { type: 'put', key: Buffer.of(5), value: Buffer.alloc(3_000_000, 'x') },
      { type: 'put', key: Buffer.of(5, 0), value: Buffer.of(1) },
    ]);
    const { rows } = await readAll(await backups.begin());
    expect(rows).toEqual(await everything());
  });
}

function lives(): void {
  test('is the only one at a time, and the next may start when it has ended', async () => {
    await fill(0, 50);
    const first = await backups.begin();
    await expect(backups.begin()).rejects.toMatchObject({ code: 'rate_limited', detail: { retryAfterSeconds: 5 } });
    await first.close();
    await first.close();
    expect((await readAll(await backups.begin())).rows).toEqual(await everything());
    await (await backups.begin()).close();
  });

  test('releases everything when it is abandoned in the middle', async () => {
    await fill(0, 400);
    const backup = await backups.begin();
    for await (const part of backup.parts()) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
    expect(held).toBe(0);
    expect(leftovers()).toEqual([]);
    await (await backups.begin()).close();
    expect(held).toBe(0);
  });

  test('does not end as if it were complete when it is closed during a read', async () => {
    await fill(0, 400);
    const backup = await backups.begin();
    const reading = expect(readAll(backup)).rejects.toBeDefined();
    await backup.close();
    await reading;
  });

  test('keeps no snapshot while its reader is slow', async () => {
    await fill(0, 400);
    const backup = await backups.begin();
    const parts = backup.parts();
    const first = await parts.next();
    while (held > 0) await new Promise((resolve) => setImmediate(resolve));
    const rest = readAll({ parts: () => joined(first.value ?? Buffer.alloc(0), parts) });
    expect((await rest).rows).toEqual(await everything());
  });

  test('fails when the store closes during it', async () => {
    await fill(0, 400);
    const backup = await backups.begin();
    await engine.close();
    await expect(readAll(backup)).rejects.toMatchObject({ code: 'storage' });
    expect(leftovers()).toEqual([]);
  });

  test('is refused before anything is written when there is no space for the copy', async () => {
    const stat = async () => ({ state: 'open', usedBytes: 2 ** 60, fileBytes: 0, freeBytes: undefined }) as const;
    const none = new Backups({
      engine: { stat } as Partial<Engine> as Engine,
      file: path.join(dir, 'tailrace.mdb'),
      now: () => 0,
    });
    await expect(none.begin()).rejects.toMatchObject({ code: 'storage_full' });
    await expect(none.begin()).rejects.toThrow(/free bytes; the disk of/);
    expect(leftovers()).toEqual([]);
  });
}

function counting(snapshot: Snapshot): Snapshot {
  held += 1;
  return {
    scan: (scan) => snapshot.scan(scan),
    release: () => {
      held -= 1;
      snapshot.release();
    },
  };
}

/** Rows of many sizes, in several transactions. */
async function fill(from: number, to: number): Promise<void> {
  for (let i = from; i < to; i += 50) {
    const writes = Array.from({ length: 50 }, (_, k) => ({
      type: 'put' as const,
      key: Buffer.from([5, (i + k) >> 8, (i + k) & 0xff]),
      value: Buffer.alloc(((i + k) % 40) * 400, `${i + k}-${from}`),
    }));
    await engine.commit([...writes, { type: 'delete', key: Buffer.from([5, 0, i % 256]) }]);
  }
}

async function everything(): Promise<readonly string[]> {
  return listed(await engine.scan({ from: Buffer.of(0), to: Buffer.of(0xff), limit: 100_000 }));
}

function leftovers(): readonly string[] {
  return readdirSync(dir).filter(
    (file) => !['tailrace.mdb', 'tailrace.mdb-lock', 'tailrace.mdb.reserve'].includes(file),
  );
}

async function readAll(backup: Pick<Backup, 'parts'>) {
  let head: unknown;
  let ended = false;
  const rows: string[] = [];
  for await (const part of readBackup(backup.parts())) {
    if (part.type === 'head') head = part.head;
    else if (part.type === 'rows') rows.push(...listed(part.rows));
    else ended = true;
  }
  expect(ended).toBe(true);
  return { head, rows };
}

async function* joined(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}
