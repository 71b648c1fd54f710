/** The reader against a scripted server: what it asks for after each way of losing a connection. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type WebSocket, WebSocketServer } from 'ws';
import { createClient } from '../../src/client/client.ts';
import type { ReaderOptions, ReadFrame } from '../../src/client/reader.ts';

type Script = (socket: WebSocket, query: URLSearchParams) => void;

interface Fake {
  readonly url: string;
  readonly queries: URLSearchParams[];
  readonly sockets: WebSocket[];
  close(): void;
}

const fakes: Fake[] = [];

afterEach(() => {
  for (const fake of fakes.splice(0)) fake.close();
});

/** Plays one script per connection, in order; the last one again and again. */
async function fakeServer(...scripts: Script[]): Promise<Fake> {
  const http: Server = createServer((_request, response) => response.writeHead(404).end());
  const webSocketServer = new WebSocketServer({ server: http });
  const queries: URLSearchParams[] = [];
  const sockets: WebSocket[] = [];
  webSocketServer.on('connection', (socket, request) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams;
    const script = scripts[Math.min(queries.length, scripts.length - 1)];
    queries.push(query);
    sockets.push(socket);
    script?.(socket, query);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const fake: Fake = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    queries,
    sockets,
    close: () => {
      for (const socket of sockets) socket.terminate();
      webSocketServer.close();
      http.close();
    },
  };
  fakes.push(fake);
  return fake;
}

const json = (socket: WebSocket, value: unknown) => socket.send(JSON.stringify(value));
const hello = (socket: WebSocket) => json(socket, { type: 'hello', stream_id: '7' });
const lines = (socket: WebSocket, from: number, ...texts: string[]) =>
  json(socket, { type: 'batch', lines: texts, next: { seq_num: from + texts.length, timestamp: 5 } });

async function collect(fake: Fake, options: Partial<ReaderOptions<'text'>>): Promise<ReadFrame<'text'>[]> {
  const frames: ReadFrame<'text'>[] = [];
  for await (const frame of createClient({ endpoint: fake.url }).read('s', { view: 'text', ...options }))
    frames.push(frame);
  return frames;
}

const linesOf = (frames: readonly ReadFrame<'text'>[]) =>
  frames.flatMap((frame) => (frame.type === 'batch' ? frame.lines : []));

describe('a lost connection', () => {
  test('goes on behind the last record, with what is left of the count and the same stream', async () => {
    const fake = await fakeServer(
      (socket) => {
        hello(socket);
        lines(socket, 3, 'a', 'b');
        setImmediate(() => socket.close(1012));
      },
      (socket) => {
        hello(socket);
        lines(socket, 5, 'c');
        socket.close(1000);
      },
    );
    const frames = await collect(fake, { start: { seqNum: 3 }, count: 3 });
    expect(linesOf(frames)).toEqual(['a', 'b', 'c']);
    expect(fake.queries.map(String)).toEqual(['seq_num=3&count=3', 'seq_num=5&count=1&stream_id=7']);
    expect(frames.map((frame) => frame.type)).toEqual(['hello', 'batch', 'reconnecting', 'hello', 'batch']);
  });

  test('goes on at the tail when it had caught up', async () => {
    const fake = await fakeServer(
      (socket) => {
        hello(socket);
        json(socket, { type: 'caught_up', tail: { seq_num: 9, timestamp: 1 } });
        setImmediate(() => socket.close(1001));
      },
      (socket) => socket.close(1000),
    );
    await collect(fake, {});
    expect(fake.queries.map(String)).toEqual(['tail_offset=0', 'seq_num=9&stream_id=7']);
  });

  test('ends a bounded read when the answer is that there is no more', async () => {
    const fake = await fakeServer(
      (socket) => {
        hello(socket);
        lines(socket, 0, 'a');
        setImmediate(() => socket.terminate());
      },
      (socket) => {
        json(socket, {
          type: 'error',
          code: 'range_not_satisfiable',
          message: 'x',
          tail: { seq_num: 1, timestamp: 5 },
        });
        socket.close(4416);
      },
    );
    expect(linesOf(await collect(fake, { start: { seqNum: 0 }, count: 5 }))).toEqual(['a']);
  });

  test('does not come back when a used-up bound leaves nothing to read', async () => {
    const fake = await fakeServer((socket) => {
      hello(socket);
      lines(socket, 0, 'a');
      setImmediate(() => socket.terminate());
    });
    await collect(fake, { start: { seqNum: 0 }, count: 1 });
    expect(fake.queries).toHaveLength(1);
  });

  test('ends with the error when the time for it is over', async () => {
    const fake = await fakeServer((socket) => {
      hello(socket);
      setImmediate(() => socket.terminate());
    });
    const frames = createClient({ endpoint: fake.url }).read('s', { view: 'text', reconnectForMs: 0 });
    await frames.next();
    fake.close();
    await expect(
      (async () => {
        for await (const _ of frames);
      })(),
    ).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('what the server refuses', () => {
  test.each([
    [4404, 'basin_not_found'],
    [4409, 'stream_replaced'],
    [1008, 'permission_denied'],
  ])('close code %i with its error frame', async (closeCode, code) => {
    const fake = await fakeServer((socket) => {
      json(socket, { type: 'error', code, message: 'no' });
      socket.close(closeCode);
    });
    await expect(collect(fake, {})).rejects.toMatchObject({ code, message: 'no' });
    expect(fake.queries).toHaveLength(1);
  });

  test('no server at the first connection', async () => {
    const fake = await fakeServer();
    fake.close();
    await expect(collect(fake, {})).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a frame that is not JSON', async () => {
    const fake = await fakeServer((socket) => socket.send('{'));
    await expect(collect(fake, {})).rejects.toMatchObject({ code: 'bad_json' });
  });
});

test('an abort ends the read quietly, also between two connections', async () => {
  const controller = new AbortController();
  const fake = await fakeServer((socket) => {
    hello(socket);
    setImmediate(() => socket.terminate());
  });
  const types: string[] = [];
  const frames = createClient({ endpoint: fake.url }).read('s', { view: 'text', signal: controller.signal });
  for await (const frame of frames) {
    types.push(frame.type);
    if (frame.type === 'reconnecting') controller.abort();
  }
  expect(types).toEqual(['hello', 'reconnecting']);
});

test('a slow consumer holds the server back instead of buffering everything', async () => {
  const [count, text] = [400, 'x'.repeat(100_000)];
  const fake = await fakeServer((socket) => {
    hello(socket);
    for (let index = 0; index < count; index++) lines(socket, index, text);
    socket.close(1000);
  });
  const frames = createClient({ endpoint: fake.url }).read('s', { view: 'text', start: { seqNum: 0 } });
  await frames.next();
  await settled(() => fake.sockets[0]?.bufferedAmount);
  // 40 MB were sent; what the kernel and we hold is a fraction, the rest still waits in the server's own buffer.
  expect(fake.sockets[0]?.bufferedAmount).toBeGreaterThan(20_000_000);
  let got = 0;
  for await (const frame of frames) if (frame.type === 'batch') got++;
  expect(got).toBe(count);
});

/** Waits until a figure stays the same for many turns of the event loop. */
async function settled(figure: () => unknown): Promise<void> {
  let before: unknown;
  do {
    before = figure();
    for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
  } while (before !== figure());
}

test('exact bytes of raw records, and their headers', async () => {
  const body = Buffer.from([0, 0xff, 0x1b]);
  const header = Buffer.from([0xfe]).toString('base64');
  const fake = await fakeServer((socket) => {
    const record = { seq_num: 0, timestamp: 5, headers: [[header, '']], body: body.toString('base64') };
    json(socket, {
      type: 'batch',
      records: [record, { seq_num: 1, timestamp: 5 }],
      next: { seq_num: 2, timestamp: 5 },
    });
    socket.close(1000);
  });
  const frames = createClient({ endpoint: fake.url }).read('s', { view: 'raw' });
  const { value } = await frames.next();
  expect(fake.queries[0]?.get('format')).toBe('base64');
  expect(value).toMatchObject({
    records: [
      { seqNum: 0, headers: [[Buffer.from([0xfe]), Buffer.alloc(0)]], body },
      { seqNum: 1, headers: [], body: new Uint8Array() },
    ],
    next: { seqNum: 2, timestamp: 5 },
  });
  await frames.return();
});
