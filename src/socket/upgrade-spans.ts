/** Spans of WebSockets in the server's own telemetry: each from its upgrade to the end of its connection. */

import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { RequestSpans, TracedRequest } from '../observe/self/request-spans.ts';

/** As in the description of the API: never what the client wrote. */
const ROUTES: readonly (readonly [path: RegExp, route: string])[] = [
  [/^\/v1\/records(?:\?|$)/, '/v1/records'],
  [/^\/v1\/streams\/[^/?]+\/records(?:\?|$)/, '/v1/streams/{stream}/records'],
];

interface UpgradeSpan {
  readonly traced: TracedRequest;
  status: number | undefined;
}

export class UpgradeSpans {
  readonly #spans: Pick<RequestSpans, 'begin' | 'end'> | undefined;
  readonly #open = new WeakMap<Duplex, UpgradeSpan>();

  /** Undefined where the server's own telemetry is off. */
  constructor(spans: Pick<RequestSpans, 'begin' | 'end'> | undefined) {
    this.#spans = spans;
  }

  begin({ headers, url = '/', method = 'GET' }: IncomingMessage, socket: Duplex): void {
    const traced = this.#spans?.begin(headers);
    if (traced === undefined) return;
    traced.route = ROUTES.find(([path]) => path.test(url))?.[1];
    const span: UpgradeSpan = { traced, status: undefined };
    this.#open.set(socket, span);
    socket.once('close', () => {
      if (socket instanceof Socket) traced.responseBytes = socket.bytesWritten;
      const scheme = socket instanceof TLSSocket ? 'https' : 'http';
      const known = { method, scheme, httpVersion: '1.1', requestBytes: undefined };
      this.#spans?.end(traced, { ...known, status: span.status });
    });
  }

  answered(socket: Duplex, status: number): void {
    const span = this.#open.get(socket);
    if (span !== undefined) span.status = status;
  }

  /** What ended it, or refused it. */
  failed(socket: Duplex, code: string): void {
    const span = this.#open.get(socket);
    if (span !== undefined) span.traced.error = code;
  }
}
