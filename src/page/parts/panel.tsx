/** The details of what is chosen in a list, beside it; over it on small screens. Closing it changes the URL. */

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { change, type Query } from '../state/place.ts';

export function Panel(props: {
  readonly title: string;
  /** What it is, before the title for screen readers. */
  readonly label: string;
  /** The values of the URL that close it. */
  readonly closed: Query;
  readonly children: ComponentChildren;
}) {
  const { title, label, closed, children } = props;
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    // The list, with the link that has the focus, is hidden there.
    if (matchMedia('(max-width: 48rem)').matches) close.current?.focus();
  }, [title]);
  return (
    <aside class="panel" aria-label={`${label} ${title}`}>
      <div class="panel-head">
        <h2>{title}</h2>
        <button ref={close} type="button" class="button quiet" onClick={() => change(closed)}>
          Close
        </button>
      </div>
      {children}
    </aside>
  );
}
