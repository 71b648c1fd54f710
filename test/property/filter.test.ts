/** Filters agree with a slow oracle over decoded records, on all signals and kinds of attributes. */

import { describe, expect, test } from '@jest/globals';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { BlockMatcher } from '../../src/otlp/match/block-matcher.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';
import type { Block } from '../../src/storage/block/block.ts';
import fc from '../support/fast-check.ts';
import { isWanted } from '../support/filter-oracle.ts';
import { arbitraryRequest } from '../support/socket-arbitraries.ts';
import { header, otlpBlock, s2Block } from '../support/socket-blocks.ts';

/** Conditions on what such requests often hold, and on what they hardly ever do. */
const word = fc.constantFrom(
  '',
  '1',
  'service.name',
  '__proto__',
  '"}\n',
  '\ufeff',
  'constructor',
  '\u001b[31m',
  'true',
  '0',
);
const textOperator = fc.constantFrom('=', '!=', '~', '!~');
const comparison = fc.constantFrom('<', '<=', '>', '>=');
const numeral = fc.oneof(
  fc.double({ noNaN: true }).map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
);
const quotedWord = word.map((text) => JSON.stringify(text));
const pattern = fc.constantFrom('/^$/', '/[a-f]/i', '/\\d+/', '/^[^x]{1,3}$/', '/true|false/', '/(a|b)*c/');
const textCondition = fc.oneof(
  fc.tuple(textOperator, quotedWord).map((parts) => parts.join('')),
  pattern.map((regex) => `~${regex}`),
);
const valueCondition = fc.oneof(
  textCondition,
  fc.tuple(comparison, numeral).map((parts) => parts.join('')),
);
const condition = fc
  .oneof(
    fc.tuple(
      fc.constantFrom('level'),
      fc.constantFrom('=', '!=', '<', '<=', '>', '>='),
      fc.constantFrom('debug', 'info', 'warn', 'error', 'fatal'),
    ),
    fc.tuple(fc.constantFrom('signal'), fc.constantFrom('=', '!='), fc.constantFrom(...SIGNALS)),
    fc.tuple(fc.constantFrom('status'), fc.constantFrom('=', '!='), fc.constantFrom('unset', 'ok', 'error')),
    fc.tuple(
      fc.constantFrom('trace_id', 'span_id', 'parent_span_id'),
      fc.constantFrom('=', '!='),
      fc.constantFrom('0', 'a', '00', 'f1', '123'),
    ),
    fc.tuple(fc.constantFrom('duration'), comparison, fc.constantFrom('0ns', '1s', '1.5h')),
    fc.tuple(fc.constantFrom('service', 'name', 'scope', 'text'), textCondition),
    fc.tuple(fc.constantFrom('body'), valueCondition),
    fc.tuple(
      fc.constantFrom('attr.', 'resource.', 'scope.'),
      quotedWord.filter((key) => key !== '""'),
      valueCondition,
    ),
  )
  .map((parts) => parts.join(''));
const filterText = fc
  .array(
    fc.tuple(fc.constantFrom('', '', '!'), condition).map((parts) => parts.join('')),
    { minLength: 1, maxLength: 3 },
  )
  .map((all) => all.join(' '));

async function wanted(block: Block, text: string): Promise<number[]> {
  const filter = parseFilter([text]);
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
      { numRuns: 150 },
    );
    expect(Math.min(seen.wanted, seen.left)).toBeGreaterThan(100);
  });
});
