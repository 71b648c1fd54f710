/**
 * OTLP/JSON → OTLP/protobuf, from bytes to bytes in one pass, for speed: no object is built, and the usual forms of
 * values allocate nothing.
 */

import type { Signal } from '../../model/record.ts';
import { syntaxFault } from './fault.ts';
import { explainEmpty, explainNoObject } from './hints.ts';
import { readMessage } from './message.ts';
import { REQUEST_TYPES } from './tables.ts';
import { OPEN_BRACE, skipSpace } from './text.ts';
import { START, TranscodeBuffer } from './transcode-buffer.ts';

/** Counts what requests held that OTLP does not allow and we tolerate. */
export interface JsonTally {
  /** Enum values that came as names; OTLP/JSON has integers. */
  enumNames: number;
}

/** Transcoding is synchronous, so one buffer is enough. */
const buffer = new TranscodeBuffer();

/**
 * Turns the JSON of an Export request into its protobuf, which the caller owns. Fields come in the order of the JSON;
 * unknown keys are left out. What it tolerated is added to `tally`.
 *
 * A byte order mark is ignored. An object may hold a key once and a oneof one value; null means the same as absent. At
 * most 64 levels of messages may be nested, as in protobuf; brackets of unknown values count as levels.
 *
 * @throws TailraceError `bad_json`: not JSON, not UTF-8, or not OTLP/JSON (OTLP specification, JSON Protobuf Encoding).
 * The message says where, and what to write instead.
 */
export function transcodeJson(signal: Signal, body: Uint8Array, tally?: JsonTally): Uint8Array {
  try {
    const type = REQUEST_TYPES[signal];
    const first = skipSpace(buffer, skipMark(buffer.begin(body)));
    // A zero after the brace means UTF-16.
    if (buffer.view.getUint8(first) !== OPEN_BRACE || buffer.view.getUint8(first + 1) === 0) {
      throw explainNoObject(buffer, first, signal);
    }
    const after = skipSpace(buffer, readMessage(buffer, first + 1, type, 1));
    if (after < buffer.end) throw syntaxFault(buffer, after, 'the end of the body (one object is a request)');
    if (buffer.out === START) explainEmpty(buffer, first, signal);
    if (tally !== undefined) tally.enumNames += buffer.enumNames;
    return buffer.result();
  } finally {
    buffer.release();
  }
}

/** Returns the position after the byte order mark of UTF-8, which editors on Windows write. */
function skipMark(at: number): number {
  const { view } = buffer;
  return view.getUint8(at) === 0xef && view.getUint8(at + 1) === 0xbb && view.getUint8(at + 2) === 0xbf ? at + 3 : at;
}
