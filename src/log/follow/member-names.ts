/**
 * Which streams readers of many streams have, by number. The log of a cluster names a stream where it is made, changed or
 * deleted; what is appended to it later comes with its number alone.
 */

import { READER_STREAMS_MAX } from '../../model/limits.ts';
import type { Basin } from '../basins.ts';
import type { FedStream, Feeds } from '../many/feeds.ts';

/** Lives as long as its log. */
export class MemberNames {
  readonly #feeds: Feeds;
  readonly #byNumber = new Map<number, FedStream>();
  /** How many there were after the last look for those that no reader has. */
  #used = 0;

  constructor(feeds: Feeds) {
    this.#feeds = feeds;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** A stream that a reader may have; nothing happens where none has it. */
  add(basin: Basin, name: string, number: number): void {
    const stream = { basin, name, number, id: String(number) };
    if (!this.#isWanted(stream)) return;
    this.#byNumber.set(number, stream);
    if (this.#byNumber.size > 2 * Math.max(this.#used, READER_STREAMS_MAX)) this.#dropUnused();
  }

  of(number: number): FedStream | undefined {
    return this.#byNumber.get(number);
  }

  delete(number: number): void {
    this.#byNumber.delete(number);
  }

  /** Of a basin that goes elsewhere: its streams may come back later, without all of their rows at once. */
  deleteBasin({ number: gone }: Basin): void {
    for (const [number, { basin }] of this.#byNumber) if (basin.number === gone) this.#byNumber.delete(number);
  }

  #isWanted(stream: FedStream): boolean {
    for (const feed of this.#feeds.of(stream) ?? []) if (feed.memberOf(stream) !== undefined) return true;
    return false;
  }

  #dropUnused(): void {
    for (const [number, stream] of this.#byNumber) if (!this.#isWanted(stream)) this.#byNumber.delete(number);
    this.#used = this.#byNumber.size;
  }
}
