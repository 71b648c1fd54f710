/**
 * What the streams of each basin store together: a running sum. It is written down with the other metrics and when the
 * server stops; after a stop that was none, streams are added up again in the background while the sums move on.
 */

import type { Basin } from '../log/basins.ts';
import { nextTurn } from '../log/next-turn.ts';

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

/** How far the streams of a basin have been added up. */
interface Count {
  /** Streams up to this name are in the sum. */
  to: Uint8Array;
  /** What those behind it store that changed since the page under way was asked for. */
  readonly ahead: Map<string, number>;
}

interface Total {
  name: string;
  bytes: number;
  /** Set while the basin is added up again. */
  count: Count | undefined;
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
    this.#totals.set(number, { name, bytes: bytes + (since?.bytes ?? 0), count: undefined, changed });
  }

  /** A stream of the basin stores so many bytes more or less, so many in all. On the hot path. */
  add(basin: Basin, stream: string, change: number, stored: number): void {
    const total = this.#totals.get(basin.number) ?? this.#begin(basin, undefined);
    if (total.count !== undefined && isBehind(stream, total.count.to)) {
      total.count.ahead.set(stream, stored);
      return;
    }
    total.bytes += change;
    total.changed = true;
  }

  /** Adds everything up again; `settled` resolves when that is done. */
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
      if (!total.changed || total.count !== undefined) continue;
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

/** Puts a page into the sum, and what changed or came into its range while it was fetched. `last` is none on the last. */
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
  for (const [name, bytes] of ahead) if (to === undefined || !isBehind(name, to)) total.bytes += bytes;
  if (to === undefined) total.count = undefined;
  else count.to = to;
}

function isBehind(name: string, to: Uint8Array): boolean {
  return Buffer.compare(Buffer.from(name), to) > 0;
}
