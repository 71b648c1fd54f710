/** What became of a request, for its sender and for the server's own warnings. */

import type { RejectionReason } from './rejections.ts';

/** Counts are in the units of OTLP: log records, spans, data points. */
export interface IngestResult {
  readonly accepted: number;
  readonly rejected: number;
  /** Records that are now durable. For metrics these are metrics, while `accepted` counts data points. */
  readonly records: number;
  /** For the sender: grouped reasons, each with what to do. Undefined when everything was accepted. */
  readonly message: string | undefined;
  /** For the server's own warnings. */
  readonly reasons: readonly RejectionReason[];
  /** Whether the request is a repeat: nothing was stored, and this is the answer to the first one. */
  readonly isRepeat?: boolean;
}
