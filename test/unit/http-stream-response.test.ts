/** Answers piece by piece, on both protocols, over real sockets: what clients get, patience, and ends of every kind. */

import { get, type IncomingMessage, request } from 'node:http';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import { AnswerWatch } from '../../src/http/answer-watch.ts';
import { UploadWatch } from '../../src/http/body/upload-watch.ts';
import { Listener } from '../../src/http/connection/listener.ts';
import { type Exchange, openExchange } from '../../src/http/exchange.ts';
import type { ReplyContext } from '../../src/http/reply.ts';
import { StreamResponse } from '../../src/http/stream-response.ts';
import { STREAM_ANSWER_BUFFERED_BYTES_MAX } from '../../src/model/limits.ts';
import { SILENT } from '../../src/observe/logger.ts';
import { ManualClock } from '../support/socket-clock.ts';

const MIB = 1024 * 1024;
const HEAD = { status: 200, contentType: 'text/plain', headers: ['Cache-Control', 'no-cache'] };

/** What a client sees of an answer. */
interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Readable;
  /** Whether it ended as it should. */
  whole(): Promise<boolean>;
}

let listener: Listener;
let port: number;
let session: ClientHttp2Session | undefined;
let context: ReplyContext;
let handle: (answer: StreamResponse, exchange: Exchange) => void | Promise<void>;

beforeEach(async () => {
  const clock = new ManualClock();
  const memory = { budget: new MemoryBudget(), strangers: new MemoryBudget() };
  context = { memory, watch: new UploadWatch(clock), answers: new AnswerWatch(clock), closing: () => false };
  const handlers = {
    request: (...[message, transport, awaits]: Parameters<ConstructorParameters<typeof Listener>[0]['request']>) => {
      const exchange = openExchange(message, transport, awaits, 0);
      void handle(StreamResponse.open(exchange, HEAD, context), exchange);
    },
    upgrade: () => {},
  };
  listener = new Listener(handlers, { clock, logger: SILENT, tls: undefined, portAdvice: '' });
  ({ port } = await listener.listen({ host: '127.0.0.1', port: 0 }));
});

afterEach(async () => {
  session?.destroy();
  session = undefined;
  listener.stopAccepting();
  listener.cut();
});

function askHttp1(method = 'GET'): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, method, agent: false }, (answer: IncomingMessage) =>
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer, whole: () => isWhole(answer) }),
    );
    asked.on('error', reject).end();
  });
}

function askHttp2(method = 'GET'): Promise<Seen> {
  session ??= connect(`http://127.0.0.1:${port}`);
  const stream = session.request({ ':method': method });
  return new Promise((resolve) => {
    stream.on('response', (headers) =>
      resolve({ status: Number(headers[':status']), headers, body: stream, whole: () => isWhole(stream) }),
    );
  });
}

function isWhole(body: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    body.on('end', () => resolve(!('aborted' in body && body.aborted === true)));
    body.on('error', () => resolve(false)).on('aborted', () => resolve(false));
    body.resume();
  });
}

async function textOf(body: Readable): Promise<string> {
  let text = '';
  for await (const part of body) text += part;
  return text;
}

const BOTH = [
  ['HTTP/1.1', askHttp1],
  ['HTTP/2', askHttp2],
] as const;

describe.each(BOTH)('on %s', (_, ask) => {
  test('headers go out before anything else, then each piece, then the end', async () => {
    let answer: StreamResponse | undefined;
    handle = (given) => {
      answer = given;
    };
    const { status, headers, body } = await ask();
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'text/plain', 'no-cache']);
    expect(headers['x-correlation-id']).toMatch(/^[\w-]+$/);
    expect(headers['content-length']).toBeUndefined();
    const text = textOf(body);
    expect(answer?.write('one ')).toBeUndefined();
    expect(answer?.write(Buffer.from('two'))).toBeUndefined();
    expect(answer?.write('')).toBeUndefined();
    expect(answer?.signal.aborted).toBe(false);
    await answer?.end();
    expect(answer?.write('late')).toBeUndefined();
    expect(await text).toBe('one two');
    await answer?.end();
  });

  test('a client that takes nothing is waited for, and nothing is lost when it goes on', async () => {
    const piece = Buffer.alloc(MIB, 'x');
    let written = 0;
    let waits = 0;
    let stalled = (): void => {};
    const stall = new Promise<void>((resolve) => {
      stalled = resolve;
    });
    handle = async (answer) => {
      while (written < 40) {
        written++;
        const wait = answer.write(piece);
        if (wait === undefined) continue;
        waits++;
        stalled();
        await wait;
      }
      await answer.end();
    };
    const { body } = await ask();
    await stall;
    // What the system takes beside is a matter of the machine.
    expect(written).toBeLessThan(40);
    let bytes = 0;
    for await (const part of body) bytes += part.length;
    expect(bytes).toBe(40 * MIB);
    expect(waits).toBeGreaterThan(0);
    expect(STREAM_ANSWER_BUFFERED_BYTES_MAX).toBeLessThan(40 * MIB);
  });
});

describe.each(BOTH)('ends on %s', (_, ask) => {
  test('a client that goes away wakes who waits for it, and aborts the signal', async () => {
    let over = (): void => {};
    const done = new Promise<void>((resolve) => {
      over = resolve;
    });
    let answer: StreamResponse | undefined;
    handle = async (given) => {
      answer = given;
      while (!given.signal.aborted) await given.write(Buffer.alloc(MIB));
      await given.end();
      over();
    };
    const { body } = await ask();
    body.destroy();
    await done;
    expect(answer?.signal.aborted).toBe(true);
    expect(answer?.write('more')).toBeUndefined();
    answer?.abort();
  });

  test('an abort is no end', async () => {
    let answer: StreamResponse | undefined;
    handle = (given) => {
      answer = given;
      void given.write('half');
    };
    const { whole } = await ask();
    const isEnd = whole();
    answer?.abort();
    expect(await isEnd).toBe(false);
    expect(answer?.signal.aborted).toBe(true);
  });

  test('an answer to HEAD is over from the start', async () => {
    let answer: StreamResponse | undefined;
    handle = (given) => {
      answer = given;
      void given.write('never seen');
    };
    const { status, body } = await ask('HEAD');
    expect([status, await textOf(body)]).toEqual([200, '']);
    expect(answer?.signal.aborted).toBe(true);
  });
});

test('on HTTP/2 an abort ends its stream alone', async () => {
  const answers: StreamResponse[] = [];
  handle = (answer) => void answers.push(answer);
  const [first, second] = [await askHttp2(), await askHttp2()];
  const text = textOf(second.body);
  const broken = first.whole();
  answers[0]?.abort();
  expect(await broken).toBe(false);
  void answers[1]?.write('still there');
  await answers[1]?.end();
  expect(await text).toBe('still there');
});

test('a body that still comes behind the end of an answer is thrown away, and the connection lives on', async () => {
  handle = (answer) => void answer.end();
  session = connect(`http://127.0.0.1:${port}`);
  const stream = session.request({ ':method': 'POST' }, { endStream: false });
  stream.on('error', () => {});
  const closed = new Promise<void>((resolve) => stream.on('close', resolve));
  await new Promise<void>((resolve) => stream.on('end', resolve).resume());
  stream.end(Buffer.alloc(100_000));
  await closed;
  expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  expect((await askHttp2()).status).toBe(200);
});

test('many answers at once have less patience each', async () => {
  const answers: StreamResponse[] = [];
  handle = (answer) => void answers.push(answer);
  session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
  await Promise.all(Array.from({ length: 200 }, () => askHttp2()));
  const [first] = answers;
  expect(first?.write(Buffer.alloc(MIB))).toBeInstanceOf(Promise);
  for (const answer of answers.slice(1)) answer.abort();
  const single = answers.at(-1);
  expect(single?.signal.aborted).toBe(true);
});

test('a connection is kept for the next request', async () => {
  handle = (answer) => {
    void answer.write('x');
    void answer.end();
  };
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports: (number | undefined)[] = [];
  for (let i = 0; i < 2; i++) {
    await new Promise<void>((resolve, reject) => {
      get({ port, agent }, (answer) => {
        ports.push(answer.socket.localPort);
        answer.resume().on('end', resolve);
      }).on('error', reject);
    });
  }
  expect(ports[0]).toBe(ports[1]);
  agent.destroy();
});
