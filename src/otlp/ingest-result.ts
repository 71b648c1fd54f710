/** What became of a request, for its sender and for the server's own warnings. */

import { ANSWER_MESSAGE_CHARS_MAX } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import type { AppliedRules } from './policy/apply-content-rules.ts';
import type { RejectionReason, Rejections } from './rejections.ts';
import type { Tolerated, ToleratedKind, ToleratedReason } from './tolerated.ts';

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
  /** The same for what was repaired. */
  readonly repairs: readonly ToleratedReason[];
  /** For counters: what was repaired, or read although OTLP does not allow it. */
  readonly tolerated: ReadonlyMap<ToleratedKind, number>;
  /** The same for what the policy of the basin changed: attributes, values, events or links. */
  readonly changes?: readonly { readonly change: string; readonly reason: string; readonly count: number }[];
  /** The ids of the traces that were stored, where that is not all of them and a repeat may be asked for them. */
  readonly traceIds?: readonly string[];
  /** Whether the request is a repeat: nothing was stored, and this is the answer to the first one. */
  readonly isRepeat?: boolean;
}

/** The result of a request with `total` items, of which so many `records` were stored. */
export function ingestResult(
  signal: Signal,
  total: number,
  records: number,
  rejections: Rejections,
  tolerated: Tolerated,
  applied: AppliedRules | undefined,
): IngestResult {
  const result = {
    accepted: total - rejections.count,
    rejected: rejections.count,
    records,
    message: messageOf(rejections.sentences(signal), tolerated.sentences(), applied?.warnings ?? NONE),
    reasons: rejections.reasons(),
    repairs: tolerated.reasons(),
    tolerated: tolerated.counts,
  };
  return applied === undefined ? result : { ...result, changes: applied.changes };
}

const NONE: readonly string[] = [];

function messageOf(...parts: readonly (readonly string[])[]): string | undefined {
  if (parts.every(({ length }) => length === 0)) return undefined;
  const sentences = parts.flat();
  const text = sentences.join('; ');
  return text.length <= ANSWER_MESSAGE_CHARS_MAX ? text : `${text.slice(0, ANSWER_MESSAGE_CHARS_MAX - 1)}…`;
}
