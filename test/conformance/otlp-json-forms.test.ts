/**
 * OTLP/JSON as real senders write it besides the specification: keys of protobuf, bytes of older JavaScript SDKs, null
 * anywhere, names of old versions. It is read without loss, or the response says what was not read.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { call } from '../support/http-call.ts';
import { jsonOf, report, requestOf, send, stored } from '../support/otlp-send.ts';
import { field } from '../support/otlp-wire.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
const CLEAN = { status: 200, rejected: 0, message: '' };

beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'warn'] });
});

afterAll(async () => {
  await server.stop();
});

async function counted(what: string): Promise<number> {
  const headers = { authorization: `Bearer ${server.token}` };
  const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
  return sumOf(parsePrometheus(body.toString()), 'tailrace_otlp_tolerated_total', { what });
}

describe('keys in snake_case', () => {
  test('inside of camelCase are taken, and counted', async () => {
    const before = await counted('snake_case');
    expect(await send(server, 'logs', report('snake-case-inner.json'))).toEqual(CLEAN);
    expect(await stored(server, 'logs', 'c-snakei')).toEqual([{ body: { stringValue: 'x' } }]);
    expect((await counted('snake_case')) - before).toBe(3);
  });

  test('are taken at every depth, from the request on', async () => {
    const body = {
      resource_spans: [
        {
          resource: {
            attributes: [{ key: 's2.stream', value: { string_value: 'snake' } }],
            dropped_attributes_count: 2,
          },
          schema_url: 'a',
          scope_spans: [
            {
              spans: [
                {
                  trace_id: '0af7651916cd43dd8448eb211c80319c',
                  span_id: 'b7ad6b7169203331',
                  parent_span_id: 'b7ad6b7169203332',
                  start_time_unix_nano: '1700000000000000001',
                  end_time_unix_nano: 1700000000000000002n,
                  events: [{ time_unix_nano: '5', dropped_attributes_count: 1 }],
                  attributes: [
                    { key: 'l', value: { kvlist_value: { values: [{ key: 'd', value: { double_value: 1.5 } }] } } },
                  ],
                  no_such_field: 1,
                  not_Snake: 1,
                },
              ],
            },
          ],
        },
      ],
    };
    const text = JSON.stringify(body, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
    expect(await send(server, 'traces', text)).toEqual(CLEAN);
    expect(await stored(server, 'traces', 'snake')).toEqual([
      {
        traceId: Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex').toString('base64'),
        spanId: Buffer.from('b7ad6b7169203331', 'hex').toString('base64'),
        parentSpanId: Buffer.from('b7ad6b7169203332', 'hex').toString('base64'),
        startTimeUnixNano: '1700000000000000001',
        endTimeUnixNano: '1700000000000000002',
        events: [{ timeUnixNano: '5', droppedAttributesCount: 1 }],
        attributes: [{ key: 'l', value: { kvlistValue: { values: [{ key: 'd', value: { doubleValue: 1.5 } }] } } }],
      },
    ]);
  });

  test('beside the same key in camelCase are that key twice', async () => {
    for (const record of ['{"severity_text":"a","severityText":"b"}', '{"body":{"string_value":"a","intValue":1}}']) {
      expect(await send(server, 'logs', jsonOf('logs', 'twice', record))).toMatchObject({ status: 400 });
    }
  });
});

describe('bytes', () => {
  const body = (text: string): string => jsonOf('logs', 'bytes', `{"body":{"bytesValue":${text}}}`);

  test('of a Buffer are taken beside good records, and counted', async () => {
    const before = await counted('byte_lists');
    expect(await send(server, 'logs', report('bytes-buffer-json.json'))).toEqual(CLEAN);
    const [, record] = await stored(server, 'logs', 'c-buf');
    expect(record).toEqual({ attributes: [{ key: 'b', value: { bytesValue: 'AQL/' } }] });
    expect((await counted('byte_lists')) - before).toBe(1);
  });

  test('are taken in all forms of JavaScript', async () => {
    const forms: readonly (readonly [text: string, bytes: readonly number[]])[] = [
      ['{"type":"Buffer","data":[]}', []],
      ['{ "data" : [ 0 , 255 ] , "type" : "Buffer" }', [0, 255]],
      ['{"0":7,"1":0,"2":255}', [7, 0, 255]],
      ['{}', []],
      ['[]', []],
      ['[1,2]', [1, 2]],
      ['[-1,-128]', [255, 128]],
      [JSON.stringify(new Uint8Array(300).fill(9)), Array<number>(300).fill(9)],
      [JSON.stringify(Buffer.alloc(20_000, 5)), Array<number>(20_000).fill(5)],
    ];
    for (const [text] of forms) expect([text, await send(server, 'logs', body(text))]).toEqual([text, CLEAN]);
    expect(await stored(server, 'logs', 'bytes')).toEqual(
      forms.map(([, bytes]) => ({ body: { bytesValue: Buffer.from(bytes).toString('base64') } })),
    );
  });

  test.each(['[256]', '[1.5]', '["1"]', '{"0":1,"2":2}', '{"data":1}', '{"a":1}', '[-129]', '[1e2]', 'true'])(
    'cost their item as %s',
    async (text) => {
      const answer = await send(server, 'logs', body(text));
      expect(answer).toMatchObject({ status: 200, rejected: 1 });
      expect(answer.message).toMatch(/bytesValue must be (base64|a string of base64) in double quotes/);
    },
  );

  test.each(['[1', '{"0":1]'])('are refused as %s, which is no JSON', async (text) => {
    expect(await send(server, 'logs', body(text))).toMatchObject({ status: 400 });
  });
});

test('null is the default wherever it is, nothing in a list of messages, and an empty value in a list of values', async () => {
  const value = '{"arrayValue":{"values":[null,{"stringValue":"a"},null]}}';
  const record = `{"body":${value},"attributes":[null,{"key":"a","value":null},{"key":"b","value":{"intValue":null}}],"severityText":null}`;
  const point = '{"bucketCounts":[1,null,"2"],"explicitBounds":[null,1.5],"exemplars":[null]}';
  const metric = `{"name":"m","histogram":{"dataPoints":[null,${point}]}}`;
  expect(await send(server, 'logs', jsonOf('logs', 'null', 'null', record, 'null'))).toEqual(CLEAN);
  expect(await send(server, 'metrics', jsonOf('metrics', 'null', 'null', metric))).toEqual(CLEAN);
  expect(await send(server, 'logs', '{"resourceLogs":[null,{"scopeLogs":null},{"scopeLogs":[null]}]}')).toMatchObject({
    status: 200,
  });
  const [log] = await stored(server, 'logs', 'null');
  expect(log).toEqual({
    body: { arrayValue: { values: [{}, { stringValue: 'a' }, {}] } },
    attributes: [{ key: 'a' }, { key: 'b', value: {} }],
  });
  const [, stored2] = await stored(server, 'metrics', 'null');
  expect(stored2).toEqual({
    name: 'm',
    histogram: { dataPoints: [{ bucketCounts: ['1', '0', '2'], explicitBounds: [0, 1.5] }] },
  });
});

test('an integer that is too large for 64 bits, as SDKs of JavaScript write it, costs nothing and is counted', async () => {
  const before = await counted('integers');
  const attribute = (value: number) => `{"key":"max","value":${JSON.stringify({ intValue: value })}}`;
  const record = `{"attributes":[${attribute(Number.MAX_VALUE)},${attribute(2 ** 64)},${attribute(2 ** 53)}]}`;
  const metric = '{"name":"m","sum":{"dataPoints":[{"asInt":1e+21}]}}';
  expect(await send(server, 'logs', jsonOf('logs', 'large', '{}', record, '{}'))).toEqual(CLEAN);
  expect(await send(server, 'metrics', jsonOf('metrics', 'large-sums', metric))).toEqual(CLEAN);
  const [, log] = await stored(server, 'logs', 'large');
  expect(log).toEqual({
    attributes: [
      { key: 'max', value: { doubleValue: Number.MAX_VALUE } },
      { key: 'max', value: { doubleValue: 2 ** 64 } },
      { key: 'max', value: { intValue: '9007199254740992' } },
    ],
  });
  expect((await stored(server, 'metrics', 'large-sums')).at(-1)).toEqual({
    name: 'm',
    sum: { dataPoints: [{ asDouble: 1e21 }] },
  });
  expect((await counted('integers')) - before).toBe(3);
  expect(await send(server, 'logs', jsonOf('logs', 'large', '{"body":{"intValue":"1e19"}}'))).toMatchObject({
    ...{ status: 200, rejected: 1 },
    message: expect.stringContaining('intValue is out of range'),
  });
});

test('times in two halves, as OpenTelemetry for JavaScript 0.44 writes them, are read without loss, and counted', async () => {
  const before = await counted('integer_halves');
  const record = '{"timeUnixNano":{"low":1032178965,"high":395812094},"body":{"stringValue":"x"}}';
  expect(await send(server, 'logs', jsonOf('logs', 'halves', record, record))).toEqual(CLEAN);
  const wanted = { timeUnixNano: '1700000000123456789', body: { stringValue: 'x' } };
  expect(await stored(server, 'logs', 'halves')).toEqual([wanted, wanted]);
  expect((await counted('integer_halves')) - before).toBe(2);
});

describe('a request without an item', () => {
  test('that is not empty gets a warning that says what was looked for, also on the terminal', async () => {
    const requests: readonly (readonly ['logs' | 'traces' | 'metrics', string | Uint8Array])[] = [
      ['logs', '{"resourceLogs":[]}'],
      ['logs', '{"resourceLogs":[{"scopeLogs":[{"log_record":[{"body":{"stringValue":"x"}}]}]}]}'],
      ['traces', requestOf('none')],
      ['metrics', '{"resourceMetrics":[{"resource":{}}]}'],
      ['logs', Uint8Array.from(field(1, field(1, [])))],
    ];
    for (const [signal, body] of requests) {
      const answer = await send(server, signal, body);
      expect(answer).toMatchObject({ status: 200, rejected: 0 });
      expect(answer.message).toMatch(/^no (log records|spans|metrics) were found .* resource\w+\[\]\.scope\w+\[\]\./);
    }
    while (!/no log records were found/.test(server.stderr())) await new Promise((resolve) => setImmediate(resolve));
  });

  test('says what instrumentationLibrarySpans is called today, also when other items are there', async () => {
    const { message } = await send(server, 'traces', report('legacy-instrumentation-library.json'));
    expect(message).toContain('instrumentationLibrarySpans was renamed scopeSpans');
    const mixed = jsonOf('logs', 'old', '{}').replace('"scopeLogs"', '"instrumentationLibraryLogs":[{}],"scopeLogs"');
    const beside = await send(server, 'logs', mixed);
    expect(beside).toMatchObject({ status: 200, rejected: 0 });
    expect(beside.message).toContain('instrumentationLibraryLogs was renamed scopeLogs');
    expect(await stored(server, 'logs', 'old')).toEqual([{}]);
  });

  test('that is empty gets none', async () => {
    for (const body of ['{}', new Uint8Array(0)]) expect(await send(server, 'logs', body)).toEqual(CLEAN);
  });

  test('that has no key of OTLP is refused with an example', async () => {
    const { status, message } = await send(server, 'logs', '{"logs":[{"a":1}]}');
    expect([status, message]).toEqual([400, expect.stringContaining('send {"resourceLogs":[{"scopeLogs"')]);
  });
});

test('-0.0 keeps its sign in all views that are JSON or text', async () => {
  const point = '{"asDouble":-0.0},{"asDouble":0}';
  const metric = `{"name":"m","gauge":{"dataPoints":[${point}]}}`;
  const attribute = '{"key":"zero","value":{"arrayValue":{"values":[{"doubleValue":-0.0},{"doubleValue":0}]}}}';
  expect(await send(server, 'metrics', jsonOf('metrics', 'zero', metric))).toEqual(CLEAN);
  expect(await send(server, 'logs', jsonOf('logs', 'zero', `{"attributes":[${attribute}]}`))).toEqual(CLEAN);
  const rows = await textOf('view.json', 'zero');
  expect(rows).toContain('"value":-0}');
  expect(rows).toContain('"zero":[-0,0]');
  const lines = await textOf('view.text', 'zero');
  expect(lines).toContain('m gauge -0, 0');
  expect(lines).toContain('\\"zero\\":[-0,0]');
  const requests = await textOf('otlp.json', 'zero');
  expect(requests).toContain('"asDouble":-0}');
  expect(requests).toContain('{"doubleValue":-0},{"doubleValue":0}');
});

/** All frames of a stream up to its tail, as text. */
function textOf(protocol: string, stream: string): Promise<string> {
  const headers = { authorization: `Bearer ${server.token}` };
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/streams/${stream}/records?seq_num=0`, protocol, {
    headers,
  });
  let text = '';
  return new Promise((resolve, reject) => {
    socket.on('error', reject).on('close', () => resolve(text));
    socket.on('message', (data) => {
      text += String(data);
      if (/"type":"caught[_-]?up"/i.test(String(data))) socket.close();
    });
  });
}
