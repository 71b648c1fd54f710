/** The values of the chart as a table, the newest first. */

import { timeStyle, timeText } from '../parts/time.ts';
import type { ChartLines } from './chart-lines.ts';
import { lineText } from './legend.tsx';

const ROWS_MAX = 100;

export function LinesTable({
  lines,
  text,
}: {
  readonly lines: ChartLines;
  text(value: number | null | undefined): string;
}) {
  const known = lines.times
    .map((at, step) => ({ at, values: lines.lines.map(({ values }) => values[step] ?? null) }))
    .filter(({ values }) => values.some((value) => value !== null))
    .reverse();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard.
    <section class="table-frame lines-table" aria-label="Values" tabIndex={0}>
      <table class="table">
        <caption class="muted">
          {known.length > ROWS_MAX
            ? `The newest ${ROWS_MAX} of ${known.length} steps; choose a shorter time for the others.`
            : `${known.length} steps, the newest first`}
        </caption>
        <thead>
          <tr>
            <th scope="col">Until</th>
            {lines.lines.map((line) => (
              <th key={lineText(line)} scope="col" class="number">
                {lineText(line)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {known.slice(0, ROWS_MAX).map(({ at, values }) => (
            <tr key={at}>
              <td class="mono">{timeText(at, timeStyle.value === 'utc' ? 'utc' : 'local', at).slice(0, 8)}</td>
              {values.map((value, i) => (
                <td key={lineText(lines.lines[i] ?? { label: '', share: undefined, values: [] })} class="number">
                  {text(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
