/**
 * Rows as the texts in which they came, with a small index beside them: a parsed row takes several times the memory of its
 * text, and nearly all rows are off the screen. What is shown is parsed again (parse-rows.ts).
 */

import { LEVELS, type Level } from '../parts/level-names.ts';
import type { Row } from '../wire/rows.ts';

/** One answer or frame with rows. */
export interface RowsText {
  readonly stream: string;
  /** JSON with `rows`. */
  readonly text: string;
}

/** What is known of a row without parsing it. */
export interface PackedRow {
  readonly source: RowsText;
  /** Which of the rows of its text. */
  readonly at: number;
  readonly seqNum: number;
  /** Milliseconds; of a span its end. */
  readonly time: number;
}

/** A level as one byte: 0 for none, then those of LEVELS; a failed span is an error. */
const LEVEL_ERROR = LEVELS.indexOf('error') + 1;

const ROWS_FIRST = 64;

/** Rows in the order of the list. It only grows. */
export class PackedRows {
  readonly #texts: RowsText[] = [];
  #textOf = new Uint16Array(ROWS_FIRST);
  #at = new Uint16Array(ROWS_FIRST);
  #levels = new Uint8Array(ROWS_FIRST);
  #seqNums = new Float64Array(ROWS_FIRST);
  #times = new Float64Array(ROWS_FIRST);
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }

  /** What the texts take, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds rows of one text, one after the other; `skip` says how many of its rows are before them. */
  append(source: RowsText, rows: readonly Row[], skip = 0): void {
    const text = this.addText(source);
    for (const [at, row] of rows.entries()) this.addRow(text, skip + at, row);
  }

  /** For rows that are added one by one; returns what stands for the text. */
  addText(source: RowsText): number {
    this.#bytes += source.text.length * (isWide(source.text) ? 2 : 1);
    return this.#texts.push(source) - 1;
  }

  addRow(text: number, at: number, row: Row): void {
    if (this.#count === this.#at.length) this.#grow();
    const i = this.#count++;
    this.#textOf[i] = text;
    this.#at[i] = at;
    this.#levels[i] = levelOf(row);
    this.#seqNums[i] = row.seqNum;
    this.#times[i] = timeOf(row);
  }

  row(i: number): PackedRow | undefined {
    const source = this.#texts[this.#textOf[i] ?? 0];
    if (i < 0 || i >= this.#count || source === undefined) return undefined;
    return { source, at: this.#at[i] ?? 0, seqNum: this.#seqNums[i] ?? 0, time: this.#times[i] ?? 0 };
  }

  isError(i: number): boolean {
    return (this.#levels[i] ?? 0) >= LEVEL_ERROR;
  }

  seqNum(i: number): number {
    return this.#seqNums[i] ?? 0;
  }

  stream(i: number): string {
    return this.#texts[this.#textOf[i] ?? 0]?.stream ?? '';
  }

  #grow(): void {
    const size = this.#at.length * 2;
    this.#textOf = grown(this.#textOf, new Uint16Array(size));
    this.#at = grown(this.#at, new Uint16Array(size));
    this.#levels = grown(this.#levels, new Uint8Array(size));
    this.#seqNums = grown(this.#seqNums, new Float64Array(size));
    this.#times = grown(this.#times, new Float64Array(size));
  }
}

/** The time by which a row stands in the list, in milliseconds: a span stands at its end. */
export function timeOf(row: Row): number {
  return Date.parse(row.endTimestamp ?? row.timestamp);
}

export function isErrorRow(row: Row): boolean {
  return levelOf(row) >= LEVEL_ERROR;
}

function levelOf(row: Row): number {
  if (row.status?.code === 'error') return LEVEL_ERROR;
  return row.level === undefined ? 0 : LEVELS.indexOf(row.level as Level) + 1;
}

/** The engine keeps a text with any character beyond Latin-1 in two bytes each. */
function isWide(text: string): boolean {
  return /[^\0-\u00ff]/.test(text);
}

function grown<T extends Uint8Array | Uint16Array | Float64Array>(old: T, next: T): T {
  next.set(old);
  return next;
}
