/** What one can do with a value of a row: filter by it, leave it out, make it a column, copy it. */

import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { equalCondition, withCondition } from '../filter/conditions.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { change, place } from '../state/place.ts';
import { columnsOf, toggledColumn } from './columns.ts';
import { selectionText } from './list-place.ts';
import type { LiveView } from './live-view.ts';

interface PickedValue {
  /** Empty for a stream. */
  readonly field: string;
  readonly value: string;
  readonly left: number;
  readonly top: number;
}

const picked = signal<PickedValue | undefined>(undefined);
const MENU_PX = 260;
const MENU_HEIGHT_PX = 190;

/** A part of a row was clicked. */
export function pickValue(part: HTMLElement): void {
  const { field = '', value, stream } = part.dataset;
  const text = value ?? stream;
  if (text === undefined || text === '') return;
  const { left, bottom, top } = part.getBoundingClientRect();
  const isBelow = bottom + MENU_HEIGHT_PX < innerHeight;
  picked.value = {
    field,
    value: text,
    left: Math.max(0, Math.min(left, innerWidth - MENU_PX)),
    top: isBelow ? bottom : top - MENU_HEIGHT_PX,
  };
}

export function ValueMenu({ view, onAll }: { readonly view: LiveView; onAll(): void }) {
  const menu = useRef<HTMLElement>(null);
  const now = picked.value;
  useEffect(() => {
    if (now === undefined) return;
    menu.current?.querySelector('button')?.focus();
    const close = (event: Event): void => {
      if (event instanceof KeyboardEvent ? event.key === 'Escape' : !menu.current?.contains(event.target as Node)) {
        picked.value = undefined;
        if (event instanceof KeyboardEvent) event.stopPropagation();
      }
    };
    addEventListener('pointerdown', close);
    addEventListener('keydown', close, true);
    return () => {
      removeEventListener('pointerdown', close);
      removeEventListener('keydown', close, true);
    };
  }, [now]);
  if (now === undefined) return null;
  const { field, value, left, top } = now;
  const run = (action: () => void) => () => {
    picked.value = undefined;
    action();
  };
  return (
    <section ref={menu} class="value-menu" aria-label="Value" style={{ left: `${left}px`, top: `${top}px` }}>
      <p class="mono">{field === '' ? value : `${field}=${value}`}</p>
      {field === '' ? (
        <button type="button" class="button quiet" onClick={run(() => change({ streams: selectionText([value]) }))}>
          Only this stream
        </button>
      ) : (
        <FieldActions view={view} field={field} value={value} run={run} />
      )}
      <CopyButton text={value} />
      <button type="button" class="button quiet" onClick={run(() => view.select(view.selected.value, true))}>
        Open the record
      </button>
      <button type="button" class="button quiet" onClick={run(onAll)}>
        All its values <kbd>i</kbd>
      </button>
    </section>
  );
}

function FieldActions(props: {
  readonly view: LiveView;
  readonly field: string;
  readonly value: string;
  run(action: () => void): () => void;
}) {
  const { view, field, value, run } = props;
  const by = (isOut: boolean): void => {
    view.filterBy(withCondition(place.peek().query.filter ?? '', equalCondition(field, value, isOut)));
  };
  return (
    <>
      <button type="button" class="button quiet" onClick={run(() => by(false))}>
        Only these
      </button>
      <button type="button" class="button quiet" onClick={run(() => by(true))}>
        Exclude these
      </button>
      {/^(attr|resource)\./.test(field) && (
        <button
          type="button"
          class="button quiet"
          onClick={run(() => {
            const feed = view.feed.peek();
            if (feed === undefined) return;
            const columns = toggledColumn(columnsOf(place.peek().query.columns, feed), field);
            change({ columns }, { isSamePage: true });
          })}
        >
          Show as column
        </button>
      )}
    </>
  );
}
