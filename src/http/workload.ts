/**
 * What was taken and is not answered yet, and how much of that the server gets done in time. A request that would have to
 * wait for longer is refused at its headers: that costs little, where a queue would make all others late too.
 *
 * Work waits in many places: for the event loop, the thread pool, the disk. None of them knows the wait as a whole, but
 * all work passes through here. So as much may be under way as was done lately in the time that a request may wait
 * (Little's law). What is done is measured only while there is much to do, since a server without work does little.
 *
 * Each caller has a share of that, as of memory: see `MemoryBudget`. Who sends too much does not keep out the others.
 */

import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import {
  MEMORY_SHARE_PER_FREE,
  TURN_REQUEST_BYTES,
  WORK_BODY_BYTES,
  WORK_BODY_COMES_MS,
  WORK_BYTES_AT_FIRST,
  WORK_BYTES_MAX,
  WORK_BYTES_MIN,
  WORK_ENCODED_RATIO,
  WORK_TARGET_MS,
  YIELD_BYTES,
} from '../model/limits.ts';

/** What is done is measured for at least so long, and counts less and less from then on. */
const MEASURED_MS_MIN = 100;
const REMEMBERED_MS = 1_000;

/** One request, from its headers to its response. */
export interface Work {
  /** Its body is there, with so many bytes: from now on it waits for the server alone. */
  came(bytes: number): void;
  /** It is answered, or gone. May be called twice. */
  end(): void;
}

/** What is known of a body before it comes. */
export interface Announced {
  /** Undefined when the request does not say it. */
  readonly bytes: number | undefined;
  readonly isEncoded: boolean;
}

/** One for the whole server; it needs no closing. */
export class Workload {
  readonly #clock: Clock;
  readonly #heldBy = new Map<string, number>();
  /** Those whose body is still to come, oldest first, while they count. */
  readonly #coming = new Set<TakenWork>();
  #used = 0;
  /** The part of it that waits for us, not for its client. */
  #waiting = 0;
  #limit = WORK_BYTES_AT_FIRST;
  /** Since when there has been much to do, and what was done since then. */
  #busySince: number | undefined;
  #done = 0;
  /** What was done in which time before that, while there was much to do. */
  #bytesDone = WORK_BYTES_AT_FIRST;
  #msTakenWork = WORK_TARGET_MS;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Work that is under way, in bytes. */
  get usedBytes(): number {
    return this.#used;
  }

  /** How much of it may be. */
  get limitBytes(): number {
    return this.#limit;
  }

  /**
   * Takes a request whose body is to come.
   * @throws TailraceError `overloaded` when it would wait too long
   */
  begin(holder: string, { bytes = WORK_BODY_BYTES, isEncoded }: Announced): Work {
    const now = this.#look();
    const cost = costOf(isEncoded ? bytes * WORK_ENCODED_RATIO : bytes);
    if (!this.#fits(holder, cost)) throw tooLate();
    const taken = new TakenWork(this, holder, now);
    this.#coming.add(taken);
    this.#count(taken, cost);
    return taken;
  }

  /**
   * For what goes on for longer than one request, before it begins.
   * @throws TailraceError `overloaded`
   */
  expectTimely(holder: string): void {
    this.#look();
    if (!this.#fits(holder, TURN_REQUEST_BYTES)) throw tooLate();
  }

  /** @internal */
  came(taken: TakenWork, bytes: number): void {
    this.#coming.delete(taken);
    this.#count(taken, costOf(bytes));
    taken.isThere = true;
    this.#waiting += taken.cost;
  }

  /** @internal */
  end(taken: TakenWork): void {
    this.#coming.delete(taken);
    if (taken.isThere) {
      this.#done += taken.cost;
      this.#waiting -= taken.cost;
    }
    this.#count(taken, 0);
    this.#measure();
  }

  /** A caller with nothing under way is let in as long as the limit is not reached. */
  #fits(holder: string, cost: number): boolean {
    const held = this.#heldBy.get(holder) ?? 0;
    if (held === 0) return this.#used < this.#limit;
    return held + cost <= (this.#limit - this.#used - cost) * MEMORY_SHARE_PER_FREE;
  }

  #count(taken: TakenWork, cost: number): void {
    if (cost === taken.cost) return;
    const held = (this.#heldBy.get(taken.holder) ?? 0) + cost - taken.cost;
    if (held === 0) this.#heldBy.delete(taken.holder);
    else this.#heldBy.set(taken.holder, held);
    this.#used += cost - taken.cost;
    taken.cost = cost;
  }

  /** A body that does not come waits for its client, not for us. Returns the time. */
  #look(): number {
    const now = this.#clock.monotonicMs();
    for (const taken of this.#coming) {
      if (now - taken.sinceMs < WORK_BODY_COMES_MS) break;
      this.#coming.delete(taken);
      this.#count(taken, 0);
    }
    this.#measure();
    return now;
  }

  #measure(): void {
    if (this.#waiting < WORK_BYTES_MIN / 2) {
      this.#busySince = undefined;
      return;
    }
    const now = this.#clock.monotonicMs();
    if (this.#busySince === undefined) {
      if (this.#waiting < WORK_BYTES_MIN) return;
      this.#busySince = now;
      this.#done = 0;
      return;
    }
    const ms = now - this.#busySince;
    if (ms < MEASURED_MS_MIN) return;
    const kept = Math.exp(-ms / REMEMBERED_MS);
    this.#bytesDone = this.#bytesDone * kept + this.#done;
    this.#msTakenWork = this.#msTakenWork * kept + ms;
    const inTime = (this.#bytesDone / this.#msTakenWork) * WORK_TARGET_MS;
    this.#limit = Math.min(WORK_BYTES_MAX, Math.max(WORK_BYTES_MIN, inTime));
    this.#busySince = now;
    this.#done = 0;
  }
}

class TakenWork implements Work {
  readonly holder: string;
  readonly sinceMs: number;
  /** What it counts as now. */
  cost = 0;
  isThere = false;
  readonly #workload: Workload;
  #isOver = false;

  constructor(workload: Workload, holder: string, sinceMs: number) {
    this.#workload = workload;
    this.holder = holder;
    this.sinceMs = sinceMs;
  }

  came(bytes: number): void {
    if (!this.#isOver) this.#workload.came(this, bytes);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#workload.end(this);
  }
}

/** Large work is done in pieces, between which others run: they wait for one piece of it at a time. */
function costOf(bytes: number): number {
  return TURN_REQUEST_BYTES + Math.min(bytes, YIELD_BYTES);
}

function tooLate(): TailraceError {
  return new TailraceError('overloaded', 'the server is asked for more than it gets done in time: send again later');
}
