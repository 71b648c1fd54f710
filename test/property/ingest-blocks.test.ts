/** For any request, cut anywhere, the blocks return the records that protobufjs finds in it. */

import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { meteredBytes, OTLP_HEADERS, SIGNALS, type Signal } from '../../src/model/record.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { Block } from '../../src/storage/block/block.ts';
import { type BlockDraft, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import fc from '../support/fast-check.ts';
import { type OracleItem, oracle, requestBytes } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';

const SEED = 20_260_402;

describe.each(SIGNALS)('%s', (signal) => {
  test('a request that is stored whole is one block, whose message is the request', async () => {
    await fc.assert(
      fc.asyncProperty(requestBytes(signal), async (body) => {
        const expected = oracle(signal, body);
        const { drafts, rejected } = draft(signal, body, {});
        expect(rejected).toEqual([]);
        expect(drafts.length).toBe(expected.length === 0 ? 0 : 1);
        const [block] = await blocksOf(drafts);
        if (block === undefined) return;
        expect(same(recordsOf(signal, [block]), expected)).toBe(true);
        expect(same(oracle(signal, block.otlpMessage(0, block.header.count)), expected)).toBe(true);
      }),
      { numRuns: shareOf(150), seed: SEED },
    );
  });

  test('a request that is cut and has items too large or without time stores the others, in order', async () => {
    const sizes = fc.record({
      blockBytesMax: fc.integer({ min: 1, max: 1_500 }),
      recordBytesMax: fc.constantFrom(150, 250, 600, 1_048_576),
      timeRequired: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(requestBytes(signal), sizes, async (body, options) => {
        const all = oracle(signal, body);
        const { drafts, rejected } = draft(signal, body, options);
        const expected = all.filter((_, item) => !rejected.some(([, at]) => at === item));
        const blocks = await blocksOf(drafts);
        expect(same(recordsOf(signal, blocks), expected)).toBe(true);
        expect(
          same(
            blocks.flatMap((block) => oracle(signal, block.otlpMessage(0, block.header.count))),
            expected,
          ),
        ).toBe(true);
        checkSizes(signal, blocks, drafts, options);
        const sizes = (await blocksOf(draft(signal, body, {}).drafts)).flatMap((block) => meteredOf(signal, block));
        for (const [item, bytes] of sizes.entries()) {
          const tooLarge = rejected.some(([why, at]) => why === 'too_large' && at === item);
          expect(tooLarge).toBe(bytes > options.recordBytesMax);
        }
        for (const [why, item] of rejected) {
          if (why === 'no_time') expect([options.timeRequired, all[item]?.ms]).toEqual([true, 0]);
        }
        if (options.timeRequired) expect(expected.every(({ ms }) => ms > 0)).toBe(true);
      }),
      { numRuns: shareOf(200), seed: SEED },
    );
  });
});

interface Options {
  readonly blockBytesMax?: number;
  readonly recordBytesMax?: number;
  readonly timeRequired?: boolean;
}

function draft(signal: Signal, body: Uint8Array, options: Options) {
  const scanned = scanRequest(signal, body, { requestRecordsMax: 100_000 });
  const rejected: [why: string, item: number][] = [];
  const rows = Array.from({ length: scanned.resourceCount }, (_, row) => row);
  const drafts = draftBlocks(scanned, rows, {
    timeRequired: false,
    ...options,
    reject: (why, item) => rejected.push([why, item]),
  });
  return { drafts, rejected };
}

/** Sealed and opened again, as the log and a reader do. */
async function blocksOf(drafts: readonly BlockDraft[]): Promise<readonly Block[]> {
  const blocks: Block[] = [];
  let firstSeq = 0;
  for (const one of drafts) {
    // As the log does: timestamps never decrease.
    const given = Array.from(one.timestamps);
    one.timestamps.fill(5);
    const { value } = await sealBlock(blockKey(1, firstSeq), firstSeq, one, 5, false);
    one.timestamps.set(given);
    blocks.push(Block.open(blockKey(1, firstSeq), value));
    firstSeq += one.count;
  }
  return blocks;
}

/** Every record's body, decoded on its own. */
function recordsOf(signal: Signal, blocks: readonly Block[]): readonly OracleItem[] {
  return blocks.flatMap((block) =>
    Array.from({ length: block.header.count }, (_, i) => {
      const [item, ...more] = oracle(signal, block.record(i).body);
      if (item === undefined || more.length > 0) throw new Error('a body does not hold one item');
      return item;
    }),
  );
}

/** Equal except for their place in the messages. */
function same(found: readonly OracleItem[], expected: readonly OracleItem[]): boolean {
  const content = (items: readonly OracleItem[]) => items.map(({ place: _, ...rest }) => rest);
  return isDeepStrictEqual(content(found), content(expected));
}

/** Metered bytes of each record, from the record itself. */
function meteredOf(signal: Signal, block: Block): readonly number[] {
  return Array.from({ length: block.header.count }, (_, i) =>
    meteredBytes(OTLP_HEADERS[signal], block.record(i).body.length),
  );
}

function checkSizes(signal: Signal, blocks: readonly Block[], drafts: readonly BlockDraft[], options: Options): void {
  for (const [number, block] of blocks.entries()) {
    const metered = meteredOf(signal, block);
    expect(drafts[number]?.meteredBytes).toBe(metered.reduce((sum, bytes) => sum + bytes, 0));
    expect(Math.max(...metered)).toBeLessThanOrEqual(options.recordBytesMax ?? Number.POSITIVE_INFINITY);
    const payload = drafts[number]?.payload.reduce((sum, part) => sum + part.length, 0) ?? 0;
    // Only above the limit where one record alone is, or where heads would be most of the stored bytes.
    const largest = Math.max(...metered);
    if (block.header.count > 1) expect(payload).toBeLessThanOrEqual(Math.max(options.blockBytesMax ?? 0, 4 * largest));
  }
}
