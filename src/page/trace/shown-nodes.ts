/** Which lines of the waterfall are shown, in order: without those below folded spans and those that the filter hides. */

import { type FoldState, isFolded } from './folds.ts';
import type { SpanNode, SpanTree } from './span-tree.ts';

export interface ShownOptions {
  readonly folded: FoldState;
  /** Keys of the records that the filter wants; undefined without a filter. Ancestors are kept. */
  readonly matched: ReadonlySet<string> | undefined;
}

export function shownNodes({ all, top }: SpanTree, { folded, matched }: ShownOptions): readonly SpanNode[] {
  const kept = matched === undefined ? undefined : withAncestors(all, matched);
  if (kept === undefined && !folded.isAll && folded.others.size === 0) return all;
  const shown: SpanNode[] = [];
  const waiting: SpanNode[] = [...top].reverse();
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (kept !== undefined && !kept.has(node)) continue;
    shown.push(node);
    if (isFolded(folded, node)) continue;
    for (let i = node.children.length - 1; i >= 0; i--) {
      const child = node.children[i];
      if (child !== undefined) waiting.push(child);
    }
  }
  return shown;
}

/** Spans that match, whose log matches, or that have such a span below them. */
function withAncestors(all: readonly SpanNode[], matched: ReadonlySet<string>): ReadonlySet<SpanNode> {
  const kept = new Set<SpanNode>();
  for (const node of all) {
    if (!isMatch(node, matched)) continue;
    for (let at: SpanNode | undefined = node; at !== undefined && !kept.has(at); at = at.parent) kept.add(at);
  }
  return kept;
}

export function isMatch(node: SpanNode, matched: ReadonlySet<string>): boolean {
  return matched.has(node.key) || node.logs.some(({ key }) => matched.has(key));
}

/** The next line that failed, or that has a log of an error, after the one at `from`; round the end to the begin. */
export function nextError(nodes: readonly SpanNode[], from: number, step: 1 | -1): number | undefined {
  const count = nodes.length;
  for (let i = 1; i <= count; i++) {
    const at = (((from + step * i) % count) + count) % count;
    const node = nodes[at];
    if (node !== undefined && hasError(node)) return at;
  }
  return undefined;
}

export function hasError({ isError, logs }: SpanNode): boolean {
  return isError || logs.some((log) => log.isError);
}
