/** What every call takes: the server that it goes to, and the options of the caller. */

import type { AbortSignalLike } from '../model/abort-signal.ts';
import { type Checks, expectAbortSignal, expectText, optional } from '../model/arguments.ts';

/** Where a server is, and the token of the caller. */
export interface ServerTarget {
  /** Base URL without a trailing slash. */
  readonly endpoint: string;
  readonly token: string | undefined;
}

/** Options of every call. */
export interface RequestOptions {
  readonly basin?: string | undefined;
  /** Ends the call, which rejects with `aborted`; nothing is left on the signal when the call is over. */
  readonly signal?: AbortSignalLike | undefined;
}

export const REQUEST_CHECKS: Checks<RequestOptions> = {
  basin: optional(expectText),
  signal: optional(expectAbortSignal),
};
