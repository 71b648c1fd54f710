/** For any records: ReadBatch equals what protobufjs writes, JSON returns every byte, and batches cover a block. */

import { expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { TailraceError } from '../../src/model/error.ts';
import type { Header } from '../../src/model/record.ts';
import { batchEnd } from '../../src/s2/batch/batch-end.ts';
import { readBatchJson } from '../../src/s2/batch/json.ts';
import { readBatchProto } from '../../src/s2/batch/proto.ts';
import { parseReadQuery } from '../../src/s2/read-query.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import type { Block } from '../../src/storage/block/block.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';
import { s2Block } from '../support/socket-blocks.ts';

const ReadBatch = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.ReadBatch');

const bytes = fc.uint8Array({ maxLength: 200 });
const record = fc.record({
  body: bytes,
  headers: fc.array(fc.tuple(bytes, bytes) as fc.Arbitrary<Header>, { maxLength: 3 }),
  timestamp: fc.oneof(fc.nat(1_000), fc.maxSafeNat()),
});
const firstSeq = fc.oneof(
  fc.constant(0),
  fc.nat(),
  fc.nat(2 ** 31).map((n) => n * 2 ** 20),
);

function plain(block: Block, from: number, to: number) {
  return Array.from({ length: to - from }, (_, k) => block.record(from + k));
}

test('a ReadBatch holds the records in protobuf and in JSON', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 20 }),
      firstSeq,
      fc.nat(),
      async (records, seq, cut) => {
        const block = await s2Block(records, seq);
        const from = cut % records.length;
        const expected = plain(block, from, records.length);
        const tail = { seqNum: seq + records.length, timestamp: block.header.lastTimestamp };
        const reference = ReadBatch.encode(
          ReadBatch.fromObject({
            records: expected.map(({ headers, ...rest }) => ({
              ...rest,
              headers: headers.map(([name, value]) => ({ name, value })),
            })),
            tail,
          }),
        ).finish();
        // Compared after decoding: protobufjs writes empty fields where it was given them.
        const toObject = (batch: Uint8Array) =>
          ReadBatch.toObject(ReadBatch.decode(batch), { longs: Number, bytes: String, defaults: true });
        expect(toObject(readBatchProto([{ block, from, to: records.length }], tail))).toEqual(toObject(reference));

        const json = JSON.parse(readBatchJson([{ block, from, to: records.length }], 'base64', tail)) as {
          records: { seq_num: number; timestamp: number; headers?: string[][]; body?: string }[];
        };
        expect(json.records.map((one) => [one.seq_num, one.timestamp, one.headers ?? [], one.body ?? ''])).toEqual(
          expected.map((one) => [
            one.seqNum,
            one.timestamp,
            one.headers.map((pair) => pair.map((part) => Buffer.from(part).toString('base64'))),
            Buffer.from(one.body).toString('base64'),
          ]),
        );
        JSON.parse(readBatchJson([{ block, from, to: records.length }], 'raw', undefined));
      },
    ),
  );
});

test('batches cover a block and keep to their limits', async () => {
  const sizes = fc.array(fc.nat(400), { minLength: 1, maxLength: 50 });
  const limits = fc.record({ records: fc.integer({ min: 1, max: 10 }), bytes: fc.integer({ min: 1, max: 1_000 }) });
  await fc.assert(
    fc.asyncProperty(sizes, limits, async (lengths, limit) => {
      const block = await s2Block(lengths.map((length) => ({ body: Buffer.alloc(length) })));
      let from = 0;
      while (from < lengths.length) {
        const end = batchEnd(block, from, lengths.length, limit);
        const metered = (to: number) => lengths.slice(from, to).reduce((sum, length) => sum + length + 8, 0);
        expect(end).toBeGreaterThan(from);
        expect(end - from).toBeLessThanOrEqual(limit.records);
        if (end - from > 1) expect(metered(end)).toBeLessThanOrEqual(limit.bytes);
        // As much as fits is included.
        const full = end === lengths.length || end - from === limit.records || metered(end + 1) > limit.bytes;
        expect(full).toBe(true);
        from = end;
      }
      expect(from).toBe(lengths.length);
    }),
  );
});

test('any query is a range or a refusal', () => {
  const name = fc.constantFrom('seq_num', 'timestamp', 'tail_offset', 'clamp', 'count', 'bytes', 'until', 'wait', 'x');
  const value = fc.oneof(
    fc.string(),
    fc.maxSafeNat().map(String),
    fc.bigInt().map(String),
    fc.constantFrom('true', ''),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (pairs) => {
      try {
        const range = parseReadQuery(new URLSearchParams(pairs));
        for (const bound of [range.count, range.bytes, range.until, range.waitMs, ...Object.values(range.start)]) {
          expect(bound === undefined || Number.isSafeInteger(bound)).toBe(true);
        }
      } catch (error) {
        if (!(error instanceof TailraceError)) throw error;
        expect(['bad_query', 'invalid']).toContain(error.code);
      }
    }),
    { numRuns: shareOf(1_000) },
  );
});
