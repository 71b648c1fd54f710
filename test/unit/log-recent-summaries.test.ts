/** What is remembered of new blocks for their rows of summaries: in order, bounded, and forgotten when it is of no use. */

import { beforeAll, describe, expect, test } from '@jest/globals';
import { type OpenStream, opened } from '../../src/log/stream.ts';
import { RecentSummaries } from '../../src/log/summaries/recent-summaries.ts';
import { SUMMARY_ROWS_DUE_BLOCKS } from '../../src/model/limits.ts';
import type { BlockDraft, SealedBlock } from '../../src/storage/block/seal.ts';
import { openHarness, texts } from '../support/log-harness.ts';
import { PER_BLOCK, smallBlock } from '../support/summary-rows.ts';

/** What one block of 40 bytes of summary and two trace ids takes. */
const BLOCK_BYTES = 208;
const SUMMARIZED: BlockDraft = { ...smallBlock(0, false), summary: new Uint8Array(40) };
const SEALED: SealedBlock = {
  key: new Uint8Array(0),
  value: new Uint8Array(123),
  block: undefined,
  buffer: undefined,
};

let a: OpenStream;
let b: OpenStream;

beforeAll(async () => {
  const harness = await openHarness();
  a = opened(await harness.stream('a'));
  b = opened(await harness.stream('b'));
});

/** Adds blocks one by one; returns where the last one ends. */
function add(
  recent: RecentSummaries,
  stream: OpenStream,
  firstSeq: number,
  blocks: number,
  draft = SUMMARIZED,
): number {
  let at = firstSeq;
  for (let i = 0; i < blocks; i++, at += draft.count) recent.add(stream, at, [draft], [SEALED], 0);
  return at;
}

describe('recent summaries', () => {
  test('all blocks from a position on are remembered with what their headers say, as many as are asked for', () => {
    const recent = new RecentSummaries();
    const other = { ...SUMMARIZED, summary: new Uint8Array(8), timestamps: Float64Array.of(5, 7) };
    const value = new Uint8Array(77);
    recent.add(a, 10, [SUMMARIZED, other], [SEALED, SEALED, { ...SEALED, value }], 1);
    const { summary, traceHashes } = other;
    expect(traceHashes).toHaveLength(2);
    const second = { kind: 'logs', count: 2, lastTimestamp: 7, summary, storedBytes: 77, traceHashes };
    expect(recent.from(a, 10 + PER_BLOCK, 9)).toEqual([second]);
    expect(recent.from(a, 10, 9)).toEqual([expect.objectContaining({ count: 2, storedBytes: 123 }), second]);
    expect(recent.from(a, 10, 1)).toHaveLength(1);
  });

  test('nothing is remembered of another stream, of a position inside a block, or behind the last one', () => {
    const recent = new RecentSummaries();
    const end = add(recent, a, 0, 3);
    for (const position of [1, end]) expect(recent.from(a, position, 9)).toEqual([]);
    expect(recent.from(b, 0, 9)).toEqual([]);
  });

  test('a stream is remembered from its first block with a summary on, and then with those that have none', () => {
    const recent = new RecentSummaries();
    const plain = { ...texts('x'), summary: undefined };
    add(recent, a, 0, 5, plain);
    expect(recent.bytes).toBe(0);
    add(recent, a, 5, 1);
    add(recent, a, 5 + PER_BLOCK, 1, plain);
    expect(recent.from(a, 5, 9).map(({ kind, summary }) => [kind, summary.length])).toEqual([
      ['logs', 40],
      ['s2', 0],
    ]);
  });

  test('what came before a gap is forgotten, since a row is about blocks that follow each other', () => {
    const recent = new RecentSummaries();
    add(recent, a, 0, 3);
    add(recent, a, 3 * PER_BLOCK + 1, 1);
    expect(recent.from(a, 0, 9)).toEqual([]);
    expect(recent.from(a, 3 * PER_BLOCK + 1, 9)).toHaveLength(1);
    expect(recent.bytes).toBe(BLOCK_BYTES);
  });

  test('blocks before a position are forgotten, and their bytes do not count any more', () => {
    const recent = new RecentSummaries();
    const end = add(recent, a, 0, 5);
    recent.forgetBefore(a, 2 * PER_BLOCK);
    expect(recent.from(a, 0, 9)).toEqual([]);
    expect(recent.from(a, 2 * PER_BLOCK, 9)).toHaveLength(3);
    expect(recent.bytes).toBe(3 * BLOCK_BYTES);
    recent.forgetBefore(a, end);
    expect(recent.bytes).toBe(0);
    recent.forgetBefore(b, end);
  });

  test('all streams together take so many bytes, and with one more the stream that began first is forgotten', () => {
    const recent = new RecentSummaries(4 * BLOCK_BYTES);
    const end = add(recent, a, 0, 2);
    add(recent, b, 0, 2);
    expect([recent.from(a, 0, 9).length, recent.from(b, 0, 9).length]).toEqual([2, 2]);
    add(recent, b, 2 * PER_BLOCK, 1);
    expect([recent.from(a, 0, 9).length, recent.from(b, 0, 9).length]).toEqual([0, 3]);
    expect(recent.bytes).toBe(3 * BLOCK_BYTES);
    add(recent, a, end, 1);
    expect(recent.from(a, end, 9)).toHaveLength(1);
  });

  test('a stream of which no rows are made is forgotten when it has more blocks than rows are made of', () => {
    const recent = new RecentSummaries();
    const most = 4 * SUMMARY_ROWS_DUE_BLOCKS;
    const end = add(recent, a, 0, most);
    expect(recent.from(a, 0, 2 * most)).toHaveLength(most);
    add(recent, a, end, 1);
    expect(recent.bytes).toBe(0);
  });
});
