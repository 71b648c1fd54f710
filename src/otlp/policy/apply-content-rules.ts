/** Replaces the body of a scanned request by what the policy of its basin makes of it, and says what that was. */

import { goOnWithWork } from '../../encoding/turns.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import type { Rejections } from '../rejections.ts';
import { cell, type ScannedRequest } from '../scan/columns.ts';
import type { RequestScan, ScanLimits } from '../scan/scan.ts';
import { longKey } from './policy-rejections.ts';
import { rewriteRequest } from './rewrite-request.ts';
import type { Change, ContentRules } from './rewriter.ts';

export interface AppliedRules {
  readonly changes: readonly { readonly change: Change; readonly count: number }[];
  /** For the sender; attributes that the basin wants dropped are not in it. */
  readonly warning: string | undefined;
  /** Bytes of the new body; 0 when the request stays as it is. */
  readonly bytes: number;
}

export interface ApplyOptions {
  readonly limits: ScanLimits;
  /** Called with the memory of the new body before it is made; may throw. */
  readonly reserve?: (bytes: number) => void;
}

/** `scan` holds the new request afterwards, without what has a key that is too long. */
export async function applyContentRules(
  scan: RequestScan,
  rules: ContentRules,
  { limits, reserve }: ApplyOptions,
  rejections: Rejections,
): Promise<AppliedRules> {
  const { signal } = scan.found;
  reserve?.(scan.found.body.length);
  const { body, rejected, changes } = await rewriteRequest(scan.found, rules);
  const count = rejected.reduce((sum, item) => sum + unitsOf(signal, scan.found, item), 0);
  if (rejected.length > 0) rejections.add(longKey(rules.limit('attribute_key_bytes_max')), count);
  if (body !== undefined) {
    scan.begin(signal, body, limits);
    while (!scan.step()) await goOnWithWork(YIELD_BYTES);
  }
  return {
    changes: [...changes].map(([change, of]) => ({ change, count: of })),
    warning: changesText(changes, rules),
    bytes: body?.length ?? 0,
  };
}

/** What the sender is told: of rejections, and of what was changed. */
export function withWarning(message: string | undefined, applied: AppliedRules | undefined): string | undefined {
  if (applied?.warning === undefined) return message;
  return message === undefined ? applied.warning : `${message}; ${applied.warning}`;
}

const SENTENCES: Readonly<Record<Exclude<Change, 'drop_attributes'>, string>> = {
  attribute_value_bytes_max: 'values of attributes were cut',
  log_body_bytes_max: 'texts in log bodies were cut',
  resource_attributes_max: 'resource attributes were left out',
  record_attributes_max: 'attributes of records were left out',
  span_events_max: 'span events were left out',
  span_links_max: 'span links were left out',
};

function changesText(changes: ReadonlyMap<Change, number>, rules: ContentRules): string | undefined {
  const sentences = [...changes].flatMap(([change, count]) =>
    change === 'drop_attributes'
      ? []
      : [`${count} ${SENTENCES[change]}: the basin allows ${rules.limit(change)} (otlp_limits.${change})`],
  );
  return sentences.length === 0 ? undefined : sentences.join('; ');
}

function unitsOf(signal: Signal, scanned: ScannedRequest, item: number): number {
  return signal === 'metrics' ? cell(scanned.itemPoints, item) : 1;
}
