/**
 * The WebSocket server, loaded when it is needed first or when there is time: its library and its views take as long to
 * load as the store takes to open, and a port that opens later is a longer restart for every client.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { SocketServer } from './socket/server.ts';

export class LateSocketServer implements SocketServer {
  readonly #make: () => Promise<SocketServer>;
  #making: Promise<void> | undefined;
  #server: SocketServer | undefined;

  /** `make` is called at most once. */
  constructor(make: () => Promise<SocketServer>) {
    this.#make = make;
  }

  load(): Promise<void> {
    this.#making ??= this.#make().then((server) => {
      this.#server = server;
    });
    return this.#making;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#server !== undefined) this.#server.upgrade(request, socket, head);
    else void this.#upgradeLater(request, socket, head);
  }

  async #upgradeLater(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const ignore = (): void => {};
    // An error of a connection that no one listens to would end the process.
    socket.on('error', ignore);
    try {
      await this.load();
      this.#server?.upgrade(request, socket, head);
      socket.off('error', ignore);
    } catch {
      socket.destroy();
    }
  }
}
