/**
 * OTLP/JSON → OTLP/protobuf, from bytes to bytes in one pass (storage.md, Speed S4): no object is built, and the
 * usual forms of values allocate nothing.
 */

import type { Signal } from '../../model/record.ts';
import { syntaxFault } from './fault.ts';
import { explainEmpty, explainNoObject } from './hints.ts';
import { readMessage } from './message.ts';
import { REQUEST_TYPES } from './tables.ts';
import { OPEN_BRACE, skipSpace } from './text.ts';
import { START, TranscodeBuffer } from './transcode-buffer.ts';

/** What a request held that OTLP does not allow and we tolerate. */
export interface JsonTally {
  /** Names that stood for the numbers of enums. */
  enumNames: number;
}

/** Transcoding is synchronous, so one buffer is enough. */
const buffer = new TranscodeBuffer();

/**
 * Turns the JSON of an Export request into its protobuf, which is the caller's to keep. Fields come in the order of the
 * JSON; unknown keys are left out. What it tolerated is added to `tally`.
 *
 * A byte order mark is ignored. An object may hold a key once and a oneof one value; null is as good as absent. At most
 * 64 levels of messages are nested, as in protobuf, and brackets of unknown values count as levels.
 *
 * @throws TailraceError `bad_json`: not JSON, not UTF-8, or not OTLP (otlp.md, Encodings). The message says where, and
 * what to write instead.
 */
export function transcodeJson(signal: Signal, body: Uint8Array, tally?: JsonTally): Uint8Array {
  try {
    const type = REQUEST_TYPES[signal];
    const first = skipSpace(buffer, skipMark(buffer.begin(body)));
    // A zero behind the brace: UTF-16.
    if (buffer.view.getUint8(first) !== OPEN_BRACE || buffer.view.getUint8(first + 1) === 0) {
      throw explainNoObject(buffer, first, signal);
    }
    const behind = skipSpace(buffer, readMessage(buffer, first + 1, type, 1));
    if (behind < buffer.end) throw syntaxFault(buffer, behind, 'the end of the body (one object is a request)');
    if (buffer.out === START) explainEmpty(buffer, first, signal);
    if (tally !== undefined) tally.enumNames += buffer.enumNames;
    return buffer.result();
  } finally {
    buffer.release();
  }
}

/** Behind the byte order mark of UTF-8, which editors on Windows write. */
function skipMark(at: number): number {
  const { view } = buffer;
  return view.getUint8(at) === 0xef && view.getUint8(at + 1) === 0xbb && view.getUint8(at + 2) === 0xbf ? at + 3 : at;
}
