/** Counts and sums the records of one read, in turns of the event loop, with partial results as they come. */

import { goOnWithWork } from '../../encoding/turns.ts';
import type { RecordsEvent } from '../../log/events.ts';
import type { StreamRead } from '../../log/open-reads.ts';
import type { AggregateQuery, AggregateResult } from '../../model/aggregate.ts';
import type { Clock } from '../../model/clock.ts';
import {
  AGGREGATE_PARTIAL_MS,
  AGGREGATE_STEP_BYTES,
  RECORD_METERED_BYTES_MAX,
  YIELD_BYTES,
} from '../../model/limits.ts';
import { ColumnReader } from '../../otlp/extract/column-reader.ts';
import { Names } from '../../otlp/extract/names.ts';
import { recordAt } from '../../otlp/match/block-matcher.ts';
import { askColumnThread } from '../../otlp/match/match-thread.ts';
import type { Block } from '../../storage/block/block.ts';
import { Groups } from './groups.ts';
import { OpenSpans } from './open-spans.ts';

/** What looking at a record costs besides its bytes. */
const RECORD_BYTES = 128;
/** A partial result comes after so many times as long as it took to make the one before. */
const PARTIAL_REST = 20;

export interface AggregateOptions {
  readonly clock: Clock;
  /** The tail when the read began: what comes later is not looked at. */
  readonly tail: number;
  /** Aborted when the result is not wanted any more; the read knows it too. */
  readonly signal: AbortSignal;
  /** How long it may look, in ms; without end when undefined. */
  readonly msMax: number | undefined;
  /** Whether it yields what it has so far, about once a second. */
  readonly hasPartial: boolean;
  /** Asked for memory as groups grow; may throw. */
  reserve(bytes: number): void;
}

/**
 * Yields partial results where they are asked for, and at last the result; nothing after the read was aborted.
 * @throws what the read and `reserve` throw
 */
export async function* aggregate(
  read: StreamRead,
  query: AggregateQuery,
  options: AggregateOptions,
): AsyncGenerator<AggregateResult> {
  const { clock, tail, signal, hasPartial, msMax } = options;
  const counting = new Counting(query, read.position, options);
  const started = clock.monotonicMs();
  let partialAt = started + AGGREGATE_PARTIAL_MS;
  let isLate = false;
  for await (const event of read) {
    if (event.type === 'records') await counting.add(event);
    else if (event.type === 'gap') counting.skip(event.to);
    else if (event.type === 'passed') counting.pass(event.to.seqNum);
    if (event.type === 'caught_up' || counting.next >= tail) break;
    const now = clock.monotonicMs();
    isLate = msMax !== undefined && now - started >= msMax && !(event.type === 'records' && event.hasMore);
    if (isLate) break;
    if (!hasPartial || now < partialAt) continue;
    yield await counting.result(false);
    const took = clock.monotonicMs() - now;
    partialAt = clock.monotonicMs() + Math.max(AGGREGATE_PARTIAL_MS, PARTIAL_REST * took);
  }
  if (signal.aborted) return;
  counting.end();
  yield await counting.result(!isLate);
}

class Counting {
  /** The next record to look at. */
  next: number;
  readonly #query: AggregateQuery;
  readonly #reader: ColumnReader;
  readonly #groups: Groups;
  readonly #spans: OpenSpans;
  readonly #reserve: (bytes: number) => void;
  #from: number;
  #records = 0;
  #reserved = 0;
  /** What may be done before the next share of a turn. */
  #share = 0;

  constructor(query: AggregateQuery, from: number, { reserve }: AggregateOptions) {
    const names = new Names();
    this.#query = query;
    this.#reader = new ColumnReader(query, names);
    this.#groups = new Groups(query, names);
    this.#spans = new OpenSpans((...row) => this.#groups.add(...row));
    this.#reserve = reserve;
    this.#from = from;
    this.next = from;
  }

  async add({ block, from, to }: RecordsEvent): Promise<void> {
    const { row } = this.#reader;
    let timestamp = 0;
    const each = (): void => this.#spans.see(timestamp, row);
    for (let i = from; i < to; i++) {
      if (this.#share <= 0) {
        this.#grow();
        await goOnWithWork(YIELD_BYTES);
        this.#share = YIELD_BYTES;
      }
      timestamp = block.timestamp(i);
      // Records are larger than that only in blocks that are.
      if (block.header.rawBytes > RECORD_METERED_BYTES_MAX && block.wholeBytesOf(i) > RECORD_METERED_BYTES_MAX) {
        await this.#addLarge(block, i, each);
        continue;
      }
      this.#share -= RECORD_BYTES + this.#reader.read(block, i, each);
    }
    this.pass(block.firstSeq + to);
  }

  /** To look at all fields of a record of 16 MiB may be more than a turn of the event loop. */
  async #addLarge(block: Block, i: number, each: () => void): Promise<void> {
    const record = recordAt(block, i);
    this.#share -= record.body.length;
    for (const row of await askColumnThread(this.#query, record)) {
      this.#reader.setRow(row);
      each();
    }
  }

  /** Records that the filter does not want were looked at too. */
  pass(to: number): void {
    this.#records += to - this.next;
    this.next = to;
  }

  /** Records that are not there any more. */
  skip(to: number): void {
    if (this.#records === 0) this.#from = to;
    this.next = to;
  }

  end(): void {
    this.#spans.end();
    this.#grow();
  }

  async result(complete: boolean): Promise<AggregateResult> {
    const [from, next_seq_num, records] = [this.#from, this.next, this.#records];
    return { from, next_seq_num, records, complete, rows: await this.#groups.rows() };
  }

  #grow(): void {
    const held = this.#groups.heldBytes + this.#spans.heldBytes;
    if (held <= this.#reserved) return;
    this.#reserved = Math.ceil(held / AGGREGATE_STEP_BYTES) * AGGREGATE_STEP_BYTES;
    this.#reserve(this.#reserved);
  }
}
