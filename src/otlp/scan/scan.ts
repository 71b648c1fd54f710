/**
 * One pass over the bytes of an OTLP request (storage.md, Speed S6): validates them to the bottom and notes where the
 * resources, scopes and items are and what time they have. Allocates nothing per item.
 */

import { type OtlpLimits, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import { ScannedRequest } from './columns.ts';
import { REQUEST_TYPES } from './tables.ts';
import { Walk, walk } from './walk.ts';

export type ScanLimits = Pick<OtlpLimits, 'requestRecordsMax'>;

/**
 * Validates a protobuf request and finds what is in it. `into` is reused and returned; it is good until its next use.
 * Of fields that the schema does not know, those of the request itself are checked and left out. Blocks the event loop
 * until it is done: for bodies of unknown size there is `Scan`.
 * @throws TailraceError `bad_proto` when a standard decoder would refuse it (otlp.md, Encodings), `too_large` when it
 * holds more than `requestRecordsMax` items.
 */
export function scanRequest(
  signal: Signal,
  body: Uint8Array,
  limits: ScanLimits,
  into: ScannedRequest = new ScannedRequest(),
): ScannedRequest {
  into.begin(signal, body, limits.requestRecordsMax);
  atOnce.begin(REQUEST_TYPES[signal], body.length);
  walk(atOnce, into, body.length);
  return into;
}

/** The walk of `scanRequest`, which is never interrupted. */
const atOnce = new Walk();

/** A scan in steps of `YIELD_BYTES`, between which others may run. Used again and again. */
export class Scan {
  /** What was found: good once `step` has answered true, until `end`. */
  readonly found = new ScannedRequest();
  readonly #walk = new Walk();

  begin(signal: Signal, body: Uint8Array, limits: ScanLimits): void {
    this.found.begin(signal, body, limits.requestRecordsMax);
    this.#walk.begin(REQUEST_TYPES[signal], body.length);
  }

  /**
   * True when the body is done.
   * @throws TailraceError like `scanRequest`.
   */
  step(): boolean {
    return walk(this.#walk, this.found, this.#walk.at + YIELD_BYTES);
  }

  /** Lets go of the body. */
  end(): void {
    this.found.end();
  }
}
