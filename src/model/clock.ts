/** Time, passed in: nothing below the doors reads a clock or sets a timer by itself. */

export interface Clock {
  /** Wall clock, whole milliseconds since the epoch. May jump either way. */
  now(): number;
  /** A clock that only runs forward, in milliseconds from any origin. */
  monotonicMs(): number;
  /** Calls once after so many milliseconds; the answer cancels. Does not keep the process alive. */
  timer(delayMs: number, call: () => void): () => void;
}
