/** Names in a sentence which records go, before something is done that cannot be taken back. */

import { bytesText, countText, spanText } from '../parts/time.ts';
import type { StreamSettings } from '../wire/control.ts';
import type { StreamFigures } from '../wire/streams.ts';

/** Which records a trim deletes, as a sentence, and whether it would delete any. */
export function trimmedText(
  stream: string,
  point: number | undefined,
  figures: StreamFigures | null | undefined,
): { readonly what: string; readonly isReady: boolean } {
  if (point === undefined) return { what: `Records of ${stream} before it are deleted for good.`, isReady: false };
  if (figures === null || figures === undefined) {
    return { what: `All records of ${stream} before #${countText(point)} are deleted for good.`, isReady: point > 0 };
  }
  const { first_seq_num: first, next_seq_num: next } = figures;
  const count = Math.min(point, next) - first;
  if (count <= 0) return { what: `No record goes: ${stream} begins with #${countText(first)}.`, isReady: false };
  const range = count === 1 ? `#${countText(first)}` : `#${countText(first)} to #${countText(first + count - 1)}`;
  const all = point >= next ? ' That is every record it holds now.' : '';
  const records = count === 1 ? '1 record goes' : `${countText(count)} records go`;
  return { what: `${records} for good: ${stream} ${range}.${all}`, isReady: true };
}

/** What a change lets go of, as a sentence; undefined when it keeps as much as before. */
export function lossText(
  stream: string,
  before: StreamSettings,
  change: StreamSettings,
  figures: StreamFigures | null | undefined,
): string | undefined {
  const { retention_policy: policy, retention_bytes: bytes } = change;
  const losses: string[] = [];
  if (policy !== null && policy !== undefined && 'age' in policy && policy.age < ageOf(before)) {
    losses.push(`records of ${stream} that came more than ${spanText(policy.age * 1_000)} ago`);
  }
  if (bytes !== null && bytes !== undefined && bytes < (before.retention_bytes ?? Number.POSITIVE_INFINITY)) {
    const now = figures === null || figures === undefined ? '' : `, of ${bytesText(figures.metered_bytes)} today`;
    losses.push(`the oldest records of ${stream} beyond ${bytesText(bytes)}${now}`);
  }
  if (losses.length === 0) return undefined;
  return `This goes for what is stored already: ${losses.join(', and ')} are deleted soon and cannot be brought back.`;
}

function ageOf({ retention_policy: policy }: StreamSettings): number {
  return policy !== null && policy !== undefined && 'age' in policy ? policy.age : Number.POSITIVE_INFINITY;
}
