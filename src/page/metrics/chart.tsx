/** Draws lines over time by uPlot. It is a picture: the legend and the table beside it say the same in text. */

import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { dayText, timeStyle, timeText } from '../parts/time.ts';
import type { ChartLine, ChartLines } from './chart-lines.ts';

const HUES = 8;
const DARK = '(prefers-color-scheme: dark)';
const DASHES: readonly number[][] = [[], [6, 4], [2, 3]];

/** How a line looks: groups by colour, the second quantile and later groups by dashes. */
export function lookOf(
  lines: readonly ChartLine[],
  line: ChartLine,
): { readonly hue: string; readonly dash: number[] } {
  const labels = [...new Set(lines.map(({ label }) => label))];
  const shares = [...new Set(lines.map(({ share }) => share))];
  const group = Math.max(0, labels.indexOf(line.label));
  const dash = Math.max(0, shares.indexOf(line.share)) + (group >= HUES ? 2 : 0);
  return { hue: `var(--hue-${group % HUES})`, dash: DASHES[Math.min(dash, DASHES.length - 1)] ?? [] };
}

export interface ChartProps {
  readonly lines: ChartLines;
  /** Keys of lines that are not drawn. */
  readonly hidden: ReadonlySet<string>;
  /** What it shows, for those who do not see it. */
  readonly label: string;
  axisText(value: number): string;
  /** The step under the pointer; undefined for none. */
  onPoint(step: number | undefined): void;
  /** A part of the time was dragged over, in milliseconds. */
  onSelect(from: number, to: number): void;
}

export function lineKey({ label, share }: ChartLine): string {
  return `${share ?? ''} ${label}`;
}

export function Chart(props: ChartProps) {
  const { lines, hidden, label } = props;
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  // Handlers are those of the last rendering.
  const latest = useRef(props);
  latest.current = props;
  const keys = lines.lines.map((line) => lineKey(line)).join('\n');
  const scheme = useScheme();
  useEffect(() => {
    const target = element.current;
    if (target === null) return;
    const made = new uPlot(optionsOf(target, latest), dataOf(latest.current.lines), target);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf(target)));
    observer.observe(target);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [keys, scheme]);
  useEffect(() => plot.current?.setData(dataOf(lines)), [lines]);
  useEffect(() => {
    for (const [i, line] of lines.lines.entries()) {
      const show = !hidden.has(lineKey(line));
      if (plot.current?.series[i + 1]?.show !== show) plot.current?.setSeries(i + 1, { show });
    }
  }, [keys, hidden, scheme]);
  return <div ref={element} class="chart" role="img" aria-label={label} />;
}

/** Colours are read when the chart is made, so it is made anew when the system changes to dark. */
function useScheme(): boolean {
  const [isDark, setDark] = useState(() => matchMedia(DARK).matches);
  useEffect(() => {
    const media = matchMedia(DARK);
    const look = (): void => setDark(media.matches);
    media.addEventListener('change', look);
    return () => media.removeEventListener('change', look);
  }, []);
  return isDark;
}

function dataOf({ times, lines }: ChartLines): uPlot.AlignedData {
  return [times.map((at) => at / 1_000), ...lines.map(({ values }) => [...values])];
}

function sizeOf(target: HTMLElement): { readonly width: number; readonly height: number } {
  return { width: Math.max(200, target.clientWidth), height: Math.max(160, target.clientHeight) };
}

function optionsOf(target: HTMLElement, latest: { readonly current: ChartProps }): uPlot.Options {
  const { lines } = latest.current.lines;
  const [text, edge] = [colourOf(target, 'var(--text-2)'), colourOf(target, 'var(--edge)')];
  const axis = {
    stroke: text,
    grid: { stroke: edge, width: 1 },
    ticks: { stroke: edge, width: 1 },
    font: fontOf(target),
  };
  return {
    ...sizeOf(target),
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false, setScale: false } },
    scales: { y: { range: (_plot, min, max) => rangeOf(min, max) } },
    series: [
      {},
      ...lines.map((line) => {
        const { hue, dash } = lookOf(lines, line);
        return {
          stroke: colourOf(target, hue),
          width: 1.5,
          dash,
          points: { show: true, size: 5, fill: colourOf(target, hue), filter: isolated },
          spanGaps: false,
        };
      }),
    ],
    axes: [
      { ...axis, values: (_plot, splits, _axis, _space, step) => splits.map((at) => instantText(at, step)) },
      {
        ...axis,
        size: (_plot, texts) => 20 + 6.5 * Math.max(3, ...(texts ?? []).map(({ length }) => length)),
        values: (_plot, values) => values.map((value) => latest.current.axisText(value)),
      },
    ],
    hooks: {
      setCursor: [({ cursor: { idx } }) => latest.current.onPoint(idx ?? undefined)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 5) return;
          const [from, to] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onSelect(from * 1_000, to * 1_000);
        },
      ],
    },
  };
}

/** What has no neighbour is no line: it is drawn as a point. */
function isolated(plot: uPlot, series: number): number[] {
  const values = plot.data[series] ?? [];
  const has = (at: number): boolean => values[at] !== null && values[at] !== undefined;
  return [...values.keys()].filter((at) => has(at) && !has(at - 1) && !has(at + 1));
}

/** Of an axis whose marks are so many seconds apart. */
function instantText(at: number, stepSeconds: number): string {
  const style = timeStyle.value === 'utc' ? 'utc' : 'local';
  if (stepSeconds >= 86_400) return dayText(at * 1_000, style).slice(5);
  return timeText(at * 1_000, style, 0).slice(0, stepSeconds < 60 ? 8 : 5);
}

/** From zero where that is near, with some space above. */
function rangeOf(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null || !Number.isFinite(min) || !Number.isFinite(max)) return [0, 1];
  const low = min >= 0 && min < max * 0.7 ? 0 : min;
  const space = (max - low || Math.abs(max) || 1) * 0.08;
  return [low === 0 ? 0 : low - space, max + space];
}

/** A canvas knows no tokens: the browser says what one stands for here. */
function colourOf(target: HTMLElement, token: string): string {
  const probe = document.createElement('span');
  probe.style.color = token;
  target.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function fontOf(target: HTMLElement): string {
  const { fontFamily } = getComputedStyle(target);
  return `11px ${fontFamily}`;
}
