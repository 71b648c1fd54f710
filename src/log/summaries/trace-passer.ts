/** Passes over long runs of blocks that have no record of the one trace that a read looks for, by rows of trace ids. */

import type { Engine } from '../../storage/engine.ts';
import { mayHoldTrace, type TraceRow, type TraceRun } from '../../storage/trace-rows.ts';
import type { OpenStream } from '../stream.ts';
import { RowFinder, TRACE_ROWS } from './row-finder.ts';

export class TracePasser {
  readonly #rows: RowFinder<TraceRow>;
  readonly #hash: number;

  constructor(engine: Engine, stream: OpenStream, hash: number) {
    this.#rows = new RowFinder(engine, stream, TRACE_ROWS);
    this.#hash = hash;
  }

  /** The run about the block that holds a record, when none of its blocks has the trace; else undefined. */
  async at(seqNum: number): Promise<TraceRun | undefined> {
    return this.#without((await this.#rows.at(seqNum))?.runAt(seqNum));
  }

  /** The same about the record before a position, for a read that goes backwards. */
  async below(seqNum: number): Promise<TraceRun | undefined> {
    return this.#without((await this.#rows.below(seqNum))?.runAt(seqNum - 1));
  }

  #without(run: TraceRun | undefined): TraceRun | undefined {
    return run === undefined || mayHoldTrace(run.filter, this.#hash) ? undefined : run;
  }
}

/** Undefined for a filter that looks for no single trace. */
export function tracePasser(engine: Engine, stream: OpenStream, hash: number | undefined): TracePasser | undefined {
  return hash === undefined ? undefined : new TracePasser(engine, stream, hash);
}
