/** Time, passed in: code in `log` and `usage` never reads a clock or sets a timer by itself. */

export interface Clock {
  /** Wall clock, whole milliseconds since the epoch. May jump either way. */
  now(): number;
  /** A clock that only runs forward, in milliseconds from any origin. */
  monotonicMs(): number;
  /**
   * Calls `call` once after `delayMs`. Returns a function that cancels it. The timer does not keep the process alive.
   */
  timer(delayMs: number, call: () => void): () => void;
}
