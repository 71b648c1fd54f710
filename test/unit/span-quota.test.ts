/**
 * Spans per minute: no minute holds more than the limit, wherever it begins, and no sender waits longer than needed.
 */

import { describe, expect, test } from '@jest/globals';
import type { Token } from '../../src/access/grant.ts';
import { SpanQuota } from '../../src/access/span-quota.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type IngestOptions, type IngestStream, ingest } from '../../src/otlp/ingest.ts';
import fc from '../support/fast-check.ts';
import { field } from '../support/otlp-wire.ts';
import { ManualClock } from '../support/socket-clock.ts';

function token(spansPerMinute: number | undefined, number = 1, rotation = 0): Token {
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
    limits: { profile: undefined, spansPerMinute },
    prefix: 'trk',
  };
}

/** Undefined when they are accepted, else the seconds to wait. */
function take(quota: SpanQuota, who: Token, spans: number): number | undefined {
  try {
    quota.take(who, spans);
    return undefined;
  } catch (error) {
    if (error instanceof TailraceError && error.code === 'rate_limited') return error.detail.retryAfterSeconds;
    throw error;
  }
}

describe('the span limit', () => {
  test('accepts exactly as many as allowed, and the next request is told when there is capacity', () => {
    const clock = new ManualClock();
    const quota = new SpanQuota(clock);
    const who = token(10);
    expect(take(quota, who, 4)).toBeUndefined();
    clock.advance(30_000);
    expect(take(quota, who, 6)).toBeUndefined();
    // A refused request does not count.
    expect(take(quota, who, 1)).toBe(31);
    expect(take(quota, who, 5)).toBe(61);
    clock.advance(31_000);
    expect(take(quota, who, 4)).toBeUndefined();
    expect(take(quota, who, 1)).toBe(30);
  });

  test('says so when a request can never fit', () => {
    const quota = new SpanQuota(new ManualClock());
    expect(() => quota.take(token(10), 11)).toThrow(/the request alone holds 11: send smaller batches/);
    expect(take(quota, token(10), 10)).toBeUndefined();
  });

  test('holds for a token across all its secrets, and for each token by itself', () => {
    const quota = new SpanQuota(new ManualClock());
    expect(take(quota, token(10, 1, 0), 10)).toBeUndefined();
    expect(take(quota, token(10, 1, 1), 1)).toBe(61);
    expect(take(quota, token(10, 2, 0), 10)).toBeUndefined();
  });

  test('counts nothing for a token without a limit', () => {
    const quota = new SpanQuota(new ManualClock());
    expect(take(quota, token(undefined), 1_000_000)).toBeUndefined();
    expect(quota.size).toBe(0);
  });

  test('forgets tokens that no longer send', () => {
    const clock = new ManualClock();
    const quota = new SpanQuota(clock);
    for (let number = 1; number <= 1_000; number++) take(quota, token(10, number), 1);
    expect(quota.size).toBe(1_000);
    clock.advance(200_000);
    take(quota, token(10, 1_001), 1);
    expect(quota.size).toBe(1);
  });

  test('holds in every minute of any traffic, and a sender that waits as told is accepted', () => {
    const steps = fc.array(fc.tuple(fc.nat({ max: 20_000 }), fc.integer({ min: 1, max: 12 })), { maxLength: 80 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 12, max: 40 }), (traffic, limit) => {
        const clock = new ManualClock();
        const quota = new SpanQuota(clock);
        const who = token(limit);
        const taken: { at: number; spans: number }[] = [];
        for (const [pause, spans] of traffic) {
          clock.advance(pause);
          const wait = take(quota, who, spans);
          if (wait !== undefined) {
            expect(wait).toBeGreaterThanOrEqual(1);
            clock.advance(wait * 1_000);
            expect(take(quota, who, spans)).toBeUndefined();
          }
          taken.push({ at: clock.monotonicMs(), spans });
          const minute = taken.filter(({ at }) => at > clock.monotonicMs() - 60_000);
          expect(minute.reduce((sum, one) => sum + one.spans, 0)).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 300, seed: 5 },
    );
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
      takeSpans,
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
