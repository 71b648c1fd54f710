/** A small chart without axes: its label says in words what it shows. */

const WIDTH = 160;
const HEIGHT = 32;

interface SparkProps {
  readonly values: readonly number[];
  /** What it shows, with its most and its last value. */
  readonly label: string;
}

/** A line with the ground below it filled, for what changes from second to second. */
export function Sparkline({ values, label }: SparkProps) {
  const most = Math.max(...values, Number.MIN_VALUE);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, i) => `${(i * step).toFixed(1)},${heightOf(value, most).toFixed(1)}`).join(' ');
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && <polygon class="spark-area" points={`0,${HEIGHT} ${points} ${WIDTH},${HEIGHT}`} />}
      {values.length > 1 && <polyline class="spark-line" points={points} vector-effect="non-scaling-stroke" />}
    </svg>
  );
}

/** One bar for each value, for counts in steps of time. `titles` says each of them. */
export function SparkBars({ values, label, titles }: SparkProps & { readonly titles: readonly string[] }) {
  const most = Math.max(...values, Number.MIN_VALUE);
  const step = WIDTH / Math.max(1, values.length);
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((value, i) => (
        <rect
          key={i}
          class={value > 0 ? 'spark-bar' : 'spark-none'}
          x={i * step}
          y={value > 0 ? heightOf(value, most) : HEIGHT - 1}
          width={step * 0.8}
          height={value > 0 ? HEIGHT - heightOf(value, most) : 1}
        >
          <title>{titles[i]}</title>
        </rect>
      ))}
    </svg>
  );
}

/** What is not 0 is seen. */
function heightOf(value: number, most: number): number {
  return HEIGHT - Math.max(value > 0 ? 1.5 : 0.5, (value / most) * (HEIGHT - 1));
}
