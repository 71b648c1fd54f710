/**
 * Who sends OTLP data, what became of it, and who is refused: the answer to "is anything arriving?". One note for each
 * request. In memory only, and bounded: see `SENDERS_MAX`.
 */

import { randomUUID } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import { RECEIVING_BASINS_MAX, RECENT_SENDERS_MS, SENDERS_MAX, STRANGERS_REMEMBERED_MAX } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import { OUTCOMES, type Sender, type SenderNote, type SenderOutcome, SenderRow, senderKey } from './sender.ts';

/** When a basin received data last, by signal: milliseconds since the epoch. */
export type Received = ReadonlyMap<string, ReadonlyMap<Signal, number>>;

/** How many senders had a request of that outcome lately. */
export interface RecentSenders {
  readonly outcome: SenderOutcome;
  /** Whether they showed a valid token. */
  readonly token: boolean;
  readonly count: number;
}

/** Remembers senders since the server began. */
export class Senders {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Tells them apart from those of other processes. */
  readonly instance = randomUUID();
  readonly #clock: Pick<Clock, 'now' | 'monotonicMs'>;
  readonly #known = new SenderTable(SENDERS_MAX);
  readonly #strangers = new SenderTable(STRANGERS_REMEMBERED_MAX);
  readonly #byConnection = new WeakMap<object, SenderRow>();
  /** Insertion order is that of the last request. */
  readonly #received = new Map<string, Map<Signal, number>>();

  constructor(clock: Pick<Clock, 'now' | 'monotonicMs'>) {
    this.#clock = clock;
    this.since = clock.now();
  }

  /** Call it once for each request, when its answer is ready. */
  note(note: SenderNote): void {
    const now = this.#clock.now();
    const row = this.#rowOf(note, now);
    row.add(note, now, this.#clock.monotonicMs() - note.beganAt);
    const { basin, signal, outcome } = note;
    const hasData = 'accepted' in outcome && outcome.accepted + outcome.rejected > 0;
    if (hasData && basin !== undefined && signal !== undefined) this.#receivedBy(basin, signal, now);
  }

  /** Those that sent last come first. */
  list(): readonly Sender[] {
    return [...this.#known.rows(), ...this.#strangers.rows()].sort((a, b) => b.lastSeen - a.lastSeen);
  }

  /** Each outcome, with and without a valid token, in the last so many milliseconds. */
  recent(withinMs: number): readonly RecentSenders[] {
    const since = this.#clock.now() - withinMs;
    const tables = [
      [true, [...this.#known.rows()]],
      [false, [...this.#strangers.rows()]],
    ] as const;
    return tables.flatMap(([token, rows]) =>
      OUTCOMES.map((outcome) => ({ outcome, token, count: rows.filter((row) => row.had(outcome, since)).length })),
    );
  }

  /** Those of the last minutes, for metrics. */
  readonly recentNow = (): readonly RecentSenders[] => this.recent(RECENT_SENDERS_MS);

  /** Of the basins that received data last. */
  get received(): Received {
    return this.#received;
  }

  /** Exporters send the same over one connection again and again, and then nothing has to be looked up. */
  #rowOf(note: SenderNote, now: number): SenderRow {
    const last = this.#byConnection.get(note.connection);
    if (last?.isFrom(note) === true) return last;
    const table = note.token === undefined ? this.#strangers : this.#known;
    const row = table.row(note, now);
    this.#byConnection.set(note.connection, row);
    return row;
  }

  #receivedBy(basin: string, signal: Signal, now: number): void {
    let times = this.#received.get(basin);
    if (times === undefined) {
      if (this.#received.size >= RECEIVING_BASINS_MAX) forgetQuietest(this.#received);
      times = new Map();
      this.#received.set(basin, times);
    }
    times.set(signal, now);
  }
}

/** Rows up to a limit. Beyond it the one goes that was silent longest, of those whose token or address has most. */
class SenderTable {
  readonly #max: number;
  readonly #rows = new Map<string, SenderRow>();
  readonly #byOwner = new Map<string, Set<SenderRow>>();

  constructor(max: number) {
    this.#max = max;
  }

  rows(): Iterable<SenderRow> {
    return this.#rows.values();
  }

  row(note: SenderNote, now: number): SenderRow {
    const key = senderKey(note);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    if (this.#rows.size >= this.#max) this.#forgetOne();
    const row = new SenderRow(key, note, now);
    this.#rows.set(key, row);
    const owned = this.#byOwner.get(row.owner) ?? new Set();
    owned.add(row);
    this.#byOwner.set(row.owner, owned);
    return row;
  }

  #forgetOne(): void {
    let most: ReadonlySet<SenderRow> = new Set();
    for (const owned of this.#byOwner.values()) if (owned.size > most.size) most = owned;
    let oldest: SenderRow | undefined;
    for (const row of most) if (oldest === undefined || row.lastSeen < oldest.lastSeen) oldest = row;
    if (oldest !== undefined) this.#forget(oldest);
  }

  #forget(row: SenderRow): void {
    row.isForgotten = true;
    this.#rows.delete(row.key);
    const owned = this.#byOwner.get(row.owner);
    owned?.delete(row);
    if (owned?.size === 0) this.#byOwner.delete(row.owner);
  }
}

/** Forgets the basin that was silent longest. */
function forgetQuietest(received: Map<string, ReadonlyMap<Signal, number>>): void {
  const last = (times: ReadonlyMap<Signal, number>): number => Math.max(...times.values());
  let quietest: readonly [basin: string, at: number] | undefined;
  for (const [basin, times] of received) {
    const at = last(times);
    if (quietest === undefined || at < quietest[1]) quietest = [basin, at];
  }
  if (quietest !== undefined) received.delete(quietest[0]);
}
