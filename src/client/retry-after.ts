/** What a `Retry-After` says (RFC 9110, section 10.2.3): seconds, or a date in any of the three forms of HTTP. */

import type { ErrorDetail } from '../model/error.ts';

/** Longer waits are no advice to a program: the header then counts as missing. */
const SECONDS_MAX = 999_999;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = '(\\d\\d):(\\d\\d):(\\d\\d)';
const MONTH = `(${MONTHS.join('|')})`;

/** IMF-fixdate, and the obsolete forms of RFC 850 and of asctime, which a recipient accepts too (section 5.6.7). */
const FIXDATE = new RegExp(`^[A-Z][a-z]{2}, (\\d\\d) ${MONTH} (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(`^[A-Z][a-z]{5,8}, (\\d\\d)-${MONTH}-(\\d\\d) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^[A-Z][a-z]{2} ${MONTH} ([ \\d]\\d) ${TIME} (\\d{4})$`);

/**
 * Whole seconds to wait, from now on. A date counts from the `Date` of the same response, when it has one: the clock of
 * the server may be another than ours. What is neither a number nor a date is ignored.
 */
export function retryDetail(retryAfter: string | null, date: string | null, now = Date.now()): ErrorDetail {
  const text = retryAfter?.trim() ?? '';
  if (/^\d{1,6}$/.test(text)) return { retryAfterSeconds: Number(text) };
  const at = parseHttpDate(text, now);
  if (at === undefined) return {};
  const sentAt = parseHttpDate(date?.trim() ?? '', now) ?? now;
  const seconds = Math.max(0, Math.ceil((at - sentAt) / 1_000));
  return seconds > SECONDS_MAX ? {} : { retryAfterSeconds: seconds };
}

/** In milliseconds; undefined for what is no date of HTTP. */
function parseHttpDate(text: string, now: number): number | undefined {
  const fixed = FIXDATE.exec(text);
  if (fixed !== null) return timeOf(Number(fixed[3]), fixed[2], fixed[1], fixed.slice(4));
  const short = RFC_850.exec(text);
  if (short !== null) return timeOf(fullYear(Number(short[3]), now), short[2], short[1], short.slice(4));
  const old = ASCTIME.exec(text);
  return old === null ? undefined : timeOf(Number(old[6]), old[1], old[2], old.slice(3, 6));
}

/** Two digits that seem to be more than 50 years ahead are those of the last century. */
function fullYear(digits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = Math.floor(thisYear / 100) * 100 + digits;
  return year > thisYear + 50 ? year - 100 : year;
}

function timeOf(year: number, month: string | undefined, day: string | undefined, time: readonly string[]) {
  const at = MONTHS.indexOf(month ?? '');
  const [hours = 0, minutes = 0, seconds = 0] = time.map(Number);
  const days = Number(day);
  // 60 is a leap second.
  if (days < 1 || days > 31 || hours > 23 || minutes > 59 || seconds > 60) return undefined;
  const ms = Date.UTC(year, at, days, hours, minutes, seconds);
  return new Date(Date.UTC(year, at, days)).getUTCDate() === days ? ms : undefined;
}
