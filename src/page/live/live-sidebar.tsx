/** Streams and services with their rates and errors, to choose from. */

import { useEffect, useState } from 'preact/hooks';
import { equalCondition, servicesOf, withCondition, withoutCondition } from '../filter/conditions.ts';
import { hueOf } from '../parts/hue.ts';
import { countText } from '../parts/time.ts';
import { visibleText } from '../rows/visible-text.ts';
import { change, place } from '../state/place.ts';
import type { LevelHistory } from './level-history.ts';
import { selectedStreams, selectionOf, selectionText } from './list-place.ts';
import type { LiveFeed } from './live-feed.ts';
import type { LiveView } from './live-view.ts';
import { BINS, type NameCount } from './seen-counts.ts';
import { useRepaints } from './use-repaints.ts';

const SHOWN_MAX = 100;
const REFRESH_MS = 2_000;

interface SidebarEntry {
  readonly name: string;
  readonly count: NameCount | undefined;
  readonly errors: number;
  readonly isChosen: boolean;
}

export function LiveSidebar(props: {
  readonly view: LiveView;
  readonly feed: LiveFeed;
  readonly history: LevelHistory;
}) {
  const { view, feed, history } = props;
  const [isOpen, setOpen] = useState(false);
  const now = useClock();
  useRepaints(history.version, feed.isReady);
  const filter = place.value.query.filter ?? '';
  const chosen = selectedStreams();
  const { select } = feed.options;
  const streams = [...new Set([...chosen, ...feed.streams.keys(), ...known(feed)])].map((name) => ({
    name,
    count: feed.counts.streams.get(name),
    errors: feed.counts.streams.get(name)?.errors ?? 0,
    isChosen: chosen.includes(name),
  }));
  const [byService, errors, wanted] = [history.byService(), history.errorsByService(), servicesOf(filter)];
  const services = [...new Set([...byService.keys(), ...feed.counts.services.keys(), ...wanted])].map((name) => ({
    name,
    count: feed.counts.services.get(name),
    errors: Math.max(errors.get(name) ?? 0, feed.counts.services.get(name)?.errors ?? 0),
    isChosen: wanted.includes(name),
  }));
  const chooseStream = (name: string): void => {
    const next = chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name];
    change({ streams: selectionText(next), from: view.replays.position, row: undefined, show: undefined });
  };
  const chooseService = (name: string): void => {
    const condition = equalCondition('service', name);
    view.filterBy(wanted.includes(name) ? withoutCondition(filter, condition) : withCondition(filter, condition));
  };
  return (
    <div class="live-side">
      <button type="button" class="button live-side-toggle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        Streams and services
      </button>
      <div class={isOpen ? 'live-side-body live-side-open' : 'live-side-body'}>
        <SidebarList title="Streams" entries={streams} now={now} onChoose={chooseStream} />
        {('glob' in select || chosen.length > 0) && (
          <button
            type="button"
            class="button quiet"
            onClick={() => change({ streams: undefined, from: view.replays.position, row: undefined, show: undefined })}
          >
            Show all streams
          </button>
        )}
        <SidebarList title="Services" entries={services} now={now} onChoose={chooseService} />
      </div>
    </div>
  );
}

/** Streams that were seen with another selection stay in the list, so that they can be chosen. */
const seenStreams = new Map<string, Set<string>>();

function known(feed: LiveFeed): readonly string[] {
  const { basin } = feed.options;
  const names = seenStreams.get(basin) ?? new Set<string>();
  seenStreams.set(basin, names);
  for (const name of feed.streams.keys()) if (names.size < SHOWN_MAX * 10) names.add(name);
  return 'glob' in selectionOf(place.value.query.streams) ? [] : [...names];
}

function useClock(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function SidebarList(props: {
  readonly title: string;
  readonly entries: readonly SidebarEntry[];
  readonly now: number;
  onChoose(name: string): void;
}) {
  const { title, entries, now, onChoose } = props;
  const [text, setText] = useState('');
  const found = entries.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
  const sorted = found.toSorted(
    (a, b) =>
      Number(b.isChosen) - Number(a.isChosen) ||
      (b.count?.total ?? 0) - (a.count?.total ?? 0) ||
      a.name.localeCompare(b.name),
  );
  return (
    <section aria-label={title}>
      <h2>
        {title} <span class="muted">{countText(entries.length)}</span>
      </h2>
      {entries.length > 12 && (
        <input
          class="field"
          type="search"
          aria-label={`Find in ${title.toLowerCase()}`}
          placeholder="Find…"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      )}
      <ul>
        {sorted.slice(0, SHOWN_MAX).map((entry) => (
          <li key={entry.name}>
            <SidebarButton entry={entry} now={now} onChoose={onChoose} />
          </li>
        ))}
      </ul>
      {sorted.length > SHOWN_MAX && <p class="muted">{countText(sorted.length - SHOWN_MAX)} more: find them by name</p>}
      {entries.length === 0 && <p class="muted">none yet</p>}
    </section>
  );
}

function SidebarButton(props: { readonly entry: SidebarEntry; readonly now: number; onChoose(name: string): void }) {
  const { entry, now, onChoose } = props;
  const { name, count, errors, isChosen } = entry;
  return (
    <button type="button" class="side-entry" aria-pressed={isChosen} title={name} onClick={() => onChoose(name)}>
      <span class="side-dot" style={{ background: hueOf(name) }} aria-hidden="true" />
      <span class="side-name">{visibleText(name)}</span>
      {errors > 0 && (
        <span class="side-errors">
          <span aria-hidden="true">✗</span> {countText(errors)}
          <span class="unseen"> errors</span>
        </span>
      )}
      {count !== undefined && count.total > 0 && (
        <>
          <Sparkline bins={count.bins(now)} />
          <span class="side-rate">{rateText(count.perSecond(now))}</span>
        </>
      )}
    </button>
  );
}

/** Nothing of one that is quiet: its place stays, so that lines stand below each other. */
function rateText(rate: number): string {
  if (rate === 0) return '';
  return `${rate < 10 ? rate.toFixed(1) : countText(Math.round(rate))}/s`;
}

function Sparkline({ bins }: { readonly bins: readonly number[] }) {
  const most = Math.max(1, ...bins);
  const points = bins.map((count, i) => `${i},${(10 - (count / most) * 9).toFixed(1)}`).join(' ');
  return (
    <svg class="sparkline" viewBox={`0 0 ${BINS - 1} 10`} preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points} />
    </svg>
  );
}
