/**
 * Tables: columns that are aligned as terminals count them, and cut where the terminal is too narrow. A pipe gets the
 * same columns with all of their text.
 */

import type { Output } from './console.ts';
import type { Paint } from './terminal/flow.ts';
import { printable } from './terminal/printable.ts';
import { clipEnd, clipStart, textWidth } from './terminal/text-width.ts';

export interface TableColumn {
  readonly title: string;
  /** Stands at the right. */
  readonly isNumber?: true;
  /** Which end of its text goes first where the terminal is too narrow; other columns stay whole. */
  readonly cut?: 'start' | 'end';
}

/** A text, and its colour. */
export type TableCell = string | readonly [text: string, paint: Paint];

export interface TableRow {
  readonly cells: readonly TableCell[];
  /** Lines of its own below the row, as they are. */
  readonly below?: readonly string[];
}

export interface Table {
  /** Only the first call with rows has the header; columns keep their widths. */
  lines(rows: readonly TableRow[]): readonly string[];
}

const GAP = '  ';
/** A column is not cut to fewer. */
const CUT_COLUMNS_MIN = 8;

export function createTable(
  columns: readonly TableColumn[],
  { isTty, colors, columns: terminalColumns }: Pick<Output, 'isTty' | 'colors' | 'columns'>,
): Table {
  const natural = columns.map(({ title }) => textWidth(title));
  let hasHeader = false;
  return {
    lines(rows) {
      if (rows.length === 0) return [];
      const texts = rows.map(({ cells }) => cells.map((cell) => printable(typeof cell === 'string' ? cell : cell[0])));
      for (const row of texts) {
        for (const [i, text] of row.entries()) natural[i] = Math.max(natural[i] ?? 0, textWidth(text));
      }
      const limit = isTty ? terminalColumns() : Number.POSITIVE_INFINITY;
      const widths = cutWidths(columns, natural, limit);
      const line = (row: readonly string[], paints: readonly (Paint | undefined)[]): string =>
        tableLine(row, paints, { columns, widths, limit });
      const titles = columns.map(({ title }) => title);
      const dim = columns.map(() => colors.dim);
      const header = hasHeader ? [] : [line(titles, dim)];
      hasHeader = true;
      const body = rows.flatMap(({ cells, below = [] }, i) => {
        const paints = cells.map((cell) => (typeof cell === 'string' ? undefined : cell[1]));
        return [line(texts[i] ?? [], paints), ...below];
      });
      return [...header, ...body];
    },
  };
}

/** The widths with which the table is as wide as the limit: the widest of the columns that may be cut give way. */
function cutWidths(columns: readonly TableColumn[], natural: readonly number[], limit: number): readonly number[] {
  const widths = [...natural];
  const whole = () => widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1));
  for (let over = whole() - limit; over > 0; over--) {
    let widest = -1;
    for (const [i, { cut }] of columns.entries()) {
      const width = widths[i] ?? 0;
      if (cut !== undefined && width > CUT_COLUMNS_MIN && width > (widths[widest] ?? 0)) widest = i;
    }
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

interface TableShape {
  readonly columns: readonly TableColumn[];
  readonly widths: readonly number[];
  readonly limit: number;
}

function tableLine(
  texts: readonly string[],
  paints: readonly (Paint | undefined)[],
  { columns, widths, limit }: TableShape,
): string {
  let left = limit;
  const cells = columns.map(({ isNumber, cut }, i) => {
    const width = Math.max(0, Math.min(widths[i] ?? 0, left));
    left -= width + GAP.length;
    const text = texts[i] ?? '';
    const fitting = cut === 'start' ? clipStart(text, width) : clipEnd(text, width);
    const spaces = ' '.repeat(Math.max(0, width - textWidth(fitting)));
    const paint = paints[i];
    const painted = paint === undefined || fitting === '' ? fitting : paint(fitting);
    return width === 0 ? '' : isNumber ? spaces + painted : painted + spaces;
  });
  return cells.join(GAP).trimEnd();
}
