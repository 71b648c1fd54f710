/** What several partitions say of the account, as one answer. */

import { expect, test } from '@jest/globals';
import { mergeMetrics } from '../../src/s2/merge-metrics.ts';
import { accumulationJson, labelJson, storageJson } from '../../src/s2/metrics-query.ts';

test('names are united, each is there once, in order', () => {
  const answers = [[labelJson('active-basins', ['b', 'd'])], [labelJson('active-basins', ['a', 'd'])], []];
  expect(mergeMetrics(answers)).toEqual([labelJson('active-basins', ['a', 'b', 'd'])]);
});

test('counts of one name are summed by time, and names stay in order', () => {
  const count = (name: string, ...values: readonly (readonly [number, number])[]) =>
    accumulationJson(name, 'operations', 'minute', values);
  const answers = [
    [count('append', [60, 1], [180, 2]), count('read', [60, 5])],
    [count('append', [60, 10], [120, 20]), count('create-basin', [0, 7])],
  ];
  expect(mergeMetrics(answers)).toEqual([
    count('append', [60, 11], [120, 20], [180, 2]),
    count('create-basin', [0, 7]),
    count('read', [60, 5]),
  ]);
});

test('sizes are summed, and one answer stays as it is', () => {
  expect(mergeMetrics([[storageJson([[0, 3]])], [storageJson([[0, 4]])]])).toEqual([storageJson([[0, 7]])]);
  const empty = accumulationJson('total', 'usd', 'hour');
  expect(mergeMetrics([[empty]])).toEqual([empty]);
  expect(mergeMetrics([[empty], [empty]])).toEqual([empty]);
});
