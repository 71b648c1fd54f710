/** Words in rows: text wraps at words with a hanging indent, and every row is as wide as the terminal at most. */

import { takeColumns, textWidth } from './text-width.ts';

/** Colours a text; it gets no empty one. */
export type Paint = (text: string) => string;

export interface FlowShape {
  /** What the first row begins with, painted, and the columns that it takes. */
  readonly start: string;
  readonly startWidth: number;
  /** Where the other rows begin, and what they begin with. */
  readonly indent: string;
  readonly indentWidth: number;
  /** Infinity where nothing is wrapped. */
  readonly columns: number;
}

/** Columns of the widest character. */
const CHARACTER_MAX = 2;
/** So many rows of a long line, then how many there are more. */
const ROWS_MAX = 4;

/** Rows that grow piece by piece. */
export class Flow {
  readonly #shape: FlowShape;
  readonly #rows: string[];
  #column: number;
  #isFresh = true;

  constructor(shape: FlowShape) {
    this.#shape = shape;
    this.#rows = [shape.start];
    this.#column = shape.startWidth;
  }

  get rows(): readonly string[] {
    return this.#rows.map((row) => row.trimEnd());
  }

  get rowCount(): number {
    return this.#rows.length;
  }

  /** Columns that are left in this row behind a gap. */
  left(gap: string): number {
    return this.#shape.columns - this.#column - (this.#isFresh ? 0 : gap.length);
  }

  /** Adds text that wraps at its words; of very many rows only the first ones. */
  say(text: string, { paint, gap = '  ', isWhole = false }: { paint?: Paint; gap?: string; isWhole?: boolean } = {}) {
    if (text === '') return;
    const parts = wrapText(text, this.left(gap), this.#shape.columns - this.#shape.indentWidth);
    const isCut = !isWhole && parts.length > ROWS_MAX + 1;
    for (const [i, part] of (isCut ? parts.slice(0, ROWS_MAX) : parts).entries()) {
      if (i > 0) this.#newRow();
      if (part !== '') this.#append(part, gap, paint);
    }
    if (!isCut) return;
    this.#newRow();
    this.#append(`… +${parts.length - ROWS_MAX} lines`, gap, paint);
  }

  /** Adds text that stays in one row, unless it is wider than a row. */
  put(text: string, { paint, gap = '  ' }: { paint?: Paint; gap?: string } = {}) {
    const width = textWidth(text);
    if (width > this.#shape.columns - this.#shape.indentWidth) {
      this.say(text, { gap, isWhole: true, ...(paint && { paint }) });
      return;
    }
    if (width > this.left(gap)) this.#newRow();
    this.#append(text, gap, paint);
  }

  #newRow(): void {
    this.#rows.push(this.#shape.indent);
    this.#column = this.#shape.indentWidth;
    this.#isFresh = true;
  }

  #append(text: string, gap: string, paint: Paint | undefined): void {
    const before = this.#isFresh ? '' : gap;
    const last = this.#rows.length - 1;
    this.#rows[last] = `${this.#rows[last]}${before}${paint === undefined ? text : paint(text)}`;
    this.#column += before.length + textWidth(text);
    this.#isFresh = false;
  }
}

/**
 * Breaks text between words, and words that are wider than a row anywhere. The first row may have fewer columns; it is
 * empty when not even the first word fits into it. Spaces at a break go, those at the beginning stay.
 */
export function wrapText(text: string, first: number, rest: number): readonly string[] {
  if (textWidth(text) <= first) return [text];
  const rows = [''];
  let [left, spaces] = [first, ''];
  const breakRow = () => {
    rows.push('');
    left = rest;
  };
  const add = (part: string, width: number) => {
    rows[rows.length - 1] += part;
    left -= width;
  };
  for (const [token] of text.matchAll(/ +|[^ ]+/g)) {
    if (token.startsWith(' ')) {
      spaces = token;
      continue;
    }
    const width = textWidth(token);
    const isIndentation = rows.length === 1 && rows[0] === '';
    if (spaces.length + Math.min(width, rest + 1) > left && (width <= rest || spaces.length + CHARACTER_MAX > left)) {
      breakRow();
      spaces = isIndentation && spaces.length + Math.min(width, CHARACTER_MAX) <= rest ? spaces : '';
      if (spaces.length + width > rest && width <= rest) spaces = '';
    }
    add(spaces, spaces.length);
    spaces = '';
    addWord(token, width);
  }
  return rows;

  function addWord(word: string, width: number): void {
    let [remaining, columns] = [word, width];
    // What is left is not measured again: that would take the square of its length.
    while (columns > left) {
      const part = takeColumns(remaining, left);
      columns -= textWidth(part);
      remaining = remaining.slice(part.length);
      add(part, left);
      breakRow();
    }
    add(remaining, columns);
  }
}
