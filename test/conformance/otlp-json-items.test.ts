/** OTLP/JSON with a value of the wrong kind: it costs the item, scope or resource that it is in, and nothing else. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { send, stored } from '../support/otlp-send.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let made = 0;

beforeAll(async () => {
  server = await startServer();
});

afterAll(() => server.stop());

const KEYS = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const;
const GOOD: Readonly<Record<Signal, string>> = {
  logs: '{"severityText":"good","timeUnixNano":"1700000000000000000"}',
  traces: '{"name":"good","traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}',
  metrics: '{"name":"good","gauge":{"dataPoints":[{"asInt":"1"},{"asInt":"2"}]}}',
};

/** The item in the middle of good ones, behind it a scope and a resource with good ones. */
function around(signal: Signal, stream: string, item: string): string {
  const [resources, scopes, items] = KEYS[signal];
  const good = GOOD[signal];
  const resource = `"resource":{"attributes":[{"key":"s2.stream","value":{"stringValue":"${stream}"}}]}`;
  const first = `{${resource},"${scopes}":[{"${items}":[${good},${item},${good}]},{"${items}":[${good}]}]}`;
  return `{"${resources}":[${first},{${resource},"${scopes}":[{"${items}":[${good}]}]}]}`;
}

const next = (): string => `items-${made++}`;

describe('A value of the wrong kind costs its item alone', () => {
  test.each<[Signal, string, string, RegExp]>([
    ['logs', '{"severityNumber":"abc"}', 'severityNumber', /must be an integer, the number of the enum value/],
    ['logs', '{"timeUnixNano":"99999999999999999999999"}', 'timeUnixNano', /is out of range: send a number from 0 to/],
    ['logs', '{"timeUnixNano":1.5}', 'timeUnixNano', /must be an integer, as a number or as a string/],
    ['logs', '{"severityText":5}', 'severityText', /must be a string in double quotes/],
    ['logs', '{"body":"text"}', 'body', /must be an object like \{"stringValue"/],
    ['logs', '{"body":{"boolValue":"true"}}', 'body.boolValue', /must be true or false, without quotes/],
    ['logs', '{"body":{"bytesValue":"*"}}', 'body.bytesValue', /must be base64/],
    ['logs', '{"body":{"bytesValue":[1,256]}}', 'body.bytesValue[1]', /must be base64 in double quotes, or a list/],
    ['logs', '{"attributes":{"a":1},"flags":0}', 'attributes', /must be an array/],
    ['logs', '{"attributes":[5,{"key":"a"}]}', 'attributes[0]', /must be an array, and in it each must be an object/],
    ['logs', '{"attributes":[{"key":"a","value":"b"}]}', 'attributes[0].value', /must be an object like/],
    ['logs', '{"attributes":[{"key":"a","value":{"intValue":"x"}}]}', 'attributes[0].value.intValue', /integer/],
    ['logs', '{"attributes":[{"key":"a","value":{"doubleValue":"x"}}]}', 'attributes[0].value.doubleValue', /NaN/],
    ['logs', '{"attributes":[{"key":"a","value":{"intValue":[[1],{}]}}]}', 'attributes[0].value.intValue', /integer/],
    ['logs', '"text"', '', /must be an array, and in it each must be an object/],
    ['traces', '{"kind":"NOPE"}', 'kind', /must be an integer, the number of the enum value/],
    ['traces', '{"events":[{"timeUnixNano":true}]}', 'events[0].timeUnixNano', /must be an integer/],
    ['traces', '{"status":7}', 'status', /must be an object/],
    ['traces', '{"name":{"a":[1]}}', 'name', /must be a string/],
  ])('%s: %s', async (signal, item, path, reason) => {
    const stream = next();
    const found = await send(server, signal, around(signal, stream, item));
    expect([found.status, found.rejected]).toEqual([200, 1]);
    expect(found.message).toMatch(reason);
    const place = `${KEYS[signal][0]}[0].${KEYS[signal][1]}[0].${KEYS[signal][2]}[1]${path === '' ? '' : `.${path}`}`;
    expect(found.message).toContain(`(first at ${place})`);
    expect(await stored(server, signal, stream)).toHaveLength(4);
  });

  test.each([
    ['{"name":"a","gauge":{"dataPoints":[{"asInt":"x"},{"asInt":"1"}]}}', 2],
    ['{"name":"a","gauge":{"dataPoints":[5]}}', 1],
    ['{"name":"a","gauge":{"dataPoints":5}}', 1],
    ['{"name":"a","sum":[]}', 1],
    ['{"name":5,"sum":{"dataPoints":[{"asInt":"1"}]}}', 1],
    ['{"name":"a","histogram":{"dataPoints":[{"bucketCounts":["1","x",[2],"3"],"explicitBounds":[{}]}]}}', 1],
    ['7', 1],
  ])('metrics: %s, and is counted in data points', async (item, points) => {
    const stream = next();
    const found = await send(server, 'metrics', around('metrics', stream, item));
    expect(found).toMatchObject({ status: 200, rejected: points });
    expect(await stored(server, 'metrics', stream)).toHaveLength(4);
  });

  test('several of them are counted, and each reason is said once', async () => {
    const stream = next();
    const bad = '{"severityNumber":"a"},{"severityNumber":"b","severityText":1},{"severityText":2}';
    const found = await send(server, 'logs', around('logs', stream, bad));
    expect([found.status, found.rejected]).toEqual([200, 3]);
    expect(found.message).toMatch(/rejected 2 log records of stream .*severityNumber must.*; rejected 1 log record/);
    expect(await stored(server, 'logs', stream)).toHaveLength(4);
  });
});

describe('A value of the wrong kind outside of items', () => {
  const good = GOOD.logs;
  const resource = (stream: string) =>
    `"resource":{"attributes":[{"key":"s2.stream","value":{"stringValue":"${stream}"}}]}`;
  const all = (stream: string) => `{${resource(stream)},"scopeLogs":[{"logRecords":[${good}]}]}`;

  test.each<[string, (stream: string) => string, number, string]>([
    [
      'a scope',
      (s) => `{${resource(s)},"scopeLogs":[{"scope":5,"logRecords":[${good},${good}]},{"logRecords":[${good}]}]}`,
      2,
      '[0].scopeLogs[0].scope',
    ],
    [
      'the name of a scope',
      (s) => `{${resource(s)},"scopeLogs":[{"logRecords":[${good}],"scope":{"name":1}},{"logRecords":[${good}]}]}`,
      1,
      '[0].scopeLogs[0].scope.name',
    ],
    [
      'the list of records',
      (s) => `{${resource(s)},"scopeLogs":[{"logRecords":{}},{"logRecords":[${good}]}]}`,
      1,
      '[0].scopeLogs[0].logRecords',
    ],
    [
      'a scope as a whole',
      (s) => `{${resource(s)},"scopeLogs":[null,"x",{"logRecords":[${good}]}]}`,
      1,
      '[0].scopeLogs[1]',
    ],
    [
      'a resource',
      (s) => `{"resource":"r","scopeLogs":[{"logRecords":[${good},${good}]}]},${all(s)}`,
      2,
      '[0].resource',
    ],
    [
      'an attribute of a resource',
      (s) => `{"resource":{"attributes":[{"key":5}]},"scopeLogs":[{"logRecords":[${good}]}]},${all(s)}`,
      1,
      '[0].resource.attributes[0].key',
    ],
    ['the list of scopes', (s) => `{${resource(s)},"scopeLogs":"x"},${all(s)}`, 1, '[0].scopeLogs'],
    ['a resource as a whole', (s) => `[],${all(s)}`, 1, '[0]'],
  ])('%s: costs what is in it', async (_what, resources, rejected, path) => {
    const stream = next();
    const found = await send(server, 'logs', `{"resourceLogs":[${resources(stream)}]}`);
    expect([found.status, found.rejected]).toEqual([200, rejected]);
    expect(found.message).toContain(`(first at resourceLogs${path})`);
    expect(await stored(server, 'logs', stream)).toHaveLength(1);
  });

  test.each([
    ['a top level that is not the shape', '{"resourceLogs":{}}'],
    ['bad syntax', `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"a"},{"severityText":5,]}]}]}`],
    [
      'bad syntax within a value of the wrong kind',
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":[1,}]}]}]}',
    ],
    ['a key that is there twice', '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"flags":1,"flags":2}]}]}]}'],
  ])('%s: costs the request', async (_what, body) => {
    expect(await send(server, 'logs', body)).toMatchObject({ status: 400 });
  });

  test('in a body of many megabytes, the byte is named in place of the path', async () => {
    const stream = next();
    const filler = `${GOOD.logs},`.repeat(30_000);
    const body = around('logs', stream, `${filler}{"flags":{"a":[${'[1],'.repeat(300_000)}2]}}`);
    const found = await send(server, 'logs', body);
    expect([found.status, found.rejected]).toEqual([200, 1]);
    expect(found.message).toMatch(/flags must be an integer.* \(first at byte \d{7}\)/);
    expect(await stored(server, 'logs', stream)).toHaveLength(30_004);
  });
});
