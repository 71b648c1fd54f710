/** Clients that take nothing of a response: cut after a limit, just over it and not before, on both protocols. */

import { type ClientHttp2Session, connect as connectHttp2, type Settings } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { AnswerWatch } from '../../src/http/answer-watch.ts';
import { UploadWatch } from '../../src/http/body/upload-watch.ts';
import { Listener } from '../../src/http/connection/listener.ts';
import { type Exchange, openExchange } from '../../src/http/exchange.ts';
import { type ReplyContext, reply } from '../../src/http/reply.ts';
import { StreamResponse } from '../../src/http/stream-response.ts';
import { ANSWER_STALL_MS } from '../../src/model/limits.ts';
import { SILENT } from '../../src/observe/logger.ts';
import { ManualClock } from '../support/socket-clock.ts';

const MiB = 1024 * 1024;
/** More than the system takes for a client that does not read. */
const LARGE_BYTES = 24 * MiB;
/** It is looked every second, and a stall counts from a look. */
const LOOKS_MS = 2_000;

let clock: ManualClock;
let listener: Listener;
let port: number;
let context: ReplyContext;
let budget: MemoryBudget;
let handle: (exchange: Exchange) => void;
let handled: Exchange[];
const clients: { destroy(): void }[] = [];

beforeEach(async () => {
  clock = new ManualClock();
  budget = new MemoryBudget();
  const memory = { budget, strangers: budget };
  context = { memory, watch: new UploadWatch(clock), answers: new AnswerWatch(clock), closing: () => false };
  handled = [];
  const handlers = {
    request: (...[message, transport, awaits]: Parameters<ConstructorParameters<typeof Listener>[0]['request']>) => {
      const exchange = openExchange(message, transport, awaits, 0);
      handled.push(exchange);
      handle(exchange);
    },
    upgrade: () => {},
  };
  listener = new Listener(handlers, { clock, logger: SILENT, tls: undefined, portAdvice: 'choose another' });
  ({ port } = await listener.listen({ host: '127.0.0.1', port: 0 }));
});

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  listener.stopAccepting();
  listener.cut();
});

const sized = (bytes: number) => (exchange: Exchange) =>
  reply(exchange, { status: 200, contentType: 'text/plain', body: Buffer.alloc(bytes, 'x') }, context);

/** A client that sends requests on one connection, and reads only when it is asked to. */
interface Client {
  /** Takes bytes until so many more have come, or the response is over. */
  take(bytes: number): Promise<void>;
  taken(): number;
}

async function askHttp1(count = 1): Promise<Client> {
  const socket: Socket = connect(port, '127.0.0.1');
  clients.push(socket);
  socket.pause().write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(count));
  await becomes(() => handled.length >= count);
  return clientOf(socket);
}

async function askHttp2(settings: Settings = {}): Promise<Client> {
  const session: ClientHttp2Session = connectHttp2(`http://127.0.0.1:${port}`, { settings });
  clients.push(session);
  session.on('error', () => {});
  await new Promise<void>((resolve) => void session.once('localSettings', () => resolve()));
  const stream = session.request({ ':path': '/' });
  stream.pause();
  await becomes(() => handled.length >= 1);
  return clientOf(stream);
}

function clientOf(stream: Socket | ReturnType<ClientHttp2Session['request']>): Client {
  let taken = 0;
  stream.on('error', () => {});
  stream.on('data', (part: Buffer) => {
    taken += part.length;
  });
  stream.pause();
  const take = async (bytes: number): Promise<void> => {
    const wanted = taken + bytes;
    stream.resume();
    await becomes(() => taken >= wanted || stream.destroyed);
    stream.pause();
  };
  return { take, taken: () => taken };
}

async function becomes(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const isOpen = ({ transport }: Exchange | { transport: undefined } = { transport: undefined }): boolean =>
  transport !== undefined && !(transport.version === 1 ? transport.response.destroyed : transport.stream.destroyed);

/** Everything that was ready to be written is written. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

const PROTOCOLS = [
  ['HTTP/1.1', () => askHttp1()],
  ['HTTP/2', () => askHttp2()],
] as const;

describe.each(PROTOCOLS)('on %s', (_, ask) => {
  test('a client that takes nothing of a response is cut after the limit, and its memory comes back', async () => {
    handle = sized(LARGE_BYTES);
    const client = await ask();
    await settled();
    clock.advance(ANSWER_STALL_MS - 1);
    await settled();
    expect(isOpen(handled[0])).toBe(true);
    expect(budget.usedBytes).toBe(LARGE_BYTES);
    clock.advance(LOOKS_MS + 1);
    await becomes(() => budget.usedBytes === 0);
    expect(isOpen(handled[0])).toBe(false);
    await client.take(LARGE_BYTES);
    expect(client.taken()).toBeLessThan(LARGE_BYTES);
  });

  test('a client that takes something just within the limit gets everything', async () => {
    handle = sized(LARGE_BYTES);
    const client = await ask();
    await settled();
    while (client.taken() < LARGE_BYTES) {
      clock.advance(ANSWER_STALL_MS - 1);
      await client.take(Math.min(8 * MiB, LARGE_BYTES - client.taken()));
      await settled();
    }
    await becomes(() => budget.usedBytes === 0);
    expect(client.taken()).toBeGreaterThanOrEqual(LARGE_BYTES);
  });

  test('a client that takes nothing of the acknowledgements of a session is cut after the limit', async () => {
    let session: StreamResponse | undefined;
    handle = (exchange) => {
      session = StreamResponse.open(exchange, { status: 200, contentType: 's2s/proto' }, context);
      void session.write(Buffer.alloc(LARGE_BYTES));
    };
    await ask();
    await settled();
    clock.advance(ANSWER_STALL_MS - 1);
    await settled();
    expect([session?.signal.aborted, budget.usedBytes]).toEqual([false, LARGE_BYTES]);
    clock.advance(LOOKS_MS + 1);
    await becomes(() => budget.usedBytes === 0);
    expect(session?.signal.aborted).toBe(true);
  });
});

test('a response of a few bytes on HTTP/2 whose client gives no window is cut too', async () => {
  handle = sized(10);
  await askHttp2({ initialWindowSize: 0 });
  await settled();
  clock.advance(ANSWER_STALL_MS - 1);
  await settled();
  expect(isOpen(handled[0])).toBe(true);
  clock.advance(LOOKS_MS + 1);
  await becomes(() => !isOpen(handled[0]));
});

test('pipelined responses have their time from when it is their turn', async () => {
  handle = sized(LARGE_BYTES);
  const client = await askHttp1(2);
  await settled();
  while (client.taken() < 2 * LARGE_BYTES) {
    clock.advance(ANSWER_STALL_MS - 1);
    await client.take(Math.min(8 * MiB, 2 * LARGE_BYTES - client.taken()));
    await settled();
  }
  await becomes(() => budget.usedBytes === 0);
  expect(client.taken()).toBeGreaterThan(2 * LARGE_BYTES);
});
