/** Basins. There are few, so all of them are in memory; their rows are read when the log opens. */

import { TailraceError } from '../model/error.ts';
import { partitionOfNumber } from '../model/partition-numbers.ts';
import type { BasinConfig } from '../model/stream-config.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { basinKey, basinRange, readBasinKey, settingsKey } from '../storage/keys.ts';
import {
  type BasinRow,
  type CounterRow,
  decodeBasin,
  decodeCounters,
  encodeBasin,
  encodeCounters,
} from '../storage/values.ts';
import { basinMoved, MoveTable } from './move/move-table.ts';
import { scanPages } from './scan-pages.ts';

/** A namespace of streams, as it was when it was requested. */
export interface Basin {
  readonly name: string;
  readonly number: number;
  readonly config: BasinConfig;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** When its deletion was requested; undefined while it lives. */
  readonly deletedAt: number | undefined;
}

/** A basin with the fields that only the log needs. */
export interface KnownBasin extends Basin {
  readonly requestKey: string | undefined;
}

/** A basin that never goes away: whoever deletes it gets an empty one, with these settings, in its place at once. */
export interface KeptBasin {
  readonly name: string;
  readonly config: BasinConfig;
}

/** As in {@link LogOptions}. */
interface BasinTableOptions {
  readonly keptBasin?: KeptBasin | undefined;
  readonly numbersFrom?: number | undefined;
  readonly holds?: ((basin: string) => boolean) | undefined;
}

/** The last accepted version of a basin, and the one on disk. */
interface BasinVersions {
  assigned: KnownBasin | undefined;
  durable: KnownBasin | undefined;
}

const COUNTERS = settingsKey('counters');

/** The basins, and the counters of numbers that are assigned once. */
export class BasinTable {
  readonly #entries = new Map<string, BasinVersions>();
  readonly #byNumber = new Map<number, string>();
  #listed: readonly Basin[] | undefined;
  #counters: CounterRow;

  readonly kept: KeptBasin | undefined;
  /** Those that move from one partition of a cluster to another. */
  readonly moves: MoveTable;

  private constructor(kept: KeptBasin | undefined, counters: CounterRow, moves: MoveTable) {
    this.kept = kept;
    this.#counters = counters;
    this.moves = moves;
  }

  /** Reads everything from the store. The numbers of a new one begin after `numbersFrom`. @throws TailraceError `corrupt` */
  static async load(engine: Engine, { keptBasin, numbersFrom, holds }: BasinTableOptions): Promise<BasinTable> {
    const row = await engine.get(COUNTERS);
    const first = (numbersFrom ?? 0) + 1;
    const counters = row === undefined ? { nextBasin: first, nextStream: first } : decodeCounters(row);
    const partition = partitionOfNumber(counters.nextStream);
    // Two partitions that give the same numbers would take the streams of each other for their own.
    if (numbersFrom !== undefined && partition !== partitionOfNumber(first)) {
      throw new TailraceError('corrupt', `the store is that of partition ${partition} of a cluster`);
    }
    const table = new BasinTable(keptBasin, counters, await MoveTable.load(engine, holds));
    for await (const page of scanPages(engine, basinRange())) {
      for (const { key, value } of page) {
        const basin = { name: readBasinKey(key), ...decodeBasin(value) };
        table.#entries.set(basin.name, { assigned: basin, durable: basin });
        table.#byNumber.set(basin.number, basin.name);
      }
    }
    return table;
  }

  /** The last accepted version, also when it is not durable yet. */
  get(name: string): KnownBasin | undefined {
    return this.#entries.get(name)?.assigned;
  }

  byNumber(number: number): KnownBasin | undefined {
    const basin = this.get(this.#byNumber.get(number) ?? '');
    return basin?.number === number ? basin : undefined;
  }

  /** Durable basins in the order of their names' bytes, which are ASCII. The same array until one of them changes. */
  list(): readonly Basin[] {
    this.#listed ??= [...this.#entries.values()]
      .flatMap(({ durable }) => (durable === undefined ? [] : [durable]))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#listed;
  }

  /**
   * The current version of a basin with the same number, to create a stream in.
   * @throws TailraceError `basin_not_found`, `basin_deletion_pending`, the latter also when another basin has the name now
   */
  expectLive({ name, number }: Basin): KnownBasin {
    const basin = this.get(name);
    if (basin === undefined) throw basinNotFound(name);
    if (basin.number !== number || basin.deletedAt !== undefined) throw basinDeletionPending(name);
    return basin;
  }

  /**
   * A request that began before the kept basin was deleted goes on in the one that has its name now.
   * @throws TailraceError `unavailable` while the basin moves to another partition
   */
  homeOf(basin: Basin): Basin {
    const home = basin.name === this.kept?.name ? (this.get(basin.name) ?? basin) : basin;
    this.moves.expectHere(home);
    return home;
  }

  /** A basin that does not exist yet, with its own number. */
  make(name: string, config: BasinConfig, now: number, requestKey: string | undefined): KnownBasin {
    const { nextBasin } = this.#counters;
    this.#counters = { ...this.#counters, nextBasin: nextBasin + 1 };
    return { name, number: nextBasin, config, createdAt: now, deletedAt: undefined, requestKey };
  }

  /** Accepts a new version of a basin, or its removal. Returns the rows that must be written. */
  assign(name: string, basin: KnownBasin | undefined): Write[] {
    const entry = this.#entries.get(name) ?? { assigned: undefined, durable: undefined };
    const isNew = entry.assigned?.number !== basin?.number;
    entry.assigned = basin;
    this.#entries.set(name, entry);
    if (basin === undefined) return [{ type: 'delete', key: basinKey(name) }];
    this.#byNumber.set(basin.number, name);
    this.moves.noteName(name);
    const row: BasinRow = basin;
    const rows: Write[] = [{ type: 'put', key: basinKey(name), value: encodeBasin(row) }];
    if (isNew) rows.push(this.counterRow());
    return rows;
  }

  /** Called when an accepted version is durable. */
  settle(name: string, basin: KnownBasin | undefined): void {
    this.#listed = undefined;
    // The entry is missing when a later commit failed in the meantime.
    const entry = this.#entries.get(name) ?? { assigned: basin, durable: undefined };
    this.#entries.set(name, entry);
    const before = entry.durable?.number;
    if (before !== undefined && before !== basin?.number) this.#byNumber.delete(before);
    entry.durable = basin;
    if (entry.assigned === undefined && basin === undefined) this.#entries.delete(name);
  }

  /** A commit failed: goes back to what is on disk. */
  distrust(): void {
    for (const [name, entry] of this.#entries) {
      entry.assigned = entry.durable;
      if (entry.durable === undefined) this.#entries.delete(name);
    }
  }

  /** A number for a new stream. When its transaction fails, the number is not used again. */
  takeStreamNumber(): number {
    const { nextStream } = this.#counters;
    this.#counters = { ...this.#counters, nextStream: nextStream + 1 };
    return nextStream;
  }

  /** The row that prevents numbers from being assigned again. Belongs into every transaction that uses a new one. */
  counterRow(): Write {
    return { type: 'put', key: COUNTERS, value: encodeCounters(this.#counters) };
  }
}

/** What knows basins, and perhaps which ones other partitions have. */
interface BasinSource<B> {
  basin(name: string): B | undefined;
  readonly moves?: { isElsewhere(name: string): boolean };
}

/** @throws TailraceError as {@link missingBasin} */
export function existingBasin<B>(log: BasinSource<B>, name: string): B {
  const basin = log.basin(name);
  if (basin !== undefined) return basin;
  throw missingBasin(log, name);
}

/** The error for a basin that is not here: `basin_not_found`, or `unavailable` for one that another partition has. */
export function missingBasin({ moves }: Pick<BasinSource<unknown>, 'moves'>, name: string): TailraceError {
  return moves?.isElsewhere(name) === true ? basinMoved() : basinNotFound(name);
}

export function basinNotFound(name: string): TailraceError {
  return new TailraceError('basin_not_found', `basin \`${name}\` not found`);
}

export function basinDeletionPending(name: string): TailraceError {
  return new TailraceError('basin_deletion_pending', `basin \`${name}\` is being deleted`);
}

/** Whether two configurations are equal. */
export function sameConfig(a: BasinConfig, b: BasinConfig): boolean {
  return Buffer.compare(encoded(a), encoded(b)) === 0;
}

function encoded(config: BasinConfig): Uint8Array {
  const defaultStream = Object.fromEntries(Object.entries(config.defaultStream).sort(([a], [b]) => (a < b ? -1 : 1)));
  const row = { number: 0, createdAt: 0, deletedAt: undefined, requestKey: undefined };
  return encodeBasin({ ...row, config: { ...config, defaultStream } });
}
