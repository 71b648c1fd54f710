/** Which records a reader asks for: where it starts, and what ends it (S2 API §5.1). */

/** Where a read starts. At most one kind; `tailOffset: 0` is the tail. */
export type ReadStart = { readonly seqNum: number } | { readonly timestamp: number } | { readonly tailOffset: number };

/** A start and bounds. A bound that is undefined does not bound; with none at all a read follows for ever. */
export interface ReadRange {
  readonly start: ReadStart;
  /** A start beyond the tail becomes the tail instead of an error. */
  readonly clamp: boolean;
  readonly count: number | undefined;
  /** Metered bytes. Strict: a record that would exceed it is not returned, even if it is the first. */
  readonly bytes: number | undefined;
  /** Exclusive timestamp in ms. */
  readonly until: number | undefined;
  /** How long to wait at the tail for more, in ms; undefined: for ever without other bounds, else not at all. */
  readonly waitMs: number | undefined;
}

export const FROM_TAIL: ReadStart = { tailOffset: 0 };
