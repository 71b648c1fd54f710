/** Positions in a stream, and the result of an append. */

/**
 * A position in a stream. `seqNum` counts records from 0 without a gap; `timestamp` is in milliseconds since the
 * epoch and never decreases within a stream. Both are safe integers. The tail of an empty stream is `{0, 0}`.
 */
export interface Position {
  readonly seqNum: number;
  readonly timestamp: number;
}

/**
 * The result of an append. `end` is the position after the last record, `tail` the durable tail when the response is
 * sent.
 */
export interface AppendAck {
  readonly start: Position;
  readonly end: Position;
  readonly tail: Position;
}
