/** The rows of `top` as columns that stay where they are; those that matter least go first where a terminal is narrow. */

import { type Colors, formatBytes } from '../print/format.ts';
import { printable } from '../print/terminal/printable.ts';
import { numberText } from '../print/terminal/quantities.ts';
import { clipEnd, clipStart, padColumns, textWidth } from '../print/terminal/text-width.ts';
import { lastText, type TopSender, type TopStream } from './snapshot.ts';

interface TopColumn<Row> {
  readonly title: string;
  /** 0: it takes what the others leave. */
  readonly width: number;
  readonly isNumber?: true;
  /** Names differ at their end. */
  readonly clipsStart?: true;
  /** The larger one goes first. */
  readonly priority: number;
  cell(row: Row, nowMs: number): string;
  paint?(row: Row, colors: Colors): ((text: string) => string) | undefined;
}

const NAME_COLUMNS_MIN = 16;
const GAP = '  ';

const STREAM_COLUMNS: readonly TopColumn<TopStream>[] = [
  { title: 'STREAM', width: 0, priority: 0, clipsStart: true, cell: ({ uri }) => uri },
  { title: 'REC/S', width: 8, priority: 0, isNumber: true, cell: ({ recordsPerSecond: rate }) => rateText(rate) },
  { title: 'BYTES/S', width: 10, priority: 3, isNumber: true, cell: ({ bytesPerSecond }) => bytesText(bytesPerSecond) },
  {
    title: 'ERR/MIN',
    width: 7,
    priority: 0,
    isNumber: true,
    cell: ({ errors, hasMoreErrors }) => (errors === undefined ? '-' : `${compact(errors)}${hasMoreErrors ? '+' : ''}`),
    paint: ({ errors = 0 }, colors) => (errors > 0 ? colors.red : undefined),
  },
  { title: 'LAST', width: 10, priority: 2, cell: ({ lastMs }, nowMs) => lastText(lastMs, nowMs) },
  { title: 'READERS', width: 7, priority: 4, isNumber: true, cell: ({ readers }) => countText(readers) },
  { title: 'LAG', width: 6, priority: 5, isNumber: true, cell: ({ lag }) => countText(lag) },
];

const SENDER_COLUMNS: readonly TopColumn<TopSender>[] = [
  { title: 'SERVICE', width: 0, priority: 0, clipsStart: true, cell: ({ service }) => service },
  { title: 'SDK', width: 14, priority: 4, cell: ({ sdk }) => sdk },
  { title: 'ADDRESS', width: 15, priority: 3, cell: ({ address }) => address },
  { title: 'REC/S', width: 8, priority: 0, isNumber: true, cell: ({ recordsPerSecond: rate }) => rateText(rate) },
  { title: 'ACCEPTED', width: 9, priority: 5, isNumber: true, cell: ({ accepted }) => compact(accepted) },
  {
    title: 'REJECTED',
    width: 8,
    priority: 0,
    isNumber: true,
    cell: ({ rejected, refused }) => compact(rejected + refused),
    paint: ({ rejected, refused }, colors) => (rejected + refused > 0 ? colors.red : undefined),
  },
  { title: 'LAST', width: 10, priority: 2, cell: ({ lastMs }, nowMs) => lastText(lastMs, nowMs) },
  { title: 'REASON', width: 24, priority: 6, cell: ({ reason = '' }) => reason },
];

/** Makes lines of one kind of row, as wide as they may be. */
export interface TopTable<Row> {
  readonly header: string;
  line(row: Row, nowMs: number, colors: Colors): string;
}

export const streamTable = (columns: number): TopTable<TopStream> => tableOf(STREAM_COLUMNS, columns);
export const senderTable = (columns: number): TopTable<TopSender> => tableOf(SENDER_COLUMNS, columns);

/** All of all rows, for what is no terminal: nothing is cut. */
export const wholeStreams = (rows: readonly TopStream[], nowMs: number) => wholeLines(STREAM_COLUMNS, rows, nowMs);
export const wholeSenders = (rows: readonly TopSender[], nowMs: number) => wholeLines(SENDER_COLUMNS, rows, nowMs);

function wholeLines<Row>(all: readonly TopColumn<Row>[], rows: readonly Row[], nowMs: number): readonly string[] {
  const cells = rows.map((row) => all.map(({ cell }) => printable(cell(row, nowMs))));
  const lines = [all.map(({ title }) => title), ...cells];
  const widths = all.map((_, i) => Math.max(...lines.map((line) => textWidth(line[i] ?? ''))));
  return lines.map((line) =>
    line
      .map((cell, i) => fitted(cell, widths[i] ?? 0, all[i] ?? {}))
      .join(GAP)
      .trimEnd(),
  );
}

function tableOf<Row>(all: readonly TopColumn<Row>[], columns: number): TopTable<Row> {
  let kept = all;
  const nameColumns = () => columns - kept.reduce((sum, { width }) => sum + (width === 0 ? 0 : width + GAP.length), 0);
  while (nameColumns() < NAME_COLUMNS_MIN && kept.some(({ priority }) => priority > 0)) {
    const least = Math.max(...kept.map(({ priority }) => priority));
    kept = kept.filter(({ priority }) => priority < least);
  }
  const widthOf = ({ width }: TopColumn<Row>) => (width === 0 ? Math.max(1, nameColumns()) : width);
  return {
    header: kept
      .map((column) => fitted(column.title, widthOf(column), column))
      .join(GAP)
      .trimEnd(),
    line: (row, nowMs, colors) =>
      kept
        .map((column) => {
          const text = fitted(printable(column.cell(row, nowMs)), widthOf(column), column);
          return column.paint?.(row, colors)?.(text) ?? text;
        })
        .join(GAP),
  };
}

function fitted(
  text: string,
  width: number,
  { isNumber, clipsStart }: Pick<TopColumn<never>, 'isNumber' | 'clipsStart'>,
) {
  const clipped = clipsStart === true ? clipStart(text, width) : clipEnd(text, width);
  return isNumber === true ? ' '.repeat(Math.max(0, width - textWidth(clipped))) + clipped : padColumns(clipped, width);
}

/** `1,204`, `13.2`, `0.05`, and `0` for what is less. */
export function rateText(rate: number | undefined): string {
  if (rate === undefined) return '-';
  if (rate >= 10_000) return compact(rate);
  return numberText(
    rate >= 100 ? Math.round(rate) : rate >= 1 ? Math.round(rate * 10) / 10 : Math.round(rate * 100) / 100,
  );
}

export function bytesText(bytes: number | undefined): string {
  return bytes === undefined ? '-' : formatBytes(Math.round(bytes));
}

function countText(count: number | undefined): string {
  return count === undefined ? '-' : compact(count);
}

/** `9,999`, `12.3k`, `4.5M`. */
function compact(count: number): string {
  if (count < 9_999.5) return numberText(Math.round(count));
  const [size, unit] = count < 999_950 ? [1e3, 'k'] : count < 999_950_000 ? [1e6, 'M'] : [1e9, 'G'];
  return `${(count / size).toFixed(1)}${unit}`;
}
