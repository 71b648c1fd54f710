/** How clicks and keys move through a trace: what is chosen, which time is shown and what is folded stand in the URL. */

import type { Signal } from '@preact/signals';
import { change } from '../state/place.ts';
import { ALL_FOLDED, type FoldState, foldsText, isFolded, NONE_FOLDED, parseFolds, withFold } from './folds.ts';
import type { SpanNode, SpanTree } from './span-tree.ts';
import { fitted, type TimeWindow, windowText } from './time-window.ts';

/** Whose children are hidden. */
export type Folded = Signal<FoldState>;

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

function setFolds(folded: Folded, state: FoldState): void {
  folded.value = state;
  change({ fold: foldsText(state) }, { isSamePage: true });
}

/** As the URL says; of more folds than it takes those that were made here stay. */
export function followFolds(folded: Folded, text: string | undefined): void {
  if (text !== foldsText(folded.peek())) folded.value = parseFolds(text);
}

export function toggle(folded: Folded, node: SpanNode): void {
  setFolds(folded, withFold(folded.value, node, !isFolded(folded.value, node)));
}

export function unfoldAll(folded: Folded): void {
  setFolds(folded, NONE_FOLDED);
}

export function foldAll(folded: Folded): void {
  setFolds(folded, ALL_FOLDED);
}

/** What is chosen by a link or by a key may stand below folded spans: they open. */
export function unfoldAbove(folded: Folded, node: SpanNode): void {
  let state = folded.value;
  for (let up = node.parent; up !== undefined; up = up.parent) {
    if (isFolded(state, up)) state = withFold(state, up, false);
  }
  if (state !== folded.value) setFolds(folded, state);
}
