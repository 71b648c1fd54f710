/** A read that gets one response: at once, or as soon as there is something. */

import { beginWork } from '../../encoding/turns.ts';
import type { RecordsEvent } from '../../log/events.ts';
import { assert, type TailraceError } from '../../model/error.ts';
import {
  FILTERED_READ_MS_MAX,
  JSON_BYTES_PER_BYTE_MAX,
  JSON_BYTES_PER_RECORD,
  READ_BATCH_BYTES_MAX,
  READ_BATCH_RECORDS_MAX,
  UNARY_WAIT_MS_MAX,
} from '../../model/limits.ts';
import type { ReadRange } from '../../model/read-range.ts';
import type { View } from '../../model/view.ts';
import { meteredBytesOf, recordsIn, wholeBytesOf } from '../../s2/batch/batch-part.ts';
import { readBatchJson } from '../../s2/batch/json.ts';
import { readBatchProto } from '../../s2/batch/proto.ts';
import type { RecordDeps } from '../context.ts';
import { type Exchange, onceOver } from '../exchange.ts';
import { expectAnswerFits, reserveAnswer } from '../held-answer.ts';
import { reply } from '../reply.ts';
import { collectBack } from './back-read.ts';
import { type ReadCall, wireFormOf } from './call.ts';
import { type Collected, collect, NEXT_SEQ_NUM } from './collect.ts';
import { startCalledRead } from './start-read.ts';

/**
 * @throws TailraceError as `startCalledRead` and `collectBack`, and `decryption_failed`, `stream_deletion_pending`, `corrupt`; `authn` when
 *   the token ends while it waits; `overloaded` when there is no memory for the answer
 */
export async function readUnary(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  const range = unaryRange(call.range);
  const isBinary = isBinaryAnswer(call);
  expectAnswerFits(exchange, isBinary ? range.bytes : range.bytes * JSON_BYTES_PER_BYTE_MAX, deps.replyContext.memory);
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  const forget = onceOver(exchange, stop);
  let leave = (): void => {};
  let ended: TailraceError | undefined;
  // One that waits for records when the server stops gets none, as if its time was up.
  const onWait = (): void => {
    const forgetSession = deps.readers.add({ drain: stop, finish: stop });
    const unwatch = deps.access.watch(call.principal, (error) => {
      ended = error;
      stop();
    });
    leave = () => {
      forgetSession();
      unwatch();
    };
  };
  try {
    const reserve = (bytes: number): void => reserveAnswer(exchange, bytes, deps.replyContext.memory);
    const deadline = deps.readers.clock.monotonicMs() + FILTERED_READ_MS_MAX;
    const isLate = (): boolean => call.filter.length > 0 && deps.readers.clock.monotonicMs() >= deadline;
    const { signal } = abort;
    const watch = { reserve, isOver: () => signal.aborted || isLate() };
    const collected =
      call.back === undefined
        ? await collect(await startCalledRead(call, range, signal, deps), { onWait, reserve, isLate })
        : await collectBack(call, call.back, { ...deps, watch, signal });
    if (ended !== undefined) throw ended;
    if (!isBinary) reserve(textBytesMax(collected.parts, call.view));
    const response = call.view === 'raw' ? await batchOf(collected, call) : await viewOf(collected, call);
    reply(exchange, { status: 200, ...response }, deps.replyContext);
  } finally {
    leave();
    forget();
  }
}

function isBinaryAnswer({ view, accepted }: ReadCall): boolean {
  return view === 'otlp' || (view === 'raw' && wireFormOf(accepted) === 'proto');
}

/** S2's own form. */
async function batchOf({ parts, tail, next, older = [] }: Collected, call: ReadCall) {
  const work = beginWork(bytesOf(parts));
  if (work !== undefined) await work;
  const isProto = isBinaryAnswer(call);
  const body = isProto ? readBatchProto(parts, tail) : readBatchJson(parts, call.format, tail);
  const contentType = isProto ? 'application/protobuf' : 'application/json';
  // A client that filters goes on from there; the last record that it got does not say where.
  const isTold = call.back !== undefined || call.filter.length > 0;
  return { contentType, body, headers: [...older, ...(isTold ? nextHeader(next?.seqNum) : [])] };
}

/** Views are loaded with the first read in one; what they show does not always say where to go on. */
async function viewOf(collected: Collected, { view, accepted, range: { start } }: ReadCall) {
  assert(view !== 'raw', 'S2 has a form of its own');
  const { viewResponse } = await import('./unary-view.ts');
  const {
    nextSeq = 'seqNum' in start ? start.seqNum : undefined,
    headers,
    ...response
  } = await viewResponse(view, accepted, collected);
  return { ...response, headers: [...(collected.older ?? []), ...headers, ...nextHeader(nextSeq)] };
}

function nextHeader(seqNum: number | undefined): readonly string[] {
  return seqNum === undefined ? [] : [NEXT_SEQ_NUM, String(seqNum)];
}

/** The most that the records may be as text; a view has them whole. */
function textBytesMax(parts: readonly RecordsEvent[], view: View): number {
  const bytes = view === 'raw' ? meteredBytesOf(parts) : wholeBytesOf(parts);
  return bytes * JSON_BYTES_PER_BYTE_MAX + recordsIn(parts) * JSON_BYTES_PER_RECORD;
}

/** What is stored of a batch; to write it as JSON takes a few times as long as to read it. */
function bytesOf(parts: readonly RecordsEvent[]): number {
  return parts.reduce((bytes, { block }) => bytes + block.header.rawBytes, 0);
}

/** One response holds one batch, and no client waits for ever. */
function unaryRange(range: ReadRange): ReadRange & { readonly bytes: number } {
  return {
    ...range,
    count: Math.min(range.count ?? READ_BATCH_RECORDS_MAX, READ_BATCH_RECORDS_MAX),
    bytes: Math.min(range.bytes ?? READ_BATCH_BYTES_MAX, READ_BATCH_BYTES_MAX),
    waitMs: Math.min(range.waitMs ?? 0, UNARY_WAIT_MS_MAX),
  };
}
