/** Values of metrics with their units (UCUM, as OpenTelemetry writes them), and lengths of time in URLs. */

import { bytesText, countText, spanText } from '../parts/time.ts';
import type { ChartMode } from './chart-lines.ts';

const MILLIS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, ms: 1, s: 1_000, min: 60_000, h: 3_600_000 };

/** `1,042 orders`, `183 MB`, `12 ms`; a rate has `/s` behind it. */
export function valueText(value: number | null | undefined, unit: string, mode: ChartMode): string {
  if (value === null || value === undefined) return '–';
  if (value === 0) return '0';
  const perSecond = mode === 'rate' ? '/s' : '';
  const millis = MILLIS[unit];
  if (millis !== undefined && mode !== 'rate')
    return value < 0 ? `−${spanText(-value * millis)}` : spanText(value * millis);
  if (unit === 'By') return `${value < 0 ? '−' : ''}${bytesText(Math.abs(value))}${perSecond}`;
  const word = /^\{(.+)\}$/.exec(unit)?.[1] ?? (unit === '1' || unit === '' ? '' : unit);
  return `${numberText(value)}${word === '' ? '' : ` ${word}`}${perSecond}`;
}

/** The same without a word that would not fit beside an axis. */
export function axisText(value: number, unit: string, mode: ChartMode): string {
  return valueText(value, MILLIS[unit] === undefined && unit !== 'By' ? '' : unit, mode);
}

function numberText(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(2);
  return size >= 1_000 ? countText(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export const RANGES: readonly (readonly [string, number, string])[] = [
  ['5m', 300_000, '5 minutes'],
  ['15m', 900_000, '15 minutes'],
  ['1h', 3_600_000, '1 hour'],
  ['6h', 21_600_000, '6 hours'],
  ['24h', 86_400_000, '24 hours'],
  ['7d', 604_800_000, '7 days'],
];

const DEFAULT_MS = 900_000;

/** A length of time up to now, which goes on; or two instants, which do not. */
export type TimeRange =
  | { readonly isLive: true; readonly lastMs: number }
  | { readonly isLive: false; readonly from: number; readonly to: number };

/** `from=15m`, or `from` and `until` as RFC 3339; what is neither counts as the last 15 minutes. */
export function parseRange(from: string | undefined, until: string | undefined): TimeRange {
  const [start, end] = [Date.parse(from ?? ''), Date.parse(until ?? '')];
  if (!Number.isNaN(start) && !Number.isNaN(end) && end > start) return { isLive: false, from: start, to: end };
  return { isLive: true, lastMs: RANGES.find(([name]) => name === from)?.[1] ?? DEFAULT_MS };
}
