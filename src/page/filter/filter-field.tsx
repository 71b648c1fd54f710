/** The field of a filter, in the grammar of the command line, with suggestions. It counts when it is entered. */

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { type Suggestion, suggestionsAt } from './suggestions.ts';

export interface FilterFieldProps {
  readonly filter: string;
  /** Values that were seen, by field. */
  readonly seen: ReadonlyMap<string, ReadonlySet<string>>;
  /** What the server says of the filter. */
  readonly error: string | undefined;
  onEnter(filter: string): void;
}

/** For the key that leads here. */
export const FILTER_FIELD_ID = 'filter-field';

export function FilterField({ filter, seen, error, onEnter }: FilterFieldProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(filter);
  const [offered, setOffered] = useState<readonly Suggestion[]>([]);
  const [chosen, setChosen] = useState(-1);
  useEffect(() => setText(filter), [filter]);
  const offer = (value: string, cursor: number): void => {
    setOffered(cursor === value.length ? suggestionsAt(value, seen) : []);
    setChosen(-1);
  };
  const take = (suggestion: Suggestion): void => {
    setText(suggestion.text);
    offer(suggestion.text, suggestion.text.length);
    input.current?.focus();
  };
  const enter = (value: string): void => {
    setOffered([]);
    onEnter(value.trim());
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const picked = offered[chosen];
    if (event.key === 'Enter') {
      if (picked !== undefined) take(picked);
      else enter(text);
    } else if (event.key === 'Tab' && picked !== undefined) take(picked);
    else if (event.key === 'ArrowDown' && offered.length > 0) setChosen((chosen + 1) % offered.length);
    else if (event.key === 'ArrowUp' && offered.length > 0)
      setChosen(((chosen + offered.length) % (offered.length + 1)) - 1);
    else if (event.key === 'Escape' && offered.length > 0) setOffered([]);
    else return;
    event.preventDefault();
  };
  const isOpen = offered.length > 0;
  return (
    <div class="filter">
      <input
        ref={input}
        id={FILTER_FIELD_ID}
        class="field mono"
        role="combobox"
        aria-label="Filter"
        aria-expanded={isOpen}
        aria-controls={`${id}-offered`}
        aria-autocomplete="list"
        aria-activedescendant={chosen < 0 ? undefined : `${id}-${chosen}`}
        aria-invalid={error !== undefined}
        aria-describedby={error === undefined ? undefined : `${id}-error`}
        placeholder="Filter: level>=warn service=checkout timeout   ( / )"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={({ currentTarget: { value, selectionStart } }) => {
          setText(value);
          offer(value, selectionStart ?? value.length);
        }}
        onFocus={() => offer(text, text.length)}
        onBlur={() => setOffered([])}
        onKeyDown={onKeyDown}
      />
      {text !== '' && (
        <button type="button" class="button quiet filter-clear" aria-label="Clear the filter" onClick={() => enter('')}>
          ×
        </button>
      )}
      <Offered id={id} offered={offered} chosen={chosen} onTake={take} />
      {error !== undefined && (
        <p id={`${id}-error`} class="filter-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

function Offered(props: {
  readonly id: string;
  readonly offered: readonly Suggestion[];
  readonly chosen: number;
  onTake(suggestion: Suggestion): void;
}) {
  const { id, offered, chosen, onTake } = props;
  const isOpen = offered.length > 0;
  return (
    <div id={`${id}-offered`} class="filter-offered" role="listbox" aria-label="Suggestions" hidden={!isOpen}>
      {offered.map((suggestion, i) => (
        // The field keeps the focus, and has the keys.
        // biome-ignore lint/a11y/useKeyWithClickEvents: Enter and Tab in the field do the same
        <div
          key={suggestion.label}
          id={`${id}-${i}`}
          role="option"
          tabIndex={-1}
          aria-selected={i === chosen}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onTake(suggestion)}
        >
          <span class="mono">{suggestion.label}</span>
          <span class="muted">{suggestion.hint}</span>
        </div>
      ))}
    </div>
  );
}
