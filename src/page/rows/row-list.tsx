/** A list of rows of which only those on the screen are elements. It follows its end until one scrolls, selects or focuses. */

import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef } from 'preact/hooks';
import type { ListScroll } from './list-scroll.ts';
import type { ListedRow, ListSource } from './list-source.ts';
import { RowLine, type RowLook } from './row-line.tsx';

export interface RowListProps {
  readonly source: ListSource;
  readonly scroll: ListScroll;
  readonly look: RowLook;
  readonly label: string;
  readonly selected: number | undefined;
  /** Raised whenever there is something new to paint. */
  readonly version: number;
  /** The user moved the list, or came to its end. */
  onMoved(isAtEnd: boolean): void;
  onSelect(id: number, part: HTMLElement | undefined): void;
  onCopy(from: number, to: number, event: ClipboardEvent): void;
  /** What was painted, and how long it took. */
  onPainted(from: number, to: number, ms: number): void;
}

/** The scroll bar goes to its exact place when one has stopped scrolling. */
const IDLE_MS = 150;

export function RowList(props: RowListProps) {
  const { source, scroll, label, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const [, repaint] = useReducer((count: number) => count + 1, 0);
  const began = performance.now();
  const handlers = useScrolling(box, props, () => repaint(undefined));
  const { from, to } = scroll.shown;
  useLayoutEffect(() => {
    if (scroll.isMeasured && measure(box.current, scroll)) repaint(undefined);
    props.onPainted(from, to, performance.now() - began);
  });
  const rows = useRows(props, from, to);
  const isShort = (source.end - source.start) * scroll.rowPx <= scroll.viewPx && !scroll.isMeasured;
  const place = scroll.isFollowing && !isShort ? 'rows-page rows-at-end' : 'rows-page';
  return (
    <div
      ref={box}
      class="rows"
      role="listbox"
      aria-label={label}
      aria-activedescendant={selected === undefined ? undefined : `row${selected}`}
      tabIndex={0}
      {...handlers}
    >
      <div class="rows-space" style={{ height: `${scroll.spacePx}px` }}>
        <div class="rows-layer" style={{ height: `${scroll.viewPx}px` }}>
          <div
            class={place}
            style={{ transform: scroll.isFollowing ? 'none' : `translateY(${-Math.round(scroll.abovePx)}px)` }}
          >
            {rows}
          </div>
        </div>
      </div>
    </div>
  );
}

interface RenderedRow {
  readonly listed: ListedRow;
  readonly look: RowLook;
  readonly isSelected: boolean;
  readonly rule: string | undefined;
  readonly element: VNode;
}

/** Rows that are as they were keep their elements, so that only new ones are worked on. */
function useRows({ source, look, selected }: RowListProps, from: number, to: number): readonly VNode[] {
  const before = useRef(new Map<number, RenderedRow>());
  const kept = new Map<number, RenderedRow>();
  const rows: VNode[] = [];
  for (let id = from; id < to; id++) {
    const listed = source.rowAt(id);
    const key = `row${id}`;
    if (listed === undefined) {
      rows.push(
        <div key={key} class="row row-absent" aria-hidden="true">
          #{id} …
        </div>,
      );
      continue;
    }
    const isSelected = id === selected;
    const rule = source.ruleAt(id);
    const { stream, row } = listed;
    const old = before.current.get(id);
    const isSame = old?.listed.row === row && old.look === look && old.isSelected === isSelected && old.rule === rule;
    const element = isSame ? (
      old.element
    ) : (
      <RowLine key={key} elementId={key} stream={stream} row={row} look={look} isSelected={isSelected} rule={rule} />
    );
    kept.set(id, { listed, look, isSelected, rule, element });
    rows.push(element);
  }
  before.current = kept;
  return rows;
}

function useScrolling(box: { readonly current: HTMLDivElement | null }, props: RowListProps, repaint: () => void) {
  const { scroll } = props;
  /** What was last seen or set: a move is told from it. */
  const last = useRef(0);
  const idle = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const settle = (): void => {
    const element = box.current;
    if (element === null) return;
    const px = latest.current.scroll.scrollPx;
    if (Math.abs(element.scrollTop - px) > 0.5) element.scrollTop = px;
    last.current = element.scrollTop;
  };
  useLayoutEffect(() => {
    if (scroll.isFollowing || scroll.isExact) settle();
  });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      const { scroll: now } = latest.current;
      now.viewPx = element.clientHeight;
      now.rowPx = Number.parseFloat(getComputedStyle(element).getPropertyValue('--row-px')) || now.rowPx;
      now.clamp();
      repaint();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      clearTimeout(idle.current);
    };
  }, []);
  const moved = (): void => {
    const isAtEnd = scroll.clamp();
    props.onMoved(isAtEnd);
    repaint();
  };
  return {
    onScroll: ({ currentTarget }: { readonly currentTarget: HTMLDivElement }) => {
      const delta = currentTarget.scrollTop - last.current;
      if (Math.abs(delta) < 1) return;
      last.current = currentTarget.scrollTop;
      scroll.scrolled(delta, currentTarget.scrollTop);
      moved();
      clearTimeout(idle.current);
      idle.current = setTimeout(settle, IDLE_MS);
    },
    onWheel: ({ deltaY }: WheelEvent) => {
      if (deltaY >= 0 || !scroll.isFollowing || scroll.scrollPx === 0) return;
      // At once: the next frame would put the list at its end again.
      scroll.stop();
      props.onMoved(false);
      repaint();
    },
    onClick: (event: MouseEvent) => {
      const id = idAt(event.target);
      if (id === undefined || document.getSelection()?.isCollapsed === false) return;
      const part = event.target instanceof Element ? event.target.closest('[data-field],[data-stream]') : null;
      props.onSelect(id, part instanceof HTMLElement ? part : undefined);
    },
    onCopy: (event: ClipboardEvent) => {
      const selection = document.getSelection();
      const [from, to] = [idAt(selection?.anchorNode), idAt(selection?.focusNode)];
      // Part of one line is copied as it is.
      if (from === undefined || to === undefined || from === to) return;
      props.onCopy(Math.min(from, to), Math.max(from, to), event);
    },
  };
}

function measure(element: HTMLDivElement | null, scroll: ListScroll): boolean {
  let isNews = false;
  for (const row of element?.querySelectorAll<HTMLElement>('.rows-page > .row') ?? []) {
    const id = idAt(row);
    if (id !== undefined && scroll.measured(id, row.offsetHeight)) isNews = true;
  }
  return isNews;
}

/** The id of the row that a node is in. */
function idAt(node: EventTarget | null | undefined): number | undefined {
  const element = node instanceof Element ? node : node instanceof Node ? node.parentElement : null;
  const id = element?.closest('.row')?.id;
  return id?.startsWith('row') === true ? Number(id.slice(3)) : undefined;
}
