/**
 * Tells repeated requests apart by their bytes and sender, and says what is kept of the answer to one. Senders that ask for
 * the ids of their traces get those of the first request: they are kept where not all of it was stored, else they are
 * read again from the repeat, which has the same bytes.
 */

import { createHash } from 'node:crypto';
import { goOnWithWork, inTurns } from '../encoding/turns.ts';
import { YIELD_BYTES } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import type { IngestResult } from './ingest-result.ts';
import { visitFields } from './message-edit.ts';

/** From TracesData down to the id of a span (OTLP, trace.proto). */
const TRACE_ID_PATH = [0x0a, 0x12, 0x12, 0x0a];

/** An answer that is kept for repeats of a request: the log takes it. */
export interface AnswerToKeep {
  /** SHA-256 of the request and its sender. */
  readonly digest: Uint8Array;
  readonly seconds: number;
  readonly answer: Uint8Array;
}

/** What tells a request apart from others. */
interface RequestIdentity {
  readonly signal: Signal;
  readonly sender: string;
  readonly body: Uint8Array;
}

/**
 * Stores a request that is no repeat; a repeat gets the first answer. `once` calls its argument, or returns what was kept
 * under the digest.
 */
export async function storeOnce(
  request: RequestIdentity,
  once: (digest: Uint8Array, act: () => Promise<Uint8Array>) => Promise<Uint8Array>,
  store: (digest: Uint8Array) => Promise<IngestResult>,
): Promise<IngestResult> {
  const digest = await requestDigest(request);
  let own: IngestResult | undefined;
  const kept = await once(digest, async () => {
    own = await store(digest);
    return keptResult(own);
  });
  return own ?? repeatedResult(kept);
}

/** SHA-256 over signal, sender and body, in pieces between which others run. */
async function requestDigest({ signal, sender, body }: RequestIdentity): Promise<Uint8Array> {
  const hash = createHash('sha256').update(`${signal}\0${JSON.stringify(sender)}\0`);
  for (let at = 0; at < body.length; at += YIELD_BYTES) {
    if (at > 0) await goOnWithWork(YIELD_BYTES);
    hash.update(body.subarray(at, at + YIELD_BYTES));
  }
  return hash.digest();
}

type KeptFields = Pick<IngestResult, 'accepted' | 'rejected' | 'records' | 'traceIds'> & { readonly message?: string };

/** What the sender of a repeat gets. The server has warned of the reasons already, so they are left out. */
export function keptResult({ accepted, rejected, records, message, traceIds }: IngestResult): Uint8Array {
  return Buffer.from(JSON.stringify({ accepted, rejected, records, message, traceIds }));
}

function repeatedResult(kept: Uint8Array): IngestResult {
  const first = JSON.parse(Buffer.from(kept).toString()) as KeptFields;
  return { ...first, message: first.message, reasons: [], repairs: [], tolerated: new Map(), isRepeat: true };
}

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
