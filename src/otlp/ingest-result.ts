/** What became of a request, for its sender and for the server's own warnings. */

import type { RejectionReason } from './rejections.ts';

/** Counts are in the units of OTLP: log records, spans, data points. */
export interface IngestResult {
  readonly accepted: number;
  readonly rejected: number;
  /** Records that are now durable. For metrics these are metrics, while `accepted` counts data points. */
  readonly records: number;
  /** For the sender: grouped reasons, each with what to do, and warnings. Undefined when there are none. */
  readonly message: string | undefined;
  /** For the server's own warnings. */
  readonly reasons: readonly RejectionReason[];
  /** What the policy of the basin changed: by what asked for it, with counts of attributes, values, events or links. */
  readonly changes?: readonly { readonly change: string; readonly count: number }[];
  /** Whether the request is a repeat: nothing was stored, and this is the answer to the first one. */
  readonly isRepeat?: boolean;
}
