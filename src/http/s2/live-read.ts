/** Connects a live read over HTTP, as SSE or s2s, with the log: the response is its sink. */

import type { Principal } from '../../access/grant.ts';
import type { LogRead } from '../../log/open-reads.ts';
import type { TailraceError } from '../../model/error.ts';
import { LiveReader } from '../../readers/live-reader.ts';
import type { Reading } from '../../readers/readings.ts';
import type { Sink, SinkListener } from '../../readers/sink.ts';
import type { Frame, Wire } from '../../readers/wire.ts';
import { auditRefusal } from '../audit.ts';
import { holderOf } from '../body/reservation.ts';
import type { RecordDeps } from '../context.ts';
import { type Exchange, onceOver, senderOf } from '../exchange.ts';
import { StreamResponse } from '../stream-response.ts';
import { LIVE_HEADERS } from './session-response.ts';

/** A read that is served live. */
export interface LiveCall {
  readonly principal: Principal;
  /** Begins it. Whatever is refused here is refused before the response begins. */
  readonly begin: (signal: AbortSignal) => Promise<LogRead>;
  readonly contentType: string;
  readonly wire: Wire;
  readonly protocol: Reading['protocol'];
  /** What records look like, as the name of the subprotocol of the same form. */
  readonly view: string;
}

/**
 * Serves a read; resolves when its client has got everything or is gone.
 * @throws TailraceError as `begin`, while nothing is sent
 */
export async function readLive(exchange: Exchange, live: LiveCall, deps: RecordDeps): Promise<void> {
  const { principal, begin, contentType, wire, protocol, view } = live;
  const abort = new AbortController();
  const forget = onceOver(exchange, () => abort.abort());
  const read = await begin(abort.signal).finally(forget);
  const head = { status: 200, contentType, headers: LIVE_HEADERS };
  const sink = new ResponseSink(StreamResponse.open(exchange, head, deps.replyContext));
  const onFailure = (error: TailraceError): void => noteFailure(exchange, error, deps);
  const reader = new LiveReader({ wire, sink, readers: deps.readers, holder: holderOf(exchange), onFailure });
  const unwatch = deps.access.watch(principal, (error) => reader.end(error));
  const leave = deps.readers.readings.add({
    ...{ protocol, view, token: principal.id, address: senderOf(exchange) },
    read,
    waitingBytes: () => sink.bufferedBytes,
  });
  await reader.run((signal) => {
    signal.addEventListener('abort', () => abort.abort());
    return Promise.resolve(read);
  });
  leave();
  unwatch();
}

/** What went wrong inside of us is written down. */
export function noteFailure(exchange: Exchange, error: TailraceError, deps: RecordDeps): void {
  const { correlationId, path } = exchange;
  auditRefusal(exchange, deps, error);
  if (error.code === 'internal' || error.code === 'fatal' || error.code === 'corrupt') {
    deps.logger.error({ correlationId, path, code: error.code, err: error }, 'a live read failed');
  }
}

class ResponseSink implements Sink {
  readonly closed: Promise<void>;
  readonly #response: StreamResponse;
  #resolve = (): void => {};

  constructor(response: StreamResponse) {
    this.#response = response;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get bufferedBytes(): number {
    return this.#response.bufferedBytes;
  }

  connect(listener: SinkListener): void {
    const { signal } = this.#response;
    this.#response.onTaken(() => listener.onTaken());
    const onGone = (): void => {
      listener.onClosed();
      this.#resolve();
    };
    if (signal.aborted) onGone();
    else signal.addEventListener('abort', onGone, { once: true });
  }

  write(frames: readonly Frame[]): void {
    this.#response.writeAll(frames);
  }

  end(): void {
    void this.#response.end().then(this.#resolve);
  }

  cut(): void {
    this.#response.abort();
  }
}
