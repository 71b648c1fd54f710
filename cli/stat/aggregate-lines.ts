/** Counts and sums as a table, with a bar for each row: by time, by group, or both. */

import type { AggregateNumber, AggregateResult, AggregateRow } from '../../src/model/aggregate.ts';
import { LEVELS } from '../../src/model/filter.ts';
import type { Output } from '../print/console.ts';
import { createTable, type TableCell, type TableColumn } from '../print/table.ts';
import { levelPaint } from '../print/terminal/log-row.ts';
import { printable } from '../print/terminal/printable.ts';
import { numberText, quantityText } from '../print/terminal/quantities.ts';
import { shareBar } from '../trace/time-bar.ts';

/** What was asked for. */
export interface AsksForCounts {
  readonly by: readonly string[];
  readonly sum: string | undefined;
  readonly bucketMs: number | undefined;
}

const NUMBERS = ['sum', 'min', 'average', 'p50', 'p95', 'p99', 'max'] as const;
const RANKS: readonly string[] = LEVELS;
const BAR_COLUMNS = 24;
/** Buckets without records are shown between others, unless there were more of them than anyone reads. */
const EMPTY_BUCKETS_MAX = 1_000;
const DAY_MS = 86_400_000;

/** The lines of a table; none when nothing was counted. */
export function aggregateLines(result: AggregateResult, asked: AsksForCounts, output: Output): readonly string[] {
  const { sum } = asked;
  // Where something is summed, groups without any of it say nothing.
  const counted = sum === undefined ? result.rows : result.rows.filter(({ values }) => values !== undefined);
  const rows = orderedRows(counted, asked);
  const most = rows.reduce((max, row) => Math.max(max, sizeOf(row, asked)), 0);
  const table = createTable(columnsOf(asked), output);
  const lines = table.lines(
    rows.map((row) => {
      const size = sizeOf(row, asked);
      const level = row.group?.level;
      const paint = (typeof level === 'string' ? levelPaint(level, output.colors) : undefined) ?? output.colors.cyan;
      const bar: TableCell = [shareBar(size, most, BAR_COLUMNS), paint];
      return { cells: [...leftCells(row, asked, output), numberText(row.count), ...sumCells(row, asked), bar] };
    }),
  );
  const without = result.rows.reduce((all, { count, values }) => (values === undefined ? all + count : all), 0);
  if (sum === undefined || without === 0) return lines;
  return [...lines, output.colors.dim(`… ${numberText(without)} records without ${printable(sum)}`)];
}

interface LiveLines {
  /** Shows lines in place of those before. Those that a screen has no place for wait for the end. */
  draw(lines: readonly string[]): Promise<void>;
  /** The last lines, all of them. They stay. */
  end(lines: readonly string[]): Promise<void>;
}

/** A screen that does not say how high it is. */
const ROWS_DEFAULT = 24;
const CLEAR_BELOW = '\u001b[0J';

/**
 * Lines that are drawn on a terminal again and again, each time over those before, and none wider than it; elsewhere only the
 * last ones are written.
 */
export function createLiveLines(output: Output, rows: () => number | undefined = () => process.stdout.rows): LiveLines {
  let drawn = 0;
  const back = () => (drawn === 0 ? '' : `\u001b[${drawn}A\r${CLEAR_BELOW}`);
  return {
    async draw(lines) {
      if (!output.isTty) return;
      const shown = lines.slice(0, Math.max(1, (rows() || ROWS_DEFAULT) - 2));
      await output.write(`${back()}${shown.map((line) => `${line}\n`).join('')}`);
      drawn = shown.length;
    },
    async end(lines) {
      await output.write(`${back()}${lines.map((line) => `${line}\n`).join('')}`);
      drawn = 0;
    },
  };
}

function columnsOf({ by, sum, bucketMs }: AsksForCounts): readonly TableColumn[] {
  return [
    ...(bucketMs === undefined ? [] : [{ title: 'TIME' }]),
    ...by.map((name): TableColumn => ({ title: name.toUpperCase(), cut: 'end' })),
    { title: 'COUNT', isNumber: true },
    ...(sum === undefined
      ? []
      : NUMBERS.map((name): TableColumn => ({ title: TITLES[name] ?? name.toUpperCase(), isNumber: true }))),
    { title: '' },
  ];
}

const TITLES: Readonly<Record<string, string>> = { average: 'AVG' };

function leftCells(row: AggregateRow, { by, bucketMs }: AsksForCounts, output: Output): readonly TableCell[] {
  const time = bucketMs === undefined ? [] : [row.bucket === undefined ? '' : bucketText(row.bucket, bucketMs, output)];
  const groups = by.map((name, i): TableCell => {
    if (row.other === true) return i === 0 ? '(all others)' : '';
    const value = row.group?.[name] ?? '-';
    const paint = name === 'level' ? levelPaint(value, output.colors) : undefined;
    return paint === undefined ? value : [value, paint];
  });
  return [...time, ...groups];
}

function sumCells(row: AggregateRow, { sum }: AsksForCounts): readonly string[] {
  if (sum === undefined) return [];
  return NUMBERS.map((name) => {
    const value = row[name];
    return value === undefined ? '-' : valueText(value, sum);
  });
}

/** Durations with their unit, all others as they are. */
function valueText(value: AggregateNumber, sum: string): string {
  return quantityText(value, sum === 'durationMs' ? 'ms' : '');
}

/** In a pipe ISO; on a terminal local, with the date where buckets are so long or it is another day. */
function bucketText(ms: number, bucketMs: number, { isTty }: Output): string {
  const at = new Date(ms);
  if (!isTty) return at.toISOString();
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  if (bucketMs % DAY_MS === 0) return date;
  const seconds = bucketMs % 60_000 === 0 ? '' : `:${two(at.getSeconds())}`;
  const fraction = bucketMs % 1_000 === 0 ? '' : `.${String(at.getMilliseconds()).padStart(3, '0')}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}${seconds}${fraction}`;
}

/** What the bar shows: the sum, or without one the count. */
function sizeOf(row: AggregateRow, { sum }: AsksForCounts): number {
  const size = Number(sum === undefined ? row.count : (row.sum ?? 0));
  return Number.isFinite(size) ? size : 0;
}

/** Levels from the most serious on, sums from the largest on; buckets in their order, with those between them that are empty. */
function orderedRows(rows: readonly AggregateRow[], asked: AsksForCounts): readonly AggregateRow[] {
  const { by, bucketMs, sum } = asked;
  const isOther = (row: AggregateRow) => Number(row.other ?? false);
  if (bucketMs === undefined) {
    if (sum !== undefined)
      return rows.toSorted((a, b) => isOther(a) - isOther(b) || sizeOf(b, asked) - sizeOf(a, asked));
    if (by.length !== 1 || by[0] !== 'level') return rows;
    const rank = (row: AggregateRow) => RANKS.indexOf(row.group?.level ?? '');
    return rows.toSorted((a, b) => isOther(a) - isOther(b) || rank(b) - rank(a));
  }
  const [first, last] = [rows[0]?.bucket, rows.at(-1)?.bucket];
  if (by.length > 0 || first === undefined || last === undefined) return rows;
  if ((last - first) / bucketMs >= EMPTY_BUCKETS_MAX) return rows;
  const known = new Map(rows.map((row) => [row.bucket, row]));
  const all: AggregateRow[] = [];
  for (let bucket = first; bucket <= last; bucket += bucketMs) all.push(known.get(bucket) ?? { bucket, count: 0 });
  return all;
}
