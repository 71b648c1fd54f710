/** What happens in the log, for those who count. Calls are on hot paths: they add to numbers and come back. */

import type { Signal } from '../model/record.ts';
import type { Stream } from './stream.ts';

export interface LogObserver {
  /** Records of one append became durable. */
  appended(stream: Stream, kind: 's2' | Signal, records: number, meteredBytes: number): void;
  /** From the acceptance of an append to its answer. */
  acked(latencyMs: number): void;
  /** A transaction became durable, so long after it was handed to the engine. */
  committed(latencyMs: number, entries: number, bytes: number): void;
}

export const NO_OBSERVER: LogObserver = {
  appended: () => {},
  acked: () => {},
  committed: () => {},
};
