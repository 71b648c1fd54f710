/** Filters over every protocol: the same records everywhere, exact resume, bounds that count matches, clear refusals. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { createClient } from '../../src/client/client.ts';
import type { ClientView } from '../../src/client/frames.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { runCli } from '../support/cli.ts';
import { send } from '../support/otlp-send.ts';
import { type JsonBatch, RecordsClient } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const logsData = protobuf.Root.fromJSON(SCHEMA).lookupType('opentelemetry.proto.logs.v1.LogsData');
const RECORDS = 60;
/** Every sixth record is a warning or worse, in runs of two: 10, 11, 22, 23 … */
const WARNINGS = Array.from({ length: RECORDS }, (_, n) => n).filter((n) => n % 12 >= 10);
const FILTER = 'level>=warn';

let server: TestServer;
let s2: RecordsClient;
let connection: S2sConnection;
const readers: Reader[] = [];

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  connection = new S2sConnection(server);
  for (let from = 0; from < RECORDS; from += 20) await sendLogs('shop', from, from + 20);
});

afterAll(async () => {
  for (const reader of readers) await reader.close();
  connection.close();
  await server.stop();
});

async function sendLogs(stream: string, from: number, to: number): Promise<void> {
  const logRecords = Array.from({ length: to - from }, (_, k) => ({
    timeUnixNano: String((1_700_000_000_000 + from + k) * 1e6),
    severityNumber: (from + k) % 12 >= 10 ? 13 : 9,
    body: { stringValue: `record ${from + k}` },
  }));
  const attributes = [{ key: 's2.stream', value: { stringValue: stream } }];
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
  expect(await send(server, 'logs', body)).toEqual({ status: 200, rejected: 0, message: '' });
}

function socket(stream: string, query: Readonly<Record<string, string>>, protocol: string): Reader {
  const url = `ws://127.0.0.1:${server.port}/v1/streams/${stream}/records?${new URLSearchParams(query)}`;
  const reader = new Reader(url, protocol, { headers: { authorization: `Bearer ${server.token}` } });
  readers.push(reader);
  return reader;
}

function numbersIn(text: string): number[] {
  return [...text.matchAll(/record (\d+)/g)].map(([, digits]) => Number(digits));
}

/** The numbers of the records in all frames up to `caught_up`, whatever they look like. */
async function numbersUntilCaughtUp(reader: Reader): Promise<number[]> {
  await reader.until('caught_up');
  return reader.got.flatMap((frame) => {
    if (!Buffer.isBuffer(frame)) return numbersIn(JSON.stringify(frame));
    return numbersIn(JSON.stringify(logsData.decode(frame)));
  });
}

describe('over WebSocket', () => {
  test.each(['s2.json', 'otlp.proto', 'otlp.json', 'view.json', 'view.text'])(
    '%s has just what is wanted',
    async (protocol) => {
      const reader = socket('shop', { seq_num: '0', filter: FILTER }, protocol);
      expect(await numbersUntilCaughtUp(reader)).toEqual(WARNINGS);
    },
  );

  test('conditions in several parameters must all hold', async () => {
    const url = { seq_num: '0', filter: `${FILTER} !body~"record 2"` };
    expect(await numbersUntilCaughtUp(socket('shop', url, 'view.json'))).toEqual([10, 11, 34, 35, 46, 47, 58, 59]);
  });

  test('records that were passed over are told, so that a reader goes on behind them', async () => {
    const reader = socket('shop', { seq_num: '0', filter: 'body="record 5"' }, 'view.json');
    expect(await reader.until('batch')).toMatchObject({ rows: [{ seqNum: 5 }], next: { seqNum: 6 } });
    expect(await reader.until('passed')).toEqual({
      type: 'passed',
      next: { seqNum: RECORDS, timestamp: 1_700_000_000_000 + RECORDS - 1 },
    });
  });

  test('new records are filtered as they come', async () => {
    await sendLogs('live', 0, 1);
    const reader = socket('live', { filter: FILTER }, 'view.json');
    await reader.until('caught_up');
    await sendLogs('live', 1, 24);
    expect(await reader.until('batch')).toMatchObject({
      rows: [{ seqNum: 10 }, { seqNum: 11 }, { seqNum: 22 }, { seqNum: 23 }],
      next: { seqNum: 24 },
      tail: { seqNum: 24 },
    });
  });

  test('a wrong filter is told where it is wrong, and the connection is closed with 4400', async () => {
    const reader = socket('shop', { filter: 'levle>=warn' }, 'view.json');
    const error = await reader.until('error');
    expect(error).toMatchObject({ code: 'bad_query' });
    expect(error.message).toMatch(/^filter, character 1: there is "levle>=warn" where level perhaps, or one of /);
    expect((await reader.ended).code).toBe(4400);
  });
});

test('a regular expression finds its text at the end of a record of almost 1 MiB, which another thread looks at', async () => {
  for (const tail of ['ends with 5', 'ends with x']) {
    const body = `${'abc '.repeat(250_000)}${tail}`;
    expect((await s2.append('long', { records: [{ body }] }))[0]).toBe(200);
  }
  const reader = socket('long', { seq_num: '0', filter: 'body~/(a|b|c).{100}with [0-9]$/' }, 's2.json');
  await reader.until('caught_up');
  const batches = reader.got.filter(
    (frame) => !Buffer.isBuffer(frame) && frame.type === 'batch',
  ) as unknown as JsonBatch[];
  expect(batches.flatMap(({ records }) => records.map(({ seq_num }) => seq_num))).toEqual([0]);
});

test.each([
  ['body~/a(/', 'is not a regular expression of RE2'],
  ['body~/a{600}/', 'too large: write them with fewer or smaller repetitions'],
])('%s is refused', async (filter, message) => {
  const reader = socket('shop', { filter }, 'view.json');
  expect((await reader.until('error')).message).toContain(message);
});

describe('over S2', () => {
  const query = `?${new URLSearchParams({ seq_num: '0', filter: FILTER })}`;
  const bodies = (batch: JsonBatch): number[] => batch.records.map(({ seq_num }) => seq_num);

  test('a unary read has just what is wanted, and a header that says where to go on', async () => {
    const answer = await s2.get('shop', query, {});
    expect(bodies(JSON.parse(answer.body.toString()) as JsonBatch)).toEqual(WARNINGS);
    expect(answer.headers['tailrace-next-seq-num']).toBe(String(RECORDS));
  });

  test('its count is that of wanted records', async () => {
    const answer = await s2.get('shop', `${query}&count=3`, {});
    expect(bodies(JSON.parse(answer.body.toString()) as JsonBatch)).toEqual([10, 11, 22]);
    expect(answer.headers['tailrace-next-seq-num']).toBe('23');
  });

  test('a read without a filter has no such header', async () => {
    expect((await s2.get('shop', '?seq_num=0', {})).headers).not.toHaveProperty('tailrace-next-seq-num');
  });

  test('server-sent events have just what is wanted', async () => {
    const events = await (await s2.sse('shop', `${query}&until=1800000000000`)).rest();
    const batches = events.filter(({ event }) => event === 'batch');
    expect(batches.flatMap(({ data }) => bodies(JSON.parse(data) as JsonBatch))).toEqual(WARNINGS);
    expect(events.at(-1)?.data).toBe('[DONE]');
  });

  test('an s2s session has just what is wanted', async () => {
    const session = connection.read('shop', query.slice(1));
    const first = await session.nextBatch();
    expect(first.records.map(({ seqNum }) => seqNum)).toEqual(WARNINGS);
    session.cancel();
  });

  test.each(['unary', 'sse'])('a wrong filter is refused with 400 (%s)', async (mode) => {
    const headers = mode === 'sse' ? { accept: 'text/event-stream' } : {};
    const answer = await s2.get('shop', '?seq_num=0&filter=level%3Ewran', headers);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body.toString()).message).toContain('one of debug, info, warn, error, fatal is expected');
  });
});

test.each(['raw', 'otlp', 'otlp-json', 'message', 'text'] satisfies ClientView[])(
  'our client counts wanted records, in the view %s',
  async (view) => {
    const client = createClient({ endpoint: server.url, token: server.token });
    const next: number[] = [];
    for await (const frame of client.read('shop', { view, start: { seqNum: 0 }, filter: FILTER, count: 5 })) {
      if (frame.type === 'batch') next.push(frame.next.seqNum);
    }
    expect(next.at(-1)).toBe(35);
  },
);

test('read --filter prints what is wanted', async () => {
  const args = ['read', 'shop', '-s', '0', '--no-follow', '--filter', FILTER, '--filter', '!body~"record 2"'];
  const { code, stdout } = await runCli(args, { server });
  expect([code, numbersIn(stdout)]).toEqual([0, [10, 11, 34, 35, 46, 47, 58, 59]]);
});
