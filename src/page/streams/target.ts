/** Reads where in a stream one wants to go: a sequence number, a time, or so many records before the end. */

import { countText } from '../parts/time.ts';
import type { StreamFigures } from '../wire/streams.ts';
import { parseSpan } from './setting-texts.ts';

/** `from` of Live, or what is wrong with the text. */
export type Target = { readonly from: string } | { readonly fault: string };

const EXPECTED = 'Write #4200, -100 for the last hundred, a time such as 2026-11-30 10:00 or 10:00, or 15m ago.';

/** `now` in milliseconds; times are those of this browser's clock and zone, unless they say another. */
export function parseTarget(text: string, now: number): Target {
  const value = text.trim();
  if (/^#?\d{1,16}$/.test(value)) return { from: `seq:${Number(value.replace('#', ''))}` };
  const [, last] = /^[-−](\d{1,6})$/.exec(value) ?? [];
  if (last !== undefined) return { from: `tail:${Number(last)}` };
  const [, span] = /^(\d\S*)(?:\s+ago)?$/.exec(value) ?? [];
  const seconds = span === undefined ? undefined : parseSpan(span);
  if (seconds !== undefined) return { from: `time:${new Date(now - seconds * 1_000).toISOString()}` };
  const millis = instantOf(value, now);
  return millis === undefined ? { fault: EXPECTED } : { from: `time:${new Date(millis).toISOString()}` };
}

/** A time of the day is the last one that has been. */
function instantOf(value: string, now: number): number | undefined {
  const [, hours, minutes, seconds = '0'] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(value) ?? [];
  if (hours !== undefined) {
    if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
    const date = new Date(now);
    date.setHours(Number(hours), Number(minutes), Number(seconds), 0);
    if (date.getTime() > now) date.setDate(date.getDate() - 1);
    return date.getTime();
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(value)) return undefined;
  // A day alone would be one in UTC.
  const millis = Date.parse(value.length === 10 ? `${value}T00:00` : value.replace(' ', 'T'));
  return Number.isNaN(millis) ? undefined : millis;
}

/** Which positions there are to go to. */
export function rangeText(figures: StreamFigures | null | undefined): string {
  if (figures === null || figures === undefined) return '';
  if (figures.records === 0) return `It holds no record; the next one gets #${figures.next_seq_num}.`;
  return `It holds #${countText(figures.first_seq_num)} to #${countText(figures.next_seq_num - 1)}.`;
}
