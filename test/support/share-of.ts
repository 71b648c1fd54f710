/**
 * How many cases a test draws. The whole of `npm test` draws a share of them, TAILRACE_TEST_SHARE, because its seed is
 * fixed and it is run often. A run of single tests draws all, with a new seed each time.
 */

const SHARE = Number(process.env.TAILRACE_TEST_SHARE ?? 1);

/** At least one. */
export function shareOf(all: number): number {
  return Math.max(1, Math.ceil(all * SHARE));
}
