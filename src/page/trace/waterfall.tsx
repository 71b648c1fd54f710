/** The lines of a trace as a tree with bars: only those in sight are there, so 50,000 scroll like 50. */

import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { spanText } from '../parts/time.ts';
import { isFolded } from './folds.ts';
import { type Folded, select, setWindow, toggle } from './navigation.ts';
import { isMatch } from './shown-nodes.ts';
import { LINE_PX, SpanLine, type SpanLineProps } from './span-line.tsx';
import type { SpanNode, SpanTree } from './span-tree.ts';
import { marksOf, moved, shareOf, type TimeWindow, zoomed } from './time-window.ts';

/** Lines above and below the visible ones, so that a fast scroll shows no gap. */
const SPARE = 6;
const MARK_PX = 110;
const WHEEL_ZOOM = 1.002;
/** Of the width, what bars have beside the names: the least, as on a phone. */
const BARS_SHARE = 0.45;

export interface WaterfallProps {
  readonly tree: SpanTree;
  readonly shown: readonly SpanNode[];
  readonly folded: Folded;
  readonly matched: ReadonlySet<string> | undefined;
  readonly selected: SpanNode | undefined;
  readonly window: TimeWindow;
}

export function Waterfall({ tree, shown, folded, matched, selected, window }: WaterfallProps) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600, width: 800 });
  const at = selected === undefined ? -1 : shown.indexOf(selected);
  useViewport(box, setView);
  useWheel(box, window, tree.endMs - tree.startMs);
  // Also when the tree grows above it.
  useLayoutEffect(() => {
    if (at >= 0) bringIntoView(box.current, at);
  }, [selected?.key, at >= 0]);
  const first = Math.max(0, Math.floor(view.top / LINE_PX) - SPARE);
  const last = Math.min(shown.length, Math.ceil((view.top + view.height) / LINE_PX) + SPARE);
  const lines = shown.slice(first, last);
  const lineOf = useLines(first, Math.ceil(view.height / LINE_PX) + 2 * SPARE + 2);
  return (
    <div class="trace-fall">
      <Axis window={window} widthPx={view.width} />
      <div
        ref={box}
        class="trace-lines"
        role="treegrid"
        tabIndex={0}
        aria-label="Spans of the trace"
        aria-rowcount={shown.length}
        aria-colcount={2}
        aria-activedescendant={at >= first && at < last ? `line-${at}` : undefined}
        onKeyDown={(event) => onKey(event, { shown, at, folded, page: Math.floor(view.height / LINE_PX) - 1 })}
      >
        <div class="trace-all" style={{ height: `${shown.length * LINE_PX}px` }} role="presentation">
          {lines.map((node, i) =>
            lineOf({
              node,
              at: first + i,
              tree,
              window,
              isFolded: isFolded(folded.value, node),
              isSelected: node === selected,
              isDimmed: matched !== undefined && !isMatch(node, matched),
              folded,
              barsPx: view.width * BARS_SHARE,
            }),
          )}
        </div>
      </div>
    </div>
  );
}

/**
 * Lines of before are given again as they are, and the browser's elements of those that left are used for others: a frame
 * of scrolling makes few new ones, and after a jump those that are there take the new lines in their order, so that none is
 * moved in the document. `slots` is how many there are at once.
 */
function useLines(first: number, slots: number): (props: SpanLineProps) => VNode {
  const kept = useRef(new Map<number, { readonly props: SpanLineProps; readonly line: VNode }>());
  const turn = useRef({ first, by: 0 });
  const { first: before, by } = turn.current;
  const isJump = Math.abs(first - before) >= slots;
  turn.current = { first, by: isJump ? (by + before - first) % slots : by };
  const shift = turn.current.by + slots;
  return (props) => {
    const slot = (props.at + shift) % slots;
    const before = kept.current.get(slot);
    if (before !== undefined && before.line.key === slot && isSame(before.props, props)) return before.line;
    const line = <SpanLine key={slot} {...props} />;
    kept.current.set(slot, { props, line });
    return line;
  };
}

function isSame(a: SpanLineProps, b: SpanLineProps): boolean {
  return (Object.keys(b) as (keyof SpanLineProps)[]).every((name) => a[name] === b[name]);
}

function Axis({ window, widthPx }: { readonly window: TimeWindow; readonly widthPx: number }) {
  const marks = marksOf(window, Math.max(2, Math.floor((widthPx * 0.6) / MARK_PX)));
  return (
    <div class="trace-axis" aria-hidden="true">
      <span class="muted">Service and span</span>
      <span class="trace-marks">
        {marks.map((ms) => (
          <span key={ms} style={{ left: `${shareOf(window, ms) * 100}%` }}>
            {ms === 0 ? '0' : spanText(Number(ms.toPrecision(6)))}
          </span>
        ))}
      </span>
    </div>
  );
}

interface KeyContext {
  readonly shown: readonly SpanNode[];
  readonly at: number;
  readonly folded: Folded;
  readonly page: number;
}

/** The keys of a tree. */
function onKey(event: KeyboardEvent, { shown, at, folded, page }: KeyContext): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const node = shown[at];
  const to = (index: number): void => select(shown[Math.min(shown.length - 1, Math.max(0, index))]);
  const isShut = node !== undefined && isFolded(folded.value, node);
  const hasChildren = node !== undefined && node.children.length > 0;
  const actions: Readonly<Record<string, () => void>> = {
    ArrowDown: () => to(at + 1),
    ArrowUp: () => to(at - 1),
    PageDown: () => to(at + page),
    PageUp: () => to(at - page),
    Home: () => to(0),
    End: () => to(shown.length - 1),
    ArrowRight: () => (hasChildren && isShut ? toggle(folded, node) : hasChildren && to(at + 1)),
    ArrowLeft: () => (hasChildren && !isShut ? toggle(folded, node) : node?.parent && select(node.parent)),
    Enter: () => document.querySelector<HTMLElement>('.trace-detail')?.focus(),
  };
  const action = actions[event.key];
  if (action === undefined) return;
  event.preventDefault();
  action();
}

function bringIntoView(box: HTMLElement | null, at: number): void {
  if (box === null) return;
  const top = at * LINE_PX;
  if (top < box.scrollTop) box.scrollTop = Math.max(0, top - LINE_PX * 2);
  else if (top + LINE_PX > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight + LINE_PX * 3;
}

type Box = { readonly current: HTMLDivElement | null };

/** Measures before the first picture, then follows scrolling and size, once in a frame. */
function useViewport(box: Box, setView: (view: { top: number; height: number; width: number }) => void): void {
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    let frame = 0;
    const measure = (): void => {
      frame = 0;
      setView({ top: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    };
    const later = (): void => {
      frame ||= requestAnimationFrame(measure);
    };
    measure();
    const observer = new ResizeObserver(later);
    observer.observe(element);
    element.addEventListener('scroll', later, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      element.removeEventListener('scroll', later);
    };
  }, []);
}

/** With Ctrl the wheel zooms where the pointer is, with Shift it moves through time; alone it scrolls. */
function useWheel(box: Box, window: TimeWindow, lengthMs: number): void {
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent): void => {
      const bars = element.querySelector('.trace-time')?.getBoundingClientRect();
      if (bars === undefined || !(event.ctrlKey || event.metaKey || event.shiftKey)) return;
      event.preventDefault();
      const delta = event.deltaY || event.deltaX;
      const at = window.from + ((event.clientX - bars.left) / bars.width) * (window.to - window.from);
      const next = event.shiftKey ? moved(window, delta / bars.width) : zoomed(window, WHEEL_ZOOM ** delta, at);
      setWindow(next, lengthMs);
    };
    // Not passive: the browser must not zoom the page itself.
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [window, lengthMs]);
}
