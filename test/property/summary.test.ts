/** Summaries of blocks: one that is passed over never held what was wanted; they are small, and damage in them is found. */

import { describe, expect, test } from '@jest/globals';
import { LEVELS } from '../../src/model/filter.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { BlockMatcher } from '../../src/otlp/match/block-matcher.ts';
import { decodeScopes } from '../../src/otlp/views/decode.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import { BLOCK_HEADER_BYTES_MAX, Block, readBlockHeader } from '../../src/storage/block/block.ts';
import { summaryBytesIn } from '../../src/storage/block/format.ts';
import type { BlockDraft } from '../../src/storage/block/seal.ts';
import {
  SUMMARY_BYTES_MAX,
  Summary,
  SummaryBuilder,
  type SummaryPart,
  summaryHash,
} from '../../src/storage/block/summary.ts';
import type { Entry } from '../../src/storage/engine.ts';
import fc from '../support/fast-check.ts';
import { filterText } from '../support/filter-arbitraries.ts';
import { isWanted } from '../support/filter-oracle.ts';
import { shareOf } from '../support/share-of.ts';
import { arbitraryRequest } from '../support/socket-arbitraries.ts';
import { otlpBytes, otlpDraft, s2Draft, storedBlock } from '../support/socket-blocks.ts';

function filterOf(text: string) {
  const filter = parseFilter([text]);
  if (filter === undefined) throw new Error('no filter');
  return filter;
}

/** By no more of the value than readers fetch of it. */
function mayWant({ key, value }: Entry, text: string): boolean {
  const start = value.subarray(0, BLOCK_HEADER_BYTES_MAX);
  return new BlockMatcher(filterOf(text)).mayWant(readBlockHeader(key, start).kind, summaryBytesIn(start));
}

function isAnyWanted(signal: Signal, block: Block, text: string): boolean {
  const filter = filterOf(text);
  for (let i = 0; i < block.header.count; i++) if (isWanted(filter, signal, block.record(i).body)) return true;
  return false;
}

/** Conditions that one of the records fulfils, or seems to. */
function aboutIt(signal: Signal, block: Block): string[] {
  const conditions: string[] = [];
  for (const { resource, items } of decodeScopes(signal, block.otlpMessage(0, block.header.count))) {
    for (const { key, value } of resource?.attributes ?? []) {
      if (key === 'service.name' && value !== null && 'stringValue' in value)
        conditions.push(`service=${JSON.stringify(value.stringValue)}`);
    }
    for (const item of items) {
      if ('eventName' in item) conditions.push(`name=${JSON.stringify(item.eventName)}`);
      if ('name' in item) conditions.push(`name=${JSON.stringify(item.name)}`);
      if ('traceId' in item && item.traceId.length > 0)
        conditions.push(`trace_id=${Buffer.from(item.traceId).toString('hex')}`);
    }
  }
  return [...conditions, ...LEVELS.flatMap((level) => [`level=${level}`, `level!=${level}`, `level>=${level}`])];
}

function draftOf(signal: Signal, request: object): BlockDraft | undefined {
  try {
    return otlpDraft(signal, otlpBytes(signal, request));
  } catch {
    // Without records, or with what is refused.
    return undefined;
  }
}

const seen = { wanted: 0, passed: 0 };

describe.each(SIGNALS)('a block of %s', (signal) => {
  test('is passed over only when the oracle wants none of its records', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryRequest(signal),
        fc.array(filterText, { minLength: 5, maxLength: 10 }),
        async (request, filters) => {
          const draft = draftOf(signal, request);
          if (draft === undefined) return;
          const entry = await storedBlock(draft, 5);
          const block = Block.open(entry.key, entry.value);
          for (const text of [...filters, ...aboutIt(signal, block)]) {
            const isOne = isAnyWanted(signal, block, text);
            if (isOne) expect([text, mayWant(entry, text)]).toEqual([text, true]);
            if (isOne) seen.wanted += 1;
            else if (!mayWant(entry, text)) seen.passed += 1;
          }
        },
      ),
      { numRuns: shareOf(60) },
    );
    expect(Math.min(seen.wanted, seen.passed)).toBeGreaterThan(shareOf(100));
  });
});

const text = fc.uint8Array({ minLength: 0, maxLength: 40 });
const part = fc.constantFrom<SummaryPart>('services', 'names', 'traceIds');

test('what was put into a summary is in it, however much it is', () => {
  const builder = new SummaryBuilder();
  fc.assert(
    fc.property(fc.array(fc.tuple(part, text)), fc.nat(1_500), (entries, more) => {
      builder.begin(true);
      for (const [where, bytes] of entries) builder.add(where, viewOf(bytes), 0, bytes.length);
      for (let i = 0; i < more; i++) builder.add('traceIds', viewOf(idOf(i)), 0, 16);
      const bytes = builder.finish(1_024);
      expect(bytes.length).toBeLessThanOrEqual(SUMMARY_BYTES_MAX);
      const summary = Summary.of(bytes);
      for (const [where, entry] of entries) expect(summary?.mayHold(where, summaryHash(where, entry))).toBe(true);
      let found = 0;
      for (let i = 0; i < more; i++) if (summary?.mayHold('traceIds', summaryHash('traceIds', idOf(i)))) found += 1;
      expect(summary === undefined ? 0 : found).toBe(more);
    }),
    { numRuns: 20 },
  );
});

test.each([1, 2, 10, 64, 100, 512, 700])('of ids that are not among %i, one in a hundred seems to be', (count) => {
  const builder = new SummaryBuilder();
  builder.begin(true);
  for (let i = 0; i < count; i++) builder.add('traceIds', viewOf(idOf(i)), 0, 16);
  const bytes = builder.finish(1_024);
  const summary = Summary.of(bytes);
  let found = 0;
  for (let i = 0; i < 10_000; i++) {
    if (summary?.mayHold('traceIds', summaryHash('traceIds', idOf(1_000_000 + i))) !== false) found += 1;
  }
  expect(found).toBeLessThanOrEqual(150);
  expect(bytes.length).toBeLessThanOrEqual(4 + Math.max(2, 3 * count));
});

test('bytes that are no summary are taken for none, and nothing is passed over by them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const summary = Summary.of(bytes);
      if (bytes[0] !== 2) expect(summary).toBeUndefined();
      if (summary !== undefined) expect(typeof summary.mayHold('names', 1)).toBe('boolean');
    }),
  );
  const builder = new SummaryBuilder();
  builder.begin(false);
  builder.add('names', viewOf(idOf(1)), 0, 16);
  const bytes = builder.finish(1_024);
  expect(Summary.of(bytes)).toBeDefined();
  expect(Summary.of(bytes.subarray(0, bytes.length - 1))).toBeUndefined();
  expect(Summary.of(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeUndefined();
});

test('a flipped bit in a summary is damage of the block, and so never hides a record', async () => {
  const { key, value } = await storedBlock(bigDraft());
  const summary = summaryBytesIn(value);
  expect(Summary.of(summaryBytesIn(value))).toBeDefined();
  const start = summary.byteOffset - value.byteOffset;
  for (let at = start; at < start + summary.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(value);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at);
      expect(() => readBlockHeader(key, flipped.subarray(0, BLOCK_HEADER_BYTES_MAX))).toThrow(/damaged/);
    }
  }
});

test('a summary takes at most three hundredths of the stored block, and small blocks have none', async () => {
  const { value } = await storedBlock(bigDraft());
  const { length } = summaryBytesIn(value);
  expect(length).toBeGreaterThan(20);
  expect(length).toBeLessThanOrEqual(value.length * 0.03);
  expect(otlpDraft('logs', otlpBytes('logs', logs(1)), 4_096).summary).toBeUndefined();
  expect(otlpDraft('logs', otlpBytes('logs', logs(100)), 4_096).summary).toBeDefined();
});

test('an encrypted block and one of S2 records have no summary, and are never passed over', async () => {
  const summary = bigDraft().summary;
  expect(summary).toBeDefined();
  const plain = await storedBlock(s2Draft([{ body: 'x' }]));
  expect(summaryBytesIn(plain.value)).toHaveLength(0);
  expect(mayWant(plain, 'level=error signal=logs')).toBe(true);
  const encrypted = await storedBlock({ ...s2Draft([{ body: 'x' }]), cipher: 'aes-256-gcm', summary });
  expect(summaryBytesIn(encrypted.value)).toHaveLength(0);
  expect(mayWant(encrypted, 'level=error')).toBe(true);
});

function bigDraft(): BlockDraft {
  return otlpDraft('logs', otlpBytes('logs', logs(200)), 4_096);
}

/** Each with a trace of its own. */
function logs(count: number): object {
  const logRecords = Array.from({ length: count }, (_, i) => ({
    severityNumber: 9,
    eventName: `event.${i % 7}`,
    body: { stringValue: `${idOf(i * 7).toString('base64')} and what else was said about it` },
    traceId: idOf(i),
  }));
  const attributes = [{ key: 'service.name', value: { stringValue: 'checkout' } }];
  return { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] };
}

/** Sixteen bytes that look random. */
function idOf(i: number): Buffer {
  const id = Buffer.alloc(16);
  let state = i + 1;
  for (let at = 0; at < 16; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    id.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  return id;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
