/** A trace with its head, its filter, the overview, the waterfall, and the chosen span beside it. */

import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { countText } from '../parts/time.ts';
import { useKeys } from '../state/keys.ts';
import { change, hrefOf, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { FOLDS_IN_URL_MAX, type FoldState, parseFolds } from './folds.ts';
import { Minimap } from './minimap.tsx';
import {
  type Folded,
  foldAll,
  followFolds,
  select,
  selectedIn,
  setWindow,
  unfoldAbove,
  unfoldAll,
} from './navigation.ts';
import { nextError, shownNodes } from './shown-nodes.ts';
import { SpanDetail } from './span-detail.tsx';
import type { SpanNode, SpanTree } from './span-tree.ts';
import { fitted, moved, parseWindow, type TimeWindow, zoomed } from './time-window.ts';
import type { TraceFeed } from './trace-feed.ts';
import { FilterField } from './trace-filter.tsx';
import { TraceHead } from './trace-head.tsx';
import { useMatches } from './use-matches.ts';
import { Waterfall } from './waterfall.tsx';

const ZOOM = 0.6;
const PAN = 0.25;

export function TraceView({ feed, traceId }: { readonly feed: TraceFeed; readonly traceId: string }) {
  const tree = feed.tree.value;
  const status = feed.status.value;
  const { query } = place.value;
  const filter = query.filter ?? '';
  const matches = useMatches(feed, traceId, filter);
  const folded = useSignal<FoldState>(parseFolds(query.fold));
  useEffect(() => followFolds(folded, query.fold), [query.fold]);
  const filterRef = useRef<HTMLInputElement>(null);
  const matched = matches?.matched.value;
  const shown = useMemo(() => shownNodes(tree, { folded: folded.value, matched }), [tree, folded.value, matched]);
  const selected = useMemo(() => selectedIn(tree, query), [tree, query.span, query.row]);
  const window = useWindow(tree, query.zoom);
  useTraceKeys({ shown, selected, window, lengthMs: tree.endMs - tree.startMs, folded, tree, filterRef });
  if (status.error !== undefined) {
    return (
      <div class="state">
        <h1>Trace</h1>
        <Fault error={status.error} />
      </div>
    );
  }
  if (tree.all.length === 0)
    return <Nothing traceId={traceId} isComplete={status.isComplete} streams={status.streams} />;
  return (
    <div class={`trace ${selected === undefined ? '' : 'trace-with-detail'}`}>
      <TraceHead tree={tree} status={status} traceId={traceId} />
      <FilterField
        matches={matches}
        shown={shown.length}
        total={tree.all.length}
        unlinked={folded.value.others.size - FOLDS_IN_URL_MAX}
        inputRef={filterRef}
      />
      <Minimap tree={tree} window={window} />
      <Waterfall tree={tree} shown={shown} folded={folded} matched={matched} selected={selected} window={window} />
      {selected !== undefined && <SpanDetail key={selected.key} node={selected} tree={tree} />}
    </div>
  );
}

/** The window of the URL, else all of the trace. */
function useWindow(tree: SpanTree, zoom: string | undefined): TimeWindow {
  const length = Math.max(0.001, tree.endMs - tree.startMs);
  return useMemo(() => {
    const asked = parseWindow(zoom);
    return (asked === undefined ? undefined : fitted(asked, length)) ?? { from: 0, to: length };
  }, [zoom, length]);
}

interface KeysOf {
  readonly shown: readonly SpanNode[];
  readonly selected: SpanNode | undefined;
  readonly window: TimeWindow;
  readonly lengthMs: number;
  readonly folded: Folded;
  readonly tree: SpanTree;
  readonly filterRef: { readonly current: HTMLInputElement | null };
}

function useTraceKeys({ shown, selected, window, lengthMs, folded, tree, filterRef }: KeysOf): void {
  const at = selected === undefined ? -1 : shown.indexOf(selected);
  const toError = (step: 1 | -1): void => {
    const next = nextError(shown, at < 0 && step < 0 ? 0 : at, step);
    if (next !== undefined) select(shown[next]);
  };
  const middle = (window.from + window.to) / 2;
  const zoom = (factor: number): void => setWindow(zoomed(window, factor, middle), lengthMs);
  const step = (by: number): void => select(shown[Math.min(shown.length - 1, Math.max(0, at + by))]);
  useKeys(
    [
      { key: 'j', does: 'next span', run: () => step(1) },
      { key: 'k', does: 'previous span', run: () => step(-1) },
      { key: 'n', does: 'next error', run: () => toError(1) },
      { key: 'N', does: 'previous error', run: () => toError(-1) },
      { key: '/', does: 'filter', run: () => filterRef.current?.focus() },
      { key: '+', does: 'zoom in', run: () => zoom(ZOOM) },
      { key: '-', does: 'zoom out', run: () => zoom(1 / ZOOM) },
      { key: '0', does: 'the whole trace', run: () => change({ zoom: undefined }, { isSamePage: true }) },
      { key: '<', does: 'earlier', run: () => setWindow(moved(window, -PAN), lengthMs) },
      { key: '>', does: 'later', run: () => setWindow(moved(window, PAN), lengthMs) },
      { key: 'e', does: 'unfold all', run: () => unfoldAll(folded) },
      { key: 'E', does: 'fold all', run: () => foldAll(folded) },
      { key: 'Escape', does: 'close the record', run: () => selected !== undefined && select(undefined) },
    ],
    [shown, selected, window, lengthMs, tree],
  );
  // What is chosen by a link or by an error may stand below a folded span.
  useEffect(() => {
    if (selected !== undefined) unfoldAbove(folded, selected);
  }, [selected?.key]);
}

function Nothing(props: { readonly traceId: string; readonly isComplete: boolean; readonly streams: number }) {
  const { traceId, isComplete, streams } = props;
  if (!isComplete) {
    return (
      <div class="state" aria-busy="true">
        <h1>Trace</h1>
        <p role="status">Looking for {traceId} in all streams…</p>
      </div>
    );
  }
  return (
    <div class="state">
      <h1>Nothing of this trace is here</h1>
      <p role="status">
        No record in the {countText(streams)} streams of {basin.value} that you may read has the trace id{' '}
        <code>{traceId}</code>. If it comes, it shows here by itself.
      </p>
      <ul class="trace-why">
        <li>Its records may have expired or been trimmed, or be in another basin: choose it above.</li>
        <li>Its sender may keep only some traces (OTEL_TRACES_SAMPLER).</li>
        <li>
          See in <a href={hrefOf('senders', { basin: basin.value })}>Senders</a> whether spans arrive at all.
        </li>
      </ul>
    </div>
  );
}
