/** Which records a reader asks for: where it starts, and what ends it (S2). */

/** Where a read starts, in one of three ways. `tailOffset: 0` is the tail. */
export type ReadStart = { readonly seqNum: number } | { readonly timestamp: number } | { readonly tailOffset: number };

/** A start and bounds. An undefined bound does not bound; a read without any bound follows forever. */
export interface ReadRange {
  readonly start: ReadStart;
  /** A start beyond the tail becomes the tail instead of an error. */
  readonly clamp: boolean;
  readonly count: number | undefined;
  /** Metered bytes. Strict: a record that would exceed it is not returned, even if it is the first. */
  readonly bytes: number | undefined;
  /** Exclusive timestamp in ms. */
  readonly until: number | undefined;
  /**
   * How long to wait at the tail for more, in ms. Undefined: forever when there are no other bounds, otherwise not at
   * all.
   */
  readonly waitMs: number | undefined;
}

export const FROM_TAIL: ReadStart = { tailOffset: 0 };
