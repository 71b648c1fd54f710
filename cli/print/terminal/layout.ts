/**
 * Rows of the `message` view as people read them on a terminal: columns that stay where they are, what happened first,
 * and no line longer than the screen. Pure but for what it remembers: the day, and how wide the services are.
 */

import type { MessageRow } from '../../../src/model/message-row.ts';
import { type Colors, createColors } from '../format.ts';
import { EntryStarts, type StartColumns } from './entry-start.ts';
import type { LayoutOptions, LayoutTerminal } from './layout-options.ts';
import { layOutLog, logStart } from './log-row.ts';
import { layOutMetric, metricStart } from './metric-row.ts';
import { layOutPlain } from './plain-row.ts';
import { layOutSpan, spanStart } from './span-row.ts';
import { TerminalEntry } from './terminal-entry.ts';
import { addTraceId } from './trace-id.ts';

export interface Layout {
  /** The lines of rows, in order, without line ends. */
  lines(rows: readonly MessageRow[], about?: RowsShown): readonly string[];
  /** Tells the names of streams before their rows, so that their column is as wide as they need from the first row on. */
  expectStreams(names: readonly string[]): void;
}

/** What the rows themselves do not say. */
export interface RowsShown {
  /** Their stream, where several are shown together. */
  readonly stream?: string | undefined;
  /** They stand around a record that was asked for: dim, so that it stands out. */
  readonly isContext?: boolean;
}

interface RowKind {
  /** Undefined for a record without level and service. */
  readonly start?: (row: MessageRow, colors: Colors) => StartColumns;
  readonly layOut: (row: MessageRow, entry: TerminalEntry) => void;
}

/** Fewer columns are laid out as so many. */
const COLUMNS_MIN = 40;

const PLAIN: RowKind = { layOut: layOutPlain };
const KINDS: Readonly<Record<string, RowKind>> = {
  logs: { start: logStart, layOut: layOutLog },
  traces: { start: spanStart, layOut: layOutSpan },
  metrics: { start: metricStart, layOut: layOutMetric },
};

/** Makes a layout that goes on from record to record. */
export function createLayout(options: LayoutOptions, terminal: LayoutTerminal): Layout {
  const starts = new EntryStarts(options, terminal.colors);
  const plain = { ...terminal, colors: createColors('never', true, {}) };
  return {
    lines(rows, { stream, isContext = false } = {}) {
      const columns = Math.max(COLUMNS_MIN, terminal.columns());
      starts.seed(rows, stream);
      return rows.flatMap((row) => {
        const rule = starts.rule(row, columns);
        const lines = isContext
          ? entryLines(row, stream, columns, starts, options, plain).map((line) => terminal.colors.dim(line))
          : entryLines(row, stream, columns, starts, options, terminal);
        return rule === undefined ? lines : [rule, ...lines];
      });
    },
    expectStreams: (names) => starts.seedStreams(names),
  };
}

function entryLines(
  row: MessageRow,
  stream: string | undefined,
  columns: number,
  starts: EntryStarts,
  options: LayoutOptions,
  terminal: LayoutTerminal,
): readonly string[] {
  const { colors } = terminal;
  const kind = KINDS[String(row.signal)] ?? PLAIN;
  const start = starts.start(row, columns, kind.start?.(row, colors), { stream, colors });
  const entry = new TerminalEntry(start, columns, options, colors);
  kind.layOut(row, entry);
  addTraceId(row, entry, terminal);
  return entry.lines;
}
