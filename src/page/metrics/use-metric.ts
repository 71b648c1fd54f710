/** Loads one metric of a stream over a range of time, and follows it while the range goes on. */

import { useEffect, useState } from 'preact/hooks';
import { ManySocket } from '../wire/many-socket.ts';
import { metricFilter, metricRows } from '../wire/metrics.ts';
import { POINTS_MAX, SeriesStore } from './series.ts';
import type { TimeRange } from './value-text.ts';

export interface LoadedMetric {
  readonly store: SeriesStore;
  readonly isLoading: boolean;
  readonly error: unknown;
  /** Older records of the range were left out. */
  readonly isCut: boolean;
  /** Why nothing new comes at the moment. */
  readonly lost: string | undefined;
  /** Milliseconds: the end of what is shown. */
  readonly now: number;
}

/** How often the chart moves on. */
const MOVE_MS = 1_000;
/** Before the range, for the first difference. */
const BEFORE_MS = 120_000;

export function useMetric(basin: string, stream: string, name: string, range: TimeRange): LoadedMetric {
  const rangeKey = JSON.stringify(range);
  const [state, setState] = useState<LoadedMetric>(fresh);
  useEffect(() => {
    setState(fresh());
    return followMetric(basin, stream, name, range, (change) => setState((was) => ({ ...was, ...change })));
  }, [basin, stream, name, rangeKey]);
  return state;
}

function fresh(): LoadedMetric {
  return {
    store: new SeriesStore(),
    isLoading: true,
    error: undefined,
    isCut: false,
    lost: undefined,
    now: Date.now(),
  };
}

/** Returns how to end it. */
function followMetric(
  basin: string,
  stream: string,
  name: string,
  range: TimeRange,
  tell: (change: Partial<LoadedMetric>) => void,
): () => void {
  const store = new SeriesStore();
  const abort = new AbortController();
  let socket: ManySocket | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  tell({ store });
  const opened = Date.now();
  const from = range.isLive ? opened - range.lastMs : range.from;
  const take = (rows: Parameters<Parameters<typeof metricRows>[4]>[0]): boolean => {
    for (const row of rows) store.add(row);
    tell({ now: Date.now() });
    return store.points < POINTS_MAX;
  };
  const to = range.isLive ? undefined : range.to;
  metricRows(basin, stream, name, { from: from - BEFORE_MS, to }, take, abort.signal).then(
    ({ next, isCut }) => {
      if (abort.signal.aborted) return;
      tell({ isLoading: false, isCut, now: Date.now() });
      if (!range.isLive) return;
      socket = openSocket(basin, stream, name, next, store, tell);
      timer = setInterval(() => {
        if (document.visibilityState !== 'visible') return;
        const now = Date.now();
        store.forgetBefore(now - range.lastMs - BEFORE_MS);
        tell({ now });
      }, MOVE_MS);
    },
    (error: unknown) => {
      if (!abort.signal.aborted) tell({ isLoading: false, error });
    },
  );
  return () => {
    abort.abort();
    clearInterval(timer);
    socket?.close();
  };
}

/** New points show when the chart moves on next. */
function openSocket(
  basin: string,
  stream: string,
  name: string,
  next: number,
  store: SeriesStore,
  tell: (change: Partial<LoadedMetric>) => void,
): ManySocket {
  return new ManySocket(
    { basin, select: { streams: [stream] }, from: new Map([[stream, next]]), filter: metricFilter(name) },
    {
      opened: () => tell({ lost: undefined }),
      batch: ({ rows }) => {
        for (const row of rows) store.add(row);
      },
      left: (_stream, _code, message) => tell({ lost: message }),
      lost: (reason) => tell({ lost: `${reason}; it goes on by itself` }),
      failed: (error) => tell({ error }),
    },
  );
}
