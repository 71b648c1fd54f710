/** What S2 readers get of a record that is larger than S2 allows: it fits, it is valid, and only its long strings are shorter. */

import { expect, test } from '@jest/globals';
import { atOnce } from '../../src/encoding/turns.ts';
import { CUT_STRING_BYTES_MIN } from '../../src/model/limits.ts';
import { meteredBytes, SIGNALS, type Signal } from '../../src/model/record.ts';
import { shorten } from '../../src/otlp/cut/shorten.ts';
import { stringPlans } from '../../src/otlp/cut/string-plans.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { Block } from '../../src/storage/block/block.ts';
import { type RecordCut, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import fc from '../support/fast-check.ts';
import { type OracleItem, oracle, requestBytes } from '../support/otlp-wire.ts';

const KEY = blockKey(1, 0);

test.each(SIGNALS)(
  'an item of %s that is cut fits, decodes, and has lost nothing but the ends of strings',
  async (signal) => {
    await fc.assert(
      fc.asyncProperty(
        requestBytes(signal, 900),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        async (body, share) => {
          const scanned = scanRequest(signal, body, { requestRecordsMax: 100_000 });
          const cuts = new Map<number, RecordCut>();
          for (let item = 0; item < scanned.itemCount; item++) {
            const content = body.subarray(scanned.itemStart[item], scanned.itemEnd[item]);
            const bytesMax = Math.floor(content.length * share);
            const shortened = atOnce(shorten(content, stringPlans(signal).item, bytesMax));
            if (shortened === 'too_large' || shortened.cut === undefined) continue;
            expect(shortened.length).toBeLessThanOrEqual(bytesMax);
            cuts.set(item, { heads: undefined, item: shortened.cut });
          }
          const rows = Array.from({ length: scanned.resourceCount }, (_, row) => row);
          const drafts = draftBlocks(scanned, rows, { timeRequired: false, cuts, reject: () => {} });
          let item = 0;
          for (const draft of drafts) {
            draft.timestamps.fill(5);
            const { value } = await sealBlock(KEY, 0, draft, 5, false);
            const block = Block.open(KEY, value);
            for (let i = 0; i < block.header.count; i++, item++) expectCut(signal, block, i, cuts.get(item));
          }
          expect(item).toBe(scanned.itemCount);
        },
      ),
      { numRuns: 80 },
    );
  },
);

function expectCut(signal: Signal, block: Block, i: number, cut: RecordCut | undefined): void {
  const { body, headers } = block.record(i);
  const [whole] = oracle(signal, block.otlpMessage(i, i + 1));
  const [got, ...more] = oracle(signal, body);
  if (whole === undefined || got === undefined || more.length > 0) throw new Error('a body does not hold one item');
  expect(block.meteredBytesOf(i)).toBe(meteredBytes(headers, body.length));
  const header = headers.find(([name]) => Buffer.from(name).equals(Buffer.from('otel.truncated_bytes')));
  const truncated = header === undefined ? 0 : Number(Buffer.from(header[1]).toString());
  expect(truncated).toBe(cut?.item?.truncatedBytes ?? 0);
  const seen: Seen = { cut: [], kept: [0] };
  expect(withoutEnds(whole.item, got.item, seen)).toEqual(got.item);
  expect(content(got)).toEqual(content(whole));
  // What decoders do not show, a field that comes twice, may be cut as well.
  expect(seen.cut.reduce((sum, [before, after]) => sum + before - after, 0)).toBeLessThanOrEqual(truncated);
  for (const [, after] of seen.cut) {
    expect(after).toBeGreaterThan(CUT_STRING_BYTES_MIN - 4);
    // All are cut to one length, but for the bytes of a character; and none that stays whole is longer.
    const [longest] = seen.cut.map(([, length]) => length).sort((a, b) => b - a);
    expect(after + 3).toBeGreaterThanOrEqual(longest ?? 0);
    expect(Math.max(...seen.kept)).toBeLessThanOrEqual(after + 3);
  }
}

const content = ({ item: _, place: __, ms: ___, points: ____, ...rest }: OracleItem) => rest;

/** What is no string that may be cut, and shows as one. */
const OTHERS: ReadonlySet<string> = new Set(['key', 'traceId', 'spanId', 'parentSpanId', 'idKeys', 'descriptionKeys']);

interface Seen {
  readonly cut: [before: number, after: number][];
  readonly kept: number[];
}

/** The value before, with its strings as they came out where those are the beginnings of what they were. */
function withoutEnds(before: unknown, after: unknown, seen: Seen, key = ''): unknown {
  if (Array.isArray(before) && Array.isArray(after)) {
    return before.map((entry, i) => withoutEnds(entry, after[i], seen));
  }
  if (typeof before === 'string' && typeof after === 'string') {
    const encoding = key === 'bytesValue' ? 'base64' : 'utf8';
    const [long, short] = [Buffer.from(before, encoding), Buffer.from(after, encoding)];
    if (before === after && !OTHERS.has(key) && !/^-?\d+$/.test(before)) seen.kept.push(long.length);
    if (before === after || key === 'key' || !long.subarray(0, short.length).equals(short)) return before;
    seen.cut.push([long.length, short.length]);
    return after;
  }
  if (typeof before !== 'object' || before === null || typeof after !== 'object' || after === null) return before;
  const others = after as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(before).map(([name, value]) => [name, withoutEnds(value, others[name], seen, name)]),
  );
}
