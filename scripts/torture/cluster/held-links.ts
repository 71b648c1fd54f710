/** Links of one node to the servers of NATS that can be held: then nothing comes through, and nothing is known to be lost. */

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Close it in the end. */
export class HeldLinks {
  /** In the place of those of the servers. */
  readonly urls: readonly string[];
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  #isHeld = false;

  private constructor(urls: readonly string[], servers: readonly Server[]) {
    this.#servers = servers;
    for (const [i, server] of servers.entries()) {
      server.on('connection', (client) => this.#join(client, Number(new URL(urls[i] ?? '').port)));
    }
    this.urls = servers.map((server) => `nats://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  static async to(urls: readonly string[]): Promise<HeldLinks> {
    const servers = urls.map(() => createServer({ noDelay: true, pauseOnConnect: true }));
    await Promise.all(servers.map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))));
    return new HeldLinks(urls, servers);
  }

  hold(): void {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was sent meanwhile arrives late, or never. */
  release(arrives: boolean): void {
    this.#isHeld = false;
    for (const socket of this.#sockets) arrives ? socket.resume() : socket.destroy();
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, port: number): void {
    const onward = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const [from, to] of [
      [client, onward],
      [onward, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on('drain', () => {
        if (!this.#isHeld) from.resume();
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    if (this.#isHeld) onward.pause();
    else client.resume();
  }
}
