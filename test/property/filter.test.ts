/** Filters agree with a slow oracle over decoded records, on all signals and kinds of attributes. */

import { describe, expect, test } from '@jest/globals';
import { YIELD_BYTES } from '../../src/model/limits.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { BlockMatcher } from '../../src/otlp/match/block-matcher.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import type { Block } from '../../src/storage/block/block.ts';
import fc from '../support/fast-check.ts';
import { filterText } from '../support/filter-arbitraries.ts';
import { isWanted } from '../support/filter-oracle.ts';
import { shareOf } from '../support/share-of.ts';
import { arbitraryRequest } from '../support/socket-arbitraries.ts';
import { header, otlpBlock, s2Block } from '../support/socket-blocks.ts';

async function wanted(block: Block, ...texts: string[]): Promise<number[]> {
  const filter = parseFilter(texts);
  if (filter === undefined) throw new Error('no filter');
  const runs = await new BlockMatcher(filter).runs(block, 0, block.header.count);
  const found: number[] = [];
  for (let r = 0; r < runs.length; r += 2) for (let i = runs[r] ?? 0; i < (runs[r + 1] ?? 0); i++) found.push(i);
  return found;
}

function expected(signal: Signal, block: Block, text: string): number[] {
  const filter = parseFilter([text]);
  if (filter === undefined) throw new Error('no filter');
  return Array.from({ length: block.header.count }, (_, i) => i).filter((i) =>
    isWanted(filter, signal, block.record(i).body),
  );
}

const seen = { wanted: 0, left: 0 };

describe.each(SIGNALS)('%s', (signal) => {
  test('what a filter wants is what the oracle wants, as OTLP and as S2 records', async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryRequest(signal),
        fc.array(filterText, { minLength: 5, maxLength: 10 }),
        async (request, filters) => {
          let block: Block;
          try {
            block = await otlpBlock(signal, request, 5);
          } catch {
            return;
          }
          const headers = [header('otel.signal', signal)];
          const records = Array.from({ length: block.header.count }, (_, i) => ({
            headers,
            body: block.record(i).body,
          }));
          const plain = await s2Block(records, 5);
          for (const text of filters) {
            const right = expected(signal, block, text);
            seen.wanted += right.length;
            seen.left += block.header.count - right.length;
            expect([text, await wanted(block, text)]).toEqual([text, right]);
            expect([text, await wanted(plain, text)]).toEqual([text, right]);
          }
        },
      ),
      { numRuns: shareOf(150) },
    );
    expect(Math.min(seen.wanted, seen.left)).toBeGreaterThan(100);
  });
});

test.each(['level>=error', '"needle"', '!"needle"', 'level>=error "needle"', 'service=none'])(
  'the filter %s wants the same of a block that is less than a turn of the event loop and of one that is more',
  async (text) => {
    const padding = 'x'.repeat(2_000);
    const logRecords = Array.from({ length: 150 }, (_, i) => ({
      severityNumber: i % 7 === 0 || i > 140 ? 17 : 9,
      body: { stringValue: `${padding}${i % 5 === 0 || i === 149 ? 'needle' : ''}` },
    }));
    const half = Math.floor(logRecords.length / 2);
    const scopeLogs = [{ logRecords: logRecords.slice(0, half) }, { logRecords: logRecords.slice(half) }];
    const block = await otlpBlock('logs', { resourceLogs: [{ scopeLogs }] });
    const conditions = text.split(' ').length;
    // Each condition makes the same block more work.
    const under = Math.floor(YIELD_BYTES / block.header.rawBytes / conditions);
    const right = expected('logs', block, text);
    for (const times of [1, under, under + 1, 2 * under]) {
      expect([times, await wanted(block, ...new Array<string>(times).fill(text))]).toEqual([times, right]);
    }
    expect(right.length > 0 && right.length < block.header.count).toBe(text !== 'service=none');
  },
);

const bytes = fc.uint8Array({ minLength: 3, maxLength: 12 });
const scalar = fc.oneof(
  bytes.map((bytesValue) => ({ bytesValue })),
  fc.double().map((doubleValue) => ({ doubleValue })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ intValue: String(value) })),
  fc.boolean().map((boolValue) => ({ boolValue })),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((stringValue) => ({ stringValue })),
);

/** A value as filters see it. */
function shown(value: object): string {
  const [one] = Object.values(value) as [unknown];
  return one instanceof Uint8Array ? Buffer.from(one).toString('base64') : String(one);
}

test('a text is found in a record wherever it is: in texts, numbers, booleans, and bytes as base64', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(scalar, { minLength: 1, maxLength: 6 }),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      async (values, which, at, length) => {
        const logRecords = values.map((value) => ({ attributes: [{ key: 'k', value }] }));
        const block = await otlpBlock('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
        const whole = shown(values[which % values.length] ?? {});
        const letters = Array.from(whole);
        const start = at % (letters.length + 1);
        const part = JSON.stringify(letters.slice(start, start + (length % 9)).join(''));
        const texts = [`text~${part}`, `attr.k~${part}`, `attr.k=${JSON.stringify(whole)}`, `!text~${part}`];
        for (const text of texts)
          expect([text, await wanted(block, text)]).toEqual([text, expected('logs', block, text)]);
      },
    ),
    { numRuns: shareOf(200) },
  );
});
