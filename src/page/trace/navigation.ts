/** How clicks and keys move through a trace: what is chosen and which time is shown stand in the URL. */

import type { Signal } from '@preact/signals';
import { change } from '../state/place.ts';
import type { SpanNode, SpanTree } from './span-tree.ts';
import { fitted, type TimeWindow, windowText } from './time-window.ts';

/** Keys of spans whose children are hidden. */
export type Folded = Signal<ReadonlySet<string>>;

/** A span by its id, a record without one by its address. */
export function select(node: SpanNode | undefined): void {
  const isNamed = node?.type === 'span' && node.spanId !== undefined;
  const span = isNamed ? node.spanId : undefined;
  change({ span, row: isNamed ? undefined : node?.key }, { isSamePage: true });
}

/** What the URL chooses; of a log its span, where it has one. */
export function selectedIn(
  { all }: SpanTree,
  { span, row }: Readonly<Record<string, string | undefined>>,
): SpanNode | undefined {
  if (row !== undefined) {
    return all.find(({ key }) => key === row) ?? all.find(({ logs }) => logs.some(({ key }) => key === row));
  }
  return span === undefined ? undefined : all.find(({ spanId, type }) => type === 'span' && spanId === span);
}

export function setWindow(window: TimeWindow, lengthMs: number): void {
  const fit = fitted(window, lengthMs);
  change({ zoom: fit === undefined ? undefined : windowText(fit) }, { isSamePage: true });
}

export function toggle(folded: Folded, { key }: SpanNode): void {
  const next = new Set(folded.value);
  if (!next.delete(key)) next.add(key);
  folded.value = next;
}

export function unfoldAll(folded: Folded): void {
  folded.value = new Set();
}

export function foldAll(folded: Folded, { all }: SpanTree): void {
  folded.value = new Set(all.filter(({ children }) => children.length > 0).map(({ key }) => key));
}

/** What is chosen by a link or by a key may stand below folded spans: they open. */
export function unfoldAbove(folded: Folded, node: SpanNode): void {
  const hidden = new Set<string>();
  for (let up = node.parent; up !== undefined; up = up.parent) if (folded.value.has(up.key)) hidden.add(up.key);
  if (hidden.size > 0) folded.value = new Set([...folded.value].filter((key) => !hidden.has(key)));
}
