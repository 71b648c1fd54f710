/** Puts records together into batches as large as S2 takes, without letting one wait longer than the linger time. */

import type { BinaryRecord } from '../../src/client/append-input.ts';
import { APPEND_METERED_BYTES_MAX, APPEND_RECORDS_MAX } from '../../src/model/limits.ts';
import { meteredBytes } from '../../src/model/record.ts';

type Event = 'lingered' | IteratorResult<readonly BinaryRecord[], void>;

/**
 * Batches in the order of the records, of at most 1,000 records and 1 MiB metered. A batch is yielded when it is full or
 * its first record has waited for the linger time. What came before a failure of the input is yielded before it throws.
 */
export async function* batches(
  groups: AsyncIterable<readonly BinaryRecord[]>,
  lingerMs: number,
): AsyncGenerator<readonly BinaryRecord[]> {
  const input = groups[Symbol.asyncIterator]();
  const batch = new RecordBatch();
  const ask = () => {
    const next: Promise<Event> = input.next();
    // A failure is handled later: the batch before it comes first.
    next.catch(() => {});
    return next;
  };
  for (let next = ask(); ; ) {
    let event: Event;
    try {
      event = batch.isEmpty ? await next : await batch.orLinger(next, lingerMs);
    } catch (error) {
      if (!batch.isEmpty) yield batch.take();
      throw error;
    }
    if (event === 'lingered') {
      yield batch.take();
      continue;
    }
    if (event.done === true) break;
    for (const record of event.value) {
      const bytes = meteredBytes(record.headers ?? [], record.body.length);
      if (!batch.fits(bytes)) yield batch.take();
      batch.add(record, bytes);
    }
    next = ask();
  }
  if (!batch.isEmpty) yield batch.take();
}

class RecordBatch {
  #records: BinaryRecord[] = [];
  #bytes = 0;
  #since = 0;

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  fits(bytes: number): boolean {
    if (this.isEmpty) return true;
    return this.#records.length < APPEND_RECORDS_MAX && this.#bytes + bytes <= APPEND_METERED_BYTES_MAX;
  }

  add(record: BinaryRecord, bytes: number): void {
    if (this.isEmpty) this.#since = performance.now();
    this.#records.push(record);
    this.#bytes += bytes;
  }

  take(): readonly BinaryRecord[] {
    const records = this.#records;
    this.#records = [];
    this.#bytes = 0;
    return records;
  }

  /** What comes next, or `lingered` when the first record of the batch has waited long enough. */
  async orLinger(next: Promise<Event>, lingerMs: number): Promise<Event> {
    let timer: NodeJS.Timeout | undefined;
    const lingered = new Promise<Event>((resolve) => {
      const left = lingerMs - (performance.now() - this.#since);
      timer = setTimeout(() => resolve('lingered'), Math.max(0, left));
    });
    try {
      return await Promise.race([next, lingered]);
    } finally {
      clearTimeout(timer);
    }
  }
}
