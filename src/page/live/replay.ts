/**
 * Shows rows again at the speed of their own times: a clock runs from the first of them, and a row is shown when the clock
 * comes to its time. It waits for rows that still have to be read, and ends at the present.
 */

import { signal } from '@preact/signals';

export type ReplaySpeed = 1 | 10;

/** The rows that it shows. {@link ManyRows} is them. */
export interface ReplayedRows {
  readonly start: number;
  readonly loadedEnd: number;
  readonly hasAhead: boolean;
  readonly isLoading: boolean;
  timeAt(id: number): number | undefined;
  showTo(id: number): void;
  loadNewer(): Promise<void>;
}

export interface ReplayEvents {
  /** So many rows more are shown. */
  shown(rows: number): void;
  /** A moment for a place in the URL: it was paused, or some seconds are over. */
  placed(): void;
  /** The clock is at the present, or everything that is there was shown. */
  ended(): void;
}

const TICK_MS = 50;
/** Rows behind the last shown one at which more are read: many seconds of them, so that the clock need not wait. */
const READ_AHEAD = 2_000;
/**
 * A row whose time is still to come is shown all the same when two of so many rows after it are due: the clock of its sender
 * is ahead, or the rows are not in the order of time.
 */
const LOOK_AHEAD = 50;
const PLACE_MS = 5_000;

export class Replay {
  /** Raised whenever the clock moved. */
  readonly version = signal(0);
  readonly isPlaying = signal(true);
  readonly speed = signal<ReplaySpeed>(1);
  /** It has come to its end; with a range it stays there. */
  readonly isEnded = signal(false);
  readonly #rows: ReplayedRows;
  readonly #events: ReplayEvents;
  #clock: number;
  /** Rows before it are shown. */
  #shown = 0;
  #isBegun = false;
  #tickedAt: number | undefined;
  #placedAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `time`: where it begins, in milliseconds, if no row says it. */
  constructor(rows: ReplayedRows, time: number, events: ReplayEvents) {
    this.#rows = rows;
    this.#clock = time;
    this.#events = events;
  }

  /** The moment that is shown, in milliseconds. */
  get clock(): number {
    return this.#clock;
  }

  /** The first rows are loaded: the clock begins with the first of them. */
  start(): void {
    this.#timer = setInterval(() => this.tick(performance.now(), Date.now()), TICK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  play(isPlaying: boolean): void {
    if (this.isPlaying.peek() === isPlaying) return;
    this.isPlaying.value = isPlaying;
    this.#events.placed();
  }

  /** Milliseconds until the next row shows; undefined while none is known. */
  get waitMs(): number | undefined {
    const time = this.#rows.timeAt(this.#shown);
    if (time === undefined || this.#shown >= this.#rows.loadedEnd) return undefined;
    return Math.max(0, time - this.#clock) / this.speed.peek();
  }

  /** On to the next record, without the time between. */
  skip(): void {
    const { loadedEnd } = this.#rows;
    let next = Number.POSITIVE_INFINITY;
    for (let id = this.#shown; id < Math.min(loadedEnd, this.#shown + LOOK_AHEAD); id++) {
      next = Math.min(next, this.#rows.timeAt(id) ?? next);
    }
    if (next === Number.POSITIVE_INFINITY) return;
    this.#clock = Math.max(this.#clock, next);
    this.#show();
  }

  /** `now` is of a clock that never goes back, `present` of the one on the wall. */
  tick(now: number, present: number): void {
    const elapsed = now - (this.#tickedAt ?? now);
    this.#tickedAt = now;
    if (!this.#isBegun) this.#begin();
    if (!this.isPlaying.peek() || this.isEnded.peek()) return;
    const rows = this.#rows;
    if (rows.loadedEnd - this.#shown < READ_AHEAD && rows.hasAhead && !rows.isLoading) void rows.loadNewer();
    const isShort = this.#shown >= rows.loadedEnd;
    // Rows that are still being read may have times that the clock would run past.
    if (!isShort) this.#clock = Math.min(present, this.#clock + elapsed * this.speed.peek());
    this.#show();
    const isOver = this.#shown >= rows.loadedEnd && !rows.hasAhead && !rows.isLoading;
    if (isOver || this.#clock >= present) {
      this.isEnded.value = true;
      this.#events.ended();
    } else if (now - this.#placedAt >= PLACE_MS) {
      this.#placedAt = now;
      this.#events.placed();
    }
  }

  #begin(): void {
    this.#isBegun = true;
    this.#shown = Math.max(0, this.#rows.start);
    this.#clock = this.#rows.timeAt(this.#shown) ?? this.#clock;
    this.#show();
  }

  /** Shows what is due. */
  #show(): void {
    const before = this.#shown;
    // The list may have let go rows at either end.
    this.#shown = Math.min(Math.max(this.#shown, this.#rows.start), this.#rows.loadedEnd);
    while (this.#shown < this.#rows.loadedEnd && this.#isDue(this.#shown)) this.#shown++;
    this.#rows.showTo(this.#shown);
    if (this.#shown > before) this.#events.shown(this.#shown - before);
    this.version.value++;
  }

  #isDue(id: number): boolean {
    if ((this.#rows.timeAt(id) ?? 0) <= this.#clock) return true;
    const end = Math.min(this.#rows.loadedEnd, id + 1 + LOOK_AHEAD);
    let due = 0;
    for (let next = id + 1; next < end && due < 2; next++) {
      if ((this.#rows.timeAt(next) ?? Number.POSITIVE_INFINITY) <= this.#clock) due++;
    }
    return due === 2;
  }
}
