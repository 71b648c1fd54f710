/** Rows of the `message` view as lines: in logfmt, and wide, which shows everything that a row holds. */

import type { MessageRow } from '../../src/model/message-row.ts';
import { type Colors, colorOfLevel, escapeControls, safeJson } from './format.ts';

type Pair = readonly [key: string, value: unknown];

/** `key=value` for every field; keys of objects in objects have dots between. */
export function logfmtLine(row: MessageRow): string {
  return logfmt(flattened(Object.entries(row)));
}

/** Sequence number, time, level, service and what happened, then every other field in logfmt. */
export function wideLine(row: MessageRow, colors: Colors): string {
  const { seqNum, timestamp, signal, level, serviceName, body, type, durationMs, ...rest } = row;
  const badge = signal === 'traces' ? 'span' : signal === 'metrics' ? 'metric' : level;
  const what = [body ?? type ?? '', ...(typeof durationMs === 'number' ? [`${durationMs}ms`] : [])];
  const columns = [
    String(seqNum).padStart(8),
    shown(timestamp),
    shown(badge).toUpperCase().padEnd(6),
    shown(serviceName),
    what.map((part) => (typeof part === 'string' ? part : safeJson(part))).join(' '),
    logfmt(flattened(Object.entries(rest))),
  ];
  const line = escapeControls(columns.join('  ').trimEnd());
  return colorOfLevel(typeof level === 'string' ? level : '', line, colors);
}

function shown(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : '-';
}

function logfmt(pairs: readonly Pair[]): string {
  return pairs
    .map(([key, value]) => `${key.replace(/[\s"=]/g, '_')}=${valueText(value)}`)
    .map(escapeControls)
    .join(' ');
}

/** In quotes when a reader could not tell where it ends. */
function valueText(value: unknown): string {
  if (typeof value !== 'string') return /[\s"=]/.test(safeJson(value)) ? safeJson(safeJson(value)) : safeJson(value);
  return value === '' || /[\s"=\\]/.test(value) || escapeControls(value) !== value ? safeJson(value) : value;
}

/** Objects become their leaves. What is empty or missing is left out; attributes lose the name of the field they are in. */
function flattened(pairs: readonly Pair[]): readonly Pair[] {
  return pairs.flatMap(([key, value]): readonly Pair[] => {
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) return value.length === 0 ? [] : [[key, value]];
    if (typeof value !== 'object') return [[key, value]];
    const prefix = key === 'metadata' ? '' : `${key}.`;
    return flattened(Object.entries(value).map(([name, inner]): Pair => [prefix + name, inner]));
  });
}
