/**
 * The ids of the traces of a request, for senders that ask for them. A repeat gets those of the first request: they are
 * kept with its answer where not all of it was stored, else they are read again from the repeat, which has the same bytes.
 */

import { inTurns } from '../encoding/turns.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import { visitFields } from './message-edit.ts';

/** From TracesData down to the id of a span (OTLP, trace.proto). */
const TRACE_ID_PATH = [0x0a, 0x12, 0x12, 0x0a];

/** Adds the ids of all spans in a request, in lower-case hex and in their order. */
export async function addTraceIds(ids: Set<string>, request: Uint8Array): Promise<void> {
  const message = Buffer.from(request.buffer, request.byteOffset, request.length);
  const add = (start: number, end: number): void => {
    if (end > start) ids.add(message.toString('hex', start, end));
  };
  await inTurns(visitFields(message, TRACE_ID_PATH, add));
}

/** Adds the ids of the spans that are about to be stored, by stream. */
export async function addDraftedIds(ids: Set<string>, appends: readonly { readonly drafts: readonly BlockDraft[] }[]) {
  for (const { payload } of appends.flatMap(({ drafts }) => drafts)) await addTraceIds(ids, Buffer.concat(payload));
}
