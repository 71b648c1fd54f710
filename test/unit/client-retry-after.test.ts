/** `Retry-After` in all its forms, as RFC 9110 has them, and what is none. */

import { describe, expect, test } from '@jest/globals';
import { readRefusal } from '../../src/client/failures.ts';
import { retryDetail } from '../../src/client/retry-after.ts';

/** The example of RFC 9110, section 5.6.7. */
const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);
const NOW = Date.UTC(2026, 10, 30, 12, 0, 0);
const FIXED = 'Sun, 06 Nov 1994 08:49:37 GMT';

describe('a Retry-After', () => {
  test.each([
    ['0', 0],
    ['3', 3],
    [' 120 ', 120],
    ['999999', 999_999],
  ])('of the number %j is so many seconds', (text, seconds) => {
    expect(retryDetail(text, null, NOW)).toEqual({ retryAfterSeconds: seconds });
  });

  test.each([FIXED, 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994', ` ${FIXED} `])(
    'of the date %j is the time until then, rounded up, and never less than none',
    (text) => {
      const seconds = [10_000, 9_999, 9_001, 1, 0, -1, -86_400_000].map(
        (before) => retryDetail(text, null, EXAMPLE - before).retryAfterSeconds,
      );
      expect(seconds).toEqual([10, 10, 10, 1, 0, 0, 0]);
    },
  );

  test('counts from the Date of the response, and from our clock when that is missing or no date', () => {
    expect(retryDetail(FIXED, 'Sun, 06 Nov 1994 08:49:30 GMT', NOW)).toEqual({ retryAfterSeconds: 7 });
    expect(retryDetail(FIXED, 'yesterday', EXAMPLE - 2_000)).toEqual({ retryAfterSeconds: 2 });
    const refusal = readRefusal(503, '{}', 'Mon, 30 Nov 2026 12:00:05 GMT', 'Mon, 30 Nov 2026 12:00:01 GMT');
    expect(refusal.detail).toEqual({ retryAfterSeconds: 4 });
  });

  test('with a year of two digits means one that is at most 50 years ahead', () => {
    const seconds = (year: string, now: number) => retryDetail(`Sunday, 06-Nov-${year} 08:49:37 GMT`, null, now);
    expect(seconds('76', NOW)).toEqual({});
    expect(seconds('77', NOW)).toEqual({ retryAfterSeconds: 0 });
    expect(seconds('26', Date.UTC(2026, 10, 6, 8, 49, 0))).toEqual({ retryAfterSeconds: 37 });
  });

  test('that is too far ahead, or neither a number nor a date, is ignored', () => {
    const at = (ms: number) => retryDetail(new Date(NOW + ms).toUTCString(), null, NOW);
    expect(at(999_999_000)).toEqual({ retryAfterSeconds: 999_999 });
    expect(at(1_000_000_000)).toEqual({});
    const wrong = [
      ...['', '-1', '1.5', '1000000', 'soon', '2026-11-30T12:00:05Z', 'Sun, 06 Nov 1994 08:49:37 +0000'],
      ...['Sun, 31 Feb 2027 08:49:37 GMT', 'Sun, 06 Nov 2027 24:00:00 GMT', 'Sun, 6 Nov 2027 08:49:37 GMT'],
    ];
    for (const text of wrong) expect([text, retryDetail(text, null, NOW)]).toEqual([text, {}]);
    expect(retryDetail(null, null, NOW)).toEqual({});
  });
});
