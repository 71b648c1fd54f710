/**
 * The AbortSignal of the platform, for the signatures that users see: they compile with the types of Node, with those
 * of browsers, and without either.
 */

export type AbortSignalLike = typeof globalThis extends { AbortSignal: { prototype: infer Known } }
  ? Known
  : MinimalAbortSignal;

/** What we use of it. */
export interface MinimalAbortSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}
