/** Takes the rows of a basin that comes from another partition, page by page, each in one transaction. */

import type { Clock } from '../../model/clock.ts';
import { TailraceError, unavailable } from '../../model/error.ts';
import { answersOf } from '../../storage/answer-rows.ts';
import type { CommitOptions, Engine, Entry, Write } from '../../storage/engine.ts';
import { pendingKey } from '../../storage/keys.ts';
import { type MoveHead, type MoveStage, moveInRow, readMoveHead } from '../../storage/move-rows.ts';
import { decodeBasin, encodePending } from '../../storage/values.ts';
import type { Answers } from '../answers.ts';
import type { BasinTable } from '../basins.ts';
import type { CommitQueue } from '../commit-queue.ts';
import { commitRows } from '../commit-rows.ts';
import type { Feeds } from '../many/feeds.ts';
import type { LogObserver } from '../observer.ts';
import { scanPages } from '../scan-pages.ts';
import type { StreamTable } from '../streams.ts';
import type { WriteGate } from '../write-gate.ts';
import { removalKey, removeBasin } from './basin-removal.ts';
import type { ComingBasin, MoveTable } from './move-table.ts';
import { TakenRows } from './taken-rows.ts';

/** What moves need of the log. */
export interface MoveDeps {
  readonly engine: Engine;
  readonly commits: CommitQueue;
  readonly basins: BasinTable;
  readonly streams: StreamTable;
  readonly feeds: Feeds;
  readonly answers: Pick<Answers, 'add'>;
  readonly observer: LogObserver;
  readonly clock: Clock;
  readonly expectWritable: WriteGate['expectOpen'];
  /** Called when there is background work. */
  nudge(): void;
}

/** Who takes rows, and by which move. */
interface TakenMove {
  readonly id: string;
  readonly from: number;
}

/** A call that takes rows. A later one for the same basin takes its place. */
interface TakingCall extends TakenMove {
  readonly head: MoveHead;
  readonly rows: TakenRows;
}

const RESERVE: CommitOptions = { mayUseReserve: true };

export class MoveTaker {
  readonly #deps: MoveDeps;
  readonly #table: MoveTable;
  /** By number of the basin. */
  readonly #takings = new Map<number, TakingCall>();

  constructor(deps: MoveDeps) {
    this.#deps = deps;
    this.#table = deps.basins.moves;
  }

  /** See {@link BasinMoves.take}. */
  async take(name: string, move: TakenMove, pages: AsyncIterable<readonly Entry[]>): Promise<void> {
    this.#deps.expectWritable();
    let taking: TakingCall | undefined;
    for await (const page of pages) {
      const [first] = page;
      if (taking !== undefined || first === undefined) {
        await this.#takePage(taking, page);
        continue;
      }
      taking = await this.#begin(name, move, first);
      await this.#takePage(taking, page.slice(1));
    }
    if (taking === undefined) throw new TailraceError('corrupt', 'no rows came of the basin that moves');
    const isAll = taking.head.pass !== 'first';
    await this.#note(taking, isAll ? 'ready' : 'copied');
    this.stop(taking.head.number);
  }

  /** What is being taken of a basin is not wanted any more. */
  stop(number: number): void {
    this.#takings.delete(number);
  }

  /** What was taken is removed in the background. */
  async forget({ number, name }: ComingBasin): Promise<void> {
    this.stop(number);
    const rows: Write[] = [
      { type: 'delete', key: pendingKey('moveIn', number) },
      { type: 'put', key: removalKey(number), value: encodePending({ basin: number, name }) },
    ];
    await commitRows(this.#deps.commits, rows, {
      options: RESERVE,
      durable: () => this.#table.leave(number),
    });
    this.#deps.nudge();
  }

  async countAnswers(number: number): Promise<number> {
    let count = 0;
    for await (const page of scanPages(this.#deps.engine, answersOf(number), { valueBytesMax: 1 })) {
      count += page.length;
    }
    return count;
  }

  async #begin(name: string, move: TakenMove, first: Entry): Promise<TakingCall> {
    const head = readMoveHead(first);
    const { number } = head;
    if (head.name !== name || decodeBasin(head.basin).number !== number) throw notThatBasin(name);
    if (head.id !== undefined && head.id !== move.id) throw moveConflict(name);
    await this.#expectFree(head);
    const other = this.#table.incoming(name);
    // A basin of this name that was to come before, and was deleted where it came from.
    if (other !== undefined && other.number !== number) await this.forget(other);
    const known = this.#table.in.get(number);
    const taking = { ...move, head, rows: new TakenRows(this.#deps.engine, number) };
    if (head.pass === 'rest') {
      if (known?.id !== move.id || known.stage === 'begun') throw moveConflict(name);
      this.#takings.set(number, taking);
      return taking;
    }
    this.#takings.set(number, taking);
    await this.#note(taking, 'begun');
    // What an earlier call has taken may be of streams that are gone by now.
    if (known !== undefined) await removeBasin(this.#deps, number, () => this.#takings.get(number) !== taking);
    return taking;
  }

  /** @throws TailraceError `resource_already_exists`, `unavailable` */
  async #expectFree({ number, name }: MoveHead): Promise<void> {
    const { basins, engine } = this.#deps;
    if (basins.get(name) !== undefined || basins.byNumber(number) !== undefined) {
      throw new TailraceError('resource_already_exists', `basin \`${name}\` already exists`);
    }
    const isDeleted = (await engine.get(pendingKey('basinDeletion', number))) !== undefined;
    if (isDeleted || this.#table.removals.has(number)) {
      throw unavailable('what was here of the basin is still being removed: send again');
    }
  }

  async #takePage(taking: TakingCall | undefined, page: readonly Entry[]): Promise<void> {
    if (taking === undefined || page.length === 0) return;
    const writes = await taking.rows.writesOf(page);
    this.#expectWanted(taking);
    await commitRows(this.#deps.commits, writes, {});
  }

  async #note(taking: TakingCall, stage: MoveStage): Promise<void> {
    this.#expectWanted(taking);
    const { head, id, from } = taking;
    const { number, name } = head;
    const coming = { number, name, id, from, stage, basin: stage === 'ready' ? head.basin : undefined };
    // A store that has given no numbers yet says whose it is, beside those of another partition.
    const rows = [moveInRow(number, coming), this.#deps.basins.counterRow()];
    await commitRows(this.#deps.commits, rows, {
      durable: () => this.#table.in.set(number, coming),
    });
  }

  /** @throws TailraceError `transaction_conflict`; when nothing can be written, as commits */
  #expectWanted(taking: TakingCall): void {
    this.#deps.expectWritable();
    const { number, name } = taking.head;
    if (this.#takings.get(number) !== taking) throw moveConflict(name);
  }
}

/** The error for a step of a move that another one has overtaken. */
export function moveConflict(name: string): TailraceError {
  return new TailraceError('transaction_conflict', `basin \`${name}\` is moved in another way`);
}

function notThatBasin(name: string): TailraceError {
  return new TailraceError('corrupt', `the rows that came are not those of basin \`${name}\``);
}
