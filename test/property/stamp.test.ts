/** For any request and any attributes that a token sets, only those attributes of its resources change. */

import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { meteredBytes, OTLP_HEADERS, SIGNALS, type Signal } from '../../src/model/record.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { piecesBytes } from '../../src/otlp/emit-block.ts';
import { transcodeJson } from '../../src/otlp/json/transcode.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { Stamper, stampsOf } from '../../src/otlp/stamp.ts';
import { Block } from '../../src/storage/block/block.ts';
import { type BlockDraft, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import fc from '../support/fast-check.ts';
import { requestText } from '../support/json-arbitraries.ts';
import { field, type OracleItem, oracle, requestBytes } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';

const SEED = 20_260_418;
type Attributes = ReadonlyMap<string, string>;
interface Resource {
  readonly attributes?: readonly { readonly key?: string }[];
}

/** Keys that the generated requests hold, in another letter case, and others. */
const keys = fc.constantFrom(
  'a',
  'A',
  'svc',
  'häuser',
  '日本語のログ',
  's2.stream',
  'x'.repeat(130),
  'tenant',
  'tenant.id',
);
const stamps = fc
  .array(fc.tuple(keys, fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 200 }))), {
    minLength: 1,
    maxLength: 6,
  })
  .map((pairs) => new Map(pairs));

/** Resources whose message comes in several pieces, between and after the scopes: decoders merge them. */
const tornRequest = fc
  .array(
    fc.array(
      fc.oneof(
        fc
          .array(fc.tuple(keys, fc.string({ maxLength: 5 })), { maxLength: 4 })
          .map((attributes) =>
            field(1, [
              ...attributes.flatMap(([key, value]) => field(1, [...field(1, key), ...field(2, field(1, value))])),
              ...(attributes.length === 2 ? [0x10, attributes.length] : []),
            ]),
          ),
        fc.constant(field(2, [...field(1, field(1, 'scope')), ...field(2, [])])),
        fc.constant(field(2, field(2, field(3, '')))),
        fc.constant(field(3, 'https://schema')),
        fc.constant(field(99, 'unknown')),
      ),
      { maxLength: 8 },
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((resources) => Uint8Array.from(resources.flatMap((pieces) => field(1, pieces.flat()))));

describe.each(SIGNALS)('%s', (signal) => {
  const sizes = fc.constantFrom(1, 200, 1_500, 1_048_576);

  test('only set attributes change in any protobuf request', async () => {
    await fc.assert(
      fc.asyncProperty(requestBytes(signal), stamps, sizes, (body, set, size) => check(signal, body, set, size)),
      { numRuns: shareOf(120), seed: SEED },
    );
  });

  test('only set attributes change in any JSON request', async () => {
    await fc.assert(
      fc.asyncProperty(requestText(signal), stamps, sizes, (text, set, size) =>
        check(signal, transcodeJson(signal, Buffer.from(text)), set, size),
      ),
      { numRuns: 60, seed: SEED },
    );
  });
});

test('only set attributes change in resources in any number of pieces', async () => {
  await fc.assert(
    fc.asyncProperty(tornRequest, stamps, fc.constantFrom(1, 60, 1_048_576), (body, set, size) =>
      check('logs', body, set, size),
    ),
    { numRuns: shareOf(300), seed: SEED },
  );
});

async function check(signal: Signal, body: Uint8Array, set: Attributes, blockBytesMax: number): Promise<void> {
  const before = Buffer.from(body);
  const expected = oracle(signal, body).map((item) => stamped(item, set));
  const { drafts, heads } = draft(signal, body, set, blockBytesMax);
  const blocks = await blocksOf(drafts);
  expect(same(recordsOf(signal, blocks), expected)).toBe(true);
  const messages = blocks.flatMap((block) => oracle(signal, block.otlpMessage(0, block.header.count)));
  expect(same(messages, expected)).toBe(true);
  for (const [number, block] of blocks.entries()) {
    const bytes = Array.from({ length: block.header.count }, (_, i) => block.record(i).body.length);
    const metered = bytes.map((length) => meteredBytes(OTLP_HEADERS[signal], length));
    expect(drafts[number]?.meteredBytes).toBe(metered.reduce((sum, each) => sum + each, 0));
  }
  // The request itself is unchanged.
  expect(before.equals(body)).toBe(true);
  expect(heads.every((head) => head > 0)).toBe(true);
}

/** The expected item. */
function stamped(item: OracleItem, set: Attributes): OracleItem {
  const given = (item.resource.resource ?? {}) as Resource;
  const attributes = [
    ...(given.attributes ?? []).filter(({ key }) => !set.has(key ?? '')),
    ...[...set].map(([key, value]) => ({ key, value: { stringValue: value } })),
  ];
  return { ...item, resource: { ...item.resource, resource: { ...given, attributes } } };
}

function draft(signal: Signal, body: Uint8Array, set: Attributes, blockBytesMax: number) {
  const scanned = scanRequest(signal, body, { requestRecordsMax: 100_000 });
  const rows = Array.from({ length: scanned.resourceCount }, (_, row) => row);
  const ready = stampsOf(set);
  if (ready === undefined) throw new Error('nothing to set');
  const stamper = new Stamper(ready, scanned.resourceCount);
  const heads = rows.map((row) =>
    stamper.stamp(scanned, row, piecesBytes(scanned.resourcePieces, scanned.resourcePiecesFrom, row)),
  );
  scanned.changedHeads = stamper;
  const reject = (why: string): never => {
    throw new Error(`an item was rejected: ${why}`);
  };
  return { drafts: draftBlocks(scanned, rows, { timeRequired: false, blockBytesMax, reject }), heads };
}

/** Sealed and opened again, as the log and a reader do. */
async function blocksOf(drafts: readonly BlockDraft[]): Promise<readonly Block[]> {
  const blocks: Block[] = [];
  let firstSeq = 0;
  for (const one of drafts) {
    one.timestamps.fill(5);
    const { value } = await sealBlock(blockKey(1, firstSeq), firstSeq, one, 5, false);
    blocks.push(Block.open(blockKey(1, firstSeq), value));
    firstSeq += one.count;
  }
  return blocks;
}

function recordsOf(signal: Signal, blocks: readonly Block[]): readonly OracleItem[] {
  return blocks.flatMap((block) =>
    Array.from({ length: block.header.count }, (_, i) => oracle(signal, block.record(i).body)).flat(),
  );
}

/** Equal except for their place in the messages. */
function same(found: readonly OracleItem[], expected: readonly OracleItem[]): boolean {
  const content = (items: readonly OracleItem[]) =>
    items.map(({ place: _, resource: { resource, ...rest }, ...more }) => {
      const { attributes, ...others } = (resource ?? {}) as Resource;
      return { resource: { ...others, attributes: attributes ?? [] }, rest, ...more };
    });
  return isDeepStrictEqual(content(found), content(expected));
}
