/** Times of many events in a few thousand counters: percentiles within one percent, the least and the most exact. */

/** Each power of two is cut into so many counters. */
const STEPS = 128;
const STEP_BITS = 7;
/** Of microseconds: a longer time counts as this one, more than half an hour. */
const MICROS_MAX = 2 ** 31 - 1;

/** What there is to say about times, in milliseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export class Latencies {
  readonly #counters = new Float64Array((31 - STEP_BITS) * STEPS + STEPS);
  #count = 0;
  #least = Number.POSITIVE_INFINITY;
  #most = 0;

  /** Takes the same time for several events. */
  add(milliseconds: number, events = 1): void {
    const micros = Math.min(MICROS_MAX, Math.max(0, Math.round(milliseconds * 1_000)));
    const index = counterOf(micros);
    this.#counters[index] = (this.#counters[index] ?? 0) + events;
    this.#count += events;
    this.#least = Math.min(this.#least, micros);
    this.#most = Math.max(this.#most, micros);
  }

  /** Undefined without any event. */
  summary(): LatencySummary | undefined {
    if (this.#count === 0) return undefined;
    const [p50, p90, p99] = [this.#at(0.5), this.#at(0.9), this.#at(0.99)];
    return { count: this.#count, p50, p90, p99, max: this.#most / 1_000 };
  }

  #at(share: number): number {
    const rank = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let index = 0; index < this.#counters.length; index++) {
      seen += this.#counters[index] ?? 0;
      if (seen >= rank) return Math.min(this.#most, Math.max(this.#least, middleOf(index))) / 1_000;
    }
    return this.#most / 1_000;
  }
}

/** Since when each record counts that was sent and not read yet: what a reader needs to say how long a record took. */
export class SendTimes {
  readonly #batch: number;
  readonly #recordMs: number;
  readonly #since: readonly Map<number, number>[];
  /** Of the batch that was looked at last: records of a batch come together. */
  #last = { writer: -1, batch: -1, since: undefined as number | undefined };

  /** `recordMs` is the time from record to record of a writer; 0 where those of a batch come together. */
  constructor(writers: number, batch: number, recordMs: number) {
    this.#batch = batch;
    this.#recordMs = recordMs;
    this.#since = Array.from({ length: writers }, () => new Map());
  }

  /** A batch goes out, which begins with this number, and whose last record came at that time. */
  sent(writer: number, first: number, since: number): void {
    this.#since[writer]?.set(first / this.#batch, since);
  }

  /** Undefined when it was never sent, or all of its batch was read before. */
  of(writer: number, number: number): number | undefined {
    const batch = Math.floor(number / this.#batch);
    const last = this.#last;
    if (last.writer !== writer || last.batch !== batch) {
      this.#last = { writer, batch, since: this.#since[writer]?.get(batch) };
    }
    const after = this.#batch - 1 - (number % this.#batch);
    if (after === 0) this.#since[writer]?.delete(batch);
    const { since } = this.#last;
    return since === undefined ? undefined : since - after * this.#recordMs;
  }
}

function counterOf(micros: number): number {
  const shift = Math.max(0, 31 - Math.clz32(micros) - STEP_BITS);
  return shift * STEPS + (micros >>> shift);
}

function middleOf(index: number): number {
  if (index < 2 * STEPS) return index;
  const shift = Math.floor(index / STEPS) - 1;
  return (index - shift * STEPS + 0.5) * 2 ** shift;
}
