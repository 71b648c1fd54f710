/** Space of the store's own behind LMDB's pages: taking it never writes over a page. */

import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OwnSpace } from '../../src/storage/own-space.ts';

const PAGE = 4_096;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tailrace-own-space-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

test('pages that were added since the file was opened are kept, also when the count of pages is old', () => {
  const file = path.join(folder, 'store');
  writeFileSync(file, Buffer.alloc(10 * PAGE, 'a'));
  const own = new OwnSpace(file, 0);
  appendFileSync(file, Buffer.alloc(5 * PAGE, 'b'));
  expect(own.extend(10 * PAGE, 8 * PAGE, 0)).toBe(true);
  expect(own.ownBytes(15 * PAGE)).toBe(3 * PAGE);
  own.close();
  const stored = readFileSync(file);
  expect(stored.length).toBe(18 * PAGE);
  expect(stored.subarray(0, 10 * PAGE).equals(Buffer.alloc(10 * PAGE, 'a'))).toBe(true);
  expect(stored.subarray(10 * PAGE, 15 * PAGE).equals(Buffer.alloc(5 * PAGE, 'b'))).toBe(true);
});
