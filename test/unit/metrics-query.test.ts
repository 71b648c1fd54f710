/** Queries of usage metrics: what each query means, and what is refused at the limits of its ranges. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { METRIC_SETS, type MetricLevel } from '../../src/model/usage.ts';
import { parseMetricsQuery } from '../../src/s2/metrics-query.ts';

const NOW = 1_790_000_000;
const DAY = 86_400;

function parse(level: MetricLevel, query: string) {
  return parseMetricsQuery(new URLSearchParams(query), level, NOW);
}

function codeOf(level: MetricLevel, query: string): string | undefined {
  try {
    parse(level, query);
    return undefined;
  } catch (error) {
    return error instanceof TailraceError ? error.code : String(error);
  }
}

describe('the default interval', () => {
  test.each([
    ['account', 'account-ops', 'hour'],
    ['account', 'estimated-billable-usage', 'hour'],
    ['basin', 'append-ops', 'hour'],
    ['basin', 'storage', 'hour'],
    ['stream', 'storage', 'minute'],
  ] as const)('%s %s is by %s', (level, set, interval) => {
    expect(parse(level, `set=${set}&start=1&end=2`)).toEqual({ set, interval, range: { start: 1, end: 2 } });
  });

  test('is used although the query has unknown parameters', () => {
    expect(codeOf('basin', 'set=storage&start=1&end=2&color=red')).toBeUndefined();
  });
});

describe('the limits of a query', () => {
  test.each([
    [`start=${NOW}&end=${NOW}`, undefined],
    [`start=${NOW}&end=${NOW + 60}`, undefined],
    [`start=${NOW}&end=${NOW + 61}`, 'invalid'],
    [`start=${NOW - 90 * DAY}&end=${NOW}`, undefined],
    [`start=${NOW - 90 * DAY - 1}&end=${NOW}`, 'invalid'],
    [`start=${NOW}&end=${NOW - 1}`, 'invalid'],
    ['start=0&end=0', undefined],
    ['start=00&end=01', undefined],
    ['start=4294967296&end=1', 'bad_query'],
    ['start=1.5&end=2', 'bad_query'],
    ['start=+1&end=2', 'bad_query'],
    ['start=&end=2', 'bad_query'],
    ['start=1e3&end=2000', 'bad_query'],
    ['start=1&end=2&end=2', 'bad_query'],
    ['end=2', 'invalid'],
    ['start=2', 'invalid'],
    ['', 'invalid'],
  ])('apply to %s', (range, code) => {
    for (const level of ['account', 'basin', 'stream'] as const) {
      for (const set of METRIC_SETS[level]) expect([set, codeOf(level, `set=${set}&${range}`)]).toEqual([set, code]);
    }
  });

  test('are checked after the syntax: a malformed query wins over an invalid range', () => {
    expect(codeOf('basin', 'set=nothing')).toBe('bad_query');
    expect(codeOf('basin', 'set=storage&interval=week')).toBe('bad_query');
    expect(codeOf('basin', '')).toBe('bad_query');
  });
});

describe('the intervals of a set', () => {
  test.each([
    ['basin', 'storage', ['hour']],
    ['stream', 'storage', ['minute']],
    ['account', 'estimated-billable-usage', ['hour', 'day']],
    ['account', 'active-basins', ['minute', 'hour', 'day']],
    ['basin', 'read-throughput', ['minute', 'hour', 'day']],
  ] as const)('are known: %s %s is by %j', (level, set, allowed) => {
    for (const interval of ['minute', 'hour', 'day'] as const) {
      const code = (allowed as readonly string[]).includes(interval) ? undefined : 'invalid';
      expect([interval, codeOf(level, `set=${set}&start=1&end=2&interval=${interval}`)]).toEqual([interval, code]);
    }
  });
});
