/**
 * What the streams of each basin store together: a running sum. It is written down with the other metrics and when the
 * server stops; after a stop that was none, streams are added up again in the background while the sums move on.
 */

import type { Basin } from './basins.ts';

/** Walks the streams of a basin in the order of their names' bytes. The log has it. */
export interface StoredStreams {
  listBasins(): readonly Basin[];
  visitStored(
    basin: Basin,
    startAfter: string,
    visit: (name: string, meteredBytes: number) => void,
  ): Promise<string | undefined>;
}

export interface BasinTotal {
  readonly name: string;
  readonly bytes: number;
}

interface Total {
  name: string;
  bytes: number;
  /** Set while the basin is added up again: only streams up to this name are in the sum. */
  countedTo: Uint8Array | undefined;
  /** It was not written down like this yet. */
  changed: boolean;
}

export class BasinTotals {
  readonly #totals = new Map<number, Total>();
  #recount: Promise<void> = Promise.resolve();
  #isExact = true;
  #closed = false;

  /** Takes what was written down for a basin; what changed since then is there already. */
  load(number: number, name: string, bytes: number): void {
    const since = this.#totals.get(number);
    const changed = since?.changed === true;
    this.#totals.set(number, { name, bytes: bytes + (since?.bytes ?? 0), countedTo: undefined, changed });
  }

  /** A stream of the basin stores so many bytes more or less. On the hot path. */
  add(basin: Basin, stream: string, change: number): void {
    const total = this.#totals.get(basin.number) ?? this.#begin(basin, undefined);
    if (total.countedTo !== undefined && Buffer.compare(Buffer.from(stream), total.countedTo) > 0) return;
    total.bytes += change;
    total.changed = true;
  }

  /** Adds everything up again. Call it before the first change. Resolves when that is done; never rejects. */
  recount(streams: StoredStreams, onError: (error: unknown) => void): void {
    this.#isExact = false;
    const basins = streams.listBasins();
    for (const basin of basins) this.#begin(basin, Buffer.alloc(0));
    this.#recount = this.#countAll(streams, basins).catch(onError);
  }

  /** Resolves when the sums are complete, or never will be. */
  settled(): Promise<void> {
    return this.#recount;
  }

  /** Whether they may be trusted after the next start. */
  get isExact(): boolean {
    return this.#isExact;
  }

  bytesOf(number: number): number {
    return Math.max(0, this.#totals.get(number)?.bytes ?? 0);
  }

  /** Those that changed since the last call, by the numbers of their basins; not those that are incomplete. */
  takeChanged(): ReadonlyMap<number, BasinTotal> {
    const changed = new Map<number, BasinTotal>();
    for (const [number, total] of this.#totals) {
      if (!total.changed || total.countedTo !== undefined) continue;
      total.changed = false;
      changed.set(number, { name: total.name, bytes: this.bytesOf(number) });
    }
    return changed;
  }

  /** They could not be written down. */
  giveBack(numbers: Iterable<number>): void {
    for (const number of numbers) {
      const total = this.#totals.get(number);
      if (total !== undefined) total.changed = true;
    }
  }

  /** Ends a recount that is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#recount;
  }

  #begin({ number, name }: Basin, countedTo: Uint8Array | undefined): Total {
    const total = { name, bytes: 0, countedTo, changed: false };
    this.#totals.set(number, total);
    return total;
  }

  async #countAll(streams: StoredStreams, basins: readonly Basin[]): Promise<void> {
    for (const basin of basins) {
      const total = this.#totals.get(basin.number);
      if (total === undefined) continue;
      for (let from: string | undefined = ''; from !== undefined; ) {
        if (this.#closed) return;
        from = await streams.visitStored(basin, from, (name, bytes) => {
          total.bytes += bytes;
          total.countedTo = Buffer.from(name);
        });
      }
      total.countedTo = undefined;
      total.changed = true;
    }
    this.#isExact = true;
  }
}
