/** Parses the texts of rows that are shown, and keeps the last ones parsed. */

import type { Row } from '../wire/rows.ts';
import type { PackedRow, RowsText } from './packed-rows.ts';

/** Characters of texts whose rows are kept parsed; a screen needs a fraction of it. */
const CHARS_MAX = 6_000_000;

export class ParsedRows {
  /** The one used last is at the end. */
  readonly #kept = new Map<RowsText, readonly Row[]>();
  #chars = 0;

  row({ source, at }: PackedRow): Row | undefined {
    return this.rows(source)[at];
  }

  rows(source: RowsText): readonly Row[] {
    const known = this.#kept.get(source);
    if (known !== undefined) {
      this.#kept.delete(source);
      this.#kept.set(source, known);
      return known;
    }
    const { rows } = JSON.parse(source.text) as { readonly rows: readonly Row[] };
    this.#kept.set(source, rows);
    this.#chars += source.text.length;
    for (const [oldest] of this.#kept) {
      if (this.#chars <= CHARS_MAX || oldest === source) break;
      this.#kept.delete(oldest);
      this.#chars -= oldest.text.length;
    }
    return rows;
  }

  clear(): void {
    this.#kept.clear();
    this.#chars = 0;
  }
}
