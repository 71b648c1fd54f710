/** Tells repeated requests apart by their bytes and sender, and says what is kept of the answer to one. */

import { createHash } from 'node:crypto';
import { goOnWithWork } from '../encoding/turns.ts';
import { YIELD_BYTES } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import type { IngestResult } from './ingest-result.ts';

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
