/** What becomes of requests while their node finds out where they go, and whether it still leads. */

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { NodeTrust } from '../../src/access/node-trust.ts';
import { parseConfig } from '../../src/config.ts';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import type { ListenerHandlers } from '../../src/http/connection/handlers.ts';
import type { HttpRequest, Transport } from '../../src/http/exchange.ts';
import type { NodeRequests } from '../../src/http/node-requests.ts';
import { TailraceError } from '../../src/model/error.ts';
import { ClusterPorts, type LeadingServer } from '../../src/node/cluster-ports.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { call } from '../support/http-call.ts';

let ports: ClusterPorts;
let port: number;
/** What the server of the node has got. */
let got: string[];
let leadsForSure: boolean;
let confirm: LeadingServer['confirm'];
/** Called with a request that is looked up; undefined answers at once. */
let lookUp: (() => Promise<number>) | undefined;

beforeEach(async () => {
  [got, leadsForSure, confirm, lookUp] = [[], true, async () => {}, undefined];
  const handlers: ListenerHandlers = {
    request: ({ url }: HttpRequest, transport: Transport) => {
      got.push(`${url}`);
      if (transport.version === 1) transport.response.end('served');
      else transport.stream.end('served');
    },
    upgrade: ({ url }: IncomingMessage, socket: Duplex) => {
      got.push(`upgrade ${url}`);
      socket.destroy();
    },
  };
  const cluster = { cluster: 'nats://127.0.0.1', nodeUrl: 'http://127.0.0.1:1' };
  ports = new ClusterPorts({
    config: parseConfig({ host: '127.0.0.1', port: 0, grpcPort: 0, ...cluster }),
    clock: SYSTEM_CLOCK,
    logger: createLogger('silent'),
    warnings: { warn: () => {} },
    trust: new NodeTrust('a-secret-of-the-nodes'),
    memory: new MemoryBudget(1_000_000),
    own: { takes: () => false } as unknown as NodeRequests,
    partition: () => ({
      leading: { http: handlers, grpc: undefined, confirm: () => confirm() },
      leadsForSure,
      followingHandlers: undefined,
      target: undefined,
    }),
    partitionOf: () => lookUp?.() ?? 0,
    prepare: () => undefined,
  });
  port = (await ports.listen(undefined)).port;
});

afterEach(async () => {
  await ports.stopAccepting();
  await ports.close(0);
});

/** Requests are looked up until `go` is called. */
function held(): { readonly asked: Promise<void>; go(): void } {
  let go = (): void => {};
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    lookUp = async () => {
      resolve();
      await until;
      return 0;
    };
  });
  return { asked, go: () => go() };
}

async function sent(head: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write(head);
  return socket;
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

test.each([
  ['HTTP/1.1', 'POST /v1/logs HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n'],
  ['an upgrade', 'GET /v1/streams/a/records HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'],
])(
  'a client of %s that leaves while its request is looked up is forgotten, and the others are served',
  async (_, head) => {
    const { asked, go } = held();
    const socket = await sent(head);
    await asked;
    socket.resetAndDestroy();
    while (ports.connections > 0) await turns();
    go();
    await turns();
    expect(got).toEqual([]);
    expect((await call(port, { path: '/v1/basins' })).status).toBe(200);
  },
);

test('a stream of HTTP/2 that is reset while its request is looked up is forgotten, and the others are served', async () => {
  const { asked, go } = held();
  const session = connectHttp2(`http://127.0.0.1:${port}`).on('error', () => {});
  const stream = session.request({ ':method': 'POST', ':path': '/v1/logs' }).on('error', () => {});
  await asked;
  const closed = new Promise<void>((resolve) => void stream.once('close', () => resolve()));
  stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  await closed;
  const ping = (): Promise<void> => new Promise((resolve) => void session.ping(() => resolve()));
  await ping();
  await ping();
  go();
  await turns();
  expect(got).toEqual([]);
  lookUp = undefined;
  const other = session.request({ ':path': '/v1/basins' });
  const [headers] = await once(other, 'response');
  expect(headers[':status']).toBe(200);
  session.destroy();
});

test('a request whose partition cannot be told goes to partition 0, and ends no process', async () => {
  lookUp = () => Promise.reject(new Error('of any kind'));
  expect((await call(port, { path: '/v1/streams' })).status).toBe(200);
});

test('OTLP waits for a confirmation only after a pause, and gets 503 where another node leads', async () => {
  let confirmations = 0;
  confirm = async () => {
    confirmations++;
  };
  const post = { method: 'POST', path: '/v1/logs' };
  expect((await call(port, post)).status).toBe(200);
  expect(confirmations).toBe(0);
  leadsForSure = false;
  expect((await call(port, post)).status).toBe(200);
  expect(confirmations).toBe(1);
  confirm = () => Promise.reject(new TailraceError('unavailable', 'another node leads'));
  expect((await call(port, post)).status).toBe(503);
  leadsForSure = true;
  expect((await call(port, { path: '/v1/streams' })).status).toBe(503);
  expect(got).toEqual(['/v1/logs', '/v1/logs']);
});
