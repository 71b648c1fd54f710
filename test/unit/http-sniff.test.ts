/** Connections that do not show which protocol they use. */

import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type SniffedProtocol, sniff } from '../../src/http/connection/sniff.ts';

const LIMIT_MS = 30;

let server: Server;
let reported: (SniffedProtocol | 'silent')[];
let taken: Socket | undefined;
let client: Socket;
let settled: Promise<void>;

beforeEach(async () => {
  reported = [];
  let settle = (): void => {};
  settled = new Promise((resolve) => {
    settle = resolve;
  });
  server = createServer({ allowHalfOpen: true }, (socket) => {
    taken = socket;
    const note = (word: SniffedProtocol | 'silent'): void => {
      reported.push(word);
      settle();
    };
    sniff(socket, LIMIT_MS, { decided: note, silent: () => note('silent') });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  client.on('error', () => {});
  await new Promise((resolve) => client.once('connect', resolve));
});

afterEach(() => {
  client.destroy();
  taken?.destroy();
  server.close();
});

test.each([[''], ['P'], ['PRI * HTTP/2.']])(
  'a connection that sends %j and then nothing is reported as silent, once',
  async (said) => {
    client.write(said);
    await settled;
    client.write('PRI * HTTP/2.0\r\n');
    await new Promise((resolve) => setTimeout(resolve, 2 * LIMIT_MS));
    expect(reported).toEqual(['silent']);
  },
);

test.each([
  ['GET / HTTP/1.1\r\n', 'http1'],
  ['PRI * HTTP/1.1\r\n', 'http1'],
  ['\x16\x03\x01', 'http1'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
] as const)(
  'a connection that sends %j is reported once, and all its bytes can still be read',
  async (said, protocol) => {
    client.write(said);
    await settled;
    expect(reported).toEqual([protocol]);
    expect(String(taken?.read())).toBe(said);
    await new Promise((resolve) => setTimeout(resolve, 2 * LIMIT_MS));
    expect(reported).toEqual([protocol]);
  },
);

test('a connection that ends before it is identified is dropped without a report', async () => {
  client.end('PRI');
  await new Promise((resolve) => client.once('close', resolve));
  expect(reported).toEqual([]);
});

test('bytes that came while the event loop stood still count, although the time was over before they were read', async () => {
  const end = performance.now() + 2 * LIMIT_MS;
  // Node writes at once: the bytes are at the server before it looks.
  client.write('GET / HTTP/1.1\r\n');
  while (performance.now() < end);
  await settled;
  expect(reported).toEqual(['http1']);
});
