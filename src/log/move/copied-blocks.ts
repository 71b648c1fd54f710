/**
 * What the first pass over a basin that moves has copied: blocks never change, so the last pass leaves them out. Streams
 * beyond a bound are not copied before the last pass, which then has all of them.
 */

import { MOVE_STREAMS_MAX } from '../../model/limits.ts';

/** How far a stream was copied. */
export interface CopiedStream {
  readonly name: string;
  /** Blocks and rows of summaries that begin before these were copied. */
  blocksTo: number;
  summariesTo: number;
  /** Metered bytes of these blocks; undefined where a damaged one does not say. */
  bytes: number | undefined;
  /** The tail and the trim point at that time. */
  readonly nextSeq: number;
  readonly trimPoint: number;
}

/** One for each move, in the memory of the node that leads the partition which loses the basin. */
export class CopiedBlocks {
  readonly #streams = new Map<number, CopiedStream>();
  readonly #streamsMax: number;
  /** Samples of hours before this one, in seconds, were copied. */
  hoursTo = 0;
  /** Whether a first pass came to its end. */
  isWhole = false;

  constructor(streamsMax: number = MOVE_STREAMS_MAX) {
    this.#streamsMax = streamsMax;
  }

  /** A first pass begins. */
  clear(): void {
    this.#streams.clear();
    this.hoursTo = 0;
    this.isWhole = false;
  }

  get isFull(): boolean {
    return this.#streams.size >= this.#streamsMax;
  }

  /** A stream of which nothing was copied yet. */
  add(number: number, name: string, state: Pick<CopiedStream, 'nextSeq' | 'trimPoint'>): CopiedStream {
    const { nextSeq, trimPoint } = state;
    const stream = { name, blocksTo: 0, summariesTo: 0, bytes: 0, nextSeq, trimPoint };
    this.#streams.set(number, stream);
    return stream;
  }

  of(number: number): CopiedStream | undefined {
    return this.#streams.get(number);
  }

  all(): Iterable<readonly [number: number, stream: CopiedStream]> {
    return this.#streams;
  }
}
