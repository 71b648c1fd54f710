/** Begins, pauses and leaves replays of the screen Live, as the URL, keys and buttons say. */

import { signal } from '@preact/signals';
import type { ListScroll } from '../rows/list-scroll.ts';
import { change, place, type Query } from '../state/place.ts';
import { replaySpeedOf } from './list-place.ts';
import type { LiveFeed } from './live-feed.ts';
import { ManyRows } from './many-rows.ts';
import { Replay, type ReplaySpeed } from './replay.ts';

/** The screen, as a replay needs it. */
interface ReplayedView {
  readonly feed: { peek(): LiveFeed | undefined };
  readonly selected: { peek(): number | undefined };
  readonly scroll: ListScroll;
  say(text: string): void;
  goLive(): void;
  writePosition(): void;
  positionText(feed: LiveFeed, id: number): string | undefined;
}

export class ReplayControl {
  /** Undefined while the list is live. */
  readonly replay = signal<Replay | undefined>(undefined);
  readonly #view: ReplayedView;

  constructor(view: ReplayedView) {
    this.#view = view;
  }

  /** As `from` of the URL: the moment that is shown. Undefined while the list is live. */
  get position(): string | undefined {
    const clock = this.replay.peek()?.clock;
    return clock === undefined ? undefined : new Date(clock).toISOString();
  }

  /** The first rows of a feed are there: shows them as the URL says. */
  open(feed: LiveFeed, time: number, query: Query): void {
    if (!(feed.source instanceof ManyRows)) return;
    const replay = new Replay(feed.source, time, {
      shown: (rows) => feed.replayed(rows),
      placed: () => this.#view.writePosition(),
      ended: () => {
        if (feed.options.until !== undefined) return;
        this.#view.goLive();
        this.#view.say('The replay has come to the present: from here on records show as they come.');
      },
    });
    this.replay.value = replay;
    this.sync(query);
    replay.start();
  }

  /** Follows the URL: speed, and whether it is paused. */
  sync(query: Query): void {
    const replay = this.replay.peek();
    const speed = replaySpeedOf(query);
    if (replay === undefined || speed === undefined) return;
    replay.speed.value = speed;
    replay.play(query.follow !== 'no');
  }

  close(): void {
    this.replay.peek()?.close();
    this.replay.value = undefined;
  }

  /** From the chosen record, else from the first one on the screen; in a replay: pauses it, or goes on. */
  toggle(): void {
    const replay = this.replay.peek();
    if (replay !== undefined) {
      change({ follow: replay.isPlaying.peek() ? 'no' : undefined }, { isSamePage: true });
      return;
    }
    const { feed, scroll, selected } = this.#view;
    const shown = feed.peek();
    const id = selected.peek() ?? Math.max(scroll.shown.from, scroll.isFollowing ? 0 : scroll.anchor);
    const from = shown === undefined ? undefined : this.#view.positionText(shown, id);
    if (shown === undefined || from === undefined || shown.source.end === shown.source.start) {
      this.#view.say('No record is here yet: a replay begins with one that is stored.');
      return;
    }
    change({ replay: '1', from, row: undefined, show: undefined, follow: undefined });
  }

  setSpeed(speed: ReplaySpeed): void {
    if (this.replay.peek() !== undefined) change({ replay: String(speed) }, { isSamePage: true });
  }

  /** At its own speed, or ten times as fast. */
  toggleSpeed(): void {
    const replay = this.replay.peek();
    if (replay === undefined) this.#view.say('Nothing is replayed: p replays from the chosen record.');
    else this.setSpeed(replaySpeedOf(place.peek().query) === 10 ? 1 : 10);
  }
}
