/** A bar at its place in time, to an eighth of a column at its end. */

interface Stretch {
  readonly from: number;
  /** Undefined: it goes on. */
  readonly to: number | undefined;
  /** What the columns stand for. */
  readonly start: number;
  readonly end: number;
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const FULL = '█';
const OPEN = '░';

/** As wide as the columns, with spaces before and behind it. What is short has the narrowest bar that there is. */
export function barText({ from, to, start, end }: Stretch, columns: number): string {
  const whole = end - start;
  const place = (time: number) => (whole <= 0 ? 0 : ((time - start) / whole) * columns);
  const first = Math.min(columns - 1, Math.max(0, Math.floor(place(from))));
  if (to === undefined) return ' '.repeat(first) + OPEN.repeat(columns - first);
  const last = whole <= 0 ? columns : Math.min(columns, Math.max(place(to), first));
  const eighths = Math.max(1, Math.round((last - first) * 8));
  const cells = FULL.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
  return (' '.repeat(first) + cells).padEnd(columns);
}

/** A bar for a share of the most, without its place. */
export function shareBar(value: number, most: number, columns: number): string {
  return value <= 0 || most <= 0 ? '' : barText({ from: 0, to: value, start: 0, end: most }, columns).trimEnd();
}
