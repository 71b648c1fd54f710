/** Numbers to tables: the median of the runs, their spread, and the ratio against the reference of the same run. */

/** The results of repeated runs of one thing. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One bar, with its result and whether that meets it. */
export interface BarResult {
  readonly bar: string;
  readonly what: string;
  readonly ours: string;
  readonly reference: string;
  readonly ratio: Spread;
  /** At least this (`>=`) or at most (`<=`). */
  readonly wanted: readonly ['>=' | '<=', number];
  readonly note?: string;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(Math.floor(sorted.length / 2)), min: at(0), max: at(sorted.length - 1) };
}

/** A number as people read it: 1.23 M, 45.6 k, 0.37. */
export function human(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

export function met(result: BarResult): boolean {
  const [direction, bound] = result.wanted;
  return direction === '>=' ? result.ratio.median >= bound : result.ratio.median <= bound;
}

export function table(results: readonly BarResult[]): string {
  const rows = results.map((result) => {
    const { median, min, max } = result.ratio;
    const verdict = `${met(result) ? 'met' : 'not met'} (${result.wanted[0]} ${result.wanted[1]})`;
    const ratio = `**${median.toFixed(2)}** (${min.toFixed(2)}–${max.toFixed(2)})`;
    return `| ${result.bar} | ${result.what} | ${result.ours} | ${result.reference} | ${ratio} | ${verdict} | ${result.note ?? ''} |`;
  });
  return ['| bar | what | ours | reference | ratio | bar met | notes |', '|---|---|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}
