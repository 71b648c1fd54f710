/**
 * Many bodies of an OTLP block are written from templates (src/storage/block/otlp-bodies.ts): for any lengths of items and
 * of the fields before them, each body equals the one that its record has alone.
 */

import { expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { readBatchProto } from '../../src/s2/batch/proto.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import type { Block } from '../../src/storage/block/block.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';
import { otlpBlock } from '../support/socket-blocks.ts';

const ReadBatch = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.ReadBatch');

/** Where the varint of a length becomes a byte longer, including the lengths of the three containers around it. */
const length = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.integer({ min: 2 ** 14 - 200, max: 2 ** 14 + 50 }),
  fc.constantFrom(0, 127, 128),
);
const attribute = fc.nat(180).map((size) => [{ key: 'k', value: { stringValue: 'v'.repeat(size) } }]);
const scope = fc.record({ name: fc.nat(140), items: fc.array(length, { minLength: 1, maxLength: 6 }) });
const resource = fc.record({ attributes: attribute, scopes: fc.array(scope, { minLength: 1, maxLength: 3 }) });

test('bodies written from a template equal bodies written one by one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(resource, { minLength: 1, maxLength: 3 }), fc.nat(), async (resources, cut) => {
      const block = await otlpBlock('logs', {
        resourceLogs: resources.map(({ attributes, scopes }) => ({
          resource: { attributes },
          scopeLogs: scopes.map(({ name, items }) => ({
            scope: { name: 's'.repeat(name) },
            logRecords: items.map((size) => ({ body: { stringValue: 'i'.repeat(size) } })),
          })),
        })),
      });
      const { count } = block.header;
      const from = cut % count;
      expect(bodiesIn(readBatchProto([{ block, from, to: count }], undefined))).toEqual(bodiesOf(block, from));
    }),
    { numRuns: shareOf(150) },
  );
});

test('bodies are correct for every length near a limit between two bytes, growing and shrinking', async () => {
  const sizes = [...around(0, 300), ...around(2 ** 14 - 45, 2 ** 14 + 5), ...around(0, 300).reverse()];
  const logRecords = sizes.map((size) => ({ body: { stringValue: 'i'.repeat(size) } }));
  const block = await otlpBlock('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  expect(block.header.count).toBe(sizes.length);
  expect(bodiesIn(readBatchProto([{ block, from: 0, to: sizes.length }], undefined))).toEqual(bodiesOf(block, 0));
});

function around(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function bodiesIn(batch: Uint8Array): string[] {
  const { records } = ReadBatch.toObject(ReadBatch.decode(batch), { bytes: String }) as { records: { body: string }[] };
  return records.map(({ body }) => body);
}

function bodiesOf(block: Block, from: number): string[] {
  return Array.from({ length: block.header.count - from }, (_, k) =>
    Buffer.from(block.record(from + k).body).toString('base64'),
  );
}
