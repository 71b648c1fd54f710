/** Leads into Live at a position of a stream: a sequence number, a time, or so many records before the end. */

import { useId, useState } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import { go, hrefOf, place } from '../state/place.ts';
import type { StreamFigures } from '../wire/streams.ts';
import { parseSpan } from './setting-texts.ts';

/** `from` of Live, or what is wrong with the text. */
export type Target = { readonly from: string } | { readonly fault: string };

const EXPECTED = 'Write #4200, -100 for the last hundred, a time such as 2026-11-30 10:00 or 10:00, or 15m ago.';

/** `now` in milliseconds; times are those of this browser's clock and zone, unless they say another. */
export function parseTarget(text: string, now: number): Target {
  const value = text.trim();
  if (/^#?\d{1,16}$/.test(value)) return { from: `seq:${Number(value.replace('#', ''))}` };
  const [, last] = /^[-−](\d{1,6})$/.exec(value) ?? [];
  if (last !== undefined) return { from: `tail:${Number(last)}` };
  const [, span] = /^(\d\S*)(?:\s+ago)?$/.exec(value) ?? [];
  const seconds = span === undefined ? undefined : parseSpan(span);
  if (seconds !== undefined) return { from: `time:${new Date(now - seconds * 1_000).toISOString()}` };
  const millis = instantOf(value, now);
  return millis === undefined ? { fault: EXPECTED } : { from: `time:${new Date(millis).toISOString()}` };
}

/** A time of the day is the last one that has been. */
function instantOf(value: string, now: number): number | undefined {
  const [, hours, minutes, seconds = '0'] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(value) ?? [];
  if (hours !== undefined) {
    if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
    const date = new Date(now);
    date.setHours(Number(hours), Number(minutes), Number(seconds), 0);
    if (date.getTime() > now) date.setDate(date.getDate() - 1);
    return date.getTime();
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(value)) return undefined;
  // A day alone would be one in UTC.
  const millis = Date.parse(value.length === 10 ? `${value}T00:00` : value.replace(' ', 'T'));
  return Number.isNaN(millis) ? undefined : millis;
}

export function GoTo({
  stream,
  figures,
}: {
  readonly stream: string;
  readonly figures: StreamFigures | null | undefined;
}) {
  const id = useId();
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string | undefined>();
  const at = (from: string | undefined) => ({ basin: place.value.query.basin, streams: stream, from });
  const submit = (event: Event): void => {
    event.preventDefault();
    const target = parseTarget(text, Date.now());
    if ('fault' in target) setFault(target.fault);
    else go('live', at(target.from));
  };
  return (
    <section aria-label="Go to">
      <h3>Go to</h3>
      <p class="links">
        <a href={hrefOf('live', at(undefined))}>Follow</a>
        <a href={hrefOf('live', at('tail:100'))}>Last 100</a>
        {figures !== null && figures !== undefined && (
          <a href={hrefOf('live', at(`seq:${figures.first_seq_num}`))}>First, #{countText(figures.first_seq_num)}</a>
        )}
        <a href={hrefOf('metrics', { basin: place.value.query.basin, stream })}>Metrics</a>
      </p>
      <form class="inline-form" onSubmit={submit}>
        <input
          class="field mono"
          aria-label="Go to a position or time"
          aria-invalid={fault !== undefined}
          aria-describedby={id}
          placeholder="#4200, -100, 10:00, 15m ago"
          value={text}
          onInput={({ currentTarget }) => {
            setText(currentTarget.value);
            setFault(undefined);
          }}
        />
        <button type="submit" class="button">
          Go
        </button>
      </form>
      <p id={id} class={fault === undefined ? 'muted' : 'bad'} role={fault === undefined ? undefined : 'alert'}>
        {fault ?? rangeText(figures)}
      </p>
    </section>
  );
}

function rangeText(figures: StreamFigures | null | undefined): string {
  if (figures === null || figures === undefined) return '';
  if (figures.records === 0) return `It holds no record; the next one gets #${figures.next_seq_num}.`;
  return `It holds #${countText(figures.first_seq_num)} to #${countText(figures.next_seq_num - 1)}.`;
}
