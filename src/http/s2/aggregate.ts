/** Counts and sums of a stream's records over HTTP: one response, or server-sent events with what there is so far. */

import type { AggregateResult } from '../../model/aggregate.ts';
import { asTailraceError, type TailraceError } from '../../model/error.ts';
import { AGGREGATE_MS_MAX } from '../../model/limits.ts';
import { runAggregate } from '../../readers/aggregate/run-aggregate.ts';
import { DONE_EVENT, errorEvent, SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import { type Reservation, reservationFor } from '../body/reservation.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody } from '../errors.ts';
import { type Exchange, onceOver } from '../exchange.ts';
import { replyJson } from '../reply.ts';
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
    replyJson(exchange, 200, result, deps);
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
      await response.write(`event: aggregate\ndata: ${JSON.stringify(result)}\n\n`);
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
