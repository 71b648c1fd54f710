/** Which parts of a trace are shown, in order: of very many children some, the upper ones first, and failures of them. */

import { isFailed } from '../print/terminal/span-facts.ts';
import { isErrorLog, type TraceEntry, type TraceSpan } from './trace-tree.ts';

export interface ShownEntry {
  readonly depth: number;
  /** Undefined for a line that says how many more there are. */
  readonly entry: TraceEntry | undefined;
  /** Those that are left out here, and how many of them failed. */
  readonly more: number;
  readonly failed: number;
}

/** Of one span so many children are shown, and as many of them as fit here are failures that come late. */
const CHILDREN_MAX = 20;
const LATE_FAILURES_MAX = 5;
/** A screen with more is not read. */
const ENTRIES_MAX = 500;

/** The entries of a trace, depth first. */
export function shownEntries(top: readonly TraceEntry[], isWhole: boolean): readonly ShownEntry[] {
  const chosen = isWhole ? undefined : chosenChildren(top);
  const shown: ShownEntry[] = [];
  const waiting: ShownEntry[] = [];
  const add = (all: readonly TraceEntry[], some: readonly TraceEntry[], depth: number) => {
    if (some.length < all.length) {
      const failed = all.filter(isFailure).length - some.filter(isFailure).length;
      waiting.push({ depth, entry: undefined, more: all.length - some.length, failed });
    }
    // The next one to be taken is the last of them.
    for (let i = some.length - 1; i >= 0; i--) waiting.push({ depth, entry: some[i], more: 0, failed: 0 });
  };
  add(top, chosen === undefined ? top : (chosen.get(undefined) ?? []), 0);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    shown.push(next);
    if (next.entry?.type !== 'span') continue;
    const { children } = next.entry;
    add(children, chosen === undefined ? children : (chosen.get(next.entry) ?? []), next.depth + 1);
  }
  return shown;
}

/** Level by level, until there are enough: so what lies deep gives way to what lies above it. */
function chosenChildren(top: readonly TraceEntry[]): ReadonlyMap<TraceSpan | undefined, readonly TraceEntry[]> {
  const chosen = new Map<TraceSpan | undefined, readonly TraceEntry[]>();
  const level: (TraceSpan | undefined)[] = [undefined];
  let left = ENTRIES_MAX;
  for (let i = 0; i < level.length && left > 0; i++) {
    const parent = level[i];
    const some = someOf(parent === undefined ? top : parent.children, left);
    chosen.set(parent, some);
    left -= some.length;
    for (const entry of some) if (entry.type === 'span' && entry.children.length > 0) level.push(entry);
  }
  return chosen;
}

function someOf(all: readonly TraceEntry[], left: number): readonly TraceEntry[] {
  const limit = Math.min(CHILDREN_MAX, left);
  // A marker in place of one would save nothing.
  if (all.length <= limit + 1) return all;
  const late = all
    .slice(limit)
    .filter(isFailure)
    .slice(0, Math.min(LATE_FAILURES_MAX, limit - 1));
  const kept = new Set(late);
  const first = all.slice(0, limit - late.length);
  return [...first, ...all.slice(limit - late.length).filter((entry) => kept.has(entry))];
}

function isFailure({ type, row }: TraceEntry): boolean {
  return type === 'span' ? isFailed(row) : isErrorLog(row);
}
