/** The shape of a row of the `message` view. */

import type { Signal } from '../../model/record.ts';
import type { JsonObject } from './values.ts';

/** A row. Columns that a record has nothing for are absent; `signal` is null for what is not OTLP. */
export interface MessageRow extends JsonObject {
  readonly seqNum: number;
  readonly timestamp: string;
  readonly signal: Signal | null;
}

/** Columns that depend on the item alone. */
export interface ItemFields extends JsonObject {
  /** Undefined when the item has no time: then the record's counts. */
  readonly timestamp: string | undefined;
}
