/**
 * What a transaction of the log of a cluster says of basins that move to another partition or come from one. What takes
 * something away is known before it is written, what gives something when it is durable; as in `applied-writes.ts`.
 */

import type { Write } from '../../storage/engine.ts';
import { FAMILY, isPending, readPendingKey } from '../../storage/keys.ts';
import { decodeMoveIn, decodeMoveOut, type MoveInRow, type MoveOutRow } from '../../storage/move-rows.ts';
import type { Basin, BasinTable } from '../basins.ts';
import type { Feeds } from '../many/feeds.ts';
import { endReaders } from '../move/end-readers.ts';
import { basinMoved } from '../move/move-table.ts';
import type { StreamTable } from '../streams.ts';
import type { MemberNames } from './member-names.ts';

/** By number of the basin: the last row of each, undefined where it is deleted. */
export interface MoveChanges {
  readonly out: ReadonlyMap<number, MoveOutRow | undefined>;
  readonly in: ReadonlyMap<number, MoveInRow | undefined>;
  /** Basins whose rows are to be removed, and whether they are gone by the end of the transaction. */
  readonly removals: ReadonlyMap<number, boolean>;
  /** Basins that are here by the end of it: one may also go and come back within it. */
  readonly arrivals: ReadonlySet<number>;
}

/** @throws TailraceError `corrupt` */
export function moveChangesIn(writes: readonly Write[]): MoveChanges {
  const out = new Map<number, MoveOutRow | undefined>();
  const coming = new Map<number, MoveInRow | undefined>();
  const removals = new Map<number, boolean>();
  const arrivals = new Set<number>();
  for (const write of writes) {
    const { key } = write;
    if (key[0] !== FAMILY.pendingWork) continue;
    const value = write.type === 'put' ? write.value : undefined;
    const number = readPendingKey(key);
    if (isPending(key, 'moveOut')) out.set(number, value && decodeMoveOut(value));
    else if (isPending(key, 'moveIn')) {
      coming.set(number, value && decodeMoveIn(value));
      if (value === undefined) arrivals.add(number);
    } else if (isPending(key, 'basinRemoval')) {
      removals.set(number, value === undefined);
      // It was dropped, or given up, which is the other end of one that comes.
      if (value !== undefined) arrivals.delete(number);
    }
  }
  return { out, in: coming, removals, arrivals };
}

interface AppliedMovesDeps {
  readonly basins: BasinTable;
  readonly streams: StreamTable;
  readonly feeds: Feeds;
  readonly names: MemberNames;
}

/** Before a transaction is written. Returns the basins whose readers {@link giveMoves} ends. */
export function takeAwayMoved({ basins }: AppliedMovesDeps, { out, removals }: MoveChanges): readonly Basin[] {
  const { moves } = basins;
  for (const [number, row] of out) if (row !== undefined) moves.seal(number, row, true);
  const left: Basin[] = [];
  for (const number of removals.keys()) {
    const basin = basins.byNumber(number);
    moves.leave(number);
    if (basin === undefined) continue;
    moves.noteLeft(basin.name);
    left.push(basin);
  }
  return left;
}

/** When a transaction is durable, before basins that begin with it are known. */
export function giveMoves(deps: AppliedMovesDeps, changes: MoveChanges, left: readonly Basin[]): void {
  const { moves } = deps.basins;
  for (const basin of left) {
    endReaders(basin, deps, basinMoved());
    deps.names.deleteBasin(basin);
  }
  for (const [number, row] of changes.out) if (row === undefined) moves.unseal(number);
  for (const [number, isGone] of changes.removals) if (isGone) moves.removals.delete(number);
  for (const [number, row] of changes.in) {
    if (row === undefined) moves.in.delete(number);
    else moves.in.set(number, { number, ...row });
  }
  for (const number of changes.arrivals) moves.arrive(number);
}
