/** Numbers, times and spans of time as users type them. What is wrong is a usage error that shows an example. */

import { InvalidArgumentError } from 'commander';
import { timeSpanMs } from '../../src/encoding/time-span.ts';

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** A whole number from 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It must be a whole number, such as 10.');
  }
  return value;
}

/** `90s`, `1h30m`, `2d`: in milliseconds. */
export function duration(text: string): number {
  const ms = timeSpanMs(text);
  if (ms === undefined) throw new InvalidArgumentError('It must be a span of time, such as 90s, 1h30m or 2d.');
  return ms;
}

/** A span of time in whole seconds. */
export function wholeSeconds(text: string): number {
  const seconds = duration(text) / 1_000;
  if (!Number.isSafeInteger(seconds)) throw new InvalidArgumentError('It must be whole seconds, such as 90s or 7d.');
  return seconds;
}

/** `512MiB`, `10GB`, `1024`: in bytes. */
export function byteSize(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+)\s*([a-z]*)$/i.exec(text) ?? [];
  const bytes = Number(digits) * (BYTE_UNITS[unit.toLowerCase()] ?? Number.NaN);
  if (digits === '' || !Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('It must be a number of bytes, such as 1024, 512MiB or 10GB.');
  }
  return bytes;
}

/** `true` or `false`. */
export function truth(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new InvalidArgumentError('It must be true or false.');
}

/** Unix seconds, or RFC 3339: in seconds. */
export function unixSecond(text: string): number {
  return /^\d+$/.test(text) ? wholeNumber(text) : Math.floor(instant(text) / 1_000);
}

/** Milliseconds since the epoch, or RFC 3339. */
export function instant(text: string): number {
  if (/^\d+$/.test(text)) return wholeNumber(text);
  const value = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(value)) {
    throw new InvalidArgumentError('It must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z.');
  }
  return value;
}

/** A span of time before now, or an instant. */
export function instantOrAgo(text: string): number {
  const isSpan = /^[\d.]+[a-z]/i.test(text);
  return isSpan ? Math.max(0, Date.now() - duration(text)) : instant(text);
}

/** The same as where a read begins. */
export function since(text: string): { readonly timestamp: number } {
  return { timestamp: instantOrAgo(text) };
}

/** A number, possibly with a fraction. */
export function anyNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}

/** `key=value,…`, with space around the commas. */
export function pairs(text: string): readonly (readonly [key: string, value: string])[] {
  return text.split(',').map((part) => {
    const equals = part.indexOf('=');
    const key = part.slice(0, equals).trim();
    if (equals < 1 || key === '') throw new InvalidArgumentError('It must be key=value, with commas between several.');
    return [key, part.slice(equals + 1).trim()];
  });
}

/** Collects a flag that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
