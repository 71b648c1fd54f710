/** The shape of a row of the `message` view: what a client receives as a `MessageRow`. */

import type { Signal } from '../../model/record.ts';
import type { JsonObject } from './values.ts';

/**
 * The row of one record. Columns for which it has nothing are absent; `signal` is null for a record that is not OTLP.
 */
export interface RecordRow extends JsonObject {
  readonly seqNum: number;
  readonly timestamp: string;
  readonly signal: Signal | null;
}

/** Columns that depend on the item alone. */
export interface ItemFields extends JsonObject {
  /** Undefined when the item has no time: then the row has the time of the record. */
  readonly timestamp: string | undefined;
}
