/**
 * Rates: in the long run no more comes than they allow, a request of any size is taken once, no sender waits longer than
 * needed, and one that sends much does not stop those that send little.
 */

import { describe, expect, test } from '@jest/globals';
import { principalOf, type Token, unlimited } from '../../src/access/grant.ts';
import { IngestRates } from '../../src/access/rates/ingest-rates.ts';
import type { Basin } from '../../src/log/basins.ts';
import { TailraceError } from '../../src/model/error.ts';
import { changedPolicy, type OtlpPolicyRequest } from '../../src/model/otlp-policy.ts';
import { resolveBasinConfig } from '../../src/model/stream-config.ts';
import { ingest } from '../../src/otlp/ingest.ts';
import type { IngestOptions, IngestStream } from '../../src/otlp/ports.ts';
import fc from '../support/fast-check.ts';
import { field } from '../support/otlp-wire.ts';
import { ManualClock } from '../support/socket-clock.ts';

function token(spansPerMinute: number | undefined, number = 1, rotation = 0, more: object = {}): Token {
  return {
    id: `token-${number}`,
    number,
    rotation,
    createdAt: 0,
    expiresAt: undefined,
    scope: {
      basins: { prefix: '' },
      streams: { prefix: '' },
      accessTokens: undefined,
      groups: {
        account: { read: false, write: false },
        basin: { read: false, write: false },
        stream: { read: false, write: true },
      },
      operations: [],
    },
    autoPrefix: '',
    stream: undefined,
    resourceAttributes: new Map(),
    limits: { profile: undefined, spansPerMinute, ...more },
    prefix: 'trk',
  };
}

interface Sent {
  readonly bytes?: number;
  readonly spans?: number;
  readonly streams?: readonly (readonly [string, number])[];
}

function basin(policy: OtlpPolicyRequest = {}, number = 1): Basin {
  const otlp = changedPolicy(undefined, policy);
  const config = { ...resolveBasinConfig({}), ...(otlp === undefined ? {} : { otlp }) };
  return { name: `basin-${number}`, number, config, createdAt: 0, deletedAt: undefined };
}

/** Undefined when it is taken, else the seconds to wait. */
function send(rates: IngestRates, who: Token, into: Basin, { bytes = 0, spans = 0, streams = [] }: Sent) {
  try {
    rates.of(principalOf(who), into)?.take({ bytes, spans, streams: () => streams });
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError && error.code === 'rate_limited') return error.detail.retryAfterSeconds;
    throw error;
  }
}

const take = (rates: IngestRates, who: Token, spans: number) => send(rates, who, basin(), { spans });

describe('the span limit of a token', () => {
  test('is a minute of spans at first, then fills evenly', () => {
    const clock = new ManualClock();
    const rates = new IngestRates(clock);
    const who = token(60);
    expect(take(rates, who, 40)).toBeUndefined();
    expect(take(rates, who, 20)).toBeUndefined();
    expect(take(rates, who, 1)).toBe(1);
    clock.advance(999);
    expect(take(rates, who, 1)).toBe(1);
    clock.advance(1);
    expect(take(rates, who, 1)).toBeUndefined();
  });

  test('takes a request of any size once, and the next one when that is paid', () => {
    const clock = new ManualClock();
    const rates = new IngestRates(clock);
    const who = token(1_000);
    expect(take(rates, who, 1_001)).toBeUndefined();
    expect(take(rates, who, 1_001)).toBe(1);
    clock.advance(1_000);
    expect(take(rates, who, 31_000)).toBeUndefined();
    const wait = take(rates, who, 1) ?? 0;
    expect(wait).toBeGreaterThan(1_850);
    clock.advance(wait * 1_000 - 1_000);
    expect(take(rates, who, 1)).toBe(1);
    clock.advance(1_000);
    expect(take(rates, who, 1)).toBeUndefined();
  });

  test('holds for a token across all its secrets, and for each token by itself', () => {
    const rates = new IngestRates(new ManualClock());
    expect(take(rates, token(10, 1, 0), 10)).toBeUndefined();
    expect(take(rates, token(10, 1, 1), 1)).toBe(6);
    expect(take(rates, token(10, 2, 0), 10)).toBeUndefined();
  });

  test('counts nothing for a token without a limit', () => {
    const rates = new IngestRates(new ManualClock());
    expect(rates.of(principalOf(token(undefined)), basin())).toBeUndefined();
    expect(rates.of(unlimited('root'), basin({ serviceRouting: true }))).toBeUndefined();
    expect(rates.size).toBe(0);
  });

  test('forgets tokens that have paid', () => {
    const clock = new ManualClock();
    const rates = new IngestRates(clock);
    for (let number = 1; number <= 1_000; number++) take(rates, token(10, number), 1);
    expect(rates.size).toBe(1_000);
    clock.advance(60_000);
    take(rates, token(10, 1_001), 1);
    expect(rates.size).toBe(1);
  });

  test('holds over any traffic, and a sender that waits as told is taken', () => {
    const steps = fc.array(fc.tuple(fc.nat({ max: 20_000 }), fc.integer({ min: 1, max: 100 })), { maxLength: 80 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 12, max: 40 }), (traffic, limit) => {
        const clock = new ManualClock();
        const rates = new IngestRates(clock);
        const who = token(limit);
        let taken = 0;
        for (const [pause, spans] of traffic) {
          clock.advance(pause);
          const wait = take(rates, who, spans);
          if (wait !== undefined) {
            expect(wait).toBeGreaterThanOrEqual(1);
            clock.advance(wait * 1_000);
            expect(take(rates, who, spans)).toBeUndefined();
          }
          // What came before this request is within the burst and what has filled since.
          expect(taken).toBeLessThanOrEqual(limit + (clock.monotonicMs() / 60_000) * limit);
          taken += spans;
        }
      }),
      { numRuns: 300, seed: 5 },
    );
  });
});

describe('what a refusal says about when to send again', () => {
  /** Senders, each with a token of its own, into basins whose rates are odd fractions of a request. */
  const step = fc.record({
    pause: fc.nat({ max: 3_000 }),
    sender: fc.nat({ max: 5 }),
    into: fc.nat({ max: 1 }),
    bytes: fc.nat({ max: 9_000 }),
    spans: fc.nat({ max: 60 }),
    stream: fc.constantFrom('one', 'two', 'three'),
  });
  const rate = fc.integer({ min: 1, max: 3_000 });
  const rates = fc.record({
    bytes_per_second: rate,
    burst_bytes: rate,
    stream_bytes_per_second: rate,
    stream_burst_bytes: rate,
    spans_per_minute: rate,
  });
  const sent = ({ bytes, spans, stream }: { bytes: number; spans: number; stream: string }): Sent => ({
    ...{ bytes, spans },
    streams: [[stream, bytes]],
  });

  test('is true over any traffic: when that time has passed without other requests, the same one is taken', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.tuple(rates, rates), rate, (traffic, policies, spans) => {
        const clock = new ManualClock();
        const kept = new IngestRates(clock);
        const basins = policies.map((policy, number) => basin({ rates: policy }, number + 1));
        for (const one of traffic) {
          clock.advance(one.pause);
          const who = token(spans, one.sender + 1);
          const into = basins[one.into] as Basin;
          const wait = send(kept, who, into, sent(one));
          if (wait === undefined) continue;
          expect(Number.isInteger(wait) && wait >= 1).toBe(true);
          clock.advance(wait * 1_000);
          expect(send(kept, who, into, sent(one))).toBeUndefined();
        }
      }),
      { numRuns: 300, seed: 11 },
    );
  });

  test('is not longer than needed: a second before it, a sender that is alone is still refused', () => {
    fc.assert(
      fc.property(rate, rate, fc.integer({ min: 1, max: 200_000 }), (perSecond, burst, bytes) => {
        const clock = new ManualClock();
        const kept = new IngestRates(clock);
        const into = basin({ rates: { bytes_per_second: perSecond, burst_bytes: burst } });
        const who = token(undefined);
        expect(send(kept, who, into, { bytes })).toBeUndefined();
        const wait = send(kept, who, into, { bytes: 1 });
        if (wait === undefined) return;
        // The wait is rounded up to a whole second, and a bucket takes a request from when it holds one byte.
        clock.advance((wait - 1) * 1_000 - 1);
        if (wait > 1) expect(send(kept, who, into, { bytes: 1 })).toBeDefined();
      }),
      { numRuns: 300, seed: 12 },
    );
  });

  test('is kept to by senders that all want more: the longest time to wait is what the own debt takes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 9_000 }), (count, bytes) => {
        const clock = new ManualClock();
        const kept = new IngestRates(clock);
        const into = basin({ rates: { bytes_per_second: 1_000, burst_bytes: 1_000 } });
        const dueMs = Array.from({ length: count }, () => 0);
        const sinceMs = dueMs.map(() => 0);
        // What a sender took is paid by its share, which is the smallest when all of them are in debt.
        const longestMs = bytes * count + 2_000;
        for (let turn = 0; turn < 200; turn++) {
          const number = dueMs.indexOf(Math.min(...dueMs));
          clock.advance(Math.max(0, (dueMs[number] ?? 0) - clock.monotonicMs()));
          const now = clock.monotonicMs();
          const wait = send(kept, token(undefined, number + 1), into, { bytes });
          if (wait === undefined) {
            expect(now - (sinceMs[number] ?? 0)).toBeLessThanOrEqual(longestMs);
            sinceMs[number] = now;
          }
          dueMs[number] = now + 1_000 * (wait ?? 0);
        }
      }),
      { numRuns: 100, seed: 13 },
    );
  });
});

const RATES = { bytes_per_second: 1_000, burst_bytes: 2_000 };

describe('the byte rate of a basin', () => {
  test('count bytes of all senders, and of each basin by itself', () => {
    const clock = new ManualClock();
    const rates = new IngestRates(clock);
    const into = basin({ rates: RATES });
    const who = token(undefined);
    expect(send(rates, who, into, { bytes: 1_999 })).toBeUndefined();
    expect(send(rates, who, into, { bytes: 5_001 })).toBeUndefined();
    expect(send(rates, who, into, { bytes: 1 })).toBe(6);
    expect(send(rates, who, basin({ rates: RATES }, 2), { bytes: 1 })).toBeUndefined();
    clock.advance(5_000);
    expect(send(rates, who, into, { bytes: 1 })).toBe(1);
    clock.advance(1_000);
    expect(send(rates, who, into, { bytes: 1 })).toBeUndefined();
  });

  test('let a sender go on that has had less than its share, however much another one sends', () => {
    const clock = new ManualClock();
    const rates = new IngestRates(clock);
    const into = basin({ rates: RATES });
    let [large, small] = [0, 0];
    for (let second = 0; second < 600; second++) {
      // The large one is first at every moment when there is anything to take.
      for (let tries = 0; tries < 3; tries++) {
        if (send(rates, token(undefined, 1), into, { bytes: 5_000 }) === undefined) large += 5_000;
      }
      if (send(rates, token(undefined, 2), into, { bytes: 300 }) === undefined) small += 300;
      clock.advance(1_000);
    }
    expect(small).toBe(600 * 300);
    expect(large + small).toBeLessThanOrEqual(600 * 1_000 + 2_000 + 2 * 5_000);
    expect(large).toBeGreaterThan(600 * 600);
  });

  test('hold in the long run for many senders that all want more, who get equal shares', () => {
    const clock = new ManualClock();
    const rates = new IngestRates(clock);
    const into = basin({ rates: RATES });
    const taken = Array.from({ length: 5 }, () => 0);
    for (let step = 0; step < 6_000; step++) {
      for (const [number] of taken.entries()) {
        if (send(rates, token(undefined, number), into, { bytes: 700 }) !== undefined) continue;
        taken[number] = (taken[number] ?? 0) + 700;
      }
      clock.advance(100);
    }
    const sum = taken.reduce((total, bytes) => total + bytes, 0);
    expect(sum).toBeLessThanOrEqual(600 * 1_000 + 2_000 + 5 * 700);
    expect(sum).toBeGreaterThan(600 * 900);
    for (const bytes of taken) expect(Math.abs(bytes - sum / 5)).toBeLessThan(sum / 20);
  });
});

describe('the rates', () => {
  test('of a profile count, and single values replace them', () => {
    const rates = new IngestRates(new ManualClock());
    const who = token(undefined);
    const MiB = 1024 * 1024;
    const into = basin({ profile: 'smll' });
    expect(send(rates, who, into, { bytes: 24 * MiB })).toBeUndefined();
    expect(send(rates, who, into, { bytes: 1 })).toBe(2);
    const without = basin({ profile: 'smll', rates: { bytes_per_second: null } }, 2);
    for (let i = 0; i < 9; i++) expect(send(rates, who, without, { bytes: 24 * MiB })).toBeUndefined();
    const standard = basin({ profile: 'frametail-standard' }, 3);
    expect(send(rates, who, standard, { spans: 1_001 })).toBeUndefined();
    expect(send(rates, who, standard, { spans: 1 })).toBe(1);
    expect(send(rates, who, standard, { bytes: 1 })).toBeUndefined();
  });

  test('of a stream refuse the whole request, of which no other bucket then counts anything', () => {
    const rates = new IngestRates(new ManualClock());
    const into = basin({ rates: { ...RATES, stream_bytes_per_second: 10, stream_burst_bytes: 10 } });
    const who = token(undefined);
    expect(send(rates, who, into, { bytes: 20, streams: [['one', 20]] })).toBeUndefined();
    const both = {
      bytes: 1_900,
      streams: [
        ['two', 5],
        ['one', 5],
      ] as const,
    };
    for (let i = 0; i < 9; i++) expect(send(rates, who, into, both)).toBe(2);
    expect(send(rates, who, into, { bytes: 20, streams: [['two', 9]] })).toBeUndefined();
    expect(send(rates, who, into, { bytes: 20, streams: [['two', 9]] })).toBeUndefined();
    expect(send(rates, who, into, { bytes: 20, streams: [['two', 1]] })).toBe(1);
  });

  test('take the absolute names of streams of an auto-prefixed token, and say its own', () => {
    const rates = new IngestRates(new ManualClock());
    const into = basin({ rates: { stream_bytes_per_second: 10 } });
    const prefixed = principalOf({ ...token(undefined, 7), autoPrefix: 'team/' });
    const use = (name: string) => ({ bytes: 30, spans: 0, streams: () => [[name, 30] as const] });
    rates.of(principalOf(token(undefined)), into)?.take(use('team/in'));
    rates.of(prefixed, into)?.take(use('in'));
    expect(() => rates.of(prefixed, into)?.take(use('in'))).toThrow('stream `in` may take 10 bytes a second');
  });
});

describe('the byte rate of a token', () => {
  test('counts in all basins together', () => {
    const rates = new IngestRates(new ManualClock());
    const who = token(undefined, 1, 0, { bytesPerSecond: 100, burstBytes: 100 });
    expect(send(rates, who, basin({}, 1), { bytes: 99 })).toBeUndefined();
    expect(send(rates, who, basin({}, 2), { bytes: 101 })).toBeUndefined();
    expect(send(rates, who, basin({}, 3), { bytes: 1 })).toBe(2);
    expect(send(rates, token(undefined, 2), basin({}, 3), { bytes: 1 })).toBeUndefined();
  });
});

describe('the span limit of a request', () => {
  test('counts only spans that may be stored, and a refusal touches no stream', async () => {
    const counted: number[] = [];
    const opened: string[] = [];
    const item = field(2, []);
    const resource = (stream: string) =>
      field(1, [
        ...field(1, field(1, [...field(1, 's2.stream'), ...field(2, field(1, stream))])),
        ...field(2, [...item, ...item]),
      ]);
    const body = Uint8Array.from([...resource('mine'), ...resource('theirs')]);
    const port = {
      openStream: (_: unknown, name: string): IngestStream => {
        opened.push(name);
        return { config: { timestampingMode: 'client-prefer' } };
      },
      append: async () => {},
    };
    const basin = { name: 'telemetry', config: { otlpDefaultStream: '' } };
    const options = (takeSpans: (spans: number) => void): IngestOptions => ({
      limits: { requestRecordsMax: 10 },
      mayAppend: (name) => name === 'mine',
      rates: { expectOpen: () => {}, take: ({ spans }) => spans > 0 && takeSpans(spans) },
    });
    const noted = options((spans) => counted.push(spans));
    await ingest(port, basin, { signal: 'traces', encoding: 'protobuf', body }, noted);
    await ingest(port, basin, { signal: 'logs', encoding: 'protobuf', body }, noted);
    expect(counted).toEqual([2]);
    opened.length = 0;
    const refused = options(() => {
      throw new TailraceError('rate_limited', 'too many');
    });
    const sending = ingest(port, basin, { signal: 'traces', encoding: 'protobuf', body }, refused);
    await expect(sending).rejects.toMatchObject({ code: 'rate_limited' });
    expect(opened).toEqual([]);
  });
});
