/** What the client leaves behind on the signal of its caller: nothing, however often a server is lost or refuses. */

import { getEventListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import { createClient } from '../../src/client/client.ts';

const open: Server[] = [];

afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listening(server: Server): Promise<string> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server whose first reader gets a frame and is cut off; what happens to later ones is up to `later`. */
async function losing(later: (socket: Duplex, server: Server) => void): Promise<string> {
  const sockets = new WebSocketServer({ noServer: true });
  let upgrades = 0;
  const server = createServer((_request, response) => response.writeHead(404).end());
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (upgrades++ > 0) return later(socket, server);
    sockets.handleUpgrade(request, socket, head, (reader) => {
      reader.send(JSON.stringify({ type: 'hello', stream_id: '7' }), () => reader.terminate());
    });
  });
  return listening(server);
}

async function drained(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts);
}

const ENDINGS = {
  'refuses the upgrade': (socket: Duplex) =>
    socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'),
  'cuts the connection': (socket: Duplex) => socket.destroy(),
  'is down': (socket: Duplex, server: Server) => {
    socket.destroy();
    server.close();
  },
};
const RECONNECTS = 4;

/** Everything that hangs on a signal: listeners, and the signals that `AbortSignal.any` made of it. */
function heldBy(signal: AbortSignal): number {
  const symbols = Object.getOwnPropertySymbols(signal) as unknown as (keyof AbortSignal)[];
  const derived = symbols.filter((key) => String(key).includes('Dependant')).map((key) => signal[key] as unknown);
  const sizes = derived.map((set) => (set as { readonly size: number } | undefined)?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, getEventListeners(signal, 'abort').length);
}

describe('a reader that connects again and again', () => {
  test.each(Object.entries(ENDINGS))('leaves no listener behind while the server %s', async (_, ending) => {
    const controller = new AbortController();
    const frames = createClient({ endpoint: await losing(ending) }).read('s', {
      view: 'text',
      signal: controller.signal,
    });
    const held: number[] = [];
    for await (const frame of frames) {
      if (frame.type !== 'reconnecting') continue;
      held.push(heldBy(controller.signal));
      if (held.length > RECONNECTS) break;
    }
    expect(held).toEqual(Array.from({ length: RECONNECTS + 1 }, () => 0));
  });

  test('takes one listener however many readers share the signal, and none once they have ended', async () => {
    const controller = new AbortController();
    const endpoint = await losing((socket) => socket.destroy());
    const client = createClient({ endpoint });
    const refused = Array.from({ length: 20 }, async () => {
      const frames = client.read('s', { view: 'text', signal: controller.signal });
      for await (const frame of frames) if (frame.type === 'reconnecting') break;
    });
    expect(heldBy(controller.signal)).toBeLessThanOrEqual(1);
    await Promise.allSettled(refused);
    expect(heldBy(controller.signal)).toBe(0);
  });
});

describe('a call with a signal', () => {
  const answers = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ streams: [], tail: {} }));
  };

  test('leaves nothing behind, whether it succeeds, is refused or reaches no server', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const client = createClient({ endpoint: await listening(createServer(answers)) });
    const down = createClient({ endpoint: await losing(() => {}) });
    const calls = [client, down].flatMap((one) => [
      one.append('s', [{ body: Buffer.from('x') }], { signal }),
      one.checkTail('s', { signal }),
      one.sendOtlp('logs', Buffer.from('{}'), 'application/json', { signal }),
      one.listStreams({ signal }).next(),
      drained(one.backup({ signal })),
      one.whoami({ signal }),
    ]);
    expect(heldBy(signal)).toBeLessThanOrEqual(1);
    await Promise.allSettled(calls);
    const backup = client.backup({ signal });
    await backup.next();
    await backup.return(undefined);
    expect(heldBy(signal)).toBe(0);
  });

  test('that is aborted says so, before and while it runs', async () => {
    const controller = new AbortController();
    const silent = createClient({ endpoint: await listening(createServer(() => controller.abort())) });
    const { signal } = controller;
    await expect(silent.checkTail('s', { signal })).rejects.toMatchObject({ name: 'TailraceError', code: 'aborted' });
    await expect(silent.checkTail('s', { signal })).rejects.toMatchObject({ name: 'TailraceError', code: 'aborted' });
    await expect(silent.backup({ signal }).next()).rejects.toMatchObject({ name: 'TailraceError', code: 'aborted' });
  });
});
