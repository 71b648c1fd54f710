/** The list with what stands around it: the pill with what is new, what is missing, what is empty. */

import { useEffect, useMemo, useRef } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { countText, timeStyle } from '../parts/time.ts';
import { RowList } from '../rows/row-list.tsx';
import { change, hrefOf, place } from '../state/place.ts';
import { columnsOf } from './columns.ts';
import type { LiveFeed } from './live-feed.ts';
import type { LiveView } from './live-view.ts';
import { ManyRows } from './many-rows.ts';
import { ReplayBar } from './replay-bar.tsx';
import { useRepaints } from './use-repaints.ts';
import { pickValue, ValueMenu } from './value-menu.tsx';

export interface LiveListProps {
  readonly view: LiveView;
  readonly feed: LiveFeed;
  onValues(): void;
}

export function LiveList({ view, feed, onValues }: LiveListProps) {
  useRepaints(feed.version, view.moved);
  const version = feed.version.value + view.moved.value;
  const box = useRef<HTMLDivElement>(null);
  const isWrapped = place.value.query.wrap === 'yes';
  usePausing(box, view);
  const { source } = feed;
  const columns = columnsOf(place.value.query.columns, feed).join(',');
  const times = timeStyle.value;
  // Relative times change by themselves, once a second.
  const now = times === 'relative' ? Math.floor(Date.now() / 1_000) * 1_000 : 0;
  const look = useMemo(
    () => ({ columns: columns.split(',').filter((name) => name !== ''), isWrapped, times, now }),
    [columns, isWrapped, times, now],
  );
  const isEmpty = source.end === source.start;
  return (
    <section class="live-list" aria-label="Records" ref={box}>
      <ReplayBar view={view} />
      <RowList
        key={feed.options}
        source={source}
        scroll={view.scroll}
        look={look}
        label={label(feed)}
        selected={view.selected.value}
        version={version}
        onMoved={(isAtEnd) => view.onMoved(isAtEnd)}
        onSelect={(id, part) => {
          view.select(id, part === undefined ? true : undefined);
          if (part !== undefined) pickValue(part);
        }}
        onCopy={(from, to, event) => view.copyRange(from, to, event)}
        onPainted={(from, to, ms) => {
          feed.painted(ms);
          source.want(from, to);
          feed.learn(from, to);
        }}
      />
      <OlderEdge feed={feed} />
      {isEmpty && <EmptyList feed={feed} />}
      <Pill view={view} feed={feed} />
      <ValueMenu view={view} onAll={onValues} />
      <StatusLine view={view} feed={feed} />
    </section>
  );
}

function label(feed: LiveFeed): string {
  const { select } = feed.options;
  const which = 'streams' in select ? select.streams.join(', ') : 'glob' in select ? select.glob : 'all streams';
  return `Records of ${which}`;
}

/** A selection with the mouse stays where it is: the list stops following. */
function usePausing(box: { readonly current: HTMLDivElement | null }, view: LiveView): void {
  useEffect(() => {
    const onSelection = (): void => {
      const selection = document.getSelection();
      if (selection === null || selection.isCollapsed || box.current?.contains(selection.anchorNode) !== true) return;
      view.pause();
    };
    document.addEventListener('selectionchange', onSelection);
    return () => document.removeEventListener('selectionchange', onSelection);
  }, []);
}

function Pill({ view, feed }: { readonly view: LiveView; readonly feed: LiveFeed }) {
  useRepaints(feed.version, view.moved, feed.isReady);
  if (view.scroll.isFollowing) return null;
  if (feed.options.until !== undefined && feed.options.isReplay !== true) {
    const to = new Date(feed.options.until).toLocaleTimeString();
    return (
      <button type="button" class="live-pill" onClick={() => view.follow()}>
        range until {to}: go to now ↓
      </button>
    );
  }
  return (
    <button type="button" class="live-pill" onClick={() => view.follow()}>
      {feed.fresh > 0 ? `${countText(feed.fresh)} new ↓` : 'to the end ↓'}
    </button>
  );
}

/** At the top of a list that is not whole: how far it was read, and how to read on. */
function OlderEdge({ feed }: { readonly feed: LiveFeed }) {
  useRepaints(feed.version, feed.isReady);
  const { source } = feed;
  if (!(source instanceof ManyRows) || !feed.isReady.value || source.isAtStart || feed.error.value !== undefined)
    return null;
  const shown = source.end - source.start;
  if (shown >= 40 && feed.options.filter === undefined) return null;
  if (shown >= 200) return null;
  return (
    <div class="live-edge" role="status">
      <span>
        {countText(shown)} of {countText(source.looked)} read
      </span>
      <button type="button" class="button" disabled={source.isLoading} onClick={() => void source.loadOlder()}>
        {source.isLoading ? 'Searching…' : 'Search older'}
      </button>
    </div>
  );
}

/** Says why nothing is there, and what to do. */
function EmptyList({ feed }: { readonly feed: LiveFeed }) {
  useRepaints(feed.version, feed.isReady);
  const { source } = feed;
  const { basin: name, filter } = place.value.query;
  if (feed.error.value !== undefined) {
    return (
      <div class="live-empty">
        <h2>{feed.options.filter === undefined ? 'The records cannot be read' : 'The filter is not understood'}</h2>
        <p>
          {feed.options.filter === undefined
            ? 'What is wrong stands below.'
            : 'What is wrong with it stands below the field, with the place.'}
        </p>
      </div>
    );
  }
  if (!feed.isReady.value || source.isLoading) return <p class="live-empty muted">Reading the last records…</p>;
  if (filter !== undefined && filter !== '') {
    const looked = source instanceof ManyRows ? source.looked : 0;
    return (
      <div class="live-empty">
        <h2>No record matches so far</h2>
        <p>
          {source.isAtStart
            ? `0 of ${countText(looked)} records: none that is stored matches. A new one shows as it comes.`
            : `0 of ${countText(looked)} read. Older records may match.`}
        </p>
        <button type="button" class="button" onClick={() => change({ filter: undefined })}>
          Clear the filter
        </button>
      </div>
    );
  }
  return (
    <div class="live-empty">
      <h2>{feed.streams.size === 0 ? 'No stream has a record yet' : 'No record yet'}</h2>
      <p>
        Records show here the moment they are stored. <a href={hrefOf('connect', { basin: name })}>Connect</a> says what
        a program has to set to send its logs, traces and metrics here.
      </p>
    </div>
  );
}

function stateText(view: LiveView, feed: LiveFeed): string {
  if (feed.error.value !== undefined) return 'Stopped';
  if (feed.state.value.type === 'lost') return 'Connection lost: it comes again by itself';
  const replay = view.replays.replay.value;
  if (replay !== undefined) {
    if (replay.isEnded.value) return 'Replayed to the end of the range';
    return replay.isPlaying.value ? `Replaying ×${replay.speed.value}` : 'Replay paused';
  }
  return view.scroll.isFollowing ? 'Following' : 'Paused';
}

function StatusLine({ view, feed }: { readonly view: LiveView; readonly feed: LiveFeed }) {
  useRepaints(feed.version, view.moved, feed.isReady);
  const state = feed.state.value;
  const { source } = feed;
  const isFilterFault = feed.error.value !== undefined && feed.options.filter !== undefined;
  const count = source.end - source.start;
  const hasAhead = source instanceof ManyRows && source.hasAhead;
  return (
    <div class="live-status">
      {feed.error.value !== undefined && !isFilterFault && <Fault error={feed.error.value} />}
      <p>
        <span
          class={`live-dot live-dot-${state.type === 'open' && view.scroll.isFollowing && feed.options.isReplay !== true ? 'on' : state.type}`}
          aria-hidden="true"
        />
        <span>{stateText(view, feed)}</span>
        <span class="muted">
          {countText(count)} {feed.stream === undefined ? 'here' : 'in the stream'}
          {hasAhead && ', later ones are on the server'}
        </span>
        {source.isLoading && feed.error.value === undefined && <span class="muted">loading…</span>}
      </p>
      <p role="status" class="live-said">
        {view.said.value ?? feed.note.value}
      </p>
    </div>
  );
}
