// biome-ignore-all lint/a11y/useSemanticElements: a table cannot hold 50,000 lines of which only some are there
// biome-ignore-all lint/a11y/useFocusableInteractive: the tree has the focus and names its active line
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the tree takes all keys
/** One line of the waterfall: where the span stands in the tree, and its bar with its dots. */

import { hueOf } from '../parts/hue.ts';
import { spanText } from '../parts/time.ts';
import { type Folded, select, toggle } from './navigation.ts';
import { hasError } from './shown-nodes.ts';
import type { SpanDot, SpanNode, SpanTree } from './span-tree.ts';
import { shareOf, type TimeWindow } from './time-window.ts';

export const LINE_PX = 24;
const INDENT_PX = 12;
/** Deeper spans stand at this depth: their level is in the tree all the same. */
const DEPTH_MAX = 24;
const LENGTH_PADDING_PX = 16;
const LENGTH_CHARACTER_PX = 7;
/** Dots nearer than this part of the window are one. */
const DOT_SHARE = 0.004;
const ARROWS: Readonly<Record<string, string>> = { server: '▸', consumer: '▸', client: '◂', producer: '◂' };

export interface SpanLineProps {
  readonly node: SpanNode;
  readonly at: number;
  readonly tree: SpanTree;
  readonly window: TimeWindow;
  readonly isFolded: boolean;
  readonly isSelected: boolean;
  readonly isDimmed: boolean;
  readonly folded: Folded;
  /** The width that bars have at least. */
  readonly barsPx: number;
}

export function SpanLine(props: SpanLineProps) {
  const { node, at, tree, window, isFolded, isSelected, isDimmed, folded, barsPx } = props;
  const fold = (): void => toggle(folded, node);
  const hasChildren = node.children.length > 0;
  const classes = ['trace-row', isSelected ? 'is-selected' : '', isDimmed ? 'is-dimmed' : ''];
  return (
    <div
      id={`line-${at}`}
      class={classes.join(' ')}
      role="row"
      tabIndex={-1}
      aria-level={node.depth + 1}
      aria-rowindex={at + 1}
      aria-selected={isSelected}
      aria-expanded={hasChildren ? !isFolded : undefined}
      style={{ transform: `translateY(${at * LINE_PX}px)` }}
      onClick={() => select(node)}
      onDblClick={hasChildren ? fold : undefined}
    >
      <div
        class="trace-name"
        role="gridcell"
        style={{ paddingLeft: `${Math.min(DEPTH_MAX, node.depth) * INDENT_PX}px` }}
      >
        <Fold hasChildren={hasChildren} isFolded={isFolded} toggle={fold} />
        <Label node={node} />
      </div>
      <div class="trace-time" role="gridcell">
        <Bar node={node} tree={tree} window={window} barsPx={barsPx} />
      </div>
    </div>
  );
}

interface FoldProps {
  readonly hasChildren: boolean;
  readonly isFolded: boolean;
  toggle(): void;
}

/** For the pointer; keys fold by the arrows of the tree. */
function Fold({ hasChildren, isFolded, toggle: fold }: FoldProps) {
  if (!hasChildren) return <span class="trace-fold" aria-hidden="true" />;
  return (
    <span
      class="trace-fold"
      aria-hidden="true"
      onClick={(event) => {
        event.stopPropagation();
        fold();
      }}
    >
      {isFolded ? '▸' : '▾'}
    </span>
  );
}

function Label({ node }: { readonly node: SpanNode }) {
  const isChange = node.parent === undefined || node.parent.service !== node.service;
  return (
    <>
      <span class="trace-swatch" style={{ background: hueOf(node.service) }} />
      {isChange && (
        <span class="trace-service" style={{ color: hueOf(node.service) }}>
          {node.service}
        </span>
      )}
      {hasError(node) && (
        <span class="level-error">
          <span aria-hidden="true">✗</span>
          <span class="unseen">failed</span>
        </span>
      )}
      <span class="trace-span">
        {node.type === 'log' ? `${node.level ?? 'log'} ` : node.kind !== undefined && `${ARROWS[node.kind] ?? '·'} `}
        {node.name === '' ? '(no name)' : node.name}
      </span>
      {node.note !== '' && <span class={`trace-note ${node.isError ? 'level-error' : 'muted'}`}>{node.note}</span>}
      {oddityOf(node) !== '' && <em class="level-warn">{oddityOf(node)}</em>}
    </>
  );
}

function oddityOf({ top, earlyMs, type, endMs }: SpanNode): string {
  if (top === 'orphan') return 'parent missing';
  if (top === 'ring') return 'parents in a ring';
  if (earlyMs > 0) return `${spanText(earlyMs)} before its parent`;
  return type === 'span' && endMs === undefined ? 'open' : '';
}

function Bar({ node, tree, window, barsPx }: Pick<SpanLineProps, 'node' | 'tree' | 'window' | 'barsPx'>) {
  const from = node.startMs - tree.startMs;
  const isOpen = node.type === 'span' && node.endMs === undefined;
  const to = node.type === 'log' ? from : (node.endMs ?? tree.endMs) - tree.startMs;
  const dots = dotsIn(node, tree.startMs, window);
  const text = node.type === 'log' ? '' : isOpen ? `open, ${spanText(to - from)} so far` : spanText(to - from);
  const [left, right] = [shareOf(window, from), shareOf(window, to)];
  return (
    <>
      {node.type === 'span' && right >= 0 && left <= 1 && (
        <span
          class={`trace-bar ${node.isError ? 'is-error' : ''} ${isOpen ? 'is-open' : ''}`}
          style={{ ...stretch(left, right), background: hueOf(node.service) }}
        />
      )}
      {node.critical.map(([start, end]) => (
        <span
          key={start}
          class="trace-critical"
          style={stretch(shareOf(window, start - tree.startMs), shareOf(window, end - tree.startMs))}
        />
      ))}
      {dots.map(({ share, isError, text: what }) => (
        <span
          key={share}
          class={`trace-dot ${isError ? 'is-error' : ''}`}
          title={what}
          style={{ left: `${share * 100}%` }}
        />
      ))}
      {text !== '' && <Length left={left} right={right} text={text} barsPx={barsPx} />}
    </>
  );
}

interface LengthProps {
  readonly left: number;
  readonly right: number;
  readonly text: string;
  readonly barsPx: number;
}

/** Behind the bar where there is space, else before it, else in it. */
function Length({ left, right, text, barsPx }: LengthProps) {
  const share = (LENGTH_PADDING_PX + text.length * LENGTH_CHARACTER_PX) / barsPx;
  if (right < 0 || left > 1)
    return <span class="trace-length trace-away">{right < 0 ? `‹ ${text}` : `${text} ›`}</span>;
  if (right < 1 - share)
    return (
      <span class="trace-length" style={{ left: `${Math.max(0, right) * 100}%` }}>
        {text}
      </span>
    );
  if (left > share)
    return (
      <span class="trace-length" style={{ right: `${(1 - left) * 100}%` }}>
        {text}
      </span>
    );
  return <span class="trace-length is-inside">{text}</span>;
}

/** What is outside of the window is cut; what is very short is still seen. */
function stretch(left: number, right: number): { readonly left: string; readonly width: string } {
  const from = Math.min(1, Math.max(0, left));
  const to = Math.min(1, Math.max(0, right));
  return { left: `${from * 100}%`, width: `max(${to <= 0 || from >= 1 ? 0 : 2}px, ${(to - from) * 100}%)` };
}

interface ShownDot {
  readonly share: number;
  readonly isError: boolean;
  readonly text: string;
}

/** Events and logs of a span, in the window; those that would cover each other are one. */
function dotsIn(
  { events, logs, type, startMs, isError, name }: SpanNode,
  origin: number,
  window: TimeWindow,
): readonly ShownDot[] {
  const own: readonly SpanDot[] = type === 'log' ? [{ ms: startMs, isError, text: name }] : [];
  if (own.length + events.length + logs.length === 0) return [];
  const all = [...own, ...events, ...logs.map((log) => ({ ms: log.startMs, isError: log.isError, text: log.name }))];
  const merged = new Map<number, ShownDot>();
  for (const dot of all) {
    const share = shareOf(window, dot.ms - origin);
    if (share < 0 || share > 1) continue;
    const cell = Math.round(share / DOT_SHARE);
    const there = merged.get(cell);
    if (there === undefined) merged.set(cell, { share, isError: dot.isError, text: dot.text });
    else
      merged.set(cell, {
        ...there,
        isError: there.isError || dot.isError,
        text: `${there.text}\n${dot.text}`.slice(0, 600),
      });
  }
  return [...merged.values()];
}
