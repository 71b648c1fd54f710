/** Replaces the body of a scanned request by what the policy of its basin makes of it, and says what that was. */

import { goOnWithWork } from '../../encoding/turns.ts';
import { REWRITTEN_ITEM_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import { itemBytesMax } from '../read-request.ts';
import type { Rejections } from '../rejections.ts';
import { cell, type ScannedRequest } from '../scan/columns.ts';
import type { RequestScan, ScanLimits } from '../scan/scan.ts';
import { longKey } from './policy-rejections.ts';
import { rewriteRequest } from './rewrite-request.ts';
import type { Change, ContentRules } from './rewriter.ts';

export interface AppliedRules {
  readonly changes: readonly AppliedChange[];
  /** For the sender; attributes that the basin wants dropped are not in them. */
  readonly warnings: readonly string[];
  /** Bytes of the new body; 0 when the request stays as it is. */
  readonly bytes: number;
}

/** What one field of the policy changed: so many attributes, values, events or links. */
export interface AppliedChange {
  readonly change: Change;
  /** For the server's own warnings. */
  readonly reason: string;
  readonly count: number;
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
  const { body, rejected, changes } = await rewriteRequest(
    scan.found,
    rules,
    itemBytesMax(REWRITTEN_ITEM_BYTES_MAX, limits),
  );
  const count = rejected.reduce((sum, item) => sum + unitsOf(signal, scan.found, item), 0);
  if (rejected.length > 0) rejections.add(longKey(rules.limit('attribute_key_bytes_max')), count);
  if (body !== undefined) {
    const { repairedStrings, oddIds } = scan.found;
    const [strings, ids] = [[...repairedStrings], [...oddIds]];
    scan.begin(signal, body, limits);
    while (!scan.step()) await goOnWithWork(YIELD_BYTES);
    if (strings.length + ids.length > 0) scan.found.restore(strings, ids);
  }
  return {
    changes: [...changes].map(([change, of]) => ({ change, reason: reasonOf(change, rules), count: of })),
    warnings: [...changes]
      .filter(([change]) => change !== 'drop_attributes')
      .map(([change, of]) => `${of} ${reasonOf(change, rules)}`),
    bytes: body?.length ?? 0,
  };
}

const SENTENCES: Readonly<Record<Exclude<Change, 'drop_attributes'>, string>> = {
  attribute_value_bytes_max: 'values of attributes were cut',
  log_body_bytes_max: 'texts in log bodies were cut',
  resource_attributes_max: 'resource attributes were left out',
  record_attributes_max: 'attributes of records were left out',
  span_events_max: 'span events were left out',
  span_links_max: 'span links were left out',
};

function reasonOf(change: Change, rules: ContentRules): string {
  if (change === 'drop_attributes') return 'attributes were dropped, as the basin asks for (otlp_drop_attributes)';
  return `${SENTENCES[change]}: the basin allows ${rules.limit(change)} (otlp_limits.${change})`;
}

function unitsOf(signal: Signal, scanned: ScannedRequest, item: number): number {
  return signal === 'metrics' ? cell(scanned.itemPoints, item) : 1;
}
