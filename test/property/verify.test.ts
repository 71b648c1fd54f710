/** Any flipped bit in a block, and any missing or moved block: verification finds it, and says where. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import type { Entry } from '../../src/storage/engine.ts';
import { FAMILY, readBlockKey } from '../../src/storage/keys.ts';
import { openStoreFile } from '../../src/storage/lmdb.ts';
import { type StoreReport, verifyRows } from '../../src/storage/offline/verify.ts';
import fc from '../support/fast-check.ts';
import { unpackGoldenStore } from '../support/golden-store.ts';
import { shareOf } from '../support/share-of.ts';

let rows: readonly Entry[];
/** Where the blocks are among the rows. */
let blocks: readonly number[];

beforeAll(async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-verify-'));
  unpackGoldenStore(2, dir);
  const store = openStoreFile(path.join(dir, 'tailrace.mdb'), { readOnly: true });
  rows = store.scan({ from: Buffer.of(0), to: Buffer.of(0xff), limit: 100_000 });
  await store.close();
  rmSync(dir, { recursive: true });
  blocks = [...rows.keys()].filter((i) => rows[i]?.key[0] === FAMILY.blocks);
});

const nth = fc.nat({ max: 10_000 });

test('verification finds any flipped bit', async () => {
  await fc.assert(
    fc.asyncProperty(nth, fc.nat(), async (which, where) => {
      const at = chosen(which);
      const value = Buffer.from(rowAt(at).value);
      const bit = where % (value.length * 8);
      value[bit >> 3] = (value[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const report = await verified(rows.with(at, { key: rowAt(at).key, value }));
      expect(report.faultCount).toBeGreaterThan(0);
      expect(report.faults[0]?.what).toContain(`the block of record ${readBlockKey(rowAt(at).key).firstSeq}`);
    }),
    { numRuns: shareOf(100) },
  );
});

test('verification finds a missing block', async () => {
  await fc.assert(
    fc.asyncProperty(nth, async (which) => {
      const at = chosen(which);
      const report = await verified(rows.toSpliced(at, 1));
      expect(report.faultCount).toBeGreaterThan(0);
    }),
    { numRuns: 40 },
  );
});

test('verification finds a block in the place of another', async () => {
  await fc.assert(
    fc.asyncProperty(nth, nth, async (one, other) => {
      const [from, to] = [chosen(one), chosen(other)];
      fc.pre(from !== to);
      const report = await verified(rows.with(to, { key: rowAt(to).key, value: rowAt(from).value }));
      expect(report.faultCount).toBeGreaterThan(0);
    }),
    { numRuns: 40 },
  );
});

test('verification finds nothing in a sound store, in pages of any size', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (pageRows) => {
      expect(await verified(rows, pageRows)).toMatchObject({ format: 2, faultCount: 0, blocks: blocks.length });
    }),
    { numRuns: 10 },
  );
});

function verified(list: readonly Entry[], pageRows = 1_000): Promise<StoreReport> {
  async function* pages(): AsyncGenerator<readonly Entry[]> {
    for (let at = 0; at < list.length; at += pageRows) yield list.slice(at, at + pageRows);
  }
  return verifyRows(pages());
}

function chosen(which: number): number {
  return blocks[which % blocks.length] ?? 0;
}

function rowAt(i: number): Entry {
  const row = rows[i];
  if (row === undefined) throw new Error(`there is no row ${i}`);
  return row;
}
