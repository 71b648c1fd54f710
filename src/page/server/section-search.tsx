/** The search of a section of Server, whose text is a part of the URL. */

import { useId } from 'preact/hooks';
import { change, place } from '../state/place.ts';

export interface SectionSearchProps {
  /** The part of the URL. */
  readonly part: 'audited' | 'find';
  readonly label: string;
  readonly placeholder: string;
}

export function SectionSearch({ part, label, placeholder }: SectionSearchProps) {
  const id = useId();
  return (
    <div class="server-search">
      <label for={id} class="unseen">
        {label}
      </label>
      <input
        id={id}
        type="search"
        class="field"
        placeholder={placeholder}
        autocomplete="off"
        value={place.value.query[part] ?? ''}
        onInput={({ currentTarget }) => change({ [part]: currentTarget.value }, { isSamePage: true })}
      />
    </div>
  );
}
