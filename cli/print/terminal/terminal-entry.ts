/** The lines of one record: columns at the left, then what happened, and below it what belongs to it. */

import type { Colors } from '../format.ts';
import { Flow, type FlowShape, type Paint, wrapText } from './flow.ts';
import type { LayoutOptions } from './layout-options.ts';

/** The columns at the left of a record. */
export interface EntryStart {
  readonly text: string;
  readonly width: number;
  /** Where the level begins. */
  readonly levelColumn: number;
}

/** Of a text with more lines than the limit the first and last ones are shown. */
const LINES_MAX = 8;
const FIRST_LINES = 5;
const LAST_LINES = 2;
/** Below a terminal of fewer columns, rows but the first begin under the level and not under the message. */
const WIDE_COLUMNS = 90;
/** A row needs so many columns, else it begins further at the left. */
const ROW_COLUMNS_MIN = 36;
const INDENT_MIN = 2;
const INDENT_NARROW = 4;
const BAR = '│ ';

export class TerminalEntry {
  readonly colors: Colors;
  readonly options: LayoutOptions;
  /** What happened. */
  readonly main: Flow;
  readonly #columns: number;
  readonly #indent: string;
  readonly #parts: (() => readonly string[])[];

  constructor(start: EntryStart, columns: number, options: LayoutOptions, colors: Colors) {
    this.colors = colors;
    this.options = options;
    this.#columns = options.wrap ? columns : Number.POSITIVE_INFINITY;
    this.#indent = ' '.repeat(indentOf(start, columns));
    this.main = new Flow(this.#shape(start.text, start.width, this.#indent));
    this.#parts = [() => this.main.rows];
  }

  get lines(): readonly string[] {
    return this.#parts.flatMap((part) => part());
  }

  /** A line of its own below. */
  below(): Flow {
    const flow = new Flow(this.#shape(this.#indent, this.#indent.length, `${this.#indent}  `));
    this.#parts.push(() => flow.rows);
    return flow;
  }

  /** Lines behind a bar, as many as the user wants to see of them. */
  quote(lines: readonly string[], { paint, isWhole = false }: { paint?: Paint; isWhole?: boolean } = {}): void {
    const { stack } = this.options;
    if (lines.length === 0) return;
    if (stack === 'none' && !isWhole) {
      this.main.put(`… +${lines.length} lines`, { paint: this.colors.dim });
    } else if (stack === 'some' && !isWhole && lines.length > LINES_MAX) {
      this.#quoted(lines.slice(0, FIRST_LINES), paint);
      this.#quoted([`… ${lines.length - FIRST_LINES - LAST_LINES} lines`], this.colors.dim);
      this.#quoted(lines.slice(-LAST_LINES), paint);
    } else {
      this.#quoted(lines, paint);
    }
  }

  #quoted(lines: readonly string[], paint: Paint | undefined): void {
    const width = this.#columns - this.#indent.length - BAR.length;
    const start = this.#indent + this.colors.dim(BAR.trim());
    const rows = lines.flatMap((line) => hangingRows(line, width));
    const quoted = rows.map((row) => (row === '' ? start : `${start} ${paint === undefined ? row : paint(row)}`));
    this.#parts.push(() => quoted);
  }

  #shape(start: string, startWidth: number, indent: string): FlowShape {
    return { start, startWidth, indent, indentWidth: indent.length, columns: this.#columns };
  }
}

function indentOf({ width, levelColumn }: EntryStart, columns: number): number {
  if (columns >= WIDE_COLUMNS && columns - width >= ROW_COLUMNS_MIN) return width;
  return columns - levelColumn >= ROW_COLUMNS_MIN ? Math.max(INDENT_MIN, levelColumn) : INDENT_NARROW;
}

/** A line whose other rows stand a little to the right of its own beginning. */
function hangingRows(line: string, width: number): readonly string[] {
  const own = line.length - line.trimStart().length;
  const hang = ' '.repeat(Math.min(own + INDENT_MIN, Math.floor(Math.min(width, line.length) / 2)));
  return wrapText(line, width, width - hang.length).map((row, i) => (i === 0 ? row : hang + row));
}
