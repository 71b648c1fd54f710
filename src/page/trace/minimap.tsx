/** The whole trace in a strip: all spans as thin lines, with the part that the waterfall shows; drag to choose another. */

import { useEffect, useRef, useState } from 'preact/hooks';
import { hueOf } from '../parts/hue.ts';
import { spanText } from '../parts/time.ts';
import { setWindow } from './navigation.ts';
import type { SpanTree } from './span-tree.ts';
import { shareOf, type TimeWindow } from './time-window.ts';

const HEIGHT = 56;
/** A shorter drag is a click. */
const DRAG_SHARE_MIN = 0.004;

export function Minimap({ tree, window }: { readonly tree: SpanTree; readonly window: TimeWindow }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number } | undefined>();
  const length = Math.max(0.001, tree.endMs - tree.startMs);
  usePainting(canvas, tree);
  const shareAt = (event: PointerEvent): number => {
    const box = canvas.current?.getBoundingClientRect();
    return box === undefined ? 0 : Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const end = (): void => {
    if (drag === undefined) return;
    const [from, to] = [Math.min(drag.from, drag.to) * length, Math.max(drag.from, drag.to) * length];
    const half = (window.to - window.from) / 2;
    const isDrag = to - from > DRAG_SHARE_MIN * length;
    setWindow(isDrag ? { from, to } : { from: from - half, to: from + half }, length);
    setDrag(undefined);
  };
  const whole = { from: 0, to: length };
  const [left, right] =
    drag === undefined
      ? [shareOf(whole, window.from), shareOf(whole, window.to)]
      : [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
  return (
    <div
      class="trace-map"
      role="img"
      aria-label={`The whole trace, ${spanText(length)}; shown are ${spanText(window.from)} to ${spanText(window.to)}. The keys + - < > 0 change it.`}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: shareAt(event), to: shareAt(event) });
      }}
      onPointerMove={(event) => drag !== undefined && setDrag({ from: drag.from, to: shareAt(event) })}
      onPointerUp={end}
      onPointerCancel={() => setDrag(undefined)}
    >
      <canvas ref={canvas} />
      <div class="trace-shade" style={{ left: 0, width: `${left * 100}%` }} />
      <div class="trace-shade" style={{ left: `${right * 100}%`, right: 0 }} />
    </div>
  );
}

/** Once for each tree, size and colour scheme. */
function usePainting(ref: { readonly current: HTMLCanvasElement | null }, tree: SpanTree): void {
  const [width, setWidth] = useState(0);
  const [isDark, setDark] = useState(matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const box = ref.current?.parentElement;
    if (box === undefined || box === null) return;
    const observer = new ResizeObserver(() => setWidth(box.clientWidth));
    observer.observe(box);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const onScheme = (): void => setDark(scheme.matches);
    scheme.addEventListener('change', onScheme);
    return () => {
      observer.disconnect();
      scheme.removeEventListener('change', onScheme);
    };
  }, []);
  useEffect(() => {
    if (ref.current !== null && width > 0) paint(ref.current, tree, width);
  }, [tree, width, isDark]);
}

function paint(canvas: HTMLCanvasElement, tree: SpanTree, width: number): void {
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(HEIGHT * scale);
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.scale(scale, scale);
  const colorOf = colors(canvas);
  const length = Math.max(0.001, tree.endMs - tree.startMs);
  const lane = HEIGHT / Math.max(tree.all.length, 12);
  const thickness = Math.max(1, lane - 1);
  // Failures come last: they stand above all others.
  for (const isErrors of [false, true]) {
    tree.all.forEach((node, i) => {
      if (node.isError !== isErrors) return;
      const x = ((node.startMs - tree.startMs) / length) * width;
      const end = (((node.endMs ?? (node.type === 'log' ? node.startMs : tree.endMs)) - tree.startMs) / length) * width;
      context.fillStyle = colorOf(isErrors ? 'var(--error)' : hueOf(node.service));
      context.fillRect(x, i * lane, Math.max(isErrors ? 2 : 1, end - x), isErrors ? Math.max(2, thickness) : thickness);
    });
  }
}

/** What a token is in the scheme of the moment, as a canvas needs it. */
function colors(element: HTMLElement): (token: string) => string {
  const known = new Map<string, string>();
  return (token) => {
    const found = known.get(token);
    if (found !== undefined) return found;
    element.style.color = token;
    const color = getComputedStyle(element).color;
    known.set(token, color);
    return color;
  };
}
