/** Which spans of a trace are folded, and how that stands in the URL: some spans, or all but some. */

import type { SpanNode } from './span-tree.ts';

export interface FoldState {
  /** All are folded but the others; else only the others are. */
  readonly isAll: boolean;
  /** Ids of spans, else addresses of records: a span that ends is another record. */
  readonly others: ReadonlySet<string>;
}

export const NONE_FOLDED: FoldState = { isAll: false, others: new Set() };
export const ALL_FOLDED: FoldState = { isAll: true, others: new Set() };

/** A URL with more would be too long to send. */
export const FOLDS_IN_URL_MAX = 100;

const ALL = 'all';

export function isFolded({ isAll, others }: FoldState, node: SpanNode): boolean {
  return isAll !== others.has(idOf(node));
}

export function withFold(state: FoldState, node: SpanNode, isToFold: boolean): FoldState {
  const others = new Set(state.others);
  if (isToFold === state.isAll) others.delete(idOf(node));
  else others.add(idOf(node));
  return { ...state, others };
}

/** `00f067aa0ba902b7,shop%3A12`, behind `all` those that are open; undefined where nothing is folded. The first hundred. */
export function foldsText({ isAll, others }: FoldState): string | undefined {
  const ids = [...others].slice(0, FOLDS_IN_URL_MAX).map(encodeURIComponent);
  const parts = isAll ? [ALL, ...ids] : ids;
  return parts.length === 0 ? undefined : parts.join(',');
}

export function parseFolds(text: string | undefined): FoldState {
  const parts = (text ?? '').split(',').filter((part) => part !== '');
  const isAll = parts[0] === ALL;
  const ids = parts.slice(isAll ? 1 : 0, FOLDS_IN_URL_MAX + 1);
  return { isAll, others: new Set(ids.map(decoded)) };
}

function idOf({ spanId, key }: SpanNode): string {
  return spanId ?? key;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
