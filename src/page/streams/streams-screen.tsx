/** The screen Streams: the streams of the basin, the details of one, and the basins themselves. */

import { useMemo, useRef, useState } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { sorted, sortOrder } from '../parts/sorting.ts';
import { bytesText, countText } from '../parts/time.ts';
import { useKeys } from '../state/keys.ts';
import { change, go, hrefOf, place } from '../state/place.ts';
import { basin, may } from '../state/session.ts';
import { type StreamSettings, streamSettings } from '../wire/control.ts';
import { listStreams, STREAMS_LISTED_MAX, type StreamEntry } from '../wire/streams.ts';
import { Basins } from './basins.tsx';
import { CreateStream } from './change-settings.tsx';
import { StreamPanel } from './stream-panel.tsx';
import { focusRow, rowAt, SORTED_BY, StreamTable } from './stream-table.tsx';
import '../look/panel.css';
import './streams.css';

const EVERY_MS = 3_000;
/** Ten thousand streams are ten requests. */
const EVERY_MS_OF_MANY = 20_000;
const MANY = 1_000;

export function StreamsScreen() {
  const { query } = place.value;
  const isBasins = query.view === 'basins' && may('list-basins');
  return (
    <div class="streams-screen">
      <div class="streams-head">
        <h1>{isBasins ? 'Basins' : 'Streams'}</h1>
        {may('list-basins') && (
          <nav aria-label="Streams or basins">
            <a href={hrefOf('streams', { basin: query.basin })} aria-current={isBasins ? undefined : 'page'}>
              Streams of {basin.value}
            </a>
            <a
              href={hrefOf('streams', { basin: query.basin, view: 'basins' })}
              aria-current={isBasins ? 'page' : undefined}
            >
              All basins
            </a>
          </nav>
        )}
      </div>
      {isBasins ? <Basins /> : may('list-streams') ? <Streams /> : <NotListed />}
    </div>
  );
}

/** A stream may still be opened by its name. */
function NotListed() {
  const { stream } = place.value.query;
  if (stream !== undefined) return <StreamPanel basin={basin.value} stream={stream} onChange={() => {}} />;
  return (
    <div class="state">
      <h2>This token may not list streams</h2>
      <p>
        It needs the operation <code>list-streams</code>. One whose name you know opens all the same:
      </p>
      <form
        class="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          const name = new FormData(event.currentTarget).get('stream');
          if (typeof name === 'string' && name !== '') change({ stream: name });
        }}
      >
        <input class="field mono" name="stream" aria-label="Name of the stream" placeholder="orders/eu" />
        <button type="submit" class="button">
          Open
        </button>
      </form>
    </div>
  );
}

function Streams() {
  const current = basin.value;
  const { query } = place.value;
  const search = query.q ?? '';
  // A prefix is asked of the server, so it also finds what a list that is cut leaves out.
  const prefix = search.endsWith('*') ? search.slice(0, -1) : '';
  const [everyMs, setEveryMs] = useState(EVERY_MS);
  const { value, error, reload } = usePolled(
    async (signal) => {
      const streams = await listStreams(current, prefix, signal);
      setEveryMs(streams.length > MANY ? EVERY_MS_OF_MANY : EVERY_MS);
      return { streams, at: Date.now() };
    },
    everyMs,
    [current, prefix],
  );
  const order = sortOrder(query.sort, 'name');
  const shown = useMemo(
    () => chosenStreams(value?.streams ?? [], search, order.by, order.isDown),
    [value, search, order.by, order.isDown],
  );
  const { settings, onSight } = useSettings(current);
  useStreamKeys(shown);
  return (
    <div class={`with-panel${query.stream === undefined ? '' : ' is-open'}`}>
      <div class="list-part">
        <Toolbar basin={current} search={search} summary={value && summaryOf(value.streams, shown)} onDone={reload} />
        {error !== undefined && <Fault error={error} />}
        {value !== undefined && value.streams.length === 0 && prefix === '' && <NoStreams basin={current} />}
        {value !== undefined && shown.length === 0 && (value.streams.length > 0 || prefix !== '') && (
          <p class="muted none">
            No stream of {current} {prefix === '' ? 'has that in its name' : 'begins with that'}.
          </p>
        )}
        {value !== undefined && shown.length > 0 && (
          <StreamTable streams={shown} order={order} chosen={query.stream} now={value.at} {...{ settings, onSight }} />
        )}
      </div>
      {query.stream !== undefined && (
        <StreamPanel key={query.stream} basin={current} stream={query.stream} onChange={reload} />
      )}
    </div>
  );
}

/** What the search wants, in the order of the table. */
export function chosenStreams(
  streams: readonly StreamEntry[],
  search: string,
  by: string,
  isDown: boolean,
): readonly StreamEntry[] {
  const words = search.endsWith('*') ? [] : search.toLowerCase().split(/\s+/);
  const wanted = streams.filter(({ name }) => {
    const lower = name.toLowerCase();
    return words.every((word) => lower.includes(word));
  });
  // The server's order is that of names.
  if (by === 'name' && !isDown) return wanted;
  return sorted(wanted, SORTED_BY[by] ?? (() => 0), isDown);
}

function summaryOf(all: readonly StreamEntry[], shown: readonly StreamEntry[]): string {
  const bytes = shown.reduce((sum, { figures }) => sum + (figures?.metered_bytes ?? 0), 0);
  const records = shown.reduce((sum, { figures }) => sum + (figures?.records ?? 0), 0);
  const count =
    shown.length === all.length ? countText(all.length) : `${countText(shown.length)} of ${countText(all.length)}`;
  const cut = all.length >= STREAMS_LISTED_MAX;
  return [
    `${count} ${all.length === 1 ? 'stream' : 'streams'}`,
    `${countText(records)} records`,
    bytesText(bytes),
    ...(cut ? ['the first by name; write a prefix* to see others'] : []),
  ].join(' · ');
}

/** How long records are kept is no part of the list: it is asked for the rows in sight, once for each stream. */
function useSettings(basinName: string) {
  const [settings, setSettings] = useState<ReadonlyMap<string, StreamSettings>>(new Map());
  const asked = useRef(new Set<string>());
  const onSight = (names: readonly string[]): void => {
    if (!may('get-stream-config')) return;
    const wanted = names.filter((name) => !asked.current.has(name));
    for (const name of wanted) asked.current.add(name);
    void Promise.all(
      wanted.map(async (name) => [name, await streamSettings(basinName, name).catch(() => undefined)] as const),
    ).then((found) => {
      if (found.length === 0) return;
      setSettings(
        (was) => new Map([...was, ...found.filter((one): one is [string, StreamSettings] => one[1] !== undefined)]),
      );
    });
  };
  return { settings, onSight };
}

function useStreamKeys(shown: readonly StreamEntry[]): void {
  const step = (by: number): void => {
    const at = rowAt();
    focusRow(at === undefined ? 0 : Math.min(shown.length - 1, Math.max(0, at + by)));
  };
  useKeys(
    [
      { key: '/', does: 'search', run: () => document.getElementById('stream-search')?.focus() },
      { key: 'j', does: 'next stream', run: () => step(1) },
      { key: 'k', does: 'previous stream', run: () => step(-1) },
      { key: 'g', does: 'first stream', run: () => focusRow(0) },
      { key: 'G', does: 'last stream', run: () => focusRow(shown.length - 1) },
      {
        key: 'Escape',
        does: 'close the details',
        run: () => place.peek().query.stream !== undefined && change({ stream: undefined }),
      },
    ],
    [shown],
  );
}

function Toolbar(props: {
  readonly basin: string;
  readonly search: string;
  readonly summary: string | undefined;
  onDone(): void;
}) {
  const { basin: name, search, summary, onDone } = props;
  const [isOpen, setOpen] = useState(false);
  return (
    <div class="list-head">
      <input
        class="field"
        type="search"
        id="stream-search"
        aria-label="Search streams"
        placeholder="Part of a name, or prefix*"
        value={search}
        onInput={({ currentTarget }) => change({ q: currentTarget.value }, { isSamePage: true })}
      />
      {may('create-stream') && (
        <button type="button" class="button primary" onClick={() => setOpen(true)}>
          New stream …
        </button>
      )}
      <p class="muted summary" role="status">
        {summary}
      </p>
      {isOpen && <CreateStream basin={name} onDone={onDone} onClose={() => setOpen(false)} />}
    </div>
  );
}

function NoStreams({ basin: name }: { readonly basin: string }) {
  return (
    <div class="state">
      <h2>No stream in {name} yet</h2>
      <p>
        A stream is made by the first record that is sent to it.{' '}
        <a href={hrefOf('connect', { basin: place.value.query.basin })}>Connect</a> shows what an exporter needs;{' '}
        <code>tailrace send log hello</code> sends one record.
      </p>
      <p class="muted">
        {may('append') ? (
          <button type="button" class="button" onClick={() => go('connect', { basin: place.value.query.basin })}>
            Connect an exporter
          </button>
        ) : (
          'This token may not write, so another one has to.'
        )}
      </p>
    </div>
  );
}
