/** The screen Metrics: the metrics that a stream has, each with its last value, and a chart of one of them. */

import { useEffect, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { useKeys } from '../state/keys.ts';
import { change, hrefOf, place } from '../state/place.ts';
import { basin, may } from '../state/session.ts';
import { newestMetrics } from '../wire/metrics.ts';
import { listStreams, type StreamEntry } from '../wire/streams.ts';
import { MetricNamesList } from './metric-names.tsx';
import { MetricView } from './metric-view.tsx';
import { NoStream, useIsThere } from './no-stream.tsx';
import './metrics.css';

/** Where the URL names no stream, so many of those that were written last are looked at for metrics. */
const LOOKED_AT_MAX = 12;
/** A choice with more entries is no choice: others are reached by the screen Streams, or by the URL. */
const OFFERED_MAX = 500;

export function MetricsScreen() {
  const current = basin.value;
  const { stream, name } = place.value.query;
  const mayRead = may('read');
  const isThere = useIsThere(current, mayRead ? stream : undefined);
  if (!mayRead) {
    return (
      <div class="state">
        <h1>Metrics</h1>
        <p>
          This token may not read. It needs the operation <code>read</code>: ask who issued it, or sign in with another.
        </p>
      </div>
    );
  }
  return (
    <div class={`metrics${name === undefined || isThere === false ? '' : ' has-name'}`}>
      <div class="metrics-side">
        <h1>Metrics</h1>
        <StreamChoice basin={current} stream={stream} />
        {stream !== undefined && isThere === true && (
          <MetricNamesList key={stream} basin={current} stream={stream} chosen={name} />
        )}
      </div>
      {stream !== undefined && isThere === false && <NoStream basin={current} stream={stream} />}
      {stream !== undefined && isThere === true && name !== undefined && (
        <div class="metrics-main">
          <a class="back" href={hrefOf('metrics', { basin: place.value.query.basin, stream })}>
            All metrics of {stream}
          </a>
          <MetricView key={`${stream} ${name}`} basin={current} stream={stream} name={name} />
        </div>
      )}
      {stream !== undefined && isThere === true && name === undefined && (
        <p class="muted metrics-main choose">Choose a metric to draw it.</p>
      )}
    </div>
  );
}

function StreamChoice({ basin: its, stream }: { readonly basin: string; readonly stream: string | undefined }) {
  const canList = may('list-streams');
  const { value, error } = usePolled(
    async (signal) => (canList ? newestFirst(await listStreams(its, '', signal)) : []),
    0,
    [its, canList],
  );
  const isLooking = useFirstWithMetrics(its, stream, value);
  useKeys([{ key: '/', does: 'search', run: () => document.getElementById('metric-search')?.focus() }]);
  if (error !== undefined) return <Fault error={error} />;
  if (!canList || value === undefined) return <StreamField stream={stream} />;
  if (stream === undefined && !isLooking) return <NoMetrics count={value.length} />;
  const offered = value.slice(0, OFFERED_MAX).map(({ name }) => name);
  const names = stream === undefined || offered.includes(stream) ? offered : [stream, ...offered];
  return (
    <select
      class="field"
      aria-label="Stream"
      value={stream}
      onChange={({ currentTarget }) => change({ stream: currentTarget.value, name: undefined, by: undefined })}
    >
      {stream === undefined && <option value="">Looking for metrics …</option>}
      {names.map((one) => (
        <option key={one} value={one}>
          {one}
        </option>
      ))}
    </select>
  );
}

/** For a token that may not list streams. */
function StreamField({ stream }: { readonly stream: string | undefined }) {
  return (
    <input
      class="field mono"
      aria-label="Stream"
      placeholder="Name of the stream"
      value={stream ?? ''}
      onChange={({ currentTarget }) => change({ stream: currentTarget.value, name: undefined, by: undefined })}
    />
  );
}

function newestFirst(streams: readonly StreamEntry[]): readonly StreamEntry[] {
  return [...streams].sort((a, b) => (b.figures?.last_timestamp ?? 0) - (a.figures?.last_timestamp ?? 0));
}

/** Puts the first stream that has metrics into the URL, where that names none; false when none was found. */
function useFirstWithMetrics(
  its: string,
  stream: string | undefined,
  all: readonly StreamEntry[] | undefined,
): boolean {
  const [isLooking, setLooking] = useState(true);
  const hasList = all !== undefined;
  useEffect(() => {
    if (stream !== undefined || all === undefined) return;
    const abort = new AbortController();
    const look = async (): Promise<void> => {
      for (const { name } of all.slice(0, LOOKED_AT_MAX)) {
        const rows = await newestMetrics(its, name, 1, abort.signal).catch(() => []);
        if (abort.signal.aborted) return;
        if (rows.length > 0) {
          change({ stream: name }, { isSamePage: true });
          return;
        }
      }
      setLooking(false);
    };
    void look();
    return () => abort.abort();
  }, [its, stream, hasList]);
  return isLooking;
}

function NoMetrics({ count }: { readonly count: number }) {
  return (
    <div class="metrics-none">
      <h2>No metrics here yet</h2>
      <p>
        {count === 0
          ? 'This basin has no stream.'
          : `None of the ${Math.min(count, LOOKED_AT_MAX)} streams that were written last holds a metric.`}{' '}
        An SDK sends them with <code>OTEL_METRICS_EXPORTER=otlp</code>, by default once a minute:{' '}
        <a href={hrefOf('connect', { basin: place.value.query.basin })}>Connect</a> has the rest.
      </p>
    </div>
  );
}
