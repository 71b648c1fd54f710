/** Basins: all of them are in memory, for there are few; their rows are read when the log opens. */

import type { BasinConfig } from '../model/stream-config.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { basinKey, basinRange, readBasinKey, settingsKey } from '../storage/keys.ts';
import { type CounterRow, decodeBasin, decodeCounters, encodeBasin, encodeCounters } from '../storage/values.ts';

/** A namespace of streams. */
export interface Basin {
  readonly name: string;
  readonly number: number;
  readonly config: BasinConfig;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

const COUNTERS = settingsKey('counters');
const PAGE = 1_000;

/** The basins, and the numbers that are given out once. */
export class BasinTable {
  readonly #basins = new Map<string, Basin>();
  #counters: CounterRow = { nextBasin: 1, nextStream: 1 };

  /** Reads everything from the store. */
  static async load(engine: Engine): Promise<BasinTable> {
    const table = new BasinTable();
    const counters = await engine.get(COUNTERS);
    if (counters !== undefined) table.#counters = decodeCounters(counters);
    let { from, to } = basinRange();
    for (;;) {
      const page = await engine.scan({ from, to, limit: PAGE });
      for (const { key, value } of page) {
        const name = readBasinKey(key);
        table.#basins.set(name, { name, ...decodeBasin(value) });
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return table;
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  get(name: string): Basin | undefined {
    return this.#basins.get(name);
  }

  /** In order of their names' bytes. */
  list(): readonly Basin[] {
    return [...this.#basins.values()].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  }

  /** A new basin or new settings of one, with the rows that make it durable; it shows once `put` was called. */
  prepare(name: string, config: BasinConfig, now: number): { basin: Basin; rows: Write[] } {
    const known = this.#basins.get(name);
    const basin: Basin = known
      ? { ...known, config }
      : { name, number: this.#takeBasinNumber(), config, createdAt: now };
    const rows: Write[] = [{ type: 'put', key: basinKey(name), value: encodeBasin(basin) }];
    if (known === undefined) rows.push(this.counterRow());
    return { basin, rows };
  }

  put(basin: Basin): void {
    this.#basins.set(basin.name, basin);
  }

  /** A number for a new stream. A transaction that fails burns it. */
  takeStreamNumber(): number {
    const { nextStream } = this.#counters;
    this.#counters = { ...this.#counters, nextStream: nextStream + 1 };
    return nextStream;
  }

  /** The row that keeps numbers from being given out again; goes with every transaction that uses a new one. */
  counterRow(): Write {
    return { type: 'put', key: COUNTERS, value: encodeCounters(this.#counters) };
  }

  #takeBasinNumber(): number {
    const { nextBasin } = this.#counters;
    this.#counters = { ...this.#counters, nextBasin: nextBasin + 1 };
    return nextBasin;
  }
}

/** Whether two configurations say the same. */
export function sameConfig(a: BasinConfig, b: BasinConfig): boolean {
  return Buffer.compare(encoded(a), encoded(b)) === 0;
}

function encoded(config: BasinConfig): Uint8Array {
  return encodeBasin({ number: 0, createdAt: 0, config });
}
