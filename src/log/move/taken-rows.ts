/** Rows that come from another partition, checked: they are of the basin that moves, and of streams that came before them. */

import { TailraceError } from '../../model/error.ts';
import { isAnswer, readAnswerEndKey, readAnswerKey } from '../../storage/answer-rows.ts';
import type { Engine, Entry, Write } from '../../storage/engine.ts';
import {
  FAMILY,
  isDue,
  isPending,
  isUsage,
  readBlockKey,
  readDueKey,
  readPendingKey,
  readStateKey,
  readStreamKey,
  readSummaryRowKey,
  readTraceRowKey,
  readUsageKey,
  streamKey,
  streamStateKey,
} from '../../storage/keys.ts';
import { decodePending, decodeStream, decodeStreamState } from '../../storage/values.ts';

export class TakenRows {
  readonly #engine: Engine;
  /** Of the basin. */
  readonly #number: number;
  /** The one whose rows come. */
  #stream: number | undefined;

  constructor(engine: Engine, number: number) {
    this.#engine = engine;
    this.#number = number;
  }

  /** What a page of rows writes. @throws TailraceError `corrupt` for a row that is not of the basin */
  async writesOf(page: readonly Entry[]): Promise<readonly Write[]> {
    const writes: Write[] = [];
    for (const row of page) {
      if (!this.#isExpected(row)) throw notOfBasin();
      writes.push({ type: 'put', ...row });
      if (row.key[0] === FAMILY.pendingWork && isPending(row.key, 'streamRemoval')) {
        writes.push(...(await this.#removed(row)));
      }
    }
    return writes;
  }

  #isExpected(row: Entry): boolean {
    const { key, value } = row;
    switch (key[0]) {
      case FAMILY.streams:
        this.#stream = decodeStream(value).number;
        return readStreamKey(key).basin === this.#number;
      case FAMILY.streamStates:
        decodeStreamState(value);
        return readStateKey(key) === this.#stream;
      case FAMILY.blocks:
        return readBlockKey(key).stream === this.#stream;
      case FAMILY.summaries:
        return readSummaryRowKey(key).stream === this.#stream;
      case FAMILY.traces:
        return readTraceRowKey(key).stream === this.#stream;
      case FAMILY.usage:
        return this.#isUsage(key);
      case FAMILY.pendingWork:
        return this.#isWork(row);
      case FAMILY.dedupe:
        return (isAnswer(key) ? readAnswerKey(key) : readAnswerEndKey(key)).basin === this.#number;
      default:
        return false;
    }
  }

  #isUsage(key: Uint8Array): boolean {
    const [first, second] = readUsageKey(key);
    if (isUsage(key, 'streamStorage')) return second === this.#stream;
    const isOfBasin = (['minutes', 'hours', 'basinStorage', 'basinTotals'] as const).some((kind) => isUsage(key, kind));
    return isOfBasin && first === this.#number;
  }

  #isWork({ key, value }: Entry): boolean {
    if (decodePending(value).basin !== this.#number) return false;
    if (isDue(key)) return readDueKey(key).stream === this.#stream;
    if (isPending(key, 'streamRemoval')) return true;
    return (isPending(key, 'streamDeletion') || isPending(key, 'trim')) && readPendingKey(key) === this.#stream;
  }

  /** The rows of a stream that was deleted since it was taken; another one may have its name by now. */
  async #removed({ key, value }: Entry): Promise<readonly Write[]> {
    const number = readPendingKey(key);
    const rowKey = streamKey(this.#number, decodePending(value).name);
    const row = await this.#engine.get(rowKey);
    const keys = [streamStateKey(number)];
    if (row !== undefined && decodeStream(row).number === number) keys.push(rowKey);
    return keys.map((gone) => ({ type: 'delete', key: gone }));
  }
}

function notOfBasin(): TailraceError {
  return new TailraceError('corrupt', 'a row came that is not of the basin that moves');
}
