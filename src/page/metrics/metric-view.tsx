/** One metric: what it is, its chart with a legend, and the same as a table. */

import { useMemo, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { countText, spanText } from '../parts/time.ts';
import { change, place } from '../state/place.ts';
import { Chart, lineKey } from './chart.tsx';
import { type ChartLines, type ChartMode, chartLines, GROUPS_MAX, modeOf } from './chart-lines.ts';
import { Legend } from './legend.tsx';
import { LinesTable } from './lines-table.tsx';
import type { MetricSeries } from './series.ts';
import { useMetric } from './use-metric.ts';
import { axisText, parseRange, RANGES, type TimeRange, valueText } from './value-text.ts';

export function MetricView({
  basin,
  stream,
  name,
}: {
  readonly basin: string;
  readonly stream: string;
  readonly name: string;
}) {
  const { query } = place.value;
  const range = parseRange(query.from, query.until);
  const loaded = useMetric(basin, stream, name, range);
  const { store, now, isLoading, error, isCut, lost } = loaded;
  const { info } = store;
  const series = store.series();
  const keys = useMemo(() => splitKeys(series), [series.length, store]);
  const by = query.by === undefined ? keys.varying : query.by === '-' ? [] : query.by.split(',');
  const shown = range.isLive ? { from: now - range.lastMs, to: now } : range;
  const lines = useMemo(
    () => (info === undefined ? undefined : chartLines(info, series, by, shown)),
    [info, store, now, isLoading, by.join(','), JSON.stringify(range)],
  );
  return (
    <section class="metric" aria-label={name}>
      <div class="metric-head">
        <h2>{name}</h2>
        {info !== undefined && (
          <p class="muted">{[info.description, kindText(info, modeOf(info))].filter(Boolean).join(' · ')}</p>
        )}
        <div class="metric-tools">
          <RangeChoice range={range} />
          <SplitChoice all={keys.all} by={by} />
        </div>
      </div>
      {error !== undefined && <Fault error={error} />}
      {lost !== undefined && <p role="status">Nothing new comes: {lost}.</p>}
      {isLoading && info === undefined && (
        <p class="muted" role="status">
          Reading …
        </p>
      )}
      {!isLoading && error === undefined && (lines === undefined || lines.lines.length === 0) && (
        <NoPoints name={name} range={range} kind={info?.kind} hasPoints={store.points > 0} />
      )}
      {lines !== undefined && info !== undefined && lines.lines.length > 0 && (
        <Drawn lines={lines} name={name} unit={info.unit} isCut={isCut} points={store.points} />
      )}
    </section>
  );
}

function Drawn(props: {
  readonly lines: ChartLines;
  readonly name: string;
  readonly unit: string;
  readonly isCut: boolean;
  readonly points: number;
}) {
  const { lines, name, unit, isCut, points } = props;
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [step, setStep] = useState<number | undefined>();
  const isTable = place.value.query.table === '1';
  const text = (value: number | null | undefined): string => valueText(value, unit, lines.mode);
  const toggle = (key: string): void => {
    const next = new Set(hidden);
    if (!next.delete(key)) next.add(key);
    setHidden(next);
  };
  const notes = [
    stepText(lines),
    ...(lines.left > 0 ? [`${GROUPS_MAX} of ${GROUPS_MAX + lines.left} groups, those with the greatest values`] : []),
    ...(isCut ? [`the newest ${countText(points)} points; older ones of this time are left out`] : []),
  ];
  return (
    <>
      <p class="muted">{notes.join(' · ')}</p>
      <Chart
        lines={lines}
        hidden={hidden}
        label={`Chart of ${name}: ${lines.lines.length} lines. The table has the same values.`}
        axisText={(value) => axisText(value, unit, lines.mode)}
        onPoint={setStep}
        onSelect={(from, to) => change({ from: new Date(from).toISOString(), until: new Date(to).toISOString() })}
      />
      <Legend lines={lines} step={step} hidden={hidden} text={text} onToggle={toggle} />
      <div class="buttons">
        <button
          type="button"
          class="button"
          aria-expanded={isTable}
          onClick={() => change({ table: isTable ? undefined : '1' }, { isSamePage: true })}
        >
          Table
        </button>
      </div>
      {isTable && (
        <LinesTable lines={{ ...lines, lines: lines.lines.filter((line) => !hidden.has(lineKey(line))) }} text={text} />
      )}
    </>
  );
}

function kindText(
  { kind, temporality }: { readonly kind: string; readonly temporality: string | undefined },
  mode: ChartMode,
): string {
  const kinds: Readonly<Record<string, string>> = { exponentialHistogram: 'exponential histogram' };
  const shown: Readonly<Record<ChartMode, string>> = {
    value: 'shown as it is measured',
    rate: 'shown as a rate',
    delta: 'shown as what came in each step',
    quantiles: 'shown as p50 and p99 of its buckets',
    summary: 'shown as the quantiles that the sender made',
  };
  return `${[temporality, kinds[kind] ?? kind].filter(Boolean).join(' ')}, ${shown[mode]}`;
}

function stepText({ mode, stepMs }: ChartLines): string {
  if (mode === 'rate') return `per second, over ${spanText(stepMs)} each`;
  return mode === 'delta' ? `per ${spanText(stepMs)}` : `every ${spanText(stepMs)}`;
}

/** Labels with several values split the lines at first; those of the resource are offered too. */
function splitKeys(series: readonly MetricSeries[]): {
  readonly all: readonly string[];
  readonly varying: readonly string[];
} {
  const values = new Map<string, Set<string>>();
  for (const { labels } of series) {
    for (const [key, value] of labels) values.set(key, (values.get(key) ?? new Set()).add(value));
  }
  const points = [...values.keys()].filter((key) => !key.startsWith('resource.'));
  const resources = [...values].filter(
    ([key, { size }]) => key.startsWith('resource.') && (size > 1 || key === 'resource.service.name'),
  );
  const varying = points.filter(
    (key) => (values.get(key)?.size ?? 0) > 1 || series.some(({ labels }) => !labels.has(key)),
  );
  return { all: [...points, ...resources.map(([key]) => key)].slice(0, 24), varying };
}

function RangeChoice({ range }: { readonly range: TimeRange }) {
  return (
    <fieldset class="choice">
      <legend class="unseen">Time</legend>
      {RANGES.map(([name, ms, title]) => (
        <button
          key={name}
          type="button"
          class="button"
          title={`The last ${title}, going on`}
          aria-pressed={range.isLive && range.lastMs === ms}
          onClick={() => change({ from: name, until: undefined })}
        >
          {name}
        </button>
      ))}
      {!range.isLive && (
        <button
          type="button"
          class="button"
          aria-pressed="true"
          onClick={() => change({ from: undefined, until: undefined })}
        >
          {new Date(range.from).toLocaleString()} – {new Date(range.to).toLocaleTimeString()} ✕
        </button>
      )}
    </fieldset>
  );
}

function SplitChoice({ all, by }: { readonly all: readonly string[]; readonly by: readonly string[] }) {
  if (all.length === 0) return null;
  return (
    <fieldset class="choice">
      <legend class="muted">Split by</legend>
      {all.map((key) => (
        <button
          key={key}
          type="button"
          class="button mono"
          aria-pressed={by.includes(key)}
          onClick={() => {
            const next = by.includes(key) ? by.filter((one) => one !== key) : [...by, key];
            change({ by: next.length === 0 ? '-' : next.join(',') }, { isSamePage: true });
          }}
        >
          {key}
        </button>
      ))}
    </fieldset>
  );
}

function NoPoints(props: {
  readonly name: string;
  readonly range: TimeRange;
  readonly kind: string | undefined;
  readonly hasPoints: boolean;
}) {
  const { name, range, kind, hasPoints } = props;
  const when = range.isLive ? `in the last ${spanText(range.lastMs)}` : 'in this time';
  return (
    <p class="muted none" role="status">
      {hasPoints && kind !== undefined
        ? `One point of ${name} came ${when}: a ${kind} that grows shows with the second one.`
        : `No point of ${name} came ${when}. Choose a longer time.`}
    </p>
  );
}
