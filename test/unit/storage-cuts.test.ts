/** Cuts in a block: records share those of their heads, and one that does not match its record is an error, not a body. */

import { expect, test } from '@jest/globals';
import { Block } from '../../src/storage/block/block.ts';
import { type Cut, CutEdits, OtlpLayout, type RecordCut, sealBlock, writeCuts } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import { field } from '../support/otlp-wire.ts';

const KEY = blockKey(1, 0);
const HEAD = Buffer.from(field(1, 'a head that is long'));
const ITEMS = [field(5, 'the first item'), field(5, 'the second item')].map((item) => Buffer.from(item));

/** A cut that replaces the bytes [start, end) by `by`. */
function cutOf(content: Uint8Array, start: number, end: number, by = '', length = 0): Cut {
  const edits = new CutEdits();
  edits.replace(start, end, Buffer.from(by));
  const left = content.length - (end - start) + by.length;
  return { truncatedBytes: end - start, length: length === 0 ? left : length, edits: edits.finish() };
}

/** Two records of one scope, whose resource has `HEAD`. */
async function blockWith(cuts: ReadonlyMap<number, RecordCut>): Promise<Block> {
  const scope = Buffer.from(
    field(
      2,
      ITEMS.flatMap((item) => [...field(2, item)]),
    ),
  );
  const payload = Buffer.from(field(1, [...HEAD, ...scope]));
  const layout = new OtlpLayout();
  const headAt = payload.indexOf(HEAD);
  layout.resource([headAt, headAt + HEAD.length], 1);
  layout.scope([], 0);
  for (const item of ITEMS) layout.item(payload.indexOf(item), item.length);
  const index = Buffer.concat([writeCuts(cuts), layout.finish()]);
  const draft = { kind: 'logs', hasCuts: true, count: 2, meteredBytes: 1, layout: index, payload: [payload] } as const;
  const { value } = await sealBlock(KEY, 0, { ...draft, timestamps: Float64Array.of(1, 2) }, 2, false);
  return Block.open(KEY, Buffer.from(value));
}

test('records that share cuts of their heads are cut there alike, and an item has its own', async () => {
  const heads = { resource: cutOf(HEAD, 2, 7), scope: undefined };
  const block = await blockWith(
    new Map([
      [0, { heads, item: undefined }],
      [1, { heads, item: cutOf(ITEMS[1] as Buffer, 6, 13, 'other') }],
    ]),
  );
  block.checkCuts();
  const bodies = [0, 1].map((i) => Buffer.from(block.record(i).body).toString('latin1'));
  expect(bodies[0]).toContain(`d that is long`);
  expect(bodies[0]).toContain('the first item');
  expect(bodies[1]).toContain('the other');
  expect([0, 1].map((i) => Buffer.from(block.headersOf(i)[2]?.[1] ?? []).toString())).toEqual(['5', '12']);
  expect(Buffer.from(block.otlpMessage(1, 2)).toString('latin1')).toContain('the second item');
});

test('a record without a cut is whole beside one that has one', async () => {
  const item = cutOf(ITEMS[0] as Buffer, 5, 9);
  const block = await blockWith(new Map([[0, { heads: undefined, item }]]));
  expect(block.headersOf(1)).toHaveLength(2);
  expect(Buffer.from(block.record(1).body).toString('latin1')).toContain('the second item');
  expect(block.meteredBytesOf(1)).toBe(block.wholeBytesOf(1));
});

test.each([
  ['leaves out more than there is', cutOf(ITEMS[0] as Buffer, 5, 99, '', 9)],
  ['says a length that is too small', cutOf(ITEMS[0] as Buffer, 5, 9, '', 3)],
  ['says a length that is too large', cutOf(ITEMS[0] as Buffer, 5, 9, '', 30)],
])('a cut that %s is corrupt', async (_, item) => {
  const block = await blockWith(new Map([[0, { heads: undefined, item }]]));
  expect(() => block.record(0)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  expect(() => block.checkCuts()).toThrow(expect.objectContaining({ code: 'corrupt' }));
});

test('a cut of a record that is not there is corrupt', async () => {
  const item = cutOf(ITEMS[0] as Buffer, 5, 9);
  const block = await blockWith(new Map([[2, { heads: undefined, item }]]));
  expect(() => block.meteredBytesOf(0)).toThrow(expect.objectContaining({ code: 'corrupt' }));
});
