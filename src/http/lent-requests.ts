/**
 * Requests that a listener hands over which the server does not own. Its connections go on when the server ends, so the server
 * remembers which requests and upgraded connections are its own, to end just these.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../model/clock.ts';
import type { ListenerHandlers } from './connection/handlers.ts';
import { cut, type Exchange, type HttpRequest, type Transport } from './exchange.ts';

/** A listener that lives longer than the server. */
export interface LentPorts {
  /** Whether it takes no more connections, and closes those that are open. */
  readonly isClosing: boolean;
}

/** Passes everything on to the handlers of a server. */
export class LentRequests implements ListenerHandlers {
  readonly #handlers: ListenerHandlers;
  readonly #clock: Pick<Clock, 'timer'>;
  /** Those whose response has not left yet. */
  readonly #open = new Set<Pick<Exchange, 'request' | 'transport'>>();
  readonly #sockets = new Set<Duplex>();
  #onEmpty = (): void => {};

  constructor(handlers: ListenerHandlers, clock: Pick<Clock, 'timer'>) {
    this.#handlers = handlers;
    this.#clock = clock;
  }

  request(request: HttpRequest, transport: Transport, awaitsContinue: boolean): void {
    const open = { request, transport };
    this.#open.add(open);
    const noteOver = (): void => {
      this.#open.delete(open);
      this.#noteEnd();
    };
    // A stream of HTTP/2 of whose body something is left unread never closes.
    if (transport.version === 2) transport.stream.once('finish', noteOver).once('close', noteOver);
    else transport.response.once('close', noteOver);
    this.#handlers.request(request, transport, awaitsContinue);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#noteEnd();
    });
    this.#handlers.upgrade(request, socket, head);
  }

  /** Waits until nothing is open, for `waitMs` at most, and cuts what is left. May be called twice. */
  async end(waitMs: number): Promise<void> {
    if (!this.#isEmpty) {
      let cancel = (): void => {};
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
        cancel = this.#clock.timer(waitMs, resolve);
      });
      cancel();
    }
    for (const open of this.#open) cut(open);
    for (const socket of this.#sockets) socket.destroy();
  }

  get #isEmpty(): boolean {
    return this.#open.size === 0 && this.#sockets.size === 0;
  }

  #noteEnd(): void {
    if (this.#isEmpty) this.#onEmpty();
  }
}
