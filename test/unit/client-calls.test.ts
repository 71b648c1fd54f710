/**
 * The client's calls of S2's API, against a server that only records them: what is sent, and how the response is read.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Client, createClient } from '../../src/client/client.ts';
import { fenceRecord, trimRecord } from '../../src/client/records.ts';

interface ReceivedRequest {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly json: unknown;
}

interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

let server: Server;
let client: Client;
let answers: Answer[] = [];
let received: ReceivedRequest[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const json: unknown = body === '' ? undefined : JSON.parse(body);
    received.push({ line: `${request.method} ${request.url}`, headers: request.headers, json });
    const { status = 200, headers = {}, body: answer } = answers.shift() ?? {};
    response.writeHead(status, headers).end(answer === undefined ? '' : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = createClient({ endpoint: `http://127.0.0.1:${port}/`, token: 'secret', basin: 'my-basin' });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  answers = [];
  received = [];
});

async function collect<T>(entries: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

describe('the control plane', () => {
  const basin = { name: 'orders-eu', created_at: '2026-01-01T00:00:00Z', deleted_at: null };
  const entry = { name: 'orders-eu', createdAt: '2026-01-01T00:00:00Z', deletedAt: undefined };

  test('creates with a configuration and a request token', async () => {
    answers = [{ status: 201, headers: { 's2-provision-result': 'created' }, body: basin }];
    const config = { stream_cipher: 'aes-256-gcm', default_stream_config: { retention_policy: { infinite: {} } } };
    const made = await client.createBasin('orders-eu', config, { requestToken: 'once' });
    expect(made).toEqual({ result: 'created', entry });
    expect(received).toMatchObject([
      {
        line: 'POST /v1/basins',
        json: { basin: 'orders-eu', config },
        headers: { authorization: 'Bearer secret', 's2-request-token': 'once', 'content-type': 'application/json' },
      },
    ]);
    expect(received[0]?.headers).not.toHaveProperty('s2-basin');
  });

  test('reports what was done from the header, and from the status when there is no header', async () => {
    answers = [
      { status: 200, headers: { 's2-provision-result': 'noop' }, body: basin },
      { status: 200, body: basin },
      { status: 201, body: basin },
    ];
    expect((await client.ensureBasin('orders-eu')).result).toBe('noop');
    expect((await client.ensureBasin('orders-eu')).result).toBe('updated');
    expect((await client.ensureBasin('orders-eu')).result).toBe('created');
    expect(received.map(({ line }) => line)).toEqual(Array.from({ length: 3 }, () => 'PUT /v1/basins/orders-eu'));
  });

  test('sends whole stream names, in the basin of the call or of the client', async () => {
    const stream = { name: 'a/b c', created_at: null, deleted_at: '2026-01-01T00:00:00Z', cipher: 'aes-256-gcm' };
    answers = [{ status: 201, body: stream }, { body: {} }, { body: {} }, { status: 202 }];
    expect((await client.createStream('a/b c')).entry).toMatchObject({ cipher: 'aes-256-gcm', createdAt: undefined });
    await client.getStream('a/b c', { basin: 'other-basin' });
    await client.reconfigureStream('a/b c', { retention_bytes: null });
    await client.deleteStream('a/b c');
    expect(received.map(({ line, headers }) => [line, headers['s2-basin']])).toEqual([
      ['POST /v1/streams', 'my-basin'],
      ['GET /v1/streams/a%2Fb%20c', 'other-basin'],
      ['PATCH /v1/streams/a%2Fb%20c', 'my-basin'],
      ['DELETE /v1/streams/a%2Fb%20c', 'my-basin'],
    ]);
    expect(received[2]?.json).toEqual({ retention_bytes: null });
  });

  test('continues a list where the previous page ended', async () => {
    const page = (names: string[], more: boolean) => ({
      body: { streams: names.map((name) => ({ name })), has_more: more },
    });
    answers = [page(['p1', 'p2'], true), page(['p3'], false)];
    const found = await collect(client.listStreams({ prefix: 'p', startAfter: 'p0' }));
    expect(found.map(({ name }) => name)).toEqual(['p1', 'p2', 'p3']);
    expect(received.map(({ line }) => line)).toEqual([
      'GET /v1/streams?prefix=p&start_after=p0&limit=1000',
      'GET /v1/streams?prefix=p&start_after=p2&limit=1000',
    ]);
  });
});

describe('the data plane', () => {
  const at = (seq: number) => ({ seq_num: seq, timestamp: 9 });

  test('appends bytes as base64, with conditions and the encryption key', async () => {
    answers = [{ body: { start: at(0), end: at(1), tail: at(2) } }];
    const records = [
      { body: Buffer.from([0xff]), headers: [[Buffer.from('k'), Buffer.from([0])]] as const, timestamp: 7 },
    ];
    const ack = await client.append('s', records, { matchSeqNum: 0, fencingToken: '', encryptionKey: 'a2V5' });
    expect(ack).toEqual({
      start: { seqNum: 0, timestamp: 9 },
      end: { seqNum: 1, timestamp: 9 },
      tail: { seqNum: 2, timestamp: 9 },
    });
    expect(received).toMatchObject([
      {
        line: 'POST /v1/streams/s/records',
        headers: { 's2-format': 'base64', 's2-encryption-key': 'a2V5', 's2-basin': 'my-basin' },
        json: {
          records: [{ body: '/w==', headers: [['aw==', 'AA==']], timestamp: 7 }],
          match_seq_num: 0,
          fencing_token: '',
        },
      },
    ]);
  });

  test('sends a command as a record with one header without a name', async () => {
    answers = [{ body: { start: at(0), end: at(2), tail: at(2) } }];
    await client.append('s', [fenceRecord('me'), trimRecord(258)]);
    expect(received[0]?.json).toEqual({
      records: [
        { headers: [['', 'ZmVuY2U=']], body: 'bWU=' },
        { headers: [['', 'dHJpbQ==']], body: 'AAAAAAAAAQI=' },
      ],
    });
  });

  test('rejects with the detail of a refusal, and also when a response makes no sense', async () => {
    answers = [{ status: 412, body: { seq_num_mismatch: 4 } }, { body: { start: at(0) } }, { body: {} }];
    const record = { body: new Uint8Array() };
    await expect(client.append('s', [record])).rejects.toMatchObject({
      code: 'seq_num_mismatch',
      detail: { seqNum: 4 },
    });
    await expect(client.append('s', [record])).rejects.toMatchObject({ code: 'internal' });
    await expect(client.checkTail('s')).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('metrics and backups', () => {
  test('senders are asked for of all basins, or of one', async () => {
    const answer = { since: 'a', now: 'b', senders: [{ address: '127.0.0.1' }], has_more: true };
    answers = [{ body: answer }, { body: {} }];
    expect(await client.senders()).toEqual(answer);
    expect(await client.senders({ basin: 'b/c', limit: 3 })).toMatchObject({ senders: [], has_more: false });
    expect(received.map(({ line }) => line)).toEqual(['GET /v1/senders', 'GET /v1/senders/b%2Fc?limit=3']);
  });

  test('metrics are requested for exactly what is named', async () => {
    const values = [{ label: { name: 'active-basins', values: ['a'] } }];
    answers = [{ body: { values } }, { body: { values: [] } }];
    expect(await client.metrics({ set: 'active-basins', start: 1, end: 2 })).toEqual(values);
    await client.metrics({ set: 'storage', start: 1, end: 2, interval: 'minute', basin: 'b', stream: 'a/b' });
    expect(received.map(({ line }) => line)).toEqual([
      'GET /v1/metrics?set=active-basins&start=1&end=2',
      'GET /v1/metrics/b/a%2Fb?set=storage&start=1&end=2&interval=minute',
    ]);
    expect(received[0]?.headers).not.toHaveProperty('s2-basin');
  });

  test('a backup arrives unchanged or fails', async () => {
    answers = [{ body: 'bytes' }, { status: 403, body: { code: 'permission_denied', message: 'root only' } }];
    expect(Buffer.concat(await collect(client.backup())).toString()).toBe('"bytes"');
    await expect(collect(client.backup())).rejects.toMatchObject({ code: 'permission_denied' });
  });
});
