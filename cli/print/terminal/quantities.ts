/** Durations, bytes and other numbers with their unit, as people say them. */

import { formatBytes } from '../format.ts';
import { printable, someNumber } from './printable.ts';

/** Units of time of UCUM, which metrics use, in milliseconds. */
const TIME_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  min: 60e3,
  h: 3_600e3,
  d: 86_400e3,
};

const BYTES: Readonly<Record<string, number>> = {
  By: 1,
  KiBy: 2 ** 10,
  MiBy: 2 ** 20,
  GiBy: 2 ** 30,
  kBy: 1e3,
  MBy: 1e6,
  GBy: 1e9,
};

/** What a fraction of a number may have, where the number itself says enough. */
const DIGITS = 4;

/** `420 µs`, `2.0 ms`, `111 ms`, `2.43 s`, `1 min 5 s`, `3 h 2 min`. */
export function durationText(ms: number): string {
  if (ms < 0) return `-${durationText(-ms)}`;
  if (ms === 0) return '0 s';
  if (ms * 1e3 < 0.9995) return `${fixed(ms * 1e6, 1)} ns`;
  if (ms < 0.9995) return `${fixed(ms * 1e3, 10)} µs`;
  if (ms < 999.5) return `${fixed(ms, 100)} ms`;
  if (ms < 59_950) return `${(ms / 1e3).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1e3);
  if (seconds < 3_600) return twoParts(seconds, 60, 'min', 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return twoParts(minutes, 60, 'h', 'min');
  return twoParts(Math.round(minutes / 60), 24, 'd', 'h');
}

/** A value of a metric with its unit applied: `175 MiB`, `2.43 s`, `1,042 orders`, `12 %`. */
export function quantityText(value: unknown, unit: string): string {
  const number = someNumber(value);
  if (number === undefined) return printable(value === undefined ? 'no value' : String(value));
  const [base = '', ...per] = unit.split('/');
  const rate = per.length === 0 ? '' : `/${printable(per.join('/'))}`;
  const time = TIME_MS[base];
  if (time !== undefined) return `${durationText(number * time)}${rate}`;
  const bytes = BYTES[base];
  if (bytes !== undefined) return `${bytesText(number * bytes)}${rate}`;
  const exact = typeof value === 'string' && /^-?\d+$/.test(value) ? grouped(value) : numberText(number);
  const thing = /^\{(.+)\}$/.exec(base)?.[1];
  if (thing !== undefined) return `${exact} ${printable(plural(thing, number))}${rate}`;
  return base === '' || base === '1' ? `${exact}${rate}` : `${exact} ${printable(base)}${rate}`;
}

/** `1,042`, `13.77`, `0.002`, `6.022e+23`. */
export function numberText(value: number): string {
  if (Number.isSafeInteger(value)) return grouped(String(value));
  const size = Math.abs(value);
  if (size >= 1e15 || size < 1e-4) return String(Number(value.toPrecision(DIGITS)));
  if (size >= 1e4) return grouped(value.toFixed(0));
  return grouped(String(Number(value.toPrecision(DIGITS))));
}

function bytesText(bytes: number): string {
  const sign = bytes < 0 ? '-' : '';
  return sign + formatBytes(Math.round(Math.abs(bytes) * 10) / 10).replace('.0 ', ' ');
}

/** One decimal below `whole`. */
function fixed(value: number, whole: number): string {
  return value.toFixed(value < whole - 0.05 ? 1 : 0);
}

function twoParts(value: number, size: number, unit: string, small: string): string {
  const [large, rest] = [Math.floor(value / size), value % size];
  return rest === 0 ? `${large} ${unit}` : `${large} ${unit} ${rest} ${small}`;
}

function grouped(digits: string): string {
  const [whole = '', ...fraction] = digits.split('.');
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...fraction].join('.');
}

function plural(thing: string, count: number): string {
  return count === 1 || /s$/i.test(thing) ? thing : `${thing}s`;
}
