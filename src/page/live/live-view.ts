/** What the screen Live does: opens feeds as the URL says, keeps where the list is, selects, and goes to places. */

import { computed, signal } from '@preact/signals';
import { levelsOf, withLevels } from '../filter/conditions.ts';
import { copyText } from '../parts/copy-button.tsx';
import { LEVELS } from '../parts/level-names.ts';
import { countText } from '../parts/time.ts';
import { ListScroll } from '../rows/list-scroll.ts';
import type { ListedRow } from '../rows/list-source.ts';
import { timeOf } from '../rows/packed-rows.ts';
import { plainLines } from '../rows/summary.ts';
import { change, place } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { readRows } from '../wire/read.ts';
import { addressText, parseAddress, type RowAddress } from '../wire/rows.ts';
import { type ListPlace, type ListStart, listPlace, onlyStream, PLACE_PARTS, wholeStream } from './list-place.ts';
import { LiveFeed } from './live-feed.ts';
import { RecordJumps } from './record-jumps.ts';
import { ReplayControl } from './replay-control.ts';

/** A copy of more is no copy that one reads. */
const LINES_COPIED_MAX = 10_000;
const WRITE_MS = 250;
const SAID_MS = 4_000;

export class LiveView {
  readonly feed = signal<LiveFeed | undefined>(undefined);
  readonly selected = signal<number | undefined>(undefined);
  /** Raised when the list moved, beside what the feed tells. */
  readonly moved = signal(0);
  /** What an action has to say, for a moment. */
  readonly said = signal<string | undefined>(undefined);
  readonly isDetailOpen = computed(() => place.value.query.show === 'record');
  readonly replays = new ReplayControl(this);
  readonly jumps = new RecordJumps(this);
  scroll = new ListScroll(() => ({ start: 0, end: 0 }), true);
  #opened = '';
  #wasFollowing = true;
  /** What the list itself wrote into the URL. */
  #written: string | undefined;
  #writtenRow: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saidTimer: ReturnType<typeof setTimeout> | undefined;

  /** Follows the URL: another selection is another feed, another position moves the list. */
  async sync(): Promise<void> {
    const { query } = place.value;
    const wanted = listPlace(query);
    this.scroll.setMeasured(query.wrap === 'yes');
    const key = keyOf(wanted);
    const isOwn = query.from === this.#written && (query.row === undefined || query.row === this.#writtenRow);
    if (key === this.#opened && (isOwn || this.feed.peek() === undefined)) {
      this.replays.sync(query);
      return;
    }
    this.#opened = key;
    await this.open(wanted);
  }

  async open(wanted: ListPlace): Promise<void> {
    const key = this.#opened;
    const { select, filter, until, start } = wanted;
    const only = onlyStream(select);
    const at =
      start.type === 'row'
        ? start.row
        : start.type === 'seq-num' && only !== undefined
          ? { stream: only, seqNum: start.seqNum }
          : undefined;
    const time = wholeStream(wanted) === undefined ? await this.#timeOf(start, at) : undefined;
    if (key !== this.#opened) return;
    this.feed.peek()?.close();
    this.replays.close();
    this.jumps.stop();
    this.selected.value = undefined;
    this.#written = place.peek().query.from;
    this.#writtenRow = place.peek().query.row;
    const isReplay = wanted.replay !== undefined && time !== undefined;
    const feed = new LiveFeed({
      basin: basin.peek(),
      select,
      filter: filter === '' ? undefined : filter,
      time,
      at,
      until,
      isReplay,
    });
    const isFollowing = isReplay || (start.type === 'tail' && start.isFollowing && until === undefined);
    const { rowPx, viewPx } = this.scroll;
    this.scroll = Object.assign(new ListScroll(() => feed.source, isFollowing), { rowPx, viewPx });
    this.scroll.setMeasured(place.peek().query.wrap === 'yes');
    feed.follow(isFollowing);
    this.#wasFollowing = isFollowing;
    this.feed.value = feed;
    feed.isReplaced.subscribe((isReplaced) => {
      if (!isReplaced) return;
      change({ from: undefined, row: undefined, show: undefined }, { isSamePage: true });
      void this.open(listPlace(place.peek().query));
    });
    const stop = feed.isReady.subscribe((isReady) => {
      if (!isReady) return;
      queueMicrotask(() => stop());
      if (isReplay) this.replays.open(feed, time, place.peek().query);
      else void this.#place(feed, start);
    });
  }

  close(): void {
    this.#opened = '';
    this.feed.peek()?.close();
    this.replays.close();
    this.jumps.stop();
    clearTimeout(this.#timer);
    clearTimeout(this.#saidTimer);
  }

  /** The first rows are there: goes to where the URL says. */
  async #place(feed: LiveFeed, start: ListStart): Promise<void> {
    const { source, stream } = feed;
    if (stream === undefined) {
      if (start.type === 'row') {
        const id = source.idOf(start.row.stream, start.row.seqNum);
        if (id !== undefined) this.show(id, true);
      } else if (feed.options.time !== undefined) this.show(0, false);
    } else if (start.type === 'row') this.show(start.row.seqNum, true);
    else if (start.type === 'seq-num') this.show(start.seqNum, false);
    else if (start.type === 'time') this.show(await stream.seqNumAt(start.time), false);
    const row = parseAddress(place.peek().query.row);
    if (row !== undefined && start.type !== 'row') this.selected.value = source.idOf(row.stream, row.seqNum);
    this.moved.value++;
  }

  /** The row, or the nearest one. */
  show(id: number, isSelected: boolean): void {
    const { start = 0, end = 0 } = this.feed.peek()?.source ?? {};
    const shown = Math.min(Math.max(id, start), Math.max(start, end - 1));
    this.scroll.stop();
    this.#wasFollowing = false;
    this.feed.peek()?.follow(false);
    if (isSelected) {
      this.scroll.reveal(shown, false);
      this.selected.value = shown;
    } else {
      this.scroll.anchor = shown;
      this.scroll.offsetPx = 0;
      this.scroll.clamp();
    }
    if (isSelected && shown !== id) this.say(`#${id} is not there: the nearest record is marked`);
    this.moved.value++;
  }

  async #timeOf(start: ListStart, at: RowAddress | undefined): Promise<number | undefined> {
    if (start.type === 'time') return start.time;
    if (at === undefined) return undefined;
    const { stream, seqNum } = at;
    const page = await readRows(basin.peek(), stream, { around: seqNum, context: 0 }).catch(() => undefined);
    const row = page?.rows[0];
    return row === undefined ? undefined : timeOf(row);
  }

  rowAt(id: number | undefined): ListedRow | undefined {
    return id === undefined ? undefined : this.feed.peek()?.source.rowAt(id);
  }

  get selectedRow(): ListedRow | undefined {
    return this.rowAt(this.selected.value);
  }

  /** Says something for a moment. */
  say(text: string | undefined, ms = SAID_MS): void {
    this.said.value = text;
    clearTimeout(this.#saidTimer);
    this.#saidTimer = setTimeout(() => {
      this.said.value = undefined;
    }, ms);
  }

  /** The list was moved by the user. */
  onMoved(isAtEnd: boolean): void {
    const feed = this.feed.peek();
    const hasMore = feed !== undefined && 'hasAhead' in feed.source && feed.source.hasAhead;
    const isReplay = feed?.options.isReplay === true;
    const isFollowing = isAtEnd && (isReplay || (!hasMore && feed?.options.until === undefined));
    if (isFollowing) this.scroll.follow();
    feed?.follow(isFollowing);
    // The list paints itself: others are told of what they show.
    if (isFollowing !== this.#wasFollowing) this.moved.value++;
    this.#wasFollowing = isFollowing;
    this.#writeSoon();
  }

  /** At the end of what is shown: of a replay at the moment that it shows. */
  follow(): void {
    const feed = this.feed.peek();
    if (feed?.options.isReplay !== true) {
      this.goLive();
      return;
    }
    this.select(undefined);
    this.#followHere(feed);
  }

  /** At the end, whatever is in between: older rows are read again where one scrolls. */
  goLive(): void {
    const feed = this.feed.peek();
    if (feed === undefined) return;
    const isAway = 'hasAhead' in feed.source && feed.source.hasAhead;
    this.select(undefined);
    change(Object.fromEntries(PLACE_PARTS.map((part) => [part, undefined])), { isSamePage: true });
    this.#written = undefined;
    if (isAway || feed.options.until !== undefined || feed.options.isReplay === true) {
      const wanted = listPlace(place.peek().query);
      this.#opened = keyOf(wanted);
      void this.open(wanted);
    } else this.#followHere(feed);
  }

  #followHere(feed: LiveFeed): void {
    this.scroll.follow();
    this.#wasFollowing = true;
    feed.follow(true);
    this.moved.value++;
  }

  pause(): void {
    if (!this.scroll.isFollowing) return;
    this.scroll.stop();
    this.#wasFollowing = false;
    this.feed.peek()?.follow(false);
    this.moved.value++;
    this.#writeSoon();
  }

  select(id: number | undefined, isDetail?: boolean): void {
    const before = this.selected.peek();
    this.selected.value = id;
    if (id !== undefined) {
      this.pause();
      this.scroll.reveal(id, true);
      this.moved.value++;
    }
    if (id === undefined && before === undefined) return;
    const address = this.#addressOf(id);
    const row = address === undefined ? undefined : addressText(address);
    const show = isDetail === undefined ? place.peek().query.show : isDetail ? 'record' : undefined;
    this.#writtenRow = row;
    change({ row, show: row === undefined ? undefined : show }, { isSamePage: true });
  }

  /** Down (1) or up (-1) by rows. */
  step(rows: number): void {
    const source = this.feed.peek()?.source;
    if (source === undefined || source.end === source.start) return;
    const { from, to } = this.scroll.shown;
    const now = this.selected.peek() ?? (rows > 0 && !this.scroll.isFollowing ? from - 1 + 3 : to);
    this.select(Math.min(source.end - 1, Math.max(source.start, now + rows)));
  }

  page(screens: number): void {
    this.pause();
    this.scroll.moveBy(screens * Math.max(24, this.scroll.viewPx - this.scroll.rowPx * 2));
    this.onMoved(this.scroll.clamp());
    this.moved.value++;
  }

  goFirst(): void {
    const source = this.feed.peek()?.source;
    if (source === undefined) return;
    this.pause();
    this.scroll.anchor = source.start;
    this.scroll.offsetPx = 0;
    this.onMoved(this.scroll.clamp());
    this.moved.value++;
  }

  /** Warnings and worse, errors and worse, everything. */
  cycleLevel(): void {
    const filter = place.peek().query.filter ?? '';
    const levels = levelsOf(filter);
    const from = levels === undefined ? 'warn' : levels.has('warn') ? 'error' : undefined;
    this.filterBy(withLevels(filter, new Set(from === undefined ? [] : LEVELS.slice(LEVELS.indexOf(from)))));
  }

  /** A new filter at the same place in time. */
  filterBy(filter: string): void {
    const from = this.replays.position;
    change({ filter: filter === '' ? undefined : filter, row: undefined, show: undefined, from });
  }

  /** Lines of the selected row. */
  async copy(): Promise<void> {
    const listed = this.selectedRow;
    if (listed === undefined) return this.say('Select a record first, or select text with the mouse.');
    await copyText(plainLines(listed.stream, listed.row)).then(
      () => this.say('Copied.'),
      (thrown: unknown) => this.say(String(thrown)),
    );
  }

  /** Whole rows, folded lines included. */
  copyRange(from: number, to: number, event: ClipboardEvent): void {
    const lines: string[] = [];
    for (let id = from; id <= to && lines.length < LINES_COPIED_MAX; id++) {
      const listed = this.rowAt(id);
      if (listed !== undefined) lines.push(plainLines(listed.stream, listed.row));
    }
    event.clipboardData?.setData('text/plain', `${lines.join('\n')}\n`);
    event.preventDefault();
    this.say(`Copied ${countText(lines.length)} records.`);
  }

  /** In a whole stream also of a row that is not loaded. */
  #addressOf(id: number | undefined): RowAddress | undefined {
    const feed = this.feed.peek();
    const only = feed?.stream === undefined ? undefined : [...feed.streams.keys()][0];
    if (id !== undefined && only !== undefined) return { stream: only, seqNum: id };
    const listed = this.rowAt(id);
    return listed === undefined ? undefined : { stream: listed.stream, seqNum: listed.row.seqNum };
  }

  /** The URL gets the position a moment after the list stands still. */
  #writeSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.writePosition(), WRITE_MS);
  }

  writePosition(): void {
    const feed = this.feed.peek();
    const { screen, query } = place.peek();
    if (feed === undefined || (screen !== undefined && screen !== 'live')) return;
    const from =
      this.replays.position ?? (this.scroll.isFollowing ? undefined : this.positionText(feed, this.scroll.anchor));
    this.#written = from;
    if (from !== query.from) change({ from }, { isSamePage: true });
  }

  /** As `from` of the URL. */
  positionText(feed: LiveFeed, id: number): string | undefined {
    if (feed.stream !== undefined) return String(id);
    const time = feed.source.timeAt(id);
    return time === undefined ? undefined : new Date(time).toISOString();
  }
}

/** A list with another key is another feed. */
function keyOf({ select, filter, until, replay }: ListPlace): string {
  return JSON.stringify([basin.value, select, filter, until, replay !== undefined]);
}
