/** What goes wrong between two nodes: no client takes a part for the whole, and nothing piles up. */

import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type ForwardingNode, startForwardingNode } from '../support/forwarding-node.ts';
import { openCall } from '../support/grpc-call.ts';
import { call } from '../support/http-call.ts';
import { connectHttp2, type Http2Connection } from '../support/http2-call.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer } from '../support/server.ts';

const MiB = 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024);
const GET = { method: 'GET', path: '/' } as const;

/** What a leader does with a request. */
let serve: (stream: ServerHttp2Stream) => void;
let leader: Http2Server;
const connections = new Set<Socket>();
let node: ForwardingNode;
let connection: Http2Connection;

beforeAll(async () => {
  leader = createServer();
  leader.on('connection', (socket: Socket) => {
    connections.add(socket.once('close', () => connections.delete(socket)));
  });
  leader.on('sessionError', () => {});
  leader.on('stream', (stream) => serve(stream.on('error', () => {})));
  await once(leader.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(`http://127.0.0.1:${(leader.address() as AddressInfo).port}`);
  node = await startForwardingNode(() => ({ httpUrl: url, grpcUrl: url }));
  connection = await connectHttp2(node.url);
});

afterEach(async () => {
  await untilUnderWay(0);
});

afterAll(async () => {
  await connection.close();
  node.close();
  breakConnections();
  leader.close();
});

/** Gives way to other work meanwhile. */
async function untilUnderWay(count: number): Promise<void> {
  for (let turn = 0; node.forwarder.underWay !== count; turn++) {
    if (turn > 100_000) throw new Error(`${node.forwarder.underWay} requests are under way, not ${count}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The connections break, as when the process of the leader is killed. */
function breakConnections(): void {
  for (const socket of connections) socket.destroy();
}

/** A response whose end does not come. */
function begin(stream: ServerHttp2Stream, headers: object, fail: () => void): void {
  stream.respond({ ':status': 200, ...headers });
  stream.write('a part', () => setImmediate(fail));
}

describe.each([
  ['with a length', { 'content-length': '100' }],
  ['of any length', {}],
] as const)('a response %s that is cut', (_, headers) => {
  test.each([
    ['because the connection broke', () => breakConnections()],
    ['by a reset', (stream: ServerHttp2Stream) => void stream.destroy(new Error('cut'))],
  ] as const)('%s is no whole response for a client of HTTP/1.1 or HTTP/2', async (_cause, fail) => {
    serve = (stream) => begin(stream, headers, () => fail(stream));
    await expect(call(node.port, GET)).rejects.toThrow();
    await expect(connection.call(GET)).rejects.toThrow();
  });
});

test('a whole response is whole for a client of HTTP/1.1 and HTTP/2, as a control', async () => {
  serve = (stream) => begin(stream, {}, () => stream.end(' and the rest'));
  expect((await call(node.port, GET)).body.toString()).toBe('a part and the rest');
  expect((await connection.call(GET)).body.toString()).toBe('a part and the rest');
});

test('a request whose connection breaks before the response is answered with 503, and the next one gets through', async () => {
  serve = () => breakConnections();
  const refused = await call(node.port, {
    path: '/v1/logs',
    body: '{}',
    headers: { 'content-type': 'application/json' },
  });
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
  expect((await connection.call(GET)).status).toBe(503);
  serve = (stream) => stream.respond({ ':status': 204 }, { endStream: true });
  expect((await call(node.port, GET)).status).toBe(204);
});

test('the trailers of a call of gRPC come behind its messages', async () => {
  serve = (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '5', 'grpc-message': 'none' }));
    stream.end('message');
  };
  const grpc = await connectHttp2(node.grpcUrl);
  const made = openCall(grpc, '/any.Service/Method');
  made.stream.end();
  const ended = await made.end;
  await grpc.close();
  expect(ended.body.toString()).toBe('message');
  expect(ended.headers).toMatchObject({ 'grpc-status': '5', 'grpc-message': 'none' });
});

test('a GOAWAY ends no request that is under way, and the next one takes a new connection', async () => {
  let endFirst = (): void => {};
  const used: unknown[] = [];
  const goneAway = new Promise<void>((resolve) => {
    serve = (stream) => {
      used.push(stream.session);
      stream.respond({ ':status': 200 });
      endFirst = () => stream.end('late');
      stream.session?.goaway();
      stream.session?.ping(() => resolve());
    };
  });
  const first = connection.call(GET);
  await goneAway;
  serve = (stream) => {
    used.push(stream.session);
    stream.respond({ ':status': 204 }, { endStream: true });
  };
  expect((await connection.call(GET)).status).toBe(204);
  expect(used[0]).not.toBe(used[1]);
  endFirst();
  expect((await first).body.toString()).toBe('late');
});

describe('an upload that its client gives up', () => {
  /** How the leader sees the body end. */
  function endOfBody(): Promise<string> {
    return new Promise((resolve) => {
      serve = (stream) => {
        stream.on('aborted', () => resolve('aborted'));
        stream.on('end', () => setImmediate(() => resolve('whole')));
        stream.resume();
      };
    });
  }

  test('over HTTP/1.1 is no whole upload for the leader', async () => {
    const end = endOfBody();
    const socket = connect(node.port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await untilUnderWay(1);
    socket.destroy();
    expect(await end).toBe('aborted');
  });

  test('over HTTP/2 is none either', async () => {
    const end = endOfBody();
    const stream = connection.open({ path: '/' });
    stream.on('error', () => {}).write('abc');
    await untilUnderWay(1);
    stream.destroy(new Error('given up'));
    expect(await end).toBe('aborted');
  });
});

describe('what one side does not take', () => {
  test('of a response stays with the leader', async () => {
    let written = 0;
    let stalled = (): void => {};
    const isStalled = new Promise<void>((resolve) => {
      stalled = resolve;
    });
    serve = (stream) => {
      stream.respond({ ':status': 200 });
      const more = (): void => {
        let isTaken = true;
        while (isTaken && written < 64 * MiB) {
          written += CHUNK.length;
          isTaken = stream.write(CHUNK);
        }
        const timer = setTimeout(stalled, 500);
        stream.once('drain', () => {
          clearTimeout(timer);
          more();
        });
      };
      more();
    };
    const socket = connect(node.port, '127.0.0.1').pause();
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await isStalled;
    socket.destroy();
    // What the kernel holds of two connections is most of it.
    expect(written).toBeLessThan(24 * MiB);
  });

  test('of an upload stays with the client', async () => {
    serve = (stream) => void stream.pause();
    const socket = connect(node.port, '127.0.0.1');
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${64 * MiB}\r\n\r\n`);
    let written = 0;
    while (written < 64 * MiB) {
      written += CHUNK.length;
      if (socket.write(CHUNK)) continue;
      const stalled = new Promise((resolve) => setTimeout(resolve, 500, 'stalled'));
      if ((await Promise.race([once(socket, 'drain'), stalled])) === 'stalled') break;
    }
    socket.destroy();
    // A node that reads nothing does not see that its client is gone.
    breakConnections();
    expect(written).toBeLessThan(24 * MiB);
  });
});

test('a leader that is killed ends what it serves, and the page comes from it while it lives', async () => {
  const server = await startServer();
  const passing = await startForwardingNode(() => ({ httpUrl: new URL(server.url) }));
  const records = new RecordsClient({ port: passing.port, token: server.token });
  const [page, own] = await Promise.all([passing.port, server.port].map((port) => call(port, GET)));
  expect([page?.status, page?.body.equals(own?.body ?? Buffer.alloc(0))]).toEqual([200, true]);
  await records.texts('app', 'first');
  const events = await records.sse('app', '?seq_num=0');
  await events.next();
  const rest = events.rest();
  await server.kill();
  await expect(rest).rejects.toThrow();
  expect((await records.get('app')).status).toBe(503);
  passing.close();
});
