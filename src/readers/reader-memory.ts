/**
 * Memory of live readers. What waits for their clients counts in the budget of all requests, in the share of the caller who reads.
 * Before a reader takes records from the store it asks here for what it may need for them, and waits in line where that is
 * too much: otherwise each of a thousand readers that never read would hold a record of 1 MiB as JSON.
 */

import type { MemoryBudget } from '../encoding/memory-budget.ts';
import {
  BEHIND_COST_BYTES,
  JSON_BYTES_PER_BYTE_MAX,
  READER_BUFFERED_BYTES_MAX,
  READER_CLAIM_BYTES,
  READER_SHARE,
  READERS_BUFFERED_BYTES_MAX,
  READERS_SHARE,
} from '../model/limits.ts';
import type { BlockHeader } from '../storage/block/block.ts';

interface WaitingClaim {
  readonly bytes: number;
  readonly holder: string;
  readonly resolve: (granted: boolean) => void;
}

/** A claim that waits in line. */
interface PendingClaim {
  /** Resolves to false when it was taken back. */
  readonly granted: Promise<boolean>;
  takeBack(): void;
}

export class ReaderMemory {
  readonly #budget: MemoryBudget | undefined;
  /** In line, by holder. */
  readonly #waiting = new Map<string, Set<WaitingClaim>>();
  #wantedBytes = 0;
  #isServing = false;
  #bufferedBytes = 0;
  /** What readers may need that are making frames now. It is theirs for a moment, and not in the budget. */
  #claimedBytes = 0;

  constructor(budget: MemoryBudget | undefined) {
    this.#budget = budget;
  }

  /** Bytes of all readers that the system has not taken yet. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get isCrowded(): boolean {
    if (this.#bufferedBytes > READERS_BUFFERED_BYTES_MAX) return true;
    return this.#budget?.wouldFit(READER_BUFFERED_BYTES_MAX) === false;
  }

  /** What all claims in line ask for. */
  get wantedBytes(): number {
    return this.#wantedBytes;
  }

  /** Of these, what does not fit either when no reader is making frames: it is held by readers that take nothing. */
  get lackingBytes(): number {
    let lacking = 0;
    for (const [holder, line] of this.#waiting) {
      for (const { bytes } of line) if (!this.#fits(bytes, holder, 0)) lacking += bytes;
    }
    return lacking;
  }

  /** The bytes that wait for a reader became so many more, or less. */
  noteBuffered(change: number, holder: string): void {
    this.#bufferedBytes += change;
    if (change > 0) this.#budget?.take(change, holder);
    else this.#budget?.release(-change, holder);
    if (change < 0) this.#serveLater();
  }

  /** A reader keeps so many bytes more, or less; false where there is no memory for more. */
  noteHeld(change: number, holder: string): boolean {
    if (this.#budget === undefined || change === 0) return true;
    if (change > 0) return this.#budget.tryReserve(change, holder);
    this.#budget.release(-change, holder);
    return true;
  }

  /** What a reader claims before it takes records: what it may need for them, or less where the whole budget is small. */
  get claimBytes(): number {
    const limit = this.#budget?.limitBytes ?? Number.POSITIVE_INFINITY;
    return Math.min(READER_CLAIM_BYTES, Math.floor(limit * READER_SHARE));
  }

  /** What it needs for a batch of this block: more than that only where the block has records of many megabytes. */
  claimFor({ hasCuts, rawBytes }: BlockHeader): number {
    if (!hasCuts) return this.claimBytes;
    const limit = this.#budget?.limitBytes ?? Number.POSITIVE_INFINITY;
    const needed = Math.max(READER_CLAIM_BYTES, (1 + JSON_BYTES_PER_BYTE_MAX) * rawBytes);
    return Math.min(needed, Math.floor(limit * READER_SHARE));
  }

  /** Returns nothing where the bytes are granted at once. */
  claim(bytes: number, holder: string): PendingClaim | undefined {
    if (this.#fits(bytes, holder)) {
      this.#claimedBytes += bytes;
      return undefined;
    }
    let takeBack = (): void => {};
    const granted = new Promise<boolean>((resolve) => {
      const waiting = { bytes, holder, resolve };
      this.#join(waiting);
      takeBack = () => this.#leave(waiting, false);
    });
    return { granted, takeBack };
  }

  /** The frames are made, and counted by `noteBuffered`. */
  giveBack(bytes: number): void {
    this.#claimedBytes -= bytes;
    this.#serveLater();
  }

  /** Grants what fits now, to all holders in turn: one that has too much already does not hold up the others. */
  serve(): void {
    for (let granted = true; granted; ) {
      granted = false;
      for (const [holder, [waiting]] of [...this.#waiting]) {
        if (waiting === undefined || !this.#fits(waiting.bytes, holder)) continue;
        this.#claimedBytes += waiting.bytes;
        this.#leave(waiting, true);
        granted = true;
      }
    }
  }

  /** In the next turn: of clients that go at the same time, none is served after the others are gone. */
  #serveLater(): void {
    if (this.#isServing || this.#wantedBytes === 0) return;
    this.#isServing = true;
    setImmediate(() => {
      this.#isServing = false;
      this.serve();
    });
  }

  #join(waiting: WaitingClaim): void {
    const line = this.#waiting.get(waiting.holder) ?? new Set();
    this.#waiting.set(waiting.holder, line.add(waiting));
    this.#wantedBytes += waiting.bytes;
  }

  #leave(waiting: WaitingClaim, isGranted: boolean): void {
    const { holder, bytes, resolve } = waiting;
    const line = this.#waiting.get(holder);
    if (line?.delete(waiting) !== true) return;
    if (line.size === 0) this.#waiting.delete(holder);
    this.#wantedBytes -= bytes;
    resolve(isGranted);
  }

  /** A little is always theirs, and one alone always goes on: also while those who send use up the budget. */
  #fits(bytes: number, holder: string, claimed = this.#claimedBytes): boolean {
    if (this.#budget === undefined) return true;
    const held = this.#bufferedBytes + claimed;
    const own = Math.min(READERS_BUFFERED_BYTES_MAX, this.#budget.limitBytes * READERS_SHARE);
    return held === 0 || held + bytes <= own || this.#budget.wouldFit(claimed + bytes, holder);
  }
}

/** What one reader has claimed for the batch that it is making. */
export class ReaderClaim {
  bytes = 0;
  #heldBytes = 0;
  readonly #memory: ReaderMemory;
  readonly #holder: string;
  #pending: PendingClaim | undefined;

  constructor(memory: ReaderMemory, holder: string) {
    this.#memory = memory;
    this.#holder = holder;
  }

  /**
   * Waits for the memory that a batch may take, unless there is a claim; without it, nothing is taken from the store. Returns
   * no promise when there is nothing to wait for, as nearly always: each of thousands of readers asks before each batch.
   */
  take(bytes: number = this.#memory.claimBytes): Promise<void> | undefined {
    if (this.bytes > 0) return undefined;
    this.#pending = this.#memory.claim(bytes, this.#holder);
    if (this.#pending === undefined) {
      this.bytes = bytes;
      return undefined;
    }
    return this.#pending.granted.then((isGranted) => {
      this.#pending = undefined;
      if (isGranted) this.bytes = bytes;
    });
  }

  /** As `take`, for a batch of this block. */
  takeFor(header: BlockHeader): Promise<void> | undefined {
    const bytes = this.#memory.claimFor(header);
    if (bytes > this.bytes) this.giveBack();
    return this.take(bytes);
  }

  /** Others wait for what it has. */
  get isWanted(): boolean {
    return this.bytes > 0 && this.#memory.wantedBytes > 0;
  }

  /** Gives it back to those that wait now, before this reader can ask again. */
  giveWay(): void {
    this.giveBack();
    this.#memory.serve();
  }

  /** More than for most blocks. */
  get isLarge(): boolean {
    return this.bytes > this.#memory.claimBytes;
  }

  giveBack(): void {
    if (this.bytes > 0) this.#memory.giveBack(this.bytes);
    this.bytes = 0;
  }

  /** Of positions that its read keeps. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Its read keeps so many positions now; false where there is no memory for more. */
  hold(positions: number): boolean {
    const bytes = positions * BEHIND_COST_BYTES;
    if (!this.#memory.noteHeld(bytes - this.#heldBytes, this.#holder)) return false;
    this.#heldBytes = bytes;
    return true;
  }

  /** Leaves the line. */
  takeBack(): void {
    this.#pending?.takeBack();
  }
}
