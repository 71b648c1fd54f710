/** Leads into Live at a position of a stream: a sequence number, a time, or so many records before the end. */

import { useId, useState } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import { go, hrefOf, place } from '../state/place.ts';
import type { StreamFigures } from '../wire/streams.ts';
import { parseTarget, rangeText } from './target.ts';

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
