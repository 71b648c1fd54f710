/**
 * One pass over the bytes of an OTLP request (storage.md, Speed S6): validates them to the bottom and notes where the
 * resources, scopes and items are and what time they have. Allocates nothing per item.
 */

import { TailraceError } from '../model/error.ts';
import type { OtlpLimits } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import { ScannedRequest } from './scan-columns.ts';
import {
  FALLBACK_TIME_SLOT,
  ITEM_TAG,
  RESOURCE_TAG,
  SCOPE_TAG,
  SIGNAL_TYPES,
  type SignalTypes,
  TIME_SLOT,
} from './scan-tables.ts';
import {
  fault,
  LATEST_MS,
  msFromNanos,
  NEXT,
  POINTS,
  readLength,
  readTag,
  skipValue,
  TIME_AT,
  validate,
} from './scan-wire.ts';

const RESOURCE_DEPTH = 2;
const SCOPE_DEPTH = 3;
const ITEM_DEPTH = 4;

/**
 * Validates a protobuf request and finds what is in it. `into` is reused and returned; it is good until its next use.
 * Of fields that the schema does not know, those of the request itself are checked and left out.
 * @throws TailraceError `bad_proto` when a standard decoder would refuse it (otlp.md, Encodings), `too_large` when it
 * holds more than `requestRecordsMax` items.
 */
export function scanRequest(
  signal: Signal,
  body: Uint8Array,
  limits: Pick<OtlpLimits, 'requestRecordsMax'>,
  into: ScannedRequest = new ScannedRequest(),
): ScannedRequest {
  const view = into.begin(signal, body, limits.requestRecordsMax);
  const types = SIGNAL_TYPES[signal];
  let at = 0;
  while (at < body.length) {
    const field = at;
    const tag = readTag(view, at, body.length);
    at = NEXT[0] as number;
    if (tag === RESOURCE_TAG) {
      const stop = messageEnd(view, at, body.length);
      at = NEXT[0] as number;
      scanResource(into, view, field, at, stop, types);
      at = stop;
    } else {
      at = skipValue(view, at, body.length, tag, 1);
    }
  }
  return into;
}

function scanResource(
  into: ScannedRequest,
  view: DataView,
  field: number,
  at: number,
  end: number,
  types: SignalTypes,
): void {
  into.beginResource(field, end);
  while (at < end) {
    const start = at;
    const tag = readTag(view, at, end);
    at = NEXT[0] as number;
    if (tag === SCOPE_TAG) {
      const stop = messageEnd(view, at, end);
      scanScope(into, view, NEXT[0] as number, stop, types);
      at = stop;
    } else {
      at = skipValue(view, at, end, tag, RESOURCE_DEPTH);
      validate(view, start, at, types.resource, RESOURCE_DEPTH);
      into.resourceHead(start, at);
    }
  }
  into.endResource();
}

function scanScope(into: ScannedRequest, view: DataView, at: number, end: number, types: SignalTypes): void {
  into.beginScope();
  while (at < end) {
    const start = at;
    const tag = readTag(view, at, end);
    at = NEXT[0] as number;
    if (tag === ITEM_TAG) {
      const stop = messageEnd(view, at, end);
      at = NEXT[0] as number;
      if (!into.hasRoomForItem()) throw tooMany(into.itemsMax);
      TIME_AT[TIME_SLOT] = 0;
      TIME_AT[FALLBACK_TIME_SLOT] = 0;
      POINTS[0] = 0;
      LATEST_MS[0] = 0;
      validate(view, at, stop, types.item, ITEM_DEPTH);
      noteTime(view);
      into.item(at, stop);
      at = stop;
    } else {
      at = skipValue(view, at, end, tag, SCOPE_DEPTH);
      validate(view, start, at, types.scope, SCOPE_DEPTH);
      into.scopeHead(start, at);
    }
  }
  into.endScope();
}

/** The end of the message whose length stands at `at`; `NEXT` is its first byte. */
function messageEnd(view: DataView, at: number, end: number): number {
  const length = readLength(view, at, end);
  const stop = (NEXT[0] as number) + length;
  if (stop > end) throw fault(at, 'a field is longer than the message that holds it');
  return stop;
}

/** Puts the time of a log record or span where the columns look for it; 0 counts as none. */
function noteTime(view: DataView): void {
  const time = TIME_AT[TIME_SLOT] as number;
  if (time !== 0 && noteMs(view, time)) return;
  const fallback = TIME_AT[FALLBACK_TIME_SLOT] as number;
  if (fallback !== 0) noteMs(view, fallback);
}

function noteMs(view: DataView, at: number): boolean {
  const low = view.getUint32(at, true);
  const high = view.getUint32(at + 4, true);
  if (low === 0 && high === 0) return false;
  LATEST_MS[0] = msFromNanos(high, low);
  return true;
}

function tooMany(max: number): TailraceError {
  return new TailraceError(
    'too_large',
    `the request holds more than ${max} records, the limit requestRecordsMax: send smaller batches (Collector: send_batch_max_size) or raise --request-records-max`,
  );
}
