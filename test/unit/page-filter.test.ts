/** The page works on filters as text, and suggests what fits where the cursor is. */

import { expect, test } from '@jest/globals';
import {
  equalCondition,
  levelsOf,
  servicesOf,
  splitConditions,
  withCondition,
  withLevels,
  withoutFields,
} from '../../src/page/filter/conditions.ts';
import { suggestionsAt } from '../../src/page/filter/suggestions.ts';
import { parseFilter } from '../../src/readers/filter/parse-filter.ts';

test('conditions are split at white space, but not in quotes or regular expressions', () => {
  expect(splitConditions('  level>=warn body="a b" !"x y" body~/a b\\/c/i  z')).toEqual([
    'level>=warn',
    'body="a b"',
    '!"x y"',
    'body~/a b\\/c/i',
    'z',
  ]);
});

test.each([
  ['service', 'checkout', 'service=checkout'],
  ['attr.order.id', 'a b', 'attr.order.id="a b"'],
  ['attr.url', '/x/y', 'attr.url="/x/y"'],
  ['attr.empty', '', 'attr.empty=""'],
  ['name', 'say "hi"', 'name="say \\"hi\\""'],
])('the value of %s that was clicked becomes a condition that the server takes', (field, value, condition) => {
  expect(equalCondition(field, value)).toBe(condition);
  expect(() => parseFilter([condition])).not.toThrow();
  expect(() => parseFilter([equalCondition(field, value, true)])).not.toThrow();
});

test('a condition takes the place of its opposite and of another value of its field', () => {
  expect(withCondition('level>=warn service=a', 'service=b')).toBe('level>=warn service=b');
  expect(withCondition('service!=a x', 'service=a')).toBe('x service=a');
  expect(withCondition('service=a', 'service!=a')).toBe('service!=a');
  expect(withCondition('service!=a', 'service!=b')).toBe('service!=a service!=b');
});

test('levels are read from a filter and written into it in the shortest form', () => {
  expect([...(levelsOf('x level>=error') ?? [])]).toEqual(['error', 'fatal']);
  expect(levelsOf('level>=wrong')).toBeUndefined();
  expect(levelsOf('level!=info')).toBeUndefined();
  expect(withLevels('x', new Set(['warn', 'error', 'fatal']))).toBe('x level>=warn');
  expect(withLevels('x level=info', new Set(['debug', 'warn']))).toBe('x level=debug,warn');
  expect(withLevels('level=info', new Set())).toBe('');
});

test('fields are left out and services found, also in quotes', () => {
  expect(withoutFields('level>=warn service=a attr.x=1 word', ['level', 'service'])).toBe('attr.x=1 word');
  expect(servicesOf('service="a b" service=c !service=d')).toEqual(['a b', 'c']);
});

test('fields are suggested first, then the values that were seen', () => {
  const seen = new Map([['attr.order.id', new Set(['A-1', 'B 2'])]]);
  expect(suggestionsAt('level>=warn ser', seen).map(({ text }) => text)).toEqual(['level>=warn service=']);
  expect(suggestionsAt('attr.or', seen).map(({ text }) => text)).toEqual(['attr.order.id=']);
  expect(suggestionsAt('attr.order.id=', seen).map(({ text }) => text)).toEqual([
    'attr.order.id=A-1 ',
    'attr.order.id="B 2" ',
  ]);
  expect(suggestionsAt('!level=w', seen).map(({ text }) => text)).toEqual(['!level=warn ']);
});
