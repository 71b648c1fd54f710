/** A proxy between a client and the server that passes bytes on unchanged and counts them. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface CountingProxy {
  readonly port: number;
  /** Bytes from the client, and from the server. */
  readonly counted: { sent: number; received: number };
  close(): void;
}

/** Listens on a free port of this machine. */
export async function startCountingProxy(port: number): Promise<CountingProxy> {
  const counted = { sent: 0, received: 0 };
  const sockets = new Set<Socket>();
  const pass = (from: Socket, to: Socket, count: (bytes: number) => void): void => {
    sockets.add(from);
    from.on('data', (chunk: Buffer) => count(chunk.length));
    from.on('error', () => to.destroy());
    from.on('close', () => sockets.delete(from));
    from.pipe(to);
  };
  const server = createServer({ noDelay: true }, (client) => {
    const onward = connect({ port, host: '127.0.0.1', noDelay: true });
    pass(client, onward, (bytes) => {
      counted.sent += bytes;
    });
    pass(onward, client, (bytes) => {
      counted.received += bytes;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    counted,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
