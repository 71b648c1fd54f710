/** The filter of a trace in the grammar of the command line: it hides what does not match and keeps what leads there. */

import type { RefObject } from 'preact';
import { useId } from 'preact/hooks';
import { countText } from '../parts/time.ts';
import { change, place } from '../state/place.ts';
import type { MatchFeed } from './trace-feed.ts';

export interface TraceFilterProps {
  readonly matches: MatchFeed | undefined;
  readonly shown: number;
  readonly total: number;
  /** So many folds are not in the URL, if more than none. */
  readonly unlinked: number;
  readonly inputRef: RefObject<HTMLInputElement | null>;
}

export function FilterField({ matches, shown, total, unlinked, inputRef }: TraceFilterProps) {
  const [id, outcomeId] = [useId(), useId()];
  const filter = place.value.query.filter ?? '';
  const error = matches?.error.value;
  const set = (text: string): void => change({ filter: text }, { isSamePage: true });
  return (
    <div class="trace-filter">
      <label class="unseen" for={id}>
        Filter
      </label>
      <input
        id={id}
        ref={inputRef}
        class="field mono"
        type="search"
        spellcheck={false}
        autocomplete="off"
        placeholder="Filter, such as status=error, duration>100ms, service=checkout, or a word"
        value={filter}
        aria-invalid={error !== undefined}
        aria-describedby={outcomeId}
        onInput={({ currentTarget }) => set(currentTarget.value)}
      />
      <Quick text="status=error" label="Failed spans" filter={filter} set={set} />
      <span id={outcomeId} class={error === undefined ? 'muted' : 'trace-filter-fault'} role="status">
        {error !== undefined
          ? faultText(error.message)
          : matches === undefined
            ? `${countText(total)} lines`
            : `${countText(shown)} of ${countText(total)} lines${matches.isComplete.value ? '' : ' so far'}`}
        {unlinked > 0 && `; the link leaves out ${countText(unlinked)} folds`}
      </span>
    </div>
  );
}

interface QuickProps {
  readonly text: string;
  readonly label: string;
  readonly filter: string;
  set(text: string): void;
}

function Quick({ text, label, filter, set }: QuickProps) {
  const isOn = ` ${filter} `.includes(` ${text} `);
  const toggled = isOn ? ` ${filter} `.replace(` ${text} `, ' ').trim() : `${filter} ${text}`.trim();
  return (
    <button type="button" class="button" aria-pressed={isOn} onClick={() => set(toggled)}>
      {label}
    </button>
  );
}

/** The server's words about what was typed, without the condition that is added to it. */
function faultText(message: string): string {
  return message.replace(/ trace_id=[0-9a-f]*/, '');
}
