/** Which columns rows have, from the URL; the message always stands last. */

import type { LiveFeed } from './live-feed.ts';

export const COLUMNS: Readonly<Record<string, string>> = {
  time: 'Time',
  level: 'Level',
  stream: 'Stream and position',
  seq: 'Position',
  service: 'Service',
  trace: 'Trace',
};

/** Without a choice: where several streams are shown, each row says its stream. */
export function columnsOf(text: string | undefined, feed: LiveFeed): readonly string[] {
  if (text !== undefined) return text.split(',').filter((name) => name !== '');
  const { select } = feed.options;
  const isOne = 'streams' in select && select.streams.length === 1;
  return ['time', 'level', isOne || feed.streams.size === 1 ? 'seq' : 'stream', 'service'];
}

/** As `columns` of the URL, with one more or one less. */
export function toggledColumn(columns: readonly string[], name: string): string {
  if (columns.includes(name)) return columns.filter((other) => other !== name).join(',') || ',';
  const order = Object.keys(COLUMNS);
  const place = (column: string): number => (order.includes(column) ? order.indexOf(column) : order.length);
  return [...columns, name].toSorted((a, b) => place(a) - place(b)).join(',');
}
