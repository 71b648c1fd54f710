/** Counts and sums of a stream's records over HTTP: one response, or server-sent events with what there is so far. */

import { goOnWithWork, inTurns } from '../../encoding/turns.ts';
import type { AggregateResult } from '../../model/aggregate.ts';
import { asTailraceError, type TailraceError } from '../../model/error.ts';
import { AGGREGATE_MS_MAX, YIELD_BYTES } from '../../model/limits.ts';
import { runAggregate } from '../../readers/aggregate/run-aggregate.ts';
import { DONE_EVENT, errorEvent, SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import { type Reservation, reservationFor } from '../body/reservation.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody } from '../errors.ts';
import { type Exchange, onceOver } from '../exchange.ts';
import { reserveAnswer } from '../held-answer.ts';
import { reply } from '../reply.ts';
import { StreamResponse } from '../stream-response.ts';
import { type AggregateCall, openCalled, parseAggregateCall } from './call.ts';
import { noteFailure } from './live-read.ts';
import { LIVE_HEADERS } from './session-response.ts';

/** What ends a call before its time: its client is gone, its token is void, the server stops. */
class Ending {
  readonly abort = new AbortController();
  error: TailraceError | undefined;
  readonly #forget: (() => void)[];

  constructor(exchange: Exchange, { principal }: AggregateCall, deps: RecordDeps, cut: () => void) {
    const end = (error: TailraceError): void => {
      this.error ??= error;
      this.abort.abort();
    };
    this.#forget = [
      onceOver(exchange, () => this.abort.abort()),
      deps.access.watch(principal, end),
      deps.readers.add({ drain: () => {}, finish: end, cut }),
    ];
  }

  over(): void {
    for (const forget of this.#forget) forget();
  }
}

/** @throws TailraceError as `parseAggregateCall`, `openCalled` and `runAggregate`, while nothing is sent */
export async function aggregateRecords(
  exchange: Exchange,
  segment: string,
  mode: AggregateCall['mode'],
  deps: RecordDeps,
): Promise<void> {
  if (mode === 'sse') exchange.auditContext.protocol = mode;
  const call = parseAggregateCall(exchange, segment, deps, mode);
  const memory = reservationFor(exchange, deps.replyContext.memory);
  let response: StreamResponse | undefined;
  const ending = new Ending(exchange, call, deps, () => response?.abort());
  try {
    const results = await begin(call, memory, ending.abort.signal, deps);
    if (mode === 'sse') {
      const head = { status: 200, contentType: SSE_CONTENT_TYPE, headers: LIVE_HEADERS };
      response = StreamResponse.open(exchange, head, deps.replyContext);
      await sendEvents(exchange, response, results, ending, deps);
    } else await sendLast(exchange, results, ending, deps);
  } finally {
    ending.over();
    memory.release();
  }
}

async function begin(
  call: AggregateCall,
  memory: Reservation,
  signal: AbortSignal,
  deps: RecordDeps,
): Promise<AsyncGenerator<AggregateResult>> {
  const { range, filter, query, mode, encryptionKey } = call;
  const stream = await openCalled(call, 'read', deps);
  const options = {
    clock: deps.clock,
    signal,
    msMax: mode === 'sse' ? undefined : AGGREGATE_MS_MAX,
    hasPartial: mode === 'sse',
    reserve: (bytes: number) => memory.holdAtLeast(bytes),
  };
  return runAggregate(deps.log, stream, { ...options, range, filter, query }, { encryptionKey, protocol: mode });
}

async function sendLast(
  exchange: Exchange,
  results: AsyncGenerator<AggregateResult>,
  ending: Ending,
  deps: RecordDeps,
): Promise<void> {
  let isSent = false;
  for await (const result of results) {
    const body = await bodyOf(result, exchange, deps);
    reply(exchange, { status: 200, contentType: 'application/json', body }, deps.replyContext);
    isSent = true;
  }
  // Without a result the call was ended: a client that is gone gets nothing.
  if (!isSent && ending.error !== undefined) throw ending.error;
}

/** An `aggregate` event for each result, the last of which is `complete`, and then S2's last event. */
async function sendEvents(
  exchange: Exchange,
  response: StreamResponse,
  results: AsyncGenerator<AggregateResult>,
  ending: Ending,
  deps: RecordDeps,
): Promise<void> {
  try {
    for await (const result of results) {
      await response.write('event: aggregate\ndata: ');
      for await (const piece of piecesOf(result)) await response.write(piece);
      await response.write('\n\n');
    }
    if (ending.error !== undefined) throw ending.error;
    void response.write(DONE_EVENT);
  } catch (thrown) {
    const error = asTailraceError(thrown);
    noteFailure(exchange, error, deps);
    void response.write(errorEvent(s2ErrorBody(error, exchange.correlationId, exchange.hiddenPrefix)));
  } finally {
    await response.end();
  }
}

/** The JSON of a result, made in turns: ten thousand groups with long names are far more than one turn can write. */
async function* piecesOf({ rows, ...others }: AggregateResult): AsyncGenerator<Buffer> {
  let text = `${JSON.stringify(others).slice(0, -1)},"rows":[`;
  for (const [index, row] of rows.entries()) {
    text += `${index === 0 ? '' : ','}${JSON.stringify(row)}`;
    if (text.length < YIELD_BYTES) continue;
    yield Buffer.from(text);
    text = '';
    await goOnWithWork(YIELD_BYTES);
  }
  yield Buffer.from(`${text}]}`);
}

/** @throws TailraceError `overloaded` when there is no memory for it */
async function bodyOf(result: AggregateResult, exchange: Exchange, deps: RecordDeps): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of piecesOf(result)) {
    pieces.push(piece);
    bytes += piece.length;
    // The pieces, and the body that they become.
    if (pieces.length > 1) reserveAnswer(exchange, 2 * bytes, deps.replyContext.memory);
  }
  return inTurns(joined(pieces, bytes));
}

/** One body of all pieces. */
function* joined(pieces: readonly Buffer[], bytes: number): Generator<void, Buffer> {
  const body = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const piece of pieces) {
    if (at > 0) yield;
    at += piece.copy(body, at);
  }
  return body;
}
