/** Sessions over s2s on streams that are made, configured, encrypted, trimmed and deleted around them. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { type Outcome, outcome, RecordsClient } from '../support/records-calls.ts';
import { S2sConnection, type TestBatch, type TestInput } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const BASIN = 's2s-streams';
const ENCRYPTED = 's2s-encrypted';
const KEY = Buffer.alloc(32, 1).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 2).toString('base64');
const DELETING = { status: 409, json: { code: 'stream_deletion_pending', message: expect.any(String) } };

let server: TestServer;
let connection: S2sConnection;
let records: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  connection = new S2sConnection(server);
  records = new RecordsClient(server, BASIN);
  const both = { create_stream_on_append: true, create_stream_on_read: true };
  expect((await control('POST', '/v1/basins', { basin: BASIN, config: both }))[0]).toBe(201);
  const encrypted = { basin: ENCRYPTED, config: { ...both, stream_cipher: 'aes-256-gcm' } };
  expect((await control('POST', '/v1/basins', encrypted))[0]).toBe(201);
});

afterAll(async () => {
  connection.close();
  await server.stop();
});

const IN_BASIN = { 's2-basin': BASIN };

async function control(method: string, path: string, body?: unknown): Promise<Outcome> {
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', ...IN_BASIN };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  return outcome(await call(server.port, { method, path, headers, ...sent }));
}

function input(...bodies: readonly string[]): TestInput {
  return { records: bodies.map((body) => ({ body })) };
}

function bodiesOf(batches: readonly TestBatch[]): string[] {
  return batches.flatMap((batch) => batch.records.map(({ body }) => body.toString()));
}

describe('streams that a session makes', () => {
  test('an append session makes one with the configuration of its header', async () => {
    const config = { 's2-stream-config': JSON.stringify({ timestamping: { mode: 'client-require' } }) };
    const session = connection.append('made', { ...IN_BASIN, ...config });
    session.sendInputs({ records: [{ body: 'stamped', timestamp: 7 }] }, input('not stamped'), input('behind'));
    const { acks, end } = await session.restOfAcks();
    expect(acks.map(({ end: last }) => last)).toEqual([{ seqNum: 1, timestamp: 7 }]);
    const message = 'record timestamp was required but was missing';
    expect(end).toEqual({ status: 422, json: { code: 'invalid', message } });
    expect(await records.bodies('made')).toEqual(['stamped']);
  });

  test('a read session makes one, and follows it from its first record', async () => {
    const session = connection.read('made by reading', '', IN_BASIN);
    expect(await session.nextBatch()).toEqual({ records: [], tail: { seqNum: 0, timestamp: 0 } });
    await records.texts('made by reading', 'first');
    expect(bodiesOf([await session.nextBatch()])).toEqual(['first']);
    session.cancel();
  });

  test('a bounded one of nothing is made and refused', async () => {
    const refusal = await connection.read('made and empty', 'count=1', IN_BASIN).refusal();
    expect(refusal).toEqual({ status: 416, json: { tail: { seq_num: 0, timestamp: 0 } } });
    expect((await records.tail('made and empty'))[0]).toBe(200);
  });
});

describe('streams that are deleted under their sessions', () => {
  test('the next input is refused, behind the acks of those before', async () => {
    const session = connection.append('deleted', IN_BASIN);
    session.sendInputs(input('before'));
    await session.nextAck();
    expect((await control('DELETE', '/v1/streams/deleted'))[0]).toBe(202);
    session.sendInputs(input('after'), input('and after that'));
    expect(await session.restOfAcks()).toEqual({ acks: [], end: DELETING });
  });

  test('a follower gets the last records, and is told why it ends', async () => {
    await records.texts('followed', 'first');
    const session = connection.read('followed', 'seq_num=0', IN_BASIN);
    expect(bodiesOf([await session.nextBatch()])).toEqual(['first']);
    await session.nextBatch();
    await records.texts('followed', 'last');
    await control('DELETE', '/v1/streams/followed');
    const { batches, end } = await session.restOfBatches();
    expect(bodiesOf(batches).slice(0, 1)).toEqual(['last']);
    expect(end).toEqual(DELETING);
  });

  test('new sessions are refused before they begin', async () => {
    await records.texts('gone', 'x');
    await control('DELETE', '/v1/streams/gone');
    // Once it is gone for good, its name makes a new stream.
    const refusals = [connection.append('gone', IN_BASIN), connection.read('gone', 'seq_num=1', IN_BASIN)];
    const [append, read] = await Promise.all(refusals.map((session) => session.status));
    expect([200, 409]).toContain(append);
    expect([409, 416]).toContain(read);
    for (const session of refusals) session.cancel();
  });
});

describe('trims and fences', () => {
  test('what is trimmed is not read, and the session goes on behind it', async () => {
    await records.texts('trimmed', 'a', 'b', 'c');
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64BE(2n);
    const session = connection.append('trimmed', IN_BASIN);
    session.sendInputs({ records: [{ headers: [['', 'trim']], body: payload }] });
    session.halfClose();
    expect((await session.restOfAcks()).end).toBe('clean');
    const { batches } = await connection.read('trimmed', 'seq_num=0&count=2', IN_BASIN).restOfBatches();
    expect(batches.flatMap((batch) => batch.records.map(({ seqNum }) => seqNum))).toEqual([2, 3]);
  });
});

describe('encrypted streams', () => {
  const headers = { 's2-basin': ENCRYPTED, 's2-encryption-key': KEY };

  test('come back with the key that they were written with', async () => {
    const session = connection.append('secret', headers);
    session.sendInputs(input('one'), input('two', 'three'));
    session.halfClose();
    expect((await session.restOfAcks()).end).toBe('clean');
    const reader = connection.read('secret', 'seq_num=0', headers);
    expect((await reader.records(3)).map(({ body }) => body.toString())).toEqual(['one', 'two', 'three']);
    const again = connection.append('secret', headers);
    again.sendInputs(input('live'));
    expect((await reader.records(1))[0]?.body.toString()).toBe('live');
    reader.cancel();
    again.cancel();
  });

  test('with another key the session begins, and ends with what is wrong', async () => {
    const session = connection.append('secret too', headers);
    session.sendInputs(input('one'));
    await session.nextAck();
    session.cancel();
    const wrong = { ...headers, 's2-encryption-key': OTHER_KEY };
    const { batches, end } = await connection.read('secret too', 'seq_num=0', wrong).restOfBatches();
    expect(batches).toEqual([]);
    expect(end).toMatchObject({ status: 400, json: { code: 'decryption_failed' } });
  });

  test('without a key no session begins', async () => {
    const without = { 's2-basin': ENCRYPTED };
    const refused = { status: 400, json: { code: 'bad_header' } };
    expect(await connection.append('secret', without).refusal()).toMatchObject(refused);
    expect(await connection.read('secret', 'seq_num=0', without).refusal()).toMatchObject(refused);
  });
});
