/**
 * Moves basins between the partitions of a cluster: each has a log of its own, and who leads both has them do these steps.
 *
 * The partition that loses a basin gives its rows while it is in use, seals it, gives the rest, and drops it. The one that
 * gets it takes the rows, which no caller sees before it adopts the basin. Each step is a row in the store, so who opens the log
 * next knows how far it came; each may be repeated.
 */

import { TailraceError } from '../../model/error.ts';
import type { CommitOptions, Entry } from '../../storage/engine.ts';
import { pendingKey, usageKey } from '../../storage/keys.ts';
import { moveHeadRow, moveOutRow } from '../../storage/move-rows.ts';
import { decodeBasinTotal } from '../../storage/usage-rows.ts';
import { decodeBasin, encodeBasin, encodePending } from '../../storage/values.ts';
import { type Basin, basinDeletionPending, basinNotFound, type KnownBasin } from '../basins.ts';
import { commitRows } from '../commit-rows.ts';
import { CopiedBlocks } from './copied-blocks.ts';
import { endReaders } from './end-readers.ts';
import { basinMoved, type LeavingBasin, type MoveTable } from './move-table.ts';
import { type MoveDeps, MoveTaker, moveConflict } from './move-taker.ts';
import { inPages, rowsAtRest, rowsInUse } from './moved-rows.ts';

/** A basin that goes to another partition. */
export interface OutgoingMove {
  readonly basin: string;
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** The partition that gets it. */
  readonly to: number;
  /** Whether the seal is durable. */
  readonly isSealed: boolean;
}

/** A basin that comes from another partition. */
export interface IncomingMove {
  readonly basin: string;
  readonly id: string;
  readonly from: number;
  /** All of its rows are here: it may be adopted. */
  readonly isReady: boolean;
}

/** To be moved frees space in a full store. */
const RESERVE: CommitOptions = { mayUseReserve: true };
const ID = /^[0-9a-f]{32}$/;

export class BasinMoves {
  readonly #deps: MoveDeps;
  readonly #table: MoveTable;
  readonly #taker: MoveTaker;

  constructor(deps: MoveDeps) {
    this.#deps = deps;
    this.#table = deps.basins.moves;
    this.#taker = new MoveTaker(deps);
  }

  /** Basins that are sealed, or are about to be. */
  out(): readonly OutgoingMove[] {
    return [...this.#table.out.values()].map(({ name, id, to, isSealed }) => ({ basin: name, id, to, isSealed }));
  }

  /** Basins of which rows were taken, and that were not adopted. */
  in(): readonly IncomingMove[] {
    return [...this.#table.in.values()].map(({ name, id, from, stage }) => ({
      ...{ basin: name, id, from, isReady: stage === 'ready' },
    }));
  }

  /** Whether another partition has the basin of this name, where there is none here. */
  isElsewhere(name: string): boolean {
    return this.#table.isElsewhere(name);
  }

  /**
   * From now on all calls about the basin that must be exact, or change something, are refused with `unavailable`; readers
   * that follow go on. Resolves when everything that was accepted before is durable.
   * @throws TailraceError `basin_not_found`, `basin_deletion_pending`; `invalid` for the basin that is always there;
   *   `transaction_conflict` when another move has it
   */
  async seal(name: string, { id, to }: { readonly id: string; readonly to: number }): Promise<void> {
    const { basins, commits, expectWritable } = this.#deps;
    expectWritable(RESERVE);
    if (!ID.test(id)) throw new TailraceError('invalid', 'the id of a move has 32 hexadecimal digits');
    const basin = this.#living(name);
    if (name === basins.kept?.name) throw new TailraceError('invalid', `basin \`${name}\` stays where it is`);
    const known = this.#leaving(name, id);
    if (known !== undefined) return commits.barrier();
    const leaving = this.#table.seal(basin.number, { name, id, to }, false);
    try {
      await commitRows(commits, [moveOutRow(basin.number, leaving)], {
        options: RESERVE,
        durable: () => {
          leaving.isSealed = true;
        },
      });
    } catch (error) {
      this.#table.unseal(basin.number);
      throw error;
    }
  }

  /** The basin stays: it is as before the seal. @throws TailraceError `transaction_conflict` for one with another id */
  async unseal(name: string, id: string): Promise<void> {
    const { commits, expectWritable, nudge } = this.#deps;
    expectWritable(RESERVE);
    const leaving = this.#leaving(name, id);
    if (leaving === undefined) return commits.barrier();
    await this.#end(leaving, async ({ number }) => {
      await commitRows(commits, [{ type: 'delete', key: pendingKey('moveOut', number) }], {
        options: RESERVE,
        durable: () => this.#table.unseal(number),
      });
    });
    nudge();
  }

  /**
   * The rows of a basin, for {@link take}: of one that is in use its blocks, which are noted in `copied`; of a sealed one all
   * that was not copied. Nothing is given that is not durable.
   * @throws TailraceError `basin_not_found`, `basin_deletion_pending`; `transaction_conflict` when it is sealed or unsealed
   *   meanwhile
   */
  async *rows(name: string, copied: CopiedBlocks): AsyncGenerator<readonly Entry[]> {
    const { engine, commits, clock, streams } = this.#deps;
    const basin = this.#living(name);
    const { number } = basin;
    const move = this.#table.out.get(number);
    await commits.barrier();
    if (move === undefined) copied.clear();
    const pass = move === undefined ? 'first' : copied.isWhole ? 'rest' : 'whole';
    yield [moveHeadRow({ number, name, pass, id: move?.id, basin: encodeBasin(basin) })];
    const moved = {
      ...{ engine, number, copied: pass === 'whole' ? new CopiedBlocks() : copied },
      tailOf: (stream: number) => streams.byNumber(stream)?.durable.nextSeq,
    };
    const rows = move === undefined ? rowsInUse(moved, Math.floor(clock.now() / 1_000)) : rowsAtRest(moved);
    for await (const page of inPages(rows)) {
      // What the store shows may not be durable yet; if it never is, other blocks get its places.
      await commits.barrier();
      if (this.#table.out.get(number) !== move) throw moveConflict(name);
      yield page;
    }
    if (move === undefined) copied.isWhole = true;
  }

  /**
   * The basin is in the other partition: its readers end with `unavailable`, and what is left of it is removed in the
   * background. @throws TailraceError `transaction_conflict` for one with another id
   */
  async drop(name: string, id: string): Promise<void> {
    const { basins, commits, expectWritable, nudge } = this.#deps;
    expectWritable(RESERVE);
    const leaving = this.#leaving(name, id);
    await commits.barrier();
    if (leaving === undefined) return;
    await this.#end(leaving, async ({ number }) => {
      const basin = this.#living(name);
      this.#table.noteLeft(name);
      const value = encodePending({ basin: number, name });
      const rows = [
        ...basins.assign(name, undefined),
        { type: 'delete', key: pendingKey('moveOut', number) } as const,
        { type: 'put', key: pendingKey('basinRemoval', number), value } as const,
      ];
      await commitRows(commits, rows, { options: RESERVE, durable: () => this.#left(basin) });
    });
    nudge();
  }

  /**
   * Takes the rows of a basin: `pages` are those of {@link rows}, and throw when they are cut short. May be repeated from the
   * start; a first pass removes what was taken before.
   * @throws TailraceError `unavailable` while a basin with its number is being removed; `resource_already_exists`;
   *   `transaction_conflict` when the basin is forgotten or taken anew meanwhile, or the first pass is missing; `corrupt` for
   *   rows that are not of the basin; and as commits
   */
  take(
    name: string,
    move: { readonly id: string; readonly from: number },
    pages: AsyncIterable<readonly Entry[]>,
  ): Promise<void> {
    return this.#taker.take(name, move, pages);
  }

  /**
   * The basin is here from now on. Returns the one that is here when that was done before.
   * @throws TailraceError `basin_not_found` when nothing was taken; `transaction_conflict` when not all was, or by another move
   */
  async adopt(name: string, id: string): Promise<Basin> {
    const { basins, commits, streams, expectWritable, observer, answers, nudge } = this.#deps;
    expectWritable();
    const coming = this.#table.incoming(name);
    if (coming === undefined) {
      const known = this.#living(name);
      await commits.barrier();
      return known;
    }
    const { number } = coming;
    if (coming.id !== id || coming.basin === undefined) throw moveConflict(name);
    const total = await this.#deps.engine.get(usageKey('basinTotals', number, 0));
    const kept = await this.#taker.countAnswers(number);
    if (this.#table.in.get(number) !== coming) return this.adopt(name, id);
    this.#taker.stop(number);
    const basin: KnownBasin = { name, ...decodeBasin(coming.basin) };
    streams.forgetBasin(basin);
    this.#table.arrive(number);
    try {
      await commitRows(
        commits,
        [...basins.assign(name, basin), { type: 'delete', key: pendingKey('moveIn', number) }],
        { durable: () => basins.settle(name, basin) },
      );
    } catch (error) {
      this.#table.in.set(number, coming);
      throw error;
    }
    answers.add(kept);
    observer.basinCame?.(basin, total === undefined ? 0 : decodeBasinTotal(total));
    nudge();
    return basin;
  }

  /** The basin does not come: what was taken is removed in the background. Nothing happens for another id. */
  async forget(name: string, id: string): Promise<void> {
    this.#deps.expectWritable(RESERVE);
    const coming = this.#table.incoming(name);
    await this.#deps.commits.barrier();
    if (coming === undefined || coming.id !== id || this.#table.in.get(coming.number) !== coming) return;
    await this.#taker.forget(coming);
  }

  /** @throws TailraceError `basin_not_found`, `basin_deletion_pending` */
  #living(name: string): KnownBasin {
    const basin = this.#deps.basins.get(name);
    if (basin === undefined) throw basinNotFound(name);
    if (basin.deletedAt !== undefined) throw basinDeletionPending(name);
    return basin;
  }

  /** @throws TailraceError `transaction_conflict` */
  #leaving(name: string, id: string): LeavingBasin | undefined {
    const leaving = this.#table.outgoing(name);
    if (leaving !== undefined && leaving.id !== id) throw moveConflict(name);
    return leaving;
  }

  /** A move ends once: by the basin going, or by its staying. @throws TailraceError `transaction_conflict` */
  async #end(leaving: LeavingBasin, act: (leaving: LeavingBasin) => Promise<void>): Promise<void> {
    if (leaving.isEnding || this.#table.out.get(leaving.number) !== leaving) throw moveConflict(leaving.name);
    leaving.isEnding = true;
    try {
      await act(leaving);
    } finally {
      leaving.isEnding = false;
    }
  }

  #left(basin: KnownBasin): void {
    const { basins, streams, feeds, observer } = this.#deps;
    basins.settle(basin.name, undefined);
    this.#table.leave(basin.number);
    endReaders(basin, { streams, feeds }, basinMoved());
    observer.basinLeft?.(basin);
  }
}
