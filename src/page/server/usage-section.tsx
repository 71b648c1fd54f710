/** What was used of the basin over the last day, one bar for each hour: S2's usage metrics. */

import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { bytesText, countText } from '../parts/time.ts';
import { basin } from '../state/session.ts';
import { type UsageCounts, usage } from '../wire/server-state.ts';
import { SparkBars } from './charts.tsx';

const EVERY_MS = 60_000;
const HOURS = 24;
const HOUR = 3_600;

interface UsageChart {
  readonly set: string;
  readonly title: string;
  /** A size at a time; the others are counted together. */
  readonly isSize?: boolean;
}

const CHARTS: readonly UsageChart[] = [
  { set: 'append-throughput', title: 'Appended' },
  { set: 'read-throughput', title: 'Read' },
  { set: 'append-ops', title: 'Appends' },
  { set: 'storage', title: 'Stored', isSize: true },
];

export function UsageSection() {
  const name = basin.value;
  const { value, error } = usePolled((signal) => load(name, signal), EVERY_MS, [name]);
  return (
    <section class="server-section" aria-label="The last day">
      <h2>The last day in {name}</h2>
      {error !== undefined && <Fault error={error} />}
      {value !== undefined && (
        <div class="server-charts">
          {value.map((chart) => (
            <UsageFigure key={chart.set} {...chart} />
          ))}
        </div>
      )}
    </section>
  );
}

interface LoadedChart extends UsageChart {
  readonly unit: string;
  readonly first: number;
  readonly values: readonly number[];
}

async function load(name: string, signal: AbortSignal): Promise<readonly LoadedChart[]> {
  const end = Math.floor(Date.now() / 1_000);
  const first = end - (end % HOUR) - (HOURS - 1) * HOUR;
  return Promise.all(
    CHARTS.map(async (chart) => {
      const series = await usage({ basin: name, set: chart.set, start: first, end }, signal);
      return { ...chart, first, unit: series[0]?.unit ?? '', values: hourly(series, first, chart.isSize === true) };
    }),
  );
}

/** A value for each hour; a size stays where nothing is said. */
function hourly(series: readonly UsageCounts[], first: number, isSize: boolean): readonly number[] {
  const values = new Array<number>(HOURS).fill(0);
  for (const { points } of series) {
    for (const [second, value] of points) {
      const at = Math.floor((second - first) / HOUR);
      if (at >= 0 && at < HOURS) values[at] = isSize ? value : (values[at] ?? 0) + value;
    }
  }
  return values;
}

function UsageFigure({ title, unit, first, values, isSize = false }: LoadedChart) {
  const text = unit === 'bytes' ? bytesText : countText;
  const shown = isSize ? (values.at(-1) ?? 0) : values.reduce((sum, value) => sum + value, 0);
  const titles = values.map((value, i) => `${hourText(first + i * HOUR)}: ${text(value)}`);
  return (
    <figure class="server-chart">
      <figcaption>
        <span class="muted">{title}</span> <strong>{text(shown)}</strong>
      </figcaption>
      <SparkBars
        values={values}
        titles={titles}
        label={`${title} in the last ${HOURS} hours: ${text(shown)}, in an hour at most ${text(Math.max(...values))}`}
      />
      <p class="muted server-scale">
        <span>{hourText(first)}</span>
        <span>most {text(Math.max(...values))}</span>
        <span>now</span>
      </p>
    </figure>
  );
}

function hourText(second: number): string {
  return new Date(second * 1_000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
}
