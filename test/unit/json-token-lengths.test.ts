/** The longest string, number and white space of a large JSON body: just as long as is allowed, and one byte longer. */

import { expect, test } from '@jest/globals';
import { JSON_TOKEN_BYTES_MAX } from '../../src/model/limits.ts';
import { TokenLengths } from '../../src/otlp/json/token-lengths.ts';

const PIECE = 1_000_003;

test.each([
  ['a string', '{"x":"', 'a', '"}'],
  ['a string of escapes', '{"x":"', '\\"', '"}'],
  ['a string of structure', '{"x":"', '{[,', '"}'],
  ['a key', '{"', 'k', '":0}'],
  ['a number', '{"x":', '1', '}'],
  ['white space', '{', '\n', '}'],
  ['white space at the end', '{}', ' ', ''],
])('%s has at most 8 MiB', (_, before, part, after) => {
  const body = (bytes: number): Buffer => {
    const middle = Buffer.alloc(bytes, part);
    // Whole parts, so that an escape is not cut.
    middle.fill('0', bytes - (bytes % part.length));
    return Buffer.concat([Buffer.from(before), middle, Buffer.from(after)]);
  };
  expect(steps(body(JSON_TOKEN_BYTES_MAX))).toBeGreaterThan(8);
  expect(() => steps(body(JSON_TOKEN_BYTES_MAX + 1))).toThrow(/more than 8388608 bytes \(at byte \d\).*shorten it/);
});

test('many values that are short are fine, and so is what is not JSON', () => {
  steps(Buffer.alloc(3 * JSON_TOKEN_BYTES_MAX, '{"a":"b\\\\","c":[1,2]},'));
  steps(Buffer.alloc(JSON_TOKEN_BYTES_MAX, '\\'));
});

function steps(body: Uint8Array): number {
  const lengths = new TokenLengths(body);
  let count = 1;
  while (!lengths.step(PIECE)) count++;
  return count;
}
