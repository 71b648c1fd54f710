/** Times and sizes as all screens write them. Timestamps are RFC 3339 with nanoseconds, or milliseconds. */

import { signal } from '@preact/signals';

export type TimeStyle = 'local' | 'utc' | 'relative';

const KEY = 'tailrace-times';
/** One for all: each call of toLocaleString makes its own. */
const COUNTS = new Intl.NumberFormat('en-US');
const STYLES: readonly TimeStyle[] = ['local', 'utc', 'relative'];

/** What the browser keeps; unit tests of texts run without one. */
const kept = globalThis.localStorage?.getItem(KEY);

/** How times look everywhere; kept in the browser. */
export const timeStyle = signal<TimeStyle>(STYLES.find((style) => style === kept) ?? 'local');

export function setTimeStyle(style: TimeStyle): void {
  localStorage.setItem(KEY, style);
  timeStyle.value = style;
}

/** Milliseconds since the epoch. */
export function millisOf(timestamp: string): number {
  return Date.parse(timestamp);
}

/** `14:03:07.123`, in the style; the whole instant is for a title. */
export function timeText(timestamp: string | number, style: TimeStyle, now: number): string {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return String(timestamp);
  if (style === 'relative') return agoText(now - date.getTime());
  const iso = style === 'utc' ? date.toISOString() : localIso(date);
  return iso.slice(11, 23);
}

/** `2026-11-18`, of a time in the style. */
export function dayText(timestamp: string | number, style: TimeStyle): string {
  const date = new Date(timestamp);
  return (style === 'utc' ? date.toISOString() : localIso(date)).slice(0, 10);
}

/** `4 s ago`, `in 2 h`. */
export function agoText(ms: number): string {
  const span = spanText(Math.abs(ms));
  return ms >= 0 ? `${span} ago` : `in ${span}`;
}

/** The same in whole seconds, for what changes before it is read: `now`, `4 s ago`. */
export function recentText(ms: number): string {
  return ms < 1_000 ? 'now' : agoText(Math.floor(ms / 1_000) * 1_000);
}

/** A length of time with one unit: `350 ms`, `4.2 s`, `12 min`, `3 h`, `9 d`. */
export function spanText(ms: number): string {
  if (ms < 1) return `${trimmed(ms * 1000)} µs`;
  if (ms < 1_000) return `${trimmed(ms)} ms`;
  if (ms < 60_000) return `${trimmed(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** `1.4 MB`; powers of ten, as the command line has it. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  for (; size >= 1_000 && unit < units.length - 1; unit++) size /= 1_000;
  return `${trimmed(size)} ${units[unit]}`;
}

/** `81,204`. */
export function countText(count: number): string {
  return COUNTS.format(count);
}

/** `1,240/s`, `0.4/s`. */
export function rateText(perSecond: number): string {
  return `${perSecond >= 100 ? countText(Math.round(perSecond)) : Number(perSecond.toPrecision(2))}/s`;
}

function trimmed(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function localIso(date: Date): string {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
}
