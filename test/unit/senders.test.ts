/** Who is remembered as a sender, what of them, and what is forgotten first. */

import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  RECEIVING_BASINS_MAX,
  SENDER_LATENCIES_MAX,
  SENDER_NAMES_MAX,
  SENDER_REASONS_MAX,
  SENDER_TEXT_CHARS_MAX,
  SENDERS_MAX,
  STRANGERS_REMEMBERED_MAX,
} from '../../src/model/limits.ts';
import { type OtlpSource, unknownSource } from '../../src/model/otlp-source.ts';
import { mergeSenders, type SendersPart, sendersPart } from '../../src/observe/merge-senders.ts';
import { RecentLatencies } from '../../src/observe/recent-latencies.ts';
import type { SenderNote } from '../../src/observe/sender.ts';
import { Senders } from '../../src/observe/senders.ts';
import fc from '../support/fast-check.ts';

let now = 0;
let monotonic = 0;
let senders: Senders;

beforeEach(() => {
  now = 1_000;
  monotonic = 0;
  senders = new Senders({ now: () => now, monotonicMs: () => monotonic });
});

const source = (service: string, more: Partial<OtlpSource> = {}): OtlpSource => ({
  ...unknownSource(),
  service,
  resources: 1,
  ...more,
});

function taken(more: Partial<SenderNote> = {}): SenderNote {
  return {
    address: '10.0.0.1',
    connection: {},
    userAgent: 'agent/1',
    protocol: 'http',
    signal: 'logs',
    encoding: 'protobuf',
    token: 'app',
    basin: 'telemetry',
    source: source('checkout'),
    beganAt: monotonic,
    outcome: { accepted: 2, rejected: 0, reasons: [], repairs: [] },
    ...more,
  };
}

function refused(more: Partial<SenderNote> = {}): SenderNote {
  const outcome = { code: 'authn', message: 'a token is needed', path: '/v1/logs' } as const;
  return taken({ token: undefined, basin: undefined, source: undefined, outcome, ...more });
}

describe('a sender', () => {
  test('is one row, whatever the connection, with what each signal brought and what was rejected why', () => {
    senders.note(taken({ source: source('checkout', { newestMs: 900, streams: ['a', 'b'] }) }));
    now = 2_000;
    const reasons = [{ kind: 'unroutable', reason: 'no stream', count: 3 }];
    senders.note(
      taken({ signal: 'traces', encoding: 'json', outcome: { accepted: 0, rejected: 3, reasons, repairs: [] } }),
    );
    const [row, ...others] = senders.list();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ address: '10.0.0.1', token: 'app', basin: 'telemetry', clockSkewMs: -100, refused: 0 });
    expect(row).toMatchObject({ firstSeen: 1_000, lastSeen: 2_000 });
    expect([...(row?.services ?? [])]).toEqual(['checkout']);
    expect([...(row?.encodings ?? [])]).toEqual(['protobuf', 'json']);
    expect([...(row?.streams ?? [])]).toEqual(['a', 'b']);
    expect(Object.fromEntries(row?.signals ?? [])).toEqual({
      logs: { requests: 1, accepted: 2, rejected: 0, lastSeen: 1_000 },
      traces: { requests: 1, accepted: 0, rejected: 3, lastSeen: 2_000 },
    });
    expect(Object.fromEntries(row?.rejections ?? [])).toEqual({
      unroutable: { reason: 'no stream', signal: 'traces', count: 3, lastSeen: 2_000 },
    });
  });

  test.each<[string, Partial<SenderNote>]>([
    ['address', { address: '10.0.0.2', connection: {} }],
    ['User-Agent', { userAgent: 'agent/2' }],
    ['token', { token: 'other' }],
    ['basin', { basin: 'elsewhere' }],
    ['service', { source: source('billing') }],
  ])('with another %s is another one', (_what, more) => {
    const connection = {};
    senders.note(taken({ connection }));
    senders.note(taken({ connection, ...more }));
    senders.note(taken({ connection }));
    expect(senders.list().map(({ signals }) => signals.get('logs')?.requests)).toEqual([2, 1]);
  });

  test('is still the same when a request is refused before it is looked at, over the same connection only', () => {
    const connection = {};
    const outcome = { code: 'too_large', message: 'too large', path: '/v1/logs' } as const;
    senders.note(taken({ connection }));
    senders.note(taken({ connection, source: unknownSource(), outcome }));
    expect(senders.list()).toHaveLength(1);
    expect(senders.list()[0]?.refusals.get('too_large')).toMatchObject({ count: 1, path: '/v1/logs' });
    senders.note(taken({ source: unknownSource(), outcome }));
    expect(senders.list()).toHaveLength(2);
  });

  test('sends for several services in common requests, and is one sender with the names of some', () => {
    for (let i = 0; i < 2 * SENDER_NAMES_MAX; i++) {
      senders.note(taken({ source: source(`service-${i}`, { resources: 9, streams: [`stream-${i}`] }) }));
    }
    const [row, ...others] = senders.list();
    expect(others).toEqual([]);
    expect(row?.services.size).toBe(SENDER_NAMES_MAX);
    expect(row?.streams.size).toBe(SENDER_NAMES_MAX);
  });

  test('is shown with texts of limited length, and without what looks like a secret', () => {
    const secret = `trk_${'a1'.repeat(24)}`;
    const message = 'x'.repeat(SENDER_TEXT_CHARS_MAX);
    senders.note(
      refused({ userAgent: `agent ${secret}`, outcome: { code: 'not_found', message, path: `/${secret}/v1/logs` } }),
    );
    senders.note(refused({ userAgent: 'y'.repeat(SENDER_TEXT_CHARS_MAX + 1) }));
    const [clipped, whole] = [...senders.list()].sort((a, b) => ((a.userAgent ?? '') > (b.userAgent ?? '') ? -1 : 1));
    expect(whole?.userAgent).toBe('agent [secret]');
    expect(whole?.refusals.get('not_found')).toMatchObject({ message, path: '/[secret]/v1/logs' });
    expect(clipped?.userAgent).toBe(`${'y'.repeat(SENDER_TEXT_CHARS_MAX - 1)}…`);
  });

  test('keeps the reasons that came last', () => {
    for (let i = 0; i < SENDER_REASONS_MAX + 1; i++) {
      const reasons = [{ kind: `kind-${i}`, reason: 'x', count: 1 }];
      senders.note(taken({ outcome: { accepted: 0, rejected: 1, reasons, repairs: [] } }));
    }
    const kinds = [...(senders.list()[0]?.rejections.keys() ?? [])];
    expect(kinds).toHaveLength(SENDER_REASONS_MAX);
    expect(kinds[0]).toBe('kind-1');
  });
});

describe('the latencies of a sender', () => {
  /** Notes one request that began then and is answered now. */
  const answered = (tookMs: number, more: Partial<SenderNote> = {}): void => {
    const beganAt = monotonic;
    monotonic += tookMs;
    senders.note(taken({ beganAt, ...more }));
  };

  test('are those of requests that brought something, from their headers until their answer', () => {
    answered(5_000, { outcome: { accepted: 0, rejected: 1, reasons: [], repairs: [] } });
    answered(5_000, { outcome: { code: 'too_large', message: 'too large', path: '/v1/logs' } });
    expect(senders.list()[0]?.latencies).toBeUndefined();
    for (let i = 0; i < 99; i++) answered(10);
    answered(500);
    const { p50Ms = 0, p99Ms = 0 } = senders.list()[0]?.latencies ?? {};
    expect(p50Ms / 10).toBeGreaterThan(0.9);
    expect(p50Ms / 10).toBeLessThan(1.1);
    expect(p99Ms).toBe(p50Ms);
    answered(500);
    expect(senders.list()[0]?.latencies?.p99Ms).toBeGreaterThan(450);
  });

  const sizes = fc.array(fc.double({ min: 0.13, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 400 });
  test('are right to a tenth, whatever they are', () => {
    fc.assert(
      fc.property(sizes, (all) => {
        const latencies = new RecentLatencies();
        for (const ms of all) latencies.add(ms);
        const exact = [...all].sort((a, b) => a - b);
        for (const [part, value] of [
          [0.5, latencies.quantiles()?.p50Ms],
          [0.99, latencies.quantiles()?.p99Ms],
        ] as const) {
          const right = exact[Math.ceil(part * all.length) - 1] ?? 0;
          expect(Math.abs((value ?? 0) / right - 1)).toBeLessThan(0.1);
        }
      }),
    );
  });

  test('are those of the last requests: older ones are forgotten, half of them at once', () => {
    const latencies = new RecentLatencies();
    latencies.add(1_000);
    for (let i = 1; i < SENDER_LATENCIES_MAX; i++) latencies.add(2);
    expect(latencies.count).toBe(SENDER_LATENCIES_MAX);
    latencies.add(2);
    expect(latencies.count).toBe(SENDER_LATENCIES_MAX / 2 + 1);
    for (let i = 0; i < 2 * SENDER_LATENCIES_MAX; i++) latencies.add(300);
    expect(latencies.quantiles()?.p50Ms).toBeGreaterThan(270);
  });

  test.each([0, Number.MIN_VALUE, -1, 1e9])('take %d ms too, as the shortest or the longest that they know', (ms) => {
    const latencies = new RecentLatencies();
    latencies.add(ms);
    const p50 = latencies.quantiles()?.p50Ms ?? 0;
    expect(ms < 1 ? p50 < 0.13 : p50 > 110_000 && p50 < 140_000).toBe(true);
  });
});

describe('no more senders are remembered than the limit', () => {
  test('and the one that was silent longest is forgotten', () => {
    for (let i = 0; i < SENDERS_MAX; i++, now++) senders.note(taken({ userAgent: `agent/${i}` }));
    expect(senders.list()).toHaveLength(SENDERS_MAX);
    senders.note(taken({ userAgent: 'agent/0' }));
    now++;
    senders.note(taken({ userAgent: 'one more' }));
    const agents = senders.list().map(({ userAgent }) => userAgent);
    expect(agents).toHaveLength(SENDERS_MAX);
    expect(agents.slice(0, 2)).toEqual(['one more', 'agent/0']);
    expect(agents).not.toContain('agent/1');
  });

  test('and one token with many pushes out none of another token', () => {
    senders.note(taken({ token: 'quiet' }));
    for (let i = 0; i < 10_000; i++, now++) senders.note(taken({ userAgent: `agent/${i}`, token: 'loud' }));
    expect(senders.list()).toHaveLength(SENDERS_MAX);
    expect(senders.list().at(-1)).toMatchObject({ token: 'quiet' });
  });

  test('and strangers push out no sender with a token, nor those of one address those of another', () => {
    senders.note(taken());
    now++;
    senders.note(refused({ address: '10.0.0.7' }));
    for (let i = 0; i < 10_000; i++, now++) senders.note(refused({ userAgent: `agent/${i}` }));
    const rows = senders.list();
    expect(rows).toHaveLength(STRANGERS_REMEMBERED_MAX + 1);
    expect(rows.slice(-2)).toMatchObject([{ address: '10.0.0.7' }, { token: 'app' }]);
  });

  test('and one that was forgotten is remembered again, over the same connection too', () => {
    const connection = {};
    senders.note(refused({ connection }));
    for (let i = 0; i < STRANGERS_REMEMBERED_MAX; i++) senders.note(refused({ userAgent: `other/${++now}` }));
    expect(senders.list().map(({ userAgent }) => userAgent)).not.toContain('agent/1');
    now++;
    senders.note(refused({ connection }));
    expect(senders.list()[0]).toMatchObject({ userAgent: 'agent/1', refused: 1 });
    expect(senders.list()).toHaveLength(STRANGERS_REMEMBERED_MAX);
  });
});

test('what was received last is known of the basins that received something last, and of no refused request', () => {
  senders.note(refused({ token: 'app', basin: 'refusing' }));
  senders.note(taken({ basin: 'empty', outcome: { accepted: 0, rejected: 0, reasons: [], repairs: [] } }));
  for (let i = 0; i <= RECEIVING_BASINS_MAX; i++, now++) senders.note(taken({ basin: `basin-${i}` }));
  senders.note(taken({ basin: 'basin-1', signal: 'metrics' }));
  expect(senders.received.size).toBe(RECEIVING_BASINS_MAX);
  expect([...senders.received.keys()].slice(0, 1)).toEqual(['basin-1']);
  expect(Object.fromEntries(senders.received.get('basin-1') ?? [])).toEqual({ logs: 1_001, metrics: now });
});

test('senders are counted by what became of their requests lately, with and without a token, bounds included', () => {
  const reasons = [{ kind: 'unroutable', reason: 'no stream', count: 3 }];
  senders.note(taken());
  senders.note(taken({ address: '10.0.0.2', outcome: { accepted: 1, rejected: 3, reasons, repairs: [] } }));
  senders.note(refused({ address: '10.0.0.3' }));
  now = 6_000;
  senders.note(taken());
  const counts = (withinMs: number) =>
    Object.fromEntries(
      senders.recent(withinMs).map(({ outcome, token, count }) => [`${outcome} ${token ? 'token' : 'none'}`, count]),
    );
  const nothing = { 'rejected none': 0, 'taken none': 0, 'refused token': 0 };
  const all = { ...nothing, 'taken token': 2, 'rejected token': 1, 'refused none': 1 };
  expect(counts(5_000)).toEqual(all);
  expect(counts(4_999)).toEqual({ ...all, 'taken token': 1, 'rejected token': 0, 'refused none': 0 });
});

describe('senders of several processes', () => {
  test('are one list: what two know of the same one is added up, and a process that is asked twice counts once', () => {
    const others = new Senders({ now: () => now, monotonicMs: () => monotonic });
    const reasons = [{ kind: 'unroutable', reason: 'old', count: 3 }];
    senders.note(taken({ outcome: { accepted: 2, rejected: 3, reasons, repairs: [] } }));
    senders.note(refused());
    now = 5_000;
    others.note(taken({ signal: 'traces', source: source('checkout', { streams: ['a'] }) }));
    const newReasons = [{ kind: 'unroutable', reason: 'new', count: 4 }];
    others.note(taken({ outcome: { accepted: 10, rejected: 4, reasons: newReasons, repairs: [] } }));
    now = 6_000;
    others.note(taken({ address: '10.0.0.2' }));
    const parts: readonly SendersPart[] = JSON.parse(JSON.stringify([senders, others, others].map(sendersPart)));
    const merged = mergeSenders(parts);
    expect(merged.since).toBe(1_000);
    expect(merged.senders.map(({ address, token }) => [address, token])).toEqual([
      ['10.0.0.2', 'app'],
      ['10.0.0.1', 'app'],
      ['10.0.0.1', undefined],
    ]);
    const sender = merged.senders[1];
    expect(sender).toMatchObject({ firstSeen: 1_000, lastSeen: 5_000, streams: new Set(['a']), refused: 0 });
    expect(sender?.signals).toEqual(
      new Map([
        ['logs', { requests: 2, accepted: 12, rejected: 7, lastSeen: 5_000 }],
        ['traces', { requests: 1, accepted: 2, rejected: 0, lastSeen: 5_000 }],
      ]),
    );
    expect(sender?.rejections.get('unroutable')).toEqual({ reason: 'new', signal: 'logs', count: 7, lastSeen: 5_000 });
  });

  test('are told no more of one than one process tells', () => {
    const others = new Senders({ now: () => now, monotonicMs: () => monotonic });
    const reasonsFrom = (from: number) => Array.from({ length: SENDER_REASONS_MAX }, (_, i) => `kind-${from + i}`);
    for (const [known, from] of [
      [others, 0],
      [senders, 5],
    ] as const) {
      now += 1_000;
      const reasons = reasonsFrom(from).map((kind) => ({ kind, reason: kind, count: 1 }));
      known.note(taken({ outcome: { accepted: 1, rejected: 1, reasons, repairs: [] } }));
    }
    const [sender] = mergeSenders([sendersPart(senders), sendersPart(others)]).senders;
    expect([...(sender?.rejections.keys() ?? [])].sort()).toEqual(reasonsFrom(5).sort());
  });
});
