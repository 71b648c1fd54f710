/** Responses that do not come as they should, over plain sockets: what a call makes of them. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { exchange } from '../../src/client/calls.ts';

let server: Server | undefined;
let sockets: Socket[] = [];

afterEach(() => {
  server?.close();
  for (const socket of sockets) socket.destroy();
});

/** A server that says this when a request comes; it gets what has come of the request. */
async function answering(answer: (socket: Socket, request: string) => void): Promise<string> {
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {}).on('data', (bytes) => answer(socket, bytes.toString('latin1')));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const get = (url: string) => exchange({ method: 'GET', url, headers: { accept: 'text/plain' } });

test('a response that breaks off, and none at all, are an unavailable server', async () => {
  const words = 'the connection was closed before the answer was complete';
  const half = await answering((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'));
  await expect(get(half)).rejects.toMatchObject({ code: 'unavailable', message: `cannot reach ${half}: ${words}` });
  server?.close();
  const none = await answering((socket) => socket.end());
  await expect(get(none)).rejects.toMatchObject({ code: 'unavailable', message: `cannot reach ${none}: ${words}` });
});

test('what is not HTTP is an unavailable server', async () => {
  const url = await answering((socket) => socket.end('220 mail.example ESMTP\r\n'));
  await expect(get(url)).rejects.toMatchObject({ code: 'unavailable' });
});

test('an answer that comes before the request was read counts, though the connection is cut behind it', async () => {
  const url = await answering((socket) => {
    socket.pause();
    socket.end('HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 5\r\n\r\nlarge');
  });
  const answer = await exchange({ method: 'POST', url, headers: {}, body: new Uint8Array(65_536) });
  expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([413, 'large']);
});

test('a redirect is an answer, and is not followed: the token goes to one server alone', async () => {
  const url = await answering((socket) =>
    socket.write('HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n'),
  );
  const { status, headers } = await get(url);
  expect([status, headers.get('Location')]).toEqual([307, 'http://127.0.0.1:9/']);
});

test('calls one after the other share a connection, and a body is sent with its length', async () => {
  const seen: string[] = [];
  const url = await answering((socket, request) => {
    seen.push(request);
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-twice: a\r\nx-twice: b\r\n\r\nok');
  });
  const { headers } = await exchange({ method: 'POST', url: `${url}/a?b=c`, headers: {}, body: Buffer.from('{}') });
  expect([headers.get('x-twice'), headers.get('x-none')]).toEqual(['a, b', null]);
  await exchange({ method: 'DELETE', url, headers: {} });
  expect(sockets).toHaveLength(1);
  expect(seen[0]).toMatch(/^POST \/a\?b=c HTTP\/1\.1\r\n/);
  expect(seen[0]).toMatch(/content-length: 2\r\n/i);
  expect(seen.join('')).not.toMatch(/transfer-encoding/i);
});
