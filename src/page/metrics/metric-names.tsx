/** The names of a stream's metrics, each with its kind, unit and last value. */

import { useMemo } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { countText, recentText } from '../parts/time.ts';
import { change, hrefOf, place } from '../state/place.ts';
import { metricNames, newestMetrics } from '../wire/metrics.ts';
import type { Row } from '../wire/rows.ts';
import { infoOf, lastValue } from './series.ts';
import { valueText } from './value-text.ts';

const NEWEST = 300;
const VALUES_EVERY_MS = 5_000;
const NAMES_EVERY_MS = 60_000;
const DAY_MS = 86_400_000;
const SHOWN_MAX = 500;

export function MetricNamesList(props: {
  readonly basin: string;
  readonly stream: string;
  readonly chosen: string | undefined;
}) {
  const { basin, stream, chosen } = props;
  const { query } = place.value;
  const names = usePolled(
    async (signal) => {
      const day = await metricNames(basin, stream, Date.now() - DAY_MS, signal);
      return day.names.length > 0 ? day : metricNames(basin, stream, undefined, signal);
    },
    NAMES_EVERY_MS,
    [basin, stream],
  );
  const newest = usePolled((signal) => newestMetrics(basin, stream, NEWEST, signal), VALUES_EVERY_MS, [basin, stream]);
  const last = useMemo(() => new Map((newest.value ?? []).map((row) => [row.type ?? '', row])), [newest.value]);
  const all = useMemo(
    () => [...new Set([...(names.value?.names ?? []).map(({ name }) => name), ...last.keys()])].sort(),
    [names.value, last],
  );
  const search = (query.q ?? '').toLowerCase();
  const shown = all.filter((name) => search.split(/\s+/).every((word) => name.toLowerCase().includes(word)));
  const error = names.error ?? newest.error;
  return (
    <>
      <input
        class="field"
        type="search"
        id="metric-search"
        aria-label="Search metrics"
        placeholder="Part of a name"
        value={query.q ?? ''}
        onInput={({ currentTarget }) => change({ q: currentTarget.value }, { isSamePage: true })}
      />
      {error !== undefined && <Fault error={error} />}
      <p class="muted" role="status">
        {names.value !== undefined && summaryOf(all.length, shown.length, names.value.isComplete)}
      </p>
      <ul class="metric-names" aria-label="Metrics">
        {shown.slice(0, SHOWN_MAX).map((name) => (
          <NameItem key={name} name={name} row={last.get(name)} isChosen={name === chosen} />
        ))}
      </ul>
    </>
  );
}

function NameItem({
  name,
  row,
  isChosen,
}: {
  readonly name: string;
  readonly row: Row | undefined;
  readonly isChosen: boolean;
}) {
  const { basin, stream, from, until, q } = place.value.query;
  const info = row === undefined ? undefined : infoOf(row);
  return (
    <li class={isChosen ? 'is-chosen' : undefined}>
      <a href={hrefOf('metrics', { basin, stream, from, until, q, name })} aria-current={isChosen ? 'true' : undefined}>
        {name}
      </a>
      {row !== undefined && info !== undefined && (
        <span class="muted metric-last" title={info.description}>
          {lastText(row, info.kind, info.unit)} · {recentText(Date.now() - Date.parse(row.timestamp))}
        </span>
      )}
    </li>
  );
}

function lastText(row: Row, kind: string, unit: string): string {
  const points = row.dataPoints?.length ?? 0;
  const several = points > 1 ? ` (first of ${points})` : '';
  const value = lastValue(row);
  if (kind === 'gauge' || kind === 'sum') return `${valueText(value, unit, 'value')}${several}`;
  return `${value === undefined ? '–' : countText(value)} values${several}`;
}

function summaryOf(all: number, shown: number, isComplete: boolean): string {
  const count = shown === all ? `${all}` : `${shown} of ${all}`;
  const parts = [
    `${count} ${all === 1 ? 'metric' : 'metrics'}`,
    ...(shown > SHOWN_MAX ? [`the first ${SHOWN_MAX}`] : []),
    ...(isComplete ? [] : ['of a part of the stream, which is long']),
  ];
  return parts.join(' · ');
}
