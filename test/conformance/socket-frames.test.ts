/** What each subprotocol sends, over a real HTTP server and real WebSocket clients. */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { TailraceError } from '../../src/model/error.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import { header, otlpBlock, otlpBytes, s2Block, T0 } from '../support/socket-blocks.ts';
import { Reader } from '../support/socket-reader.ts';
import { LOGS } from '../support/socket-requests.ts';
import {
  behind,
  records,
  ScriptedLog,
  type ScriptedServer,
  startScriptedServer,
  TOKEN,
} from '../support/socket-script.ts';

const AUTH = { headers: { authorization: `Bearer ${TOKEN}` } };
const HELLO = { type: 'hello', stream_id: '7', basin: 'telemetry', stream: 'my-app' };
const VIEW_NEXT = { seqNum: 13, timestamp: expect.any(Number) };
const NEXT = { seq_num: 13, timestamp: expect.any(Number) };

const ReadBatch = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.ReadBatch');

let log: ScriptedLog;
let server: ScriptedServer;
const readers: Reader[] = [];

function connect(query: string, protocols?: string | readonly string[], options: object = AUTH): Reader {
  const reader = new Reader(`${server.url}?${query}`, protocols, options);
  readers.push(reader);
  return reader;
}

beforeEach(async () => {
  log = new ScriptedLog();
  server = await startScriptedServer(log);
});

afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
  await server.close();
});

async function threeLogRecordsAtTheTail(): Promise<void> {
  const block = await otlpBlock('logs', LOGS, 10);
  log.push(records(block, behind(block)), 'end');
}

describe('S2 subprotocols', () => {
  beforeEach(threeLogRecordsAtTheTail);

  test.each([[[]], [['s2.json']]])('s2.json, also without a subprotocol', async (protocols: string[]) => {
    const reader = connect('seq_num=10', protocols);
    expect(await reader.next()).toEqual(HELLO);
    expect(await reader.next()).toEqual({
      type: 'batch',
      records: [10, 11, 12].map((seq_num) => ({
        seq_num,
        timestamp: expect.any(Number),
        headers: [
          ['otel.signal', 'logs'],
          ['content-type', 'application/x-protobuf'],
        ],
        body: expect.any(String),
      })),
      next: NEXT,
      tail: NEXT,
    });
    expect(await reader.ended).toEqual({ code: 1000, reason: 'done' });
    expect(reader.socket.protocol).toBe(protocols[0] ?? '');
  });

  test('s2.json in base64', async () => {
    const reader = connect('seq_num=10&format=base64', 's2.json');
    const { records: sent } = (await reader.nextOf(2))[1] as { records: { headers: string[][] }[] } & Buffer;
    expect(sent[0]?.headers[0]?.map((text) => Buffer.from(text, 'base64').toString())).toEqual(['otel.signal', 'logs']);
  });

  test('s2.proto', async () => {
    const [, batch] = await connect('seq_num=10', 's2.proto').nextOf(2);
    const decoded = ReadBatch.toObject(ReadBatch.decode(batch as Buffer), { longs: Number }) as {
      records: { seqNum: number }[];
      tail: unknown;
    };
    expect(decoded.records.map((record) => record.seqNum)).toEqual([10, 11, 12]);
    expect(decoded.tail).toEqual({ seqNum: 13, timestamp: expect.any(Number) });
  });
});

describe('OTLP and view subprotocols', () => {
  beforeEach(threeLogRecordsAtTheTail);

  test('otlp.proto: positions, then the very bytes that came in', async () => {
    const [, positions, message] = await connect('seq_num=10', 'otlp.proto').nextOf(3);
    expect(positions).toEqual({
      type: 'positions',
      signal: 'logs',
      first: { seq_num: 10, timestamp: expect.any(Number) },
      next: NEXT,
      tail: NEXT,
    });
    expect(Buffer.compare(message as Buffer, otlpBytes('logs', LOGS))).toBe(0);
  });

  test('otlp.json', async () => {
    const [, batch] = await connect('seq_num=10', 'otlp.json').nextOf(2);
    expect(batch).toMatchObject({
      type: 'batch',
      first: { seq_num: 10 },
      requests: [{ resourceLogs: [{ schemaUrl: 'https://schemas/1' }, {}] }],
      next: NEXT,
      tail: NEXT,
    });
  });

  test('view.json', async () => {
    const [, batch] = await connect('seq_num=10', 'view.json').nextOf(2);
    expect(batch).toMatchObject({
      type: 'batch',
      rows: [
        { seqNum: 10, body: 'payment failed', level: 'error' },
        { seqNum: 11, level: 'warn' },
        { seqNum: 12, level: 'audit' },
      ],
      next: VIEW_NEXT,
      tail: VIEW_NEXT,
    });
  });

  test('view.text', async () => {
    const [, batch] = await connect('seq_num=10', 'view.text').nextOf(2);
    expect(batch).toEqual({
      type: 'batch',
      lines: [
        expect.stringContaining(' ERROR checkout payment failed {'),
        expect.stringContaining(' WARN  checkout {'),
        expect.stringContaining(' AUDIT -'),
      ],
      next: NEXT,
      tail: NEXT,
    });
  });
});

describe('choice of a subprotocol', () => {
  beforeEach(threeLogRecordsAtTheTail);

  test('the server never selects a bearer subprotocol, but takes the token in it', async () => {
    const reader = connect('seq_num=10', [`bearer.${TOKEN}`, 'view.text'], {});
    expect(await reader.next()).toEqual(HELLO);
    expect(reader.socket.protocol).toBe('view.text');
  });

  test('the first subprotocol that we speak is selected', async () => {
    const reader = connect('seq_num=10', ['graphql-ws', 'otlp.json', 's2.proto']);
    await reader.next();
    expect(reader.socket.protocol).toBe('otlp.json');
  });
});

test('all frames of view.json spell their names as its rows do', async () => {
  const block = await otlpBlock('logs', LOGS, 10);
  log.push(records(block), { type: 'caught_up', tail: behind(block) });
  const reader = connect('seq_num=10', 'view.json');
  expect(await reader.next()).toEqual({ type: 'hello', streamId: '7', basin: 'telemetry', stream: 'my-app' });
  expect(await reader.next()).toMatchObject({ type: 'batch', next: VIEW_NEXT });
  expect(await reader.next()).toEqual({ type: 'caught_up', tail: VIEW_NEXT });
  server.clock.advance(15_000);
  expect(await reader.next()).toEqual({ type: 'heartbeat', tail: VIEW_NEXT });
  const detail = { retryAfterSeconds: 1, tail: behind(block) };
  void server.readers.finish(new TailraceError('draining', 'the server is stopping', { detail }));
  // Heartbeats come at random times: there may have been two.
  expect(await reader.until('error')).toMatchObject({ tail: VIEW_NEXT, retryAfter: 1 });
});

test('otlp.proto says in its positions what it skips, and names the signal of each message', async () => {
  const logs = otlpBytes('logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityText: 'x' }] }] }] });
  const spans = otlpBytes('traces', { resourceSpans: [{ scopeSpans: [{ spans: [{ name: 'x' }] }] }] });
  const block = await s2Block([
    { headers: [header('otel.signal', 'logs')], body: logs },
    { body: 'plain' },
    { headers: [header('otel.signal', 'traces')], body: spans },
    { body: 'plain' },
  ]);
  log.push(records(block, behind(block)), 'end');
  const reader = connect('seq_num=0', 'otlp.proto');
  await reader.ended;
  expect(reader.got.slice(1)).toEqual([
    { type: 'positions', signal: 'logs', first: at(0), next: at(1) },
    Buffer.from(logs),
    { type: 'positions', signal: null, first: at(1), next: at(2) },
    { type: 'positions', signal: 'traces', first: at(2), next: at(3) },
    Buffer.from(spans),
    { type: 'positions', signal: null, first: at(3), next: at(4), tail: at(4) },
  ]);
});

test('text and row views of a hostile record are one JSON object: no record passes for a control frame', async () => {
  const block = await s2Block([{ body: '"}\n{"type":"error","code":"authn"}' }]);
  log.push(records(block), 'end');
  for (const protocol of ['view.text', 'view.json', 's2.json']) {
    const reader = connect('seq_num=0', protocol);
    await reader.ended;
    expect(reader.got.map((frame) => (frame as { type: string }).type)).toEqual(['hello', 'batch']);
  }
});

test('a large block is cut into batches that tile it; only the last one has the tail', async () => {
  const block = await s2Block(Array.from({ length: 2_500 }, (_, i) => ({ body: `r${i}` })));
  log.push(records(block, behind(block)), 'end');
  const reader = connect('seq_num=0', 's2.json');
  await reader.ended;
  const batches = reader.got.slice(1) as unknown as { records: { body: string }[]; next: object; tail?: object }[];
  expect(batches.map((batch) => [batch.records.length, batch.next, batch.tail])).toEqual([
    [1_000, at(1_000), undefined],
    [1_000, at(2_000), undefined],
    [500, at(2_500), at(2_500)],
  ]);
  expect(batches.flatMap((batch) => batch.records.map((record) => record.body))).toEqual(
    Array.from({ length: 2_500 }, (_, i) => `r${i}`),
  );
});

test('a part of a block goes out as that part', async () => {
  const block = await s2Block([{ body: 'a' }, { body: 'b' }, { body: 'c' }], 5);
  log.push(
    { type: 'records', block, from: 1, to: 2, tail: undefined, isShared: false, isLive: false, hasMore: false },
    'end',
  );
  const reader = connect('seq_num=6', 's2.json');
  await reader.ended;
  expect(reader.got[1]).toEqual({
    type: 'batch',
    records: [{ seq_num: 6, timestamp: T0, body: 'b' }],
    next: at(7),
  });
});

function at(seqNum: number): object {
  return { seq_num: seqNum, timestamp: T0 };
}
