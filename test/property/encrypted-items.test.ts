/** OTLP items in an encrypted stream: whoever has the key sees what a stream without a cipher shows. */

import { beforeAll, describe, expect, test } from '@jest/globals';
import { APPEND_RECORDS_MAX, ENCRYPTED_REQUEST_BYTES_MAX } from '../../src/model/limits.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { STREAM_CIPHERS, type StreamCipher } from '../../src/model/stream-config.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { BlockMatcher } from '../../src/otlp/match/block-matcher.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { messageRows } from '../../src/otlp/views/message.ts';
import { otlpRuns } from '../../src/otlp/views/otlp.ts';
import { textLines } from '../../src/otlp/views/text.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import { Block } from '../../src/storage/block/block.ts';
import { decryptBlock, encryptOtlp } from '../../src/storage/block/cipher.ts';
import { cipherReady } from '../../src/storage/block/ciphers.ts';
import { summaryBytesIn } from '../../src/storage/block/format.ts';
import { type BlockDraft, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import fc from '../support/fast-check.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { field, requestBytes } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';

const KEY = Buffer.alloc(32, 7);
const STREAM = 9;
const FILTERS = ['level>=warn', 'service=shop', 'body~a', '!name=a', 'signal=logs', 'attr.a=a', 'text~a'];

beforeAll(async () => {
  for (const cipher of STREAM_CIPHERS) await cipherReady(cipher);
});

describe.each(SIGNALS.flatMap((signal) => STREAM_CIPHERS.map((cipher) => [signal, cipher] as const)))(
  '%s encrypted with %s',
  (signal, cipher) => {
    test('look in every view, to every filter and to S2 as they do in a stream without a cipher', async () => {
      await fc.assert(
        fc.asyncProperty(requestBytes(signal), fc.integer({ min: 1, max: 1_500 }), async (body, blockBytesMax) => {
          const clear = await blocksOf(draft(signal, body, { blockBytesMax }));
          const sealed = await blocksOf(draft(signal, body, { blockBytesMax, encrypted: { bytes: 0 } }), cipher);
          expect(await seen(sealed)).toEqual(await seen(clear));
          const items = (blocks: readonly Block[]) =>
            blocks.flatMap((block) =>
              otlpRuns(block, 0, block.header.count).flatMap((run) => itemsOf(signal, run.message, false)),
            );
          expect(items(sealed)).toEqual(items(clear));
        }),
        { numRuns: shareOf(60) },
      );
    });
  },
);

test('A block of encrypted items has as many records as an append of S2, and not more', () => {
  const counts = (items: number): number[] =>
    draft('logs', logs(items), { encrypted: { bytes: 0 } }).map(({ count }) => count);
  expect(counts(APPEND_RECORDS_MAX)).toEqual([APPEND_RECORDS_MAX]);
  expect(counts(APPEND_RECORDS_MAX + 1)).toEqual([APPEND_RECORDS_MAX, 1]);
});

test('One request takes as many bytes into encrypted streams as the limit says, and the items beyond are rejected', () => {
  const [one] = draft('logs', logs(1), { encrypted: { bytes: 0 } });
  const metered = one?.meteredBytes ?? 0;
  const rejected: [why: string, item: number][] = [];
  const reject = (why: string, item: number): void => void rejected.push([why, item]);
  const encrypted = { bytes: ENCRYPTED_REQUEST_BYTES_MAX - 2 * metered };
  expect(draft('logs', logs(3), { encrypted, reject })).toMatchObject([{ count: 2 }]);
  expect(rejected).toEqual([['too_much', 2]]);
  expect(encrypted.bytes).toBe(ENCRYPTED_REQUEST_BYTES_MAX);
});

test('A stored block of encrypted items has no summary, which would tell of what is in it, where a clear one has', async () => {
  const drafts = draft('logs', logs(1_000), { encrypted: { bytes: 0 }, summaryBytesMin: 0 });
  const clear = draft('logs', logs(1_000), { summaryBytesMin: 0 });
  const summaries = async (blocks: readonly BlockDraft[], cipher?: StreamCipher): Promise<number[]> => {
    const values = await storedOf(blocks, cipher);
    return values.map((value) => summaryBytesIn(value).length);
  };
  expect((await summaries(clear)).every((bytes) => bytes > 0)).toBe(true);
  for (const cipher of STREAM_CIPHERS) expect(await summaries(drafts, cipher)).toEqual(drafts.map(() => 0));
  // Also of a draft that was made for a stream without a cipher.
  expect(await summaries(clear, 'aes-256-gcm')).toEqual(clear.map(() => 0));
});

/** A request of so many empty log records of one resource. */
function logs(items: number): Uint8Array {
  const records = Array.from({ length: items }, () => field(2, [])).flat();
  return Uint8Array.from(field(1, field(2, records)));
}

function draft(signal: Signal, body: Uint8Array, options: Partial<Parameters<typeof draftBlocks>[2]>): BlockDraft[] {
  const scanned = scanRequest(signal, body, { requestRecordsMax: 100_000 });
  const rows = Array.from({ length: scanned.resourceCount }, (_, row) => row);
  return draftBlocks(scanned, rows, { timeRequired: false, reject: () => {}, ...options });
}

/** Sealed, as the log does it. */
async function storedOf(drafts: readonly BlockDraft[], cipher?: StreamCipher): Promise<readonly Buffer[]> {
  const values: Buffer[] = [];
  let firstSeq = 0;
  for (const one of drafts) {
    one.timestamps.forEach((_, i) => {
      one.timestamps[i] = 1_000 + firstSeq + i;
    });
    const stored = cipher === undefined ? one : encryptOtlp(one, { cipher, key: KEY }, STREAM, firstSeq);
    const { value } = await sealBlock(blockKey(STREAM, firstSeq), firstSeq, stored, 77, false);
    values.push(Buffer.from(value));
    firstSeq += one.count;
  }
  return values;
}

/** And opened again, as a reader with the key does. */
async function blocksOf(drafts: readonly BlockDraft[], cipher?: StreamCipher): Promise<readonly Block[]> {
  let firstSeq = 0;
  return (await storedOf(drafts, cipher)).map((value, i) => {
    const key = blockKey(STREAM, firstSeq);
    firstSeq += drafts[i]?.count ?? 0;
    return decryptBlock(Block.open(key, value), KEY, STREAM);
  });
}

/** What readers get: rows, lines, raw records with their sizes, and which of them each filter wants. */
async function seen(blocks: readonly Block[]) {
  const all = blocks.flatMap((block) => {
    const { count } = block.header;
    return Array.from({ length: count }, (_, i) => [
      messageRows(block, 0, count)[i],
      textLines(block, 0, count)[i],
      rawOf(block, i),
      block.meteredBytesOf(i),
    ]);
  });
  const wanted: number[][] = [];
  for (const filter of FILTERS) {
    const parsed = parseFilter([filter]);
    if (parsed === undefined) throw new Error(`not a filter: ${filter}`);
    const matcher = new BlockMatcher(parsed);
    const seqNums: number[] = [];
    for (const block of blocks) {
      const runs = await matcher.runs(block, 0, block.header.count);
      for (let r = 0; r < runs.length; r += 2) {
        for (let i = runs[r] ?? 0; i < (runs[r + 1] ?? 0); i++) seqNums.push(block.firstSeq + i);
      }
    }
    wanted.push(seqNums);
  }
  return { all, wanted };
}

function rawOf(block: Block, i: number) {
  const { headers, body, ...position } = block.record(i);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  return { ...position, headers: headers.map((pair) => pair.map(text)), body: text(body) };
}
