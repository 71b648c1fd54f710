/** Conditions that the page writes mean to the server what the record says; texts of records are harmless. */

import { expect, test } from '@jest/globals';
import { conditionFor, conditionText } from '../../src/page/record/condition.ts';
import { oneLine, printable } from '../../src/page/record/printable.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';

const KEYS = ['order.id', 'a key', 'with"quote', 'a=b', 'a<b', 'ünï', 'http.request.header.x-a', '', '!x', 'a\\b'];
const VALUES = [
  'A-1',
  '',
  'two words',
  'say "hi"',
  'a\nb',
  '/api/v1',
  'a=b',
  '<b>',
  'back\\slash',
  '5',
  'ключ',
  '\u001b[31m',
  ' x',
];

test('every value that a record shows as a filter is read by the server as that value', () => {
  for (const key of KEYS) {
    for (const value of VALUES) {
      if (key === '') continue;
      const condition = conditionFor(`attr.${key}`, value);
      expect(condition).toBeDefined();
      if (condition === undefined) continue;
      for (const isNegated of [false, true]) {
        const terms = parseFilter([conditionText(condition, isNegated)])?.terms;
        expect(terms).toEqual([{ isNegated, test: { field: 'attr', key, test: { type: 'equals', text: value } } }]);
      }
    }
  }
});

test('what no filter can ask for has no condition', () => {
  expect(conditionFor('attr.a', 'x'.repeat(501))).toBeUndefined();
  expect(conditionFor('attr.a', ['x'])).toBeUndefined();
  expect(conditionFor('attr.a', null)).toBeUndefined();
  expect(conditionFor('attr.a', 5)).toEqual({ field: 'attr.a', value: 5 });
});

test('sequences of terminals go, other controls and marks of direction are seen', () => {
  expect(printable('\u001b[1;31mred\u001b[0m \u001b]8;;http://x\u0007link\u001b]8;;\u0007')).toBe('red link');
  expect(printable('a\u0000b\u007fc\u202ed\te\r\nf')).toBe('a␀b␡c‹U+202E›d\te\nf');
  expect(oneLine(' a \n\n b ')).toBe('a b');
});
