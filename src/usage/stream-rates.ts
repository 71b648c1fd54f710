/** How much streams got lately: records and metered bytes per second over about a minute, in a limited number of counters. */

import { type LogObserver, NO_OBSERVER } from '../log/observer.ts';
import type { Clock } from '../model/clock.ts';
import { RATED_STREAMS_MAX } from '../model/limits.ts';

export interface StreamRate {
  readonly recordsPerSecond: number;
  readonly meteredBytesPerSecond: number;
}

const SLOT_MS = 5_000;
/** The one that is being filled is one of them. */
const SLOTS = 12;
/** Quiet streams that are forgotten for each one that is new. */
const FORGET_AT_ONCE = 2;

/** Counts from the start of the process on; nothing is kept over a restart. */
export class StreamRates {
  /** What the log calls. */
  readonly observer: LogObserver;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #max: number;
  readonly #since: number;
  /** By the ids of the streams; the one that has been quiet longest comes first. */
  readonly #recent = new Map<string, Recent>();
  /** When a stream was not counted for the last time, since too many others were. */
  #leftOutAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonicMs'>, max = RATED_STREAMS_MAX) {
    this.#clock = clock;
    this.#max = max;
    this.#since = clock.monotonicMs();
    this.observer = { ...NO_OBSERVER, appended: ({ id }, _, records, bytes) => this.#add(id, records, bytes) };
  }

  /** Undefined when it is not known: too many streams got records lately. */
  rateOf(streamId: string): StreamRate | undefined {
    const now = this.#clock.monotonicMs();
    const slot = slotOf(now);
    const recent = this.#recent.get(streamId);
    if (recent === undefined && slot - this.#leftOutAt < SLOTS) return undefined;
    const { records, bytes } = recent?.sums(slot) ?? { records: 0, bytes: 0 };
    const covered = Math.min(now - this.#since, now - (slot - SLOTS + 1) * SLOT_MS);
    const seconds = Math.max(1, covered / 1_000);
    return { recordsPerSecond: records / seconds, meteredBytesPerSecond: bytes / seconds };
  }

  #add(streamId: string, records: number, bytes: number): void {
    const slot = slotOf(this.#clock.monotonicMs());
    let recent = this.#recent.get(streamId);
    if (recent === undefined) {
      this.#forgetQuiet(slot);
      if (this.#recent.size >= this.#max) {
        this.#leftOutAt = slot;
        return;
      }
      recent = new Recent(slot);
      this.#recent.set(streamId, recent);
    } else if (recent.slot !== slot) {
      this.#recent.delete(streamId);
      this.#recent.set(streamId, recent);
    }
    recent.add(slot, records, bytes);
  }

  #forgetQuiet(slot: number): void {
    let left = FORGET_AT_ONCE;
    for (const [id, recent] of this.#recent) {
      if (left-- === 0 || slot - recent.slot < SLOTS) return;
      this.#recent.delete(id);
    }
  }
}

function slotOf(ms: number): number {
  return Math.floor(ms / SLOT_MS);
}

/** A ring of counters. */
class Recent {
  /** The newest one. */
  slot: number;
  readonly #counts = new Float64Array(2 * SLOTS);

  constructor(slot: number) {
    this.slot = slot;
  }

  add(slot: number, records: number, bytes: number): void {
    const gone = Math.min(slot - this.slot, SLOTS);
    for (let i = 1; i <= gone; i++) this.#counts.fill(0, at(this.slot + i), at(this.slot + i) + 2);
    this.slot = Math.max(this.slot, slot);
    const i = at(this.slot);
    this.#counts[i] = (this.#counts[i] ?? 0) + records;
    this.#counts[i + 1] = (this.#counts[i + 1] ?? 0) + bytes;
  }

  /** Of the slots that are not too old at a slot. */
  sums(slot: number): { readonly records: number; readonly bytes: number } {
    let [records, bytes] = [0, 0];
    for (let s = slot - SLOTS + 1; s <= this.slot; s++) {
      records += this.#counts[at(s)] ?? 0;
      bytes += this.#counts[at(s) + 1] ?? 0;
    }
    return { records, bytes };
  }
}

function at(slot: number): number {
  return 2 * (slot % SLOTS);
}
