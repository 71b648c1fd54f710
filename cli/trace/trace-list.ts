/** Several traces as a table, for a user who has to choose one. */

import type { Output } from '../print/console.ts';
import { formatTime } from '../print/format.ts';
import { createTable } from '../print/table.ts';
import { durationText, numberText } from '../print/terminal/quantities.ts';
import { spanArrow, spanName } from '../print/terminal/span-facts.ts';
import type { TraceTree } from './trace-tree.ts';

const COLUMNS = [
  { title: 'TRACE' },
  { title: 'BEGAN' },
  { title: 'DURATION', isNumber: true },
  { title: 'SPANS', isNumber: true },
  { title: 'LOGS', isNumber: true },
  { title: 'ERRORS', isNumber: true },
  { title: 'WHAT', cut: 'end' },
] as const;

/** The lines of the table, the oldest trace first. */
export function traceList(trees: readonly TraceTree[], output: Output): readonly string[] {
  const rows = trees.map((tree) => ({
    cells: [
      tree.traceId,
      formatTime(tree.startMs),
      durationText(tree.endMs - tree.startMs),
      numberText(tree.spans),
      numberText(tree.logs),
      tree.errors === 0 ? '0' : ([numberText(tree.errors), output.colors.red] as const),
      whatText(tree),
    ],
  }));
  return createTable(COLUMNS, output).lines(rows);
}

/** The first span of it that stands at the top. */
function whatText({ top }: TraceTree): string {
  const span = top.find(({ type }) => type === 'span');
  if (span === undefined) return '';
  return [spanArrow(span.row), span.row.serviceName ?? '', spanName(span.row)].filter((text) => text !== '').join(' ');
}
