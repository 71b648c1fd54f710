/**
 * One pass over the bytes of an OTLP request: validates every field at every depth, and records where the resources,
 * scopes and items are and what time they have. Strings in the body that are not UTF-8 are repaired in place. For speed it allocates nothing per item.
 */

import { type OtlpLimits, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import { type BeforeRepair, ScannedRequest } from './columns.ts';
import { REQUEST_TYPES } from './tables.ts';
import { WalkState, walk } from './walk.ts';

export interface ScanLimits extends Pick<OtlpLimits, 'requestRecordsMax'> {
  /** Metered bytes of a record that may be stored; the default is what S2 allows. */
  readonly recordBytesMax?: number;
}

/**
 * Validates a protobuf request and finds its resources, scopes and items. `into` is returned, and is valid until its
 * next use. Unknown fields of the request message itself are checked and left out. Blocks the event loop until it is
 * done: use `RequestScan` for bodies of unknown size.
 * @throws TailraceError `bad_proto` when a standard protobuf decoder would refuse it, `too_large` when it holds more
 * than `requestRecordsMax` items.
 */
export function scanRequest(
  signal: Signal,
  body: Uint8Array,
  limits: ScanLimits,
  into: ScannedRequest = new ScannedRequest(),
): ScannedRequest {
  into.begin(signal, body, limits.requestRecordsMax, undefined, limits.recordBytesMax);
  atOnce.begin(REQUEST_TYPES[signal], body.length);
  walk(atOnce, into, body.length);
  return into;
}

/** The walk of `scanRequest`, which is never interrupted. */
const atOnce = new WalkState();

/** A scan in steps of `YIELD_BYTES`, between which others may run. May be reused for the next request. */
export class RequestScan {
  /** What was found: valid from when `step` returned true until `end`. */
  readonly found = new ScannedRequest();
  readonly #walk = new WalkState();

  begin(signal: Signal, body: Uint8Array, limits: ScanLimits, beforeRepair?: BeforeRepair): void {
    this.found.begin(signal, body, limits.requestRecordsMax, beforeRepair, limits.recordBytesMax);
    this.#walk.begin(REQUEST_TYPES[signal], body.length);
  }

  /**
   * Scans one step further; returns true at the end of the body.
   * @throws TailraceError like `scanRequest`.
   */
  step(): boolean {
    return walk(this.#walk, this.found, this.#walk.at + YIELD_BYTES);
  }

  /** Releases the body. */
  end(): void {
    this.found.end();
  }
}
