/** The ids of the traces in what was stored, without decoding it, and the response that names them. */

import { YIELD_BYTES } from '../model/limits.ts';
import { FieldCursor } from './message-edit.ts';

/** From TracesData down to Span: the tags of the messages, and last that of the id (OTLP, trace.proto). */
const PATH = [0x0a, 0x12, 0x12, 0x0a] as const;
/** What a field costs besides its bytes. */
const FIELD_BYTES = 32;

/** Adds the ids of a valid TracesData message, in lower-case hex. Yields after each piece of work. */
export function* addTraceIds(ids: Set<string>, message: Uint8Array): Generator<void, void> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const levels = [{ fields: new FieldCursor(view, 0), end: message.length }];
  let work = 0;
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const { fields, end } = level;
    if (!fields.next(end)) {
      levels.pop();
      continue;
    }
    if (fields.tag === PATH[levels.length - 1]) {
      if (levels.length < PATH.length) levels.push({ fields: new FieldCursor(view, fields.content), end: fields.end });
      else if (fields.end > fields.content) ids.add(bytes.toString('hex', fields.content, fields.end));
    }
    work += FIELD_BYTES;
    if (work < YIELD_BYTES) continue;
    work = 0;
    yield;
  }
}

/** A response in JSON with `traceIds`, and with `spanCount`, beside the fields of OTLP. */
export function withTraceIds(response: Uint8Array, ids: ReadonlySet<string>, spanCount: number): Uint8Array {
  const fields = JSON.parse(Buffer.from(response).toString()) as object;
  return Buffer.from(JSON.stringify({ ...fields, traceIds: [...ids], spanCount }));
}
