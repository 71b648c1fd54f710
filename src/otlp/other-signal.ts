/**
 * Whether a protobuf body is a request of another signal, posted to the wrong path. The three signals look alike in
 * protobuf: often only the ids and names of the first item tell.
 */

import { TailraceError } from '../model/error.ts';
import { YIELD_BYTES } from '../model/limits.ts';
import { SIGNALS, type Signal } from '../model/record.ts';
import { contentAt } from './routing/attributes.ts';
import { cell, ScannedRequest } from './scan/columns.ts';
import { REQUEST_TYPES } from './scan/tables.ts';
import { WalkState, walk } from './scan/walk.ts';
import { fault, NEXT, readTag, skipValue } from './scan/wire.ts';

const ITEMS_MAX = 1_000_000;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const SPACE = 0x20;

/** Tags of the fields that tell. */
const TRACE_ID = 0x0a;
const SPAN_ID = 0x12;
const METRIC_NAME = 0x0a;
const METRIC_DATA: readonly number[] = [0x2a, 0x3a, 0x4a, 0x52, 0x5a];
/** The highest field number of a LogRecord; number 4 is not used. */
const LOG_FIELD_MAX = 12;

/**
 * Checks the first item of a request that was scanned without a fault: a few bytes, where it looks as it should.
 * @throws TailraceError `bad_proto` when the body reads as a request of another signal only
 */
export function expectOwnItems(scanned: ScannedRequest): void {
  const { signal, view, itemCount, body } = scanned;
  // The first field of nearly every log record is a number, which the others do not have there.
  if (itemCount === 0 || signal === 'logs') return;
  const start = cell(scanned.itemStart, 0);
  const end = cell(scanned.itemEnd, 0);
  if (signal === 'metrics' ? isMetric(scanned, start, end) : beginsAsSpan(view, start, end)) return;
  if (!isLike(signal, view, start, end)) expectNoOther(signal, body);
}

/** Whether the first item has a name that is a text, as encoders write it first, or data points. */
function isMetric({ view, itemPoints }: ScannedRequest, start: number, end: number): boolean {
  if (end - start > 2 && view.getUint8(start) === METRIC_NAME && view.getUint8(start + 1) > 0) {
    return view.getUint8(start + 2) >= SPACE;
  }
  return cell(itemPoints, 0) > 0;
}

/** Whether an item begins with both ids, as encoders write spans. */
function beginsAsSpan(view: DataView, start: number, end: number): boolean {
  const second = start + 2 + TRACE_ID_BYTES;
  if (second + 2 > end || view.getUint8(start) !== TRACE_ID || view.getUint8(start + 1) !== TRACE_ID_BYTES)
    return false;
  return view.getUint8(second) === SPAN_ID && view.getUint8(second + 1) === SPAN_ID_BYTES;
}

/** @throws TailraceError `bad_proto` that names the right path, when the body reads as a request of another signal */
export function expectNoOther(signal: Signal, body: Uint8Array): void {
  const other = SIGNALS.find((candidate) => candidate !== signal && readsAs(candidate, body));
  if (other !== undefined) {
    throw new TailraceError('bad_proto', `this is a ${other} request: post it to /v1/${other}`);
  }
}

/** Whether the beginning of a body is flawless as that signal, and its first item has what such items have. */
function readsAs(signal: Signal, body: Uint8Array): boolean {
  const scanned = new ScannedRequest();
  scanned.begin(signal, body, ITEMS_MAX, (_signal, _body, at) => {
    throw fault(at, 'a string is not UTF-8');
  });
  const state = new WalkState();
  state.begin(REQUEST_TYPES[signal], body.length);
  try {
    walk(state, scanned, YIELD_BYTES);
  } catch (error) {
    if (error instanceof TailraceError) return false;
    throw error;
  }
  return scanned.itemCount > 0 && isLike(signal, scanned.view, cell(scanned.itemStart, 0), cell(scanned.itemEnd, 0));
}

/** Whether an item has what each of its kind has: ids, or a name and data, or fields that are all known. */
function isLike(signal: Signal, view: DataView, start: number, end: number): boolean {
  const found = new Map<number, number>();
  for (let at = start; at < end; ) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    found.set(tag, (tag & 7) === 2 ? at - contentAt(view, value, end) : 0);
  }
  if (signal === 'traces') return found.get(TRACE_ID) === TRACE_ID_BYTES && found.get(SPAN_ID) === SPAN_ID_BYTES;
  if (signal === 'metrics') return (found.get(METRIC_NAME) ?? 0) > 0 && METRIC_DATA.some((tag) => found.has(tag));
  const numbers = [...found.keys()].map((tag) => tag >> 3);
  return numbers.length > 0 && numbers.every((number) => number <= LOG_FIELD_MAX && number !== 4);
}
