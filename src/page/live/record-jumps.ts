/** Ways from one record to another of the screen Live: the next error, what stands around it, its trace, a position. */

import { countText } from '../parts/time.ts';
import type { ListScroll } from '../rows/list-scroll.ts';
import type { ListedRow } from '../rows/list-source.ts';
import { change, go, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { addressText, type RowAddress } from '../wire/rows.ts';
import { findErrorBeyond } from './find-error.ts';
import { parsePosition, selectionText } from './list-place.ts';
import type { LiveFeed } from './live-feed.ts';
import { STREAMS_READ_BACK_MAX } from './many-rows.ts';

/** A search says how far it is until it ends. */
const SEARCHING_MS = 60_000;

/** The screen, as far as it is moved. */
interface JumpedView {
  readonly feed: { peek(): LiveFeed | undefined };
  readonly selected: { peek(): number | undefined };
  readonly selectedRow: ListedRow | undefined;
  readonly scroll: ListScroll;
  say(text: string | undefined, ms?: number): void;
  select(id: number | undefined): void;
  show(id: number, isSelected: boolean): void;
}

export class RecordJumps {
  readonly #view: JumpedView;
  /** Of the search for an error that is under way. */
  #search: AbortController | undefined;

  constructor(view: JumpedView) {
    this.#view = view;
  }

  /** Ends the search that is under way. */
  stop(): void {
    this.#search?.abort();
  }

  /** Also beyond the rows that are loaded: the server looks for it. */
  async nextError(step: 1 | -1): Promise<void> {
    const feed = this.#view.feed.peek();
    if (feed === undefined) return;
    this.#search?.abort();
    const { from, to } = this.#view.scroll.shown;
    const now = this.#view.selected.peek() ?? (step === 1 ? from - 1 : to);
    const id = feed.source.findError(now, step);
    if (id !== undefined) {
      this.#view.select(id);
      return;
    }
    const found = await this.#errorBeyond(feed, feed.source.positionsBeyond(now, step), step);
    if (found === undefined) return;
    if (feed.stream !== undefined) this.#view.select(found.seqNum);
    else change({ row: addressText(found), from: undefined, replay: undefined }, { isSamePage: true });
  }

  /** Undefined when there is none, or when something else was asked for meanwhile. */
  async #errorBeyond(feed: LiveFeed, positions: ReadonlyMap<string, number>, step: 1 | -1) {
    const search = new AbortController();
    this.#search = search;
    const word = step === 1 ? 'later' : 'earlier';
    let looked = 0;
    const onLooked = (records: number): void => {
      looked += records;
      if (!search.signal.aborted)
        this.#view.say(`Looking for an ${word} error: ${countText(looked)} records read…`, SEARCHING_MS);
    };
    const { basin: name, filter, until } = feed.options;
    const scope = { basin: name, filter, signal: search.signal };
    try {
      const found = await findErrorBeyond({ scope, positions, step, until, onLooked });
      if (search.signal.aborted) return undefined;
      const left = step === -1 ? feed.streams.size - STREAMS_READ_BACK_MAX : 0;
      const unread = left > 0 ? ` ${countText(left)} streams that are not read backwards were left out.` : '';
      this.#view.say(found === undefined ? `No ${word} error.${unread}` : undefined);
      return found;
    } catch (thrown) {
      if (!search.signal.aborted)
        this.#view.say(`The search ended: ${thrown instanceof Error ? thrown.message : thrown}`);
      return undefined;
    }
  }

  /** All records of the stream around one, without any filter. */
  context(): void {
    const listed = this.#view.selectedRow;
    if (listed === undefined) {
      this.#view.say('Select a record first: its context is what stands around it in its stream.');
      return;
    }
    const { query } = place.peek();
    const row = addressText({ stream: listed.stream, seqNum: listed.row.seqNum });
    go('live', {
      basin: query.basin,
      streams: selectionText([listed.stream]),
      row,
      columns: query.columns,
      wrap: query.wrap,
    });
  }

  trace(): void {
    const listed = this.#view.selectedRow;
    const traceId = listed?.row.traceId;
    if (traceId === undefined) {
      this.#view.say(listed === undefined ? 'Select a record first.' : 'This record is of no trace.');
      return;
    }
    const { streams } = place.peek().query;
    go('trace', { basin: basin.peek(), trace: traceId, streams });
  }

  /** `#4211`, `shop #4211`, or a time; returns what is wrong with it. */
  goTo(text: string): string | undefined {
    const position = parsePosition(text);
    if (position === undefined)
      return `“${text}” is no position: write #4211, shop #4211, 14:03, or 2026-11-29 14:03:07.`;
    if (typeof position === 'number') {
      change({ from: new Date(position).toISOString(), row: undefined, show: undefined });
      return undefined;
    }
    const feed = this.#view.feed.peek();
    const only = feed?.stream === undefined ? this.#view.selectedRow?.stream : [...feed.streams.keys()][0];
    const { stream = only, seqNum } = position;
    if (stream === undefined) return 'Several streams are shown: write the name before the number, such as shop #4211.';
    return this.#goToRow({ stream, seqNum });
  }

  #goToRow(row: RowAddress): undefined {
    const feed = this.#view.feed.peek();
    if (feed?.stream !== undefined && feed.streams.has(row.stream)) {
      this.#view.show(row.seqNum, true);
      this.#view.select(this.#view.selected.peek());
      return;
    }
    const { query } = place.peek();
    go('live', { basin: query.basin, streams: selectionText([row.stream]), row: addressText(row), wrap: query.wrap });
  }
}
