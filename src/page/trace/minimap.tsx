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
  const colorOf = colors(canvas);
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  const length = Math.max(0.001, tree.endMs - tree.startMs);
  const lane = canvas.height / Math.max(tree.all.length, 12);
  const thickness = Math.max(1, Math.round(lane - scale));
  const [xs, failed] = [canvas.width / length, colorOf('var(--error)')];
  const failures: number[] = [];
  const bar = (i: number, color: number, least: number, rows: number): void => {
    const node = tree.all[i];
    if (node === undefined) return;
    const end = node.endMs ?? (node.type === 'log' ? node.startMs : tree.endMs);
    const from = Math.floor((node.startMs - tree.startMs) * xs);
    const to = Math.min(canvas.width, Math.max(from + least, Math.round((end - tree.startMs) * xs)));
    const top = Math.floor(i * lane);
    for (let y = top; y < Math.min(canvas.height, top + rows); y++) {
      pixels.fill(color, y * canvas.width + Math.max(0, from), y * canvas.width + to);
    }
  };
  // Failures come last: they stand above all others.
  for (const [i, node] of tree.all.entries()) {
    if (node.isError) failures.push(i);
    else bar(i, colorOf(hueOf(node.service)), Math.round(scale), thickness);
  }
  for (const i of failures) bar(i, failed, Math.round(2 * scale), Math.max(Math.round(2 * scale), thickness));
  context.putImageData(image, 0, 0);
}

/** What a token is in the scheme of the moment, as a pixel. Bars are filled by hand: 50,000 shapes take a canvas long. */
function colors(element: HTMLElement): (token: string) => number {
  const known = new Map<string, number>();
  return (token) => {
    const found = known.get(token);
    if (found !== undefined) return found;
    element.style.color = token;
    const [red = 0, green = 0, blue = 0] = (getComputedStyle(element).color.match(/[\d.]+/g) ?? []).map(Number);
    const [pixel = 0] = new Uint32Array(new Uint8ClampedArray([red, green, blue, 255]).buffer);
    known.set(token, pixel);
    return pixel;
  };
}
