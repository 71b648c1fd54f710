/**
 * What the streams of each basin store together: a running sum. It is written with the other metrics and when the
 * server stops. After an unclean stop all streams are added up again in the background, while the sums keep changing.
 */

import type { Basin } from '../log/basins.ts';
import { nextTurn } from '../log/next-turn.ts';

/** Visits the streams of a basin in the order of their names' bytes. The log implements it. */
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

/** How far the streams of a basin have been added up. */
interface Count {
  /** Streams up to this name are in the sum. */
  to: Uint8Array;
  /** What later streams store, of those that changed since the page in progress was requested. */
  readonly ahead: Map<string, number>;
}

interface Total {
  name: string;
  bytes: number;
  /** Set while the basin is added up again. */
  count: Count | undefined;
  /** Its current value has not been written yet. */
  changed: boolean;
}

export class BasinTotals {
  readonly #totals = new Map<number, Total>();
  #recount: Promise<void> = Promise.resolve();
  #isExact = true;
  #closed = false;

  /** Takes the sum that was written for a basin. Changes since then are in the total already. */
  load(number: number, name: string, bytes: number): void {
    const since = this.#totals.get(number);
    const changed = since?.changed === true;
    this.#totals.set(number, { name, bytes: bytes + (since?.bytes ?? 0), count: undefined, changed });
  }

  /** What is counted of a basin that is here no more counts elsewhere. */
  forget(number: number): void {
    this.#totals.delete(number);
  }

  /** A stream of the basin stores `change` bytes more or less, `stored` in all. On the hot path. */
  add(basin: Basin, stream: string, change: number, stored: number): void {
    const total = this.#totals.get(basin.number) ?? this.#begin(basin, undefined);
    if (total.count !== undefined && isAfter(stream, total.count.to)) {
      total.count.ahead.set(stream, stored);
      return;
    }
    total.bytes += change;
    total.changed = true;
  }

  /** Adds everything up again. `settled` resolves when that is done. */
  recount(streams: StoredStreams, onError: (error: unknown) => void): void {
    this.#isExact = false;
    const basins = streams.listBasins();
    for (const basin of basins) this.#begin(basin, { to: Buffer.alloc(0), ahead: new Map() });
    this.#recount = this.#countAll(streams, basins).catch(onError);
  }

  /** Resolves when the sums are complete, or never will be. */
  settled(): Promise<void> {
    return this.#recount;
  }

  /** Whether the sums can be trusted after the next start. */
  get isExact(): boolean {
    return this.#isExact;
  }

  bytesOf(number: number): number {
    return Math.max(0, this.#totals.get(number)?.bytes ?? 0);
  }

  /** The totals that changed since the last call, by the numbers of their basins, without incomplete ones. */
  takeChanged(): ReadonlyMap<number, BasinTotal> {
    const changed = new Map<number, BasinTotal>();
    for (const [number, total] of this.#totals) {
      if (!total.changed || total.count !== undefined) continue;
      total.changed = false;
      changed.set(number, { name: total.name, bytes: this.bytesOf(number) });
    }
    return changed;
  }

  /** Takes back totals that could not be written. */
  giveBack(numbers: Iterable<number>): void {
    for (const number of numbers) {
      const total = this.#totals.get(number);
      if (total !== undefined) total.changed = true;
    }
  }

  /** Stops a recount that is in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#recount;
  }

  #begin({ number, name }: Basin, count: Count | undefined): Total {
    const total = { name, bytes: 0, count, changed: false };
    this.#totals.set(number, total);
    return total;
  }

  async #countAll(streams: StoredStreams, basins: readonly Basin[]): Promise<void> {
    for (const basin of basins) {
      const total = this.#totals.get(basin.number);
      if (total?.count === undefined) continue;
      for (let from: string | undefined = ''; from !== undefined; ) {
        if (this.#closed) return;
        const page: [name: string, bytes: number][] = [];
        total.count.ahead.clear();
        from = await streams.visitStored(basin, from, (name, bytes) => page.push([name, bytes]));
        addPage(total, total.count, page, from);
        await nextTurn();
      }
      total.changed = true;
    }
    this.#isExact = true;
  }
}

/**
 * Adds a page to the sum, and what changed or appeared in its range while it was read. `last` is undefined for the last
 * page.
 */
function addPage(
  total: Total,
  count: Count,
  page: readonly (readonly [name: string, bytes: number])[],
  last: string | undefined,
): void {
  const { ahead } = count;
  for (const [name, bytes] of page) {
    total.bytes += ahead.get(name) ?? bytes;
    ahead.delete(name);
  }
  const to = last === undefined ? undefined : Buffer.from(last);
  for (const [name, bytes] of ahead) if (to === undefined || !isAfter(name, to)) total.bytes += bytes;
  if (to === undefined) total.count = undefined;
  else count.to = to;
}

function isAfter(name: string, to: Uint8Array): boolean {
  return Buffer.compare(Buffer.from(name), to) > 0;
}
