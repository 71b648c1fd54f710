/** The lines of the chart by name, each a button that hides it, with its value under the pointer, else its last one. */

import { lineKey, lookOf } from './chart.tsx';
import type { ChartLine, ChartLines } from './chart-lines.ts';

export function Legend(props: {
  readonly lines: ChartLines;
  readonly step: number | undefined;
  readonly hidden: ReadonlySet<string>;
  text(value: number | null | undefined): string;
  onToggle(key: string): void;
}) {
  const { lines, step, hidden, text, onToggle } = props;
  return (
    <ul class="legend" aria-label="Lines">
      {lines.lines.map((line) => {
        const key = lineKey(line);
        const { hue, dash } = lookOf(lines.lines, line);
        return (
          <li key={key}>
            <button type="button" class="legend-line" aria-pressed={!hidden.has(key)} onClick={() => onToggle(key)}>
              <svg viewBox="0 0 24 8" aria-hidden="true" style={{ stroke: hue }}>
                <line x1="0" y1="4" x2="24" y2="4" stroke-dasharray={dash.join(' ')} />
              </svg>
              <span class="legend-label">{lineText(line)}</span>
              <span class="number">{text(step === undefined ? lastOf(line) : line.values[step])}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

export function lineText({ label, share }: ChartLine): string {
  const quantile = share === undefined ? '' : `p${Number((share * 100).toPrecision(4))}`;
  return [label === '' && quantile === '' ? 'all together' : label, quantile].filter((part) => part !== '').join(' ');
}

function lastOf({ values }: ChartLine): number | null {
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}
