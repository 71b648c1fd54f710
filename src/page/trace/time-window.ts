/** The part of a trace's time that the waterfall shows, in ms from its begin; and the marks of its axis. */

/** `to` is behind `from`. */
export interface TimeWindow {
  readonly from: number;
  readonly to: number;
}

/** Below this one sees nothing more. */
const LENGTH_MIN = 0.001;

/** `120.5-480` in a URL. Undefined for the whole trace, and for what is none. */
export function parseWindow(text: string | undefined): TimeWindow | undefined {
  const [, from, to] = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text ?? '') ?? [];
  if (from === undefined || to === undefined || Number(to) <= Number(from)) return undefined;
  return { from: Number(from), to: Number(to) };
}

export function windowText({ from, to }: TimeWindow): string {
  return `${Number(from.toFixed(4))}-${Number(to.toFixed(4))}`;
}

/** Within the trace; undefined where that is all of it. */
export function fitted({ from, to }: TimeWindow, lengthMs: number): TimeWindow | undefined {
  const length = Math.max(LENGTH_MIN, to - from);
  if (length >= lengthMs) return undefined;
  const start = Math.min(Math.max(0, from), lengthMs - length);
  return { from: start, to: start + length };
}

/** `factor` below 1 shows less; what stands at `at` stays there. */
export function zoomed({ from, to }: TimeWindow, factor: number, at: number): TimeWindow {
  return { from: at - (at - from) * factor, to: at + (to - at) * factor };
}

/** `share` of its length later. */
export function moved({ from, to }: TimeWindow, share: number): TimeWindow {
  const by = (to - from) * share;
  return { from: from + by, to: to + by };
}

/** Where a time is, in parts of the window: 0 at its begin and 1 at its end. */
export function shareOf({ from, to }: TimeWindow, ms: number): number {
  return (ms - from) / (to - from);
}

/** Round times, at most `count` of them. */
export function marksOf({ from, to }: TimeWindow, count: number): readonly number[] {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough) ?? power;
  const marks: number[] = [];
  for (let i = Math.ceil(from / step); i * step <= to && marks.length <= count; i++) marks.push(i * step);
  return marks;
}
