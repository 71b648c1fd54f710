/**
 * Which basins of a log go to another partition of the cluster, come from one, or have gone. Read from the store when the log
 * opens, so what was begun before a restart goes on.
 */

import { type TailraceError, unavailable } from '../../model/error.ts';
import type { Engine } from '../../storage/engine.ts';
import { type PendingKind, pendingRange, readPendingKey } from '../../storage/keys.ts';
import { decodeMoveIn, decodeMoveOut, type MoveInRow, type MoveOutRow } from '../../storage/move-rows.ts';
import { scanPages } from '../scan-pages.ts';

/** Whether a basin is served by this log. A basin that goes and comes back has another object then. */
export class BasinPlace {
  /** `sealed`: it is going to another partition; `gone`: it is there. */
  state: 'here' | 'sealed' | 'gone' = 'here';

  /** Why nothing is served that must be exact, or changes something. */
  get refusal(): TailraceError | undefined {
    if (this.state === 'here') return undefined;
    return this.state === 'gone' ? basinMoved() : unavailable('the basin is moving to another partition: send again');
  }

  /** @throws TailraceError `unavailable` while the basin moves, and for ever when it has gone from here */
  expectHere(): void {
    const { refusal } = this;
    if (refusal !== undefined) throw refusal;
  }
}

/** A basin that goes; see {@link MoveOutRow}. */
export interface LeavingBasin extends MoveOutRow {
  /** Of the basin. */
  readonly number: number;
  /** Whether its row is durable. */
  isSealed: boolean;
  /** It is being dropped or unsealed. */
  isEnding: boolean;
}

/** A basin that comes; see {@link MoveInRow}. */
export interface ComingBasin extends MoveInRow {
  readonly number: number;
}

export class MoveTable {
  /** By number of the basin, as all here. */
  readonly out = new Map<number, LeavingBasin>();
  readonly in = new Map<number, ComingBasin>();
  /** Basins whose rows are being removed, because they moved away, or did not come after all. */
  readonly removals = new Set<number>();
  readonly #places = new Map<number, BasinPlace>();
  /** Names of basins that have gone since the log was opened. */
  readonly #left = new Set<string>();
  readonly #holds: (basin: string) => boolean;

  private constructor(holds: (basin: string) => boolean) {
    this.#holds = holds;
  }

  /** Reads everything from the store. `holds`: see `LogOptions`. @throws TailraceError `corrupt` */
  static async load(engine: Engine, holds: (basin: string) => boolean = () => true): Promise<MoveTable> {
    const table = new MoveTable(holds);
    await each(engine, 'moveOut', (number, value) => table.seal(number, decodeMoveOut(value), true));
    await each(engine, 'moveIn', (number, value) => table.in.set(number, { number, ...decodeMoveIn(value) }));
    await each(engine, 'basinRemoval', (number) => table.leave(number));
    return table;
  }

  placeOf(number: number): BasinPlace {
    const place = this.#places.get(number) ?? new BasinPlace();
    this.#places.set(number, place);
    return place;
  }

  /** @throws TailraceError `unavailable`; see {@link BasinPlace.expectHere} */
  expectHere({ number }: { readonly number: number }): void {
    this.#places.get(number)?.expectHere();
  }

  /** @throws TailraceError `unavailable` for a basin that was here and is in another partition now */
  expectNotGone({ number }: { readonly number: number }): void {
    const place = this.#places.get(number);
    if (place?.state === 'gone') place.expectHere();
  }

  /** No basin of this name may be made or changed while one moves. @throws TailraceError `unavailable` */
  expectName(name: string): void {
    const leaving = this.outgoing(name);
    if (leaving !== undefined) this.expectHere(leaving);
    if (this.incoming(name) !== undefined) throw unavailable('a basin of this name is moving to here: send again');
  }

  /** The rows of a basin are not touched by background work. */
  isMoving(number: number): boolean {
    return this.out.has(number) || this.in.has(number) || this.removals.has(number);
  }

  outgoing(name: string): LeavingBasin | undefined {
    return [...this.out.values()].find((move) => move.name === name);
  }

  incoming(name: string): ComingBasin | undefined {
    return [...this.in.values()].find((move) => move.name === name);
  }

  /** From now on nothing is served of it that must be exact, or changes something. */
  seal(number: number, { name, id, to }: MoveOutRow, isSealed: boolean): LeavingBasin {
    const leaving = { number, name, id, to, isSealed, isEnding: false };
    this.out.set(number, leaving);
    this.placeOf(number).state = 'sealed';
    return leaving;
  }

  unseal(number: number): void {
    this.out.delete(number);
    const place = this.placeOf(number);
    if (place.state === 'sealed') place.state = 'here';
  }

  /** The basin is in another partition now, or does not come; what is left of it here is being removed. */
  leave(number: number): void {
    this.out.delete(number);
    this.in.delete(number);
    this.removals.add(number);
    this.placeOf(number).state = 'gone';
  }

  /** The basin is here now. Who held it or a stream of it when it was here before gets nothing more by that. */
  arrive(number: number): void {
    this.in.delete(number);
    this.#places.set(number, new BasinPlace());
  }

  /** Whether a basin of this name went away while the log was open, or the cluster says that it is not here. */
  isElsewhere(name: string): boolean {
    return this.#left.has(name) || !this.#holds(name);
  }

  /** A basin of this name goes to another partition. */
  noteLeft(name: string): void {
    this.#left.add(name);
  }

  /** There is a basin of this name again. */
  noteName(name: string): void {
    this.#left.delete(name);
  }
}

/** The error for readers of a basin that is in another partition. */
export function basinMoved(): TailraceError {
  return unavailable('the basin is in another partition of the cluster now: connect again');
}

async function each(
  engine: Engine,
  kind: PendingKind,
  note: (number: number, value: Uint8Array) => void,
): Promise<void> {
  for await (const page of scanPages(engine, pendingRange(kind))) {
    for (const { key, value } of page) note(readPendingKey(key), value);
  }
}
