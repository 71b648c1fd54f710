/** What the lists of the page say: senders with rates and problems, orders, positions to go to, settings, what goes. */

import { expect, test } from '@jest/globals';
import type { SenderEntry, SendersPage } from '../../src/page/wire/senders.ts';

// The page keeps how times look in the browser.
Object.assign(globalThis, { localStorage: { getItem: () => null, setItem: () => {} } });
const { isWanted, problemsOf, rateOver, SenderHistory, skewText } = await import(
  '../../src/page/senders/sender-facts.ts'
);
const { sorted, sortOrder } = await import('../../src/page/parts/sorting.ts');
const { parseTarget } = await import('../../src/page/streams/target.ts');
const { lossText, trimmedText } = await import('../../src/page/streams/loss-texts.ts');
const texts = await import('../../src/page/streams/setting-texts.ts');

const NOW = Date.parse('2026-11-30T10:00:00Z');
const time = (ms: number): string => new Date(NOW + ms).toISOString();

const ENTRY: SenderEntry = {
  address: '127.0.0.1',
  user_agent: 'OTel-OTLP-Exporter-Python/1.45.2',
  service_names: ['shop'],
  sdk: null,
  token: 'collector',
  basin: 'telemetry',
  streams: ['shop'],
  protocols: ['http'],
  encodings: ['protobuf'],
  accepted: 100,
  rejected: 0,
  refused: 0,
  signals: {},
  rejections: [],
  refusals: [],
  clock_skew_ms: 20,
  first_seen: time(-1_000),
  last_seen: time(0),
};

function look(at: number, ...senders: readonly SenderEntry[]): SendersPage {
  return { since: time(-60_000), now: time(at), senders, has_more: false };
}

test('the rate of a sender is what was accepted between the looks, and begins with the second one', () => {
  const history = new SenderHistory();
  expect(history.take(look(0, ENTRY))[0]?.rate).toBeUndefined();
  expect(history.take(look(2_000, { ...ENTRY, accepted: 180 }))[0]?.rate).toBe(40);
  for (let i = 2; i <= 10; i++) history.take(look(i * 2_000, { ...ENTRY, accepted: 180 }));
  expect(history.take(look(22_000, { ...ENTRY, accepted: 180 }))[0]?.rate).toBe(0);
});

test('a server that was started again makes no rate of what was counted before', () => {
  const history = new SenderHistory();
  history.take(look(0, ENTRY));
  const again = { ...look(2_000, { ...ENTRY, accepted: 500 }), since: time(1_000) };
  expect(history.take(again)[0]?.rate).toBeUndefined();
  expect(
    rateOver([
      { at: 0, accepted: 5 },
      { at: 1_000, accepted: 3 },
    ]),
  ).toBeUndefined();
});

test('a sender that comes while the list is open is new, those of the first look are not', () => {
  const history = new SenderHistory();
  expect(history.take(look(0, ENTRY))[0]?.isNew).toBe(false);
  const other = { ...ENTRY, service_names: ['payments'] };
  expect(history.take(look(2_000, ENTRY, other)).map(({ isNew }) => isNew)).toEqual([false, true]);
});

test('the state of a sender is told by what came last', () => {
  const stateOf = (entry: SenderEntry, at = 1_000) => new SenderHistory().take(look(at, entry))[0]?.state;
  const rejection = { reason: 'too_large', message: 'send less', signal: null, count: 1, last_seen: time(0) };
  const refusal = { ...rejection, status: 401, code: 'unauthorized', path: '/v1/logs' };
  expect(stateOf(ENTRY)).toBe('sending');
  expect(stateOf(ENTRY, 100_000)).toBe('silent');
  expect(stateOf({ ...ENTRY, rejections: [rejection] })).toBe('losing');
  expect(stateOf({ ...ENTRY, refusals: [refusal], refused: 1 })).toBe('refused');
});

test('problems come with what to do, also for a clock that is wrong, and 503 does not count as lost', () => {
  const refusal = { message: 'busy', signal: null, path: '/v1/logs', count: 3, last_seen: time(0) };
  const entry = {
    ...ENTRY,
    refused: 5,
    refusals: [
      { ...refusal, status: 503, code: 'overloaded' },
      { ...refusal, status: 401, code: 'unauthorized', count: 2 },
    ],
    clock_skew_ms: -240_000,
  };
  const [shown] = new SenderHistory().take(look(0, entry));
  expect([shown?.refusedForNow, shown?.refusedForGood]).toEqual([3, 2]);
  const problems = problemsOf({ entry });
  expect(problems.map(({ level }) => level)).toEqual(['warn', 'error', 'warn']);
  expect(problems[2]?.text).toMatch(/NTP/);
  expect(skewText(-240_000)).toBe('−4 min');
  expect(problemsOf({ entry: ENTRY })).toEqual([]);
});

test('the search looks at all that a sender says of itself', () => {
  const [shown] = new SenderHistory().take(look(0, ENTRY));
  if (shown === undefined) throw new Error('no sender');
  expect(isWanted(shown, 'PYTHON shop')).toBe(true);
  expect(isWanted(shown, 'python payments')).toBe(false);
});

test('what has no value comes last in both directions', () => {
  const rows = [{ n: 2 }, { n: null }, { n: 1 }];
  expect(sorted(rows, ({ n }) => n, false).map(({ n }) => n)).toEqual([1, 2, null]);
  expect(sorted(rows, ({ n }) => n, true).map(({ n }) => n)).toEqual([2, 1, null]);
  expect(sortOrder(undefined, '-seen')).toEqual({ by: 'seen', isDown: true });
  expect(sortOrder('rate', '-seen')).toEqual({ by: 'rate', isDown: false });
});

test.each([
  ['4200', 'seq:4200'],
  ['#4200', 'seq:4200'],
  ['-100', 'tail:100'],
  ['15m', 'time:2026-11-30T09:45:00.000Z'],
  ['15m ago', 'time:2026-11-30T09:45:00.000Z'],
  ['2026-11-30T08:00:00Z', 'time:2026-11-30T08:00:00.000Z'],
])('%s leads to %s', (text, from) => {
  expect(parseTarget(text, NOW)).toEqual({ from });
});

test('a time of the day is the last one that has been, and nonsense says what is expected', () => {
  const target = parseTarget('23:59', NOW);
  expect('from' in target && Date.parse(target.from.slice(5))).toBeLessThanOrEqual(NOW);
  for (const text of ['', 'yesterday', '25:00', '#x', '12 parsecs']) {
    expect(parseTarget(text, NOW)).toEqual({ fault: expect.stringMatching(/Write #4200/) });
  }
});

const FIGURES = {
  first_seq_num: 10,
  next_seq_num: 110,
  records: 100,
  metered_bytes: 5_000,
  first_timestamp: 0,
  last_timestamp: 0,
  records_per_second: 0,
  metered_bytes_per_second: 0,
};

test('a trim names the records that go', () => {
  expect(trimmedText('shop', 60, FIGURES)).toEqual({
    what: '50 records go for good: shop #10 to #59.',
    isReady: true,
  });
  expect(trimmedText('shop', 500, FIGURES).what).toMatch(/^100 records .* every record it holds now/);
  expect(trimmedText('shop', 10, FIGURES).isReady).toBe(false);
  expect(trimmedText('shop', undefined, FIGURES).isReady).toBe(false);
});

test('settings are read as they are written, and only what differs is sent', () => {
  const settings = {
    retention_policy: { age: 604_800 },
    retention_bytes: 10_000_000_000,
    timestamping: { mode: 'arrival', uncapped: false },
    delete_on_empty: { min_age_secs: 0 },
  };
  const fields = texts.fieldsOf(settings);
  expect(fields).toEqual({ age: '7d', size: '10GB', mode: 'arrival', uncapped: 'false', empty: 'off' });
  expect(texts.changedSettings(fields, fields)).toEqual({});
  expect(texts.changedSettings(fields, { ...fields, age: '12h', size: '' })).toEqual({
    retention_policy: { age: 43_200 },
    retention_bytes: null,
  });
  expect(texts.changedSettings(fields, { ...fields, age: 'forever', mode: '' })).toEqual({
    retention_policy: { infinite: {} },
    timestamping: { mode: null },
  });
  expect(texts.fieldFault('age', '7 weeks of fun')).toMatch(/12h or 7d/);
  expect(texts.fieldFault('size', '10GB')).toBeUndefined();
});

test('only a change that keeps less is a loss', () => {
  const before = { retention_policy: { age: 604_800 }, retention_bytes: null };
  expect(lossText('shop', before, { retention_policy: { age: 3_600 } }, FIGURES)).toMatch(/more than 1 h ago/);
  expect(lossText('shop', before, { retention_bytes: 1_000 }, FIGURES)).toMatch(/beyond 1 kB, of 5 kB today/);
  expect(lossText('shop', before, { retention_policy: { age: 1_209_600 } }, FIGURES)).toBeUndefined();
  expect(lossText('shop', before, { retention_policy: { infinite: {} } }, FIGURES)).toBeUndefined();
});
