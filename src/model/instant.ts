/**
 * Times as clients write them (RFC 3339): compared in milliseconds, and given back with the digits that came, since a
 * client may compare the two to the nanosecond.
 */

/** A time with the digits of its second. */
export interface Instant {
  /** Since the epoch, rounded down. */
  readonly ms: number;
  /** The digits after the second, at most nine, possibly none; undefined stands for those of the milliseconds. */
  readonly fraction: string | undefined;
}

const RFC_3339 = /^(\d{4}-\d\d-(\d\d))[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/;
const NANOSECOND_DIGITS = 9;
const MILLISECOND_DIGITS = 3;
/** Years of more than four digits cannot be written back. */
const END_MS = Date.UTC(10_000, 0);

/** Undefined for what is no time since the epoch, such as the 30th of February. */
export function parseInstant(text: string): Instant | undefined {
  const [, date = '', day, time = '', digits = '', zone = ''] = RFC_3339.exec(text) ?? [];
  const isDay = new Date(`${date}T00:00:00Z`).getUTCDate() === Number(day);
  const seconds = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  if (!isDay || !(seconds >= 0 && seconds < END_MS)) return undefined;
  const fraction = digits.slice(0, NANOSECOND_DIGITS);
  const ms = seconds + Number(fraction.padEnd(MILLISECOND_DIGITS, '0').slice(0, MILLISECOND_DIGITS));
  return { ms, fraction: fraction.length === MILLISECOND_DIGITS ? undefined : fraction };
}

/** In UTC, with as many digits as it has. */
export function instantText({ ms, fraction }: Instant): string {
  const text = new Date(ms).toISOString();
  if (fraction === undefined) return text;
  return text.replace(/\.\d+Z$/, fraction === '' ? 'Z' : `.${fraction}Z`);
}

/** The nanoseconds of a time behind its milliseconds. */
export function nanosecondsOf(fraction: string | undefined): number {
  return Number((fraction ?? '').padEnd(NANOSECOND_DIGITS, '0').slice(MILLISECOND_DIGITS));
}
