/** A read that gets one response: at once, or as soon as there is something. */

import { beginWork } from '../../encoding/turns.ts';
import type { LogRead } from '../../log/open-reads.ts';
import type { RecordsEvent } from '../../log/read.ts';
import type { TailraceError } from '../../model/error.ts';
import {
  FILTERED_READ_MS_MAX,
  JSON_BYTES_PER_BYTE_MAX,
  JSON_BYTES_PER_RECORD,
  READ_BATCH_BYTES_MAX,
  READ_BATCH_RECORDS_MAX,
  UNARY_WAIT_MS_MAX,
} from '../../model/limits.ts';
import type { Position } from '../../model/position.ts';
import type { ReadRange } from '../../model/read-range.ts';
import { meteredBytesOf, recordsIn } from '../../s2/batch/batch-part.ts';
import { readBatchJson } from '../../s2/batch/json.ts';
import { readBatchProto } from '../../s2/batch/proto.ts';
import type { RecordDeps } from '../context.ts';
import { type Exchange, onceOver } from '../exchange.ts';
import { expectAnswerFits, reserveAnswer } from '../held-answer.ts';
import { reply } from '../reply.ts';
import { type Collected, collectBack, NEXT_SEQ_NUM } from './back-read.ts';
import { firstMediaType, type ReadCall, wireFormOf } from './call.ts';
import { startCalledRead } from './start-read.ts';

/**
 * @throws TailraceError as `startCalledRead` and `collectBack`, and `decryption_failed`, `stream_deletion_pending`, `corrupt`; `authn` when
 *   the token ends while it waits; `overloaded` when there is no memory for the answer
 */
export async function readUnary(exchange: Exchange, call: ReadCall, deps: RecordDeps): Promise<void> {
  const range = unaryRange(call.range);
  const isProto = wireFormOf(firstMediaType(exchange.request.headers.accept)) === 'proto';
  expectAnswerFits(exchange, isProto ? range.bytes : range.bytes * JSON_BYTES_PER_BYTE_MAX, deps.replyContext.memory);
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
    const { parts, tail, headers } =
      call.back === undefined
        ? await collect((await startCalledRead(call, range, signal, deps)).read, call, { onWait, reserve, isLate })
        : await collectBack(call, call.back, { ...deps, watch, signal });
    if (ended !== undefined) throw ended;
    if (!isProto) {
      reserve(meteredBytesOf(parts) * JSON_BYTES_PER_BYTE_MAX + recordsIn(parts) * JSON_BYTES_PER_RECORD);
    }
    const work = beginWork(bytesOf(parts));
    if (work !== undefined) await work;
    const body = isProto ? readBatchProto(parts, tail) : readBatchJson(parts, call.format, tail);
    const contentType = isProto ? 'application/protobuf' : 'application/json';
    reply(exchange, { status: 200, contentType, body, headers }, deps.replyContext);
  } finally {
    leave();
    forget();
  }
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

interface Collecting {
  /** Called when it begins to wait for records. */
  onWait(): void;
  /** Asked for memory as records come: a read that waits for records holds none. */
  reserve(bytes: number): void;
  /** Whether it has taken too long to look for records. */
  isLate(): boolean;
}

/** Everything up to a bound, the tail, or the moment when it would wait with records in hand. */
async function collect(read: LogRead, call: ReadCall, { onWait, reserve, isLate }: Collecting): Promise<Collected> {
  const collected: RecordsEvent[] = [];
  let bytes = 0;
  let isWaiting = false;
  let tail: Position | undefined;
  let nextSeq: number | undefined;
  for await (const event of read) {
    if (event.type === 'records') {
      bytes += event.block.meteredBytesWithin(event.from, event.to);
      // What is cut is whole in memory.
      if (event.block.header.hasCuts) bytes += event.block.header.rawBytes;
      reserve(bytes);
      collected.push(event);
      tail = event.tail;
      nextSeq = event.block.firstSeq + event.to;
    }
    if (event.type === 'passed') {
      tail = event.tail;
      nextSeq = event.to.seqNum;
      if (isLate()) break;
    }
    if (event.type === 'caught_up' && !isWaiting && collected.length === 0) {
      isWaiting = true;
      onWait();
    }
    const isLevel = event.type === 'caught_up' || (event.type !== 'gap' && event.tail !== undefined);
    if (collected.length > 0 && (isWaiting || isLevel)) break;
  }
  // A client that filters goes on from there; the last record that it got does not say where.
  const headers = call.filter.length === 0 || nextSeq === undefined ? [] : [NEXT_SEQ_NUM, String(nextSeq)];
  return { parts: collected, tail, headers };
}
