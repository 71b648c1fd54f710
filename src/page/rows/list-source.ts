/** What a list shows: rows by consecutive ids, of which some may still have to be loaded. */

import type { Row } from '../wire/rows.ts';

export interface ListedRow {
  readonly stream: string;
  readonly row: Row;
}

export interface ListSource {
  /** The first id, and the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** Undefined for a row that is not loaded. */
  rowAt(id: number): ListedRow | undefined;
  /** Said across above a row. */
  ruleAt(id: number): string | undefined;
  /** These are on the screen: loads what is missing there and beyond. */
  want(from: number, to: number): void;
  /** The nearest row with an error after (1) or before (-1) an id, of what is loaded from there on without a hole. */
  findError(id: number, step: 1 | -1): number | undefined;
  /** Where a search goes on beyond that: in each stream with more the next position, or that behind the rows before. */
  positionsBeyond(id: number, step: 1 | -1): ReadonlyMap<string, number>;
  /** Where a record stands, of what is loaded. */
  idOf(stream: string, seqNum: number): number | undefined;
}

/** What a source tells when there is something new to see or to say. */
export interface SourceEvents {
  changed(): void;
  failed(error: unknown): void;
}

/** Records that were trimmed: `to` is exclusive. */
export function trimmedText(from: number, to: number): string {
  return to - from === 1 ? `#${from} was trimmed away` : `#${from}–#${to - 1} were trimmed away`;
}
