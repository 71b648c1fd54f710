/** The screen Senders: who sends OTLP data now, what became of it, and what to do where some of it is lost. */

import { useMemo, useRef } from 'preact/hooks';
import { Fault } from '../parts/fault.tsx';
import { usePolled } from '../parts/polled.ts';
import { sorted, sortOrder } from '../parts/sorting.ts';
import { spanText } from '../parts/time.ts';
import { useKeys } from '../state/keys.ts';
import { change, hrefOf, place } from '../state/place.ts';
import { basin, may } from '../state/session.ts';
import { listSenders } from '../wire/senders.ts';
import { isWanted, SenderHistory, type ShownSender, SORTED_BY } from './sender-facts.ts';
import { SenderPanel } from './sender-panel.tsx';
import { SenderTable } from './sender-table.tsx';
import '../look/panel.css';
import './senders.css';

const EVERY_MS = 2_000;

export function SendersScreen() {
  const seesAll = may('account-metrics');
  if (!seesAll && !may('basin-metrics')) return <NotAllowed />;
  return <Senders seesAll={seesAll} />;
}

function NotAllowed() {
  return (
    <div class="state">
      <h1>Senders</h1>
      <p>This token may not see who sends.</p>
      <p class="muted">
        It needs the operation <code>basin-metrics</code>, or <code>account-metrics</code> to see also those who are
        refused before they reach a basin. Ask who issued it, or sign in with another.
      </p>
    </div>
  );
}

function Senders({ seesAll }: { readonly seesAll: boolean }) {
  const current = basin.value;
  const { query } = place.value;
  const isAll = query.of === 'all';
  const history = useRef(new SenderHistory());
  const { value, error, reload } = usePolled(
    async (signal) => {
      const page = await listSenders(seesAll ? undefined : current, signal);
      return { page, senders: history.current.take(page) };
    },
    EVERY_MS,
    [current, seesAll],
  );
  useSenderKeys();
  const here = useMemo(
    () => value?.senders.filter(({ entry }) => isAll || entry.basin === current || entry.basin === null) ?? [],
    [value, isAll, current],
  );
  const order = sortOrder(query.sort, '-seen');
  const shown = sorted(
    here.filter((sender) => isWanted(sender, query.q ?? '')),
    SORTED_BY[order.by] ?? (() => 0),
    order.isDown,
  );
  const chosen = value?.senders.find(({ key }) => key === query.sender);
  return (
    <div class={`with-panel${chosen === undefined ? '' : ' is-open'}`}>
      <div class="list-part">
        <div class="list-head">
          <h1>Senders</h1>
          <input
            class="field"
            type="search"
            id="sender-search"
            aria-label="Search senders"
            placeholder="Service, address, token, reason …"
            value={query.q ?? ''}
            onInput={({ currentTarget }) => change({ q: currentTarget.value }, { isSamePage: true })}
          />
          {seesAll && <Whose isAll={isAll} others={(value?.senders.length ?? 0) - here.length} />}
          <p class="muted summary" role="status">
            {value !== undefined && summary(shown, here, value.page)}
          </p>
        </div>
        {error !== undefined && <Fault error={error} />}
        {value !== undefined && here.length === 0 && (
          <Nothing
            basin={seesAll ? undefined : current}
            sinceMs={Date.parse(value.page.now) - Date.parse(value.page.since)}
          />
        )}
        {here.length > 0 && shown.length === 0 && (
          <p class="muted none">None of {here.length} senders has that in its service, address, token or reasons.</p>
        )}
        {shown.length > 0 && <SenderTable senders={shown} order={order} showsBasin={isAll} chosen={chosen?.key} />}
      </div>
      {chosen !== undefined && <SenderPanel sender={chosen} onReload={reload} />}
    </div>
  );
}

/** `/` searches, `j` and `k` go through the list, Escape closes what is open. */
function useSenderKeys(): void {
  useKeys([
    { key: '/', does: 'search', run: () => document.getElementById('sender-search')?.focus() },
    { key: 'j', does: 'next sender', run: () => step(1) },
    { key: 'k', does: 'previous sender', run: () => step(-1) },
    {
      key: 'Escape',
      does: 'close the details',
      run: () => place.peek().query.sender !== undefined && change({ sender: undefined }),
    },
  ]);
}

function step(by: number): void {
  const links = [...document.querySelectorAll<HTMLElement>('.senders a.row-link')];
  const at = links.findIndex((link) => link === document.activeElement || link.ariaCurrent === 'true');
  links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))]?.focus();
}

function Whose({ isAll, others }: { readonly isAll: boolean; readonly others: number }) {
  return (
    <button
      type="button"
      class="button"
      aria-pressed={isAll}
      onClick={() => change({ of: isAll ? undefined : 'all' }, { isSamePage: true })}
    >
      All basins{!isAll && others > 0 && ` (${others} more)`}
    </button>
  );
}

function summary(
  shown: readonly ShownSender[],
  all: readonly ShownSender[],
  { since, now, has_more: hasMore }: { readonly since: string; readonly now: string; readonly has_more: boolean },
): string {
  const count = shown.length === all.length ? `${all.length}` : `${shown.length} of ${all.length}`;
  const bad = all.filter(({ state }) => state === 'refused' || state === 'losing').length;
  const parts = [
    `${count} ${all.length === 1 ? 'sender' : 'senders'}`,
    ...(bad === 0 ? [] : [`${bad} with problems`]),
    ...(hasMore ? ['those that sent last; there are more'] : []),
    `since the server started ${spanText(Date.parse(now) - Date.parse(since))} ago`,
  ];
  return parts.join(' · ');
}

/** `basin`: who sees no others cannot say what came to them. */
function Nothing({ basin: its, sinceMs }: { readonly basin: string | undefined; readonly sinceMs: number }) {
  return (
    <div class="state">
      <h2>Nothing has arrived{its !== undefined && ` in ${its}`} yet</h2>
      <p>
        No request of an exporter has come{its !== undefined && ` to ${its}`} in the {spanText(sinceMs)} since the
        server started{its === undefined && ', not even one that was refused'}. So the exporter sends somewhere else, or
        not at all.
      </p>
      <p>
        <a href={hrefOf('connect', { basin: place.value.query.basin })}>Connect</a> has what to set. From a terminal,{' '}
        <code>tailrace send log hello</code> sends one record, and <code>tailrace doctor</code> checks the way there.
      </p>
    </div>
  );
}
