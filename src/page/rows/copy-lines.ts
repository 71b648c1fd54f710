/** Rows as plain lines for the clipboard: what the list shows and what is folded, without colours. */

import type { Row } from '../wire/rows.ts';
import { pairText, summaryOf } from './summary.ts';
import { visibleText } from './visible-text.ts';

const LEVEL_WIDTH = 5;

/** The first line has time, level, place, service and message; folded lines follow, indented. */
export function plainLines(stream: string, row: Row): string {
  const { headline, facts, pairs, rest } = summaryOf(row);
  const level = row.signal === 'traces' ? 'SPAN' : row.signal === 'metrics' ? 'METR' : (row.level ?? '').toUpperCase();
  const said = [headline, ...facts.map(({ text }) => text), ...pairs.map(pairText)].filter((text) => text !== '');
  const start = [
    row.endTimestamp ?? row.timestamp,
    level.padEnd(LEVEL_WIDTH),
    `${stream}#${row.seqNum}`,
    row.serviceName ?? '',
  ];
  const trace = row.traceId === undefined ? [] : [`trace=${row.traceId}`];
  const first = [...start.filter((text) => text !== ''), visibleText([...said, ...trace].join('  '))].join(' ');
  return [first, ...rest.map((line) => `    ${visibleText(line)}`)].join('\n');
}
