/** The list of streams. Only the rows in sight are in the document, so ten thousand scroll like ten. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { hueOf } from '../parts/hue.ts';
import { SortHeader } from '../parts/sort-header.tsx';
import type { SortOrder } from '../parts/sorting.ts';
import { bytesText, countText, rateText, recentText } from '../parts/time.ts';
import { hrefOf, place } from '../state/place.ts';
import type { StreamSettings } from '../wire/control.ts';
import type { StreamEntry, StreamFigures } from '../wire/streams.ts';
import { keptText } from './setting-texts.ts';

/** As streams.css has it. */
const ROW_PX = 28;
/** Rows beyond the edge, so that a short scroll paints nothing empty. */
const OVER = 12;

export const SORTED_BY: Readonly<Record<string, (entry: StreamEntry) => string | number | null | undefined>> = {
  name: ({ name }) => name,
  records: ({ figures }) => figures?.records,
  next: ({ figures }) => figures?.next_seq_num,
  bytes: ({ figures }) => figures?.metered_bytes,
  rate: ({ figures }) => figures?.records_per_second,
  last: ({ figures }) => figures?.last_timestamp,
};

export function StreamTable(props: {
  readonly streams: readonly StreamEntry[];
  readonly order: SortOrder;
  readonly chosen: string | undefined;
  readonly now: number;
  /** Of the streams that were in sight so far. */
  readonly settings: ReadonlyMap<string, StreamSettings>;
  /** Asked for when rows have come to rest. */
  onSight(names: readonly string[]): void;
}) {
  const { streams, order, chosen, now, settings, onSight } = props;
  const frame = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const look = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  const first = Math.max(0, Math.min(Math.floor(view.top / ROW_PX) - OVER, streams.length - 1));
  const end = Math.min(streams.length, Math.ceil((view.top + view.height) / ROW_PX) + OVER);
  const shown = streams.slice(first, end);
  const inSight = shown.map(({ name }) => name);
  useEffect(() => {
    const timer = setTimeout(() => onSight(inSight), 150);
    return () => clearTimeout(timer);
  }, [inSight.join('\n')]);
  return (
    <div class="table-frame" ref={frame}>
      <table class="table streams" aria-rowcount={streams.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <SortHeader by="name" label="Stream" order={order} />
            <SortHeader by="records" label="Records" order={order} isNumber class="middle" />
            <SortHeader by="next" label="First – next" title="Sequence numbers" order={order} isNumber class="wide" />
            <SortHeader by="bytes" label="Size" title="Metered bytes" order={order} isNumber />
            <SortHeader by="rate" label="Rate" title="Records a second, over the last minute" order={order} isNumber />
            <SortHeader by="last" label="Last record" order={order} isNumber />
            <th scope="col" class="wide">
              Kept for
            </th>
          </tr>
        </thead>
        <tbody>
          <Spacer rows={first} />
          {shown.map((entry, i) => (
            <StreamRow
              key={entry.name}
              entry={entry}
              index={first + i}
              isChosen={entry.name === chosen}
              now={now}
              settings={settings.get(entry.name)}
            />
          ))}
          <Spacer rows={streams.length - end} />
        </tbody>
      </table>
    </div>
  );
}

/** Brings a row into sight and focuses its link, when it has been painted. */
export function focusRow(index: number): void {
  const frame = document.querySelector('.table-frame:has(.streams)');
  if (frame === null) return;
  const [top, bottom] = [index * ROW_PX, (index + 2) * ROW_PX];
  if (top < frame.scrollTop) frame.scrollTop = top;
  else if (bottom > frame.scrollTop + frame.clientHeight - ROW_PX)
    frame.scrollTop = bottom - frame.clientHeight + ROW_PX;
  requestAnimationFrame(() =>
    document.querySelector<HTMLElement>(`.streams a[data-index="${index}"]`)?.focus({ preventScroll: true }),
  );
}

/** The index of the focused row, or of the chosen one. */
export function rowAt(): number | undefined {
  const focused = document.activeElement?.closest<HTMLElement>('.streams a.row-link');
  const link = focused ?? document.querySelector<HTMLElement>('.streams a[aria-current="true"]');
  return link === null || link === undefined ? undefined : Number(link.dataset.index);
}

function Spacer({ rows }: { readonly rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr class="spacer">
      <td colSpan={7} style={{ height: `${rows * ROW_PX}px` }} />
    </tr>
  );
}

function StreamRow(props: {
  readonly entry: StreamEntry;
  readonly index: number;
  readonly isChosen: boolean;
  readonly now: number;
  readonly settings: StreamSettings | undefined;
}) {
  const { entry, index, isChosen, now, settings } = props;
  const { name, figures, deleted_at: deletedAt } = entry;
  return (
    <tr class={`row${isChosen ? ' is-chosen' : ''}`} aria-rowindex={index + 2}>
      <td class="name">
        <a
          class="row-link"
          data-index={index}
          title={name}
          style={{ color: hueOf(name) }}
          href={hrefOf('streams', { ...place.value.query, stream: name })}
          aria-current={isChosen ? 'true' : undefined}
        >
          {name}
        </a>
        {deletedAt !== null && <span class="chip">being deleted</span>}
      </td>
      <Figures figures={figures} now={now} />
      <td class="wide">{settings === undefined ? '' : keptText(settings)}</td>
    </tr>
  );
}

function Figures({ figures, now }: { readonly figures: StreamFigures | null; readonly now: number }) {
  if (figures === null) {
    return (
      <>
        <td class="middle" />
        <td class="wide" />
        <td colSpan={3} class="muted number">
          this token may not see its figures
        </td>
      </>
    );
  }
  const { records, first_seq_num: first, next_seq_num: next, last_timestamp: last } = figures;
  const rate = figures.records_per_second;
  return (
    <>
      <td class="number middle">{countText(records)}</td>
      <td class="number wide">
        #{countText(first)} – #{countText(next)}
      </td>
      <td class="number">{bytesText(figures.metered_bytes)}</td>
      <td class={`number${rate === 0 ? ' muted' : ''}`}>{rate === null ? '–' : rateText(rate)}</td>
      <td class="number" title={last === null ? undefined : new Date(last).toISOString()}>
        {last === null ? 'none yet' : recentText(now - last)}
      </td>
    </>
  );
}
