/** The selected record beside the list. */

import { RecordDetail } from '../record/record-detail.tsx';
import type { LiveFeed } from './live-feed.ts';
import type { LiveView } from './live-view.ts';
import { useRepaints } from './use-repaints.ts';

export function LiveDetail({ view, feed }: { readonly view: LiveView; readonly feed: LiveFeed }) {
  // The row may still have to be loaded when it is selected.
  useRepaints(feed.version, view.selected, view.moved);
  const listed = view.selectedRow;
  return (
    <aside class="live-detail" aria-label="Record">
      <div class="live-detail-bar">
        <button type="button" class="button" onClick={() => view.step(-1)}>
          <span aria-hidden="true">↑</span> Before
        </button>
        <button type="button" class="button" onClick={() => view.step(1)}>
          <span aria-hidden="true">↓</span> Next
        </button>
        <button
          type="button"
          class="button"
          onClick={() => view.jumps.context()}
          title="All records around it, without the filter (v)"
        >
          Context
        </button>
        {listed?.row.traceId !== undefined && (
          <button type="button" class="button" onClick={() => view.jumps.trace()}>
            Trace
          </button>
        )}
        <button
          type="button"
          class="button quiet live-close"
          aria-label="Close the record"
          onClick={() => view.select(view.selected.value, false)}
        >
          ×
        </button>
      </div>
      {listed === undefined ? (
        <p class="muted">Reading the record…</p>
      ) : (
        <RecordDetail stream={listed.stream} row={listed.row} />
      )}
    </aside>
  );
}
