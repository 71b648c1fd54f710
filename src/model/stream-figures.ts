/** What a stream holds and gets, as it is told to whoever lists streams. */

/** Times are in milliseconds since the epoch. */
export interface StreamFiguresJson {
  readonly first_seq_num: number;
  readonly next_seq_num: number;
  /** As stored: what has expired counts until it has been removed. */
  readonly records: number;
  readonly metered_bytes: number;
  /** Null while it holds no record. */
  readonly first_timestamp: number | null;
  /** Null before its first record. */
  readonly last_timestamp: number | null;
  /** Over the last minute; null when too many streams get records to count them all. */
  readonly records_per_second: number | null;
  readonly metered_bytes_per_second: number | null;
}
