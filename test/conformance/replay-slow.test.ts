/**
 * A replay for one reader is encoded in buffers that are used again: a slow reader still gets every byte of every record,
 * over each protocol that does so.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { decodeBatch, http1Session, S2sConnection, type TestBatch } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

/** More than sockets, windows and queues hold together, each in a frame of its own. */
const RECORDS = 24;
const BODY_BYTES = 900_000;

let server: TestServer;
let connection: S2sConnection;

beforeAll(async () => {
  server = await startServer();
  connection = new S2sConnection(server);
  const records = new RecordsClient(server);
  for (let i = 0; i < RECORDS; i++) await records.texts('long', letter(i).repeat(BODY_BYTES));
});

afterAll(async () => {
  connection.close();
  await server.stop();
});

test.each(['HTTP/2', 'HTTP/1.1'])('over s2s on %s', async (protocol) => {
  const open = protocol === 'HTTP/2' ? connection.read.bind(connection) : http1Session.bind(null, server, 'GET');
  const session = open('long', `seq_num=0&count=${RECORDS}`);
  expect(await session.status).toBe(200);
  session.pause();
  const bodies: string[] = [];
  while (bodies.length < RECORDS) {
    // What the server sends meanwhile waits in its buffers.
    await otherWork();
    session.resume();
    bodies.push(...summaries(await session.nextBatch()));
    session.pause();
  }
  session.resume();
  expect(bodies).toEqual(wanted());
});

test('over a WebSocket', async () => {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/long/records?seq_num=0&count=${RECORDS}`;
  const reader = new Reader(url, 's2.proto', { headers: { authorization: `Bearer ${server.token}` } });
  expect(await reader.nextJson()).toMatchObject({ type: 'hello' });
  const bodies: string[] = [];
  while (bodies.length < RECORDS) {
    reader.socket.pause();
    await otherWork();
    reader.socket.resume();
    bodies.push(...summaries(decodeBatch((await reader.next()) as Buffer)));
  }
  expect(bodies).toEqual(wanted());
  expect((await reader.ended).code).toBe(1000);
});

/** A request that is answered behind whatever the server could do before. */
async function otherWork(): Promise<void> {
  const { status } = await fetch(`${server.url}/ping`);
  expect(status).toBe(200);
}

/** Every letter that a body holds, with its length: one letter, unless another record got into it. */
function summaries({ records }: TestBatch): string[] {
  return records.map(({ body }) => `${[...new Set(body.toString())].join('')} ${body.length}`);
}

function wanted(): string[] {
  return Array.from({ length: RECORDS }, (_, i) => `${letter(i)} ${BODY_BYTES}`);
}

function letter(i: number): string {
  return String.fromCharCode(97 + i);
}
