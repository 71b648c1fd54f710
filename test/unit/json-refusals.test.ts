/** Bodies that are refused as a whole: the code is `bad_json`, and the message says where and what to do instead. */

import { describe, expect, test } from '@jest/globals';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { transcodeJson } from '../../src/otlp/json/transcode.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';

const SHAPE = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[…]}]}]}';

describe('a body without a known key', () => {
  test.each<[Signal, string, string]>([
    ['logs', '{"ResourceLogs":[]}', 'keys are lowerCamelCase, write resourceLogs'],
    ['traces', '{"x":1,"resource-spans":[{"a":[1,2]}]}', 'keys are lowerCamelCase, write resourceSpans'],
    ['metrics', '{"Resource_Metrics":[]}', 'keys are lowerCamelCase, write resourceMetrics'],
    ['traces', '{"resourceLogs":[]}', 'this is a logs request: post it to /v1/logs'],
    ['logs', '{"resourceSpans":[]}', 'this is a traces request: post it to /v1/traces'],
    ['logs', '{"resourceMetrics":[]}', 'this is a metrics request: post it to /v1/metrics'],
    ['logs', '{"resource_spans":[]}', 'this is a traces request: post it to /v1/traces'],
    [
      'logs',
      '{"timeUnixNano":"1","body":{"stringValue":"x"}}',
      `timeUnixNano cannot stand alone: wrap it as in ${SHAPE}`,
    ],
    ['logs', '{"scope_logs":[]}', `scope_logs cannot stand alone: wrap it as in ${SHAPE}`],
    ['traces', '{"spans":[]}', 'spans cannot stand alone: wrap it as in {"resourceSpans"'],
    ['logs', '{"level":"info","msg":"hi"}', `it has no key that is known here ("level", "msg"): send ${SHAPE}`],
    ['logs', `{"${'long'.repeat(50)}":1}`, `("${'long'.repeat(10)}…")`],
  ])('is refused: %s %s', (signal, text, why) => {
    expectRefusal(signal, text, why);
  });

  test.each(SIGNALS)('is an empty request when it is {}: %s', (signal) => {
    expect(transcodeJson(signal, Buffer.from(' {\n} '))).toHaveLength(0);
  });

  test('is accepted as soon as it has one known key', () => {
    expect(transcodeJson('logs', Buffer.from('{"x":{"y":[]},"resourceLogs":[]}'))).toHaveLength(0);
  });
});

describe('a body that is no object', () => {
  test.each([
    ['', 'the body is empty: send {"resourceLogs"'],
    [' \n', 'the body is empty'],
    ['[{"resourceLogs":[]}]', `the body is an array: send one object ${SHAPE}`],
    ['"text"', `the body must be one object ${SHAPE}`],
    ['12', 'the body must be one object'],
    ['null', 'the body must be one object'],
    ['hello', 'expected a JSON value at byte 0'],
    ['body=1', "expected a JSON value at byte 0, found 'b'"],
  ])('is refused: %j', (text, why) => {
    expectRefusal('logs', text, why);
  });

  test('is recognised when it is another encoding', () => {
    expectRefusal('logs', Buffer.from('{"resourceLogs":[]}', 'utf16le'), 'the body is UTF-16: send it as UTF-8');
    expectRefusal('logs', Buffer.from('\ufeff{}', 'utf16le'), 'the body is UTF-16: send it as UTF-8');
    expectRefusal('logs', Buffer.from([0x1f, 0x8b, 8, 0]), "send the header 'Content-Encoding: gzip'");
    expectRefusal('logs', Buffer.from([0x0a, 0x80, 1, 0x0a]), "send it with 'Content-Type: application/x-protobuf'");
  });

  test('is accepted after a byte order mark', () => {
    expect(transcodeJson('logs', Buffer.from('\ufeff{"resourceLogs":[{}]}'))).toEqual(Uint8Array.of(0x0a, 0));
  });
});

describe('broken JSON', () => {
  test.each([
    ['{"resourceLogs":[', 'it ends at byte 17, where a JSON value should follow (was it cut off?)'],
    ['{"resourceLogs":[]', "it ends at byte 18, where ',' or '}' should follow (was it cut off?)"],
    ['{"resourceLogs"', "it ends at byte 15, where ':' should follow"],
    ['{"resourceLogs":[]}{}', "expected the end of the body (one object is a request) at byte 19, found '{'"],
    ['{"resourceLogs":[],}', "expected a key in double quotes at byte 19, found '}'"],
    ['{"resourceLogs":[{},]}', "expected a JSON value at byte 20, found ']'"],
    ['{"resourceLogs":[{}{}]}', "expected ',' or ']' at byte 19, found '{'"],
    ['{"resourceLogs" []}', "expected ':' at byte 16, found '['"],
    ["{'resourceLogs':[]}", "expected a key in double quotes at byte 1, found '''"],
    ['{resourceLogs:[]}', "expected a key in double quotes at byte 1, found 'r'"],
    ['{"resourceLogs":[] // note\n}', "expected ',' or '}' at byte 19, found '/'"],
    ['{"resourceLogs":nul}', "expected 'null' at byte 19, found '}'"],
    ['{"x":tru}', "expected 'true' at byte 8, found '}'"],
    ['{"x":01}', "expected a JSON value at byte 5, found '0'"],
    ['{"x":[1 2]}', "expected ',' or ']' at byte 8, found '2'"],
    ['{"x":[1}', "expected ',' or ']' at byte 7, found '}'"],
    ['{"x":{"y":1]}', "expected ',' or '}' at byte 11, found ']'"],
    ['{"x":{1:2}}', "expected a key in double quotes at byte 6, found '1'"],
    ['{"x":}', "expected a JSON value at byte 5, found '}'"],
    ['{"x":\u00a01}', 'expected a JSON value at byte 5, found the byte 0xc2'],
    ['{"x":1}\0', 'expected the end of the body (one object is a request) at byte 7, found the control character 0x00'],
  ])('is refused: %j', (text, why) => {
    expectRefusal('logs', text, why);
  });
});

describe('values of a wrong kind', () => {
  test.each([
    ['{"resourceLogs":{}}', 'resourceLogs must be an array, and in it each must be an object'],
    ['{"resourceLogs":[1]}', 'resourceLogs must be an array'],
    ['{"resourceLogs":[{"resource":[]}]}', 'resource must be an object'],
    ['{"resourceLogs":[{"resource":{"attributes":{"a":"b"}}}]}', 'like {"key":"…","value":{"stringValue":"…"}}'],
    [
      '{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":"b"}]}}]}',
      'value must be an object like {"stringValue":"…"}',
    ],
    [
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":"text"}]}]}]}',
      'body must be an object like {"stringValue":"…"}',
    ],
    [
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"boolValue":"true"}}]}]}]}',
      'boolValue must be true or false, without quotes',
    ],
    [
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"arrayValue":[]}}]}]}]}',
      'arrayValue must be an object like {"values":[{"stringValue":"…"}]}',
    ],
    ['{"resourceLogs":[{"schemaUrl":5}]}', 'schemaUrl must be a string in double quotes (at byte 30)'],
  ])('are refused: %s', (text, why) => {
    expectRefusal('logs', text, why);
  });
});

describe('repeated keys', () => {
  test.each([
    ['{"resourceLogs":[],"resourceLogs":[]}', 'resourceLogs is there twice in one object: send it once'],
    ['{"resourceLogs":[],"\\u0072esourceLogs":[]}', 'resourceLogs is there twice'],
    ['{"resourceLogs":[{"schemaUrl":null,"schemaUrl":"x"}]}', 'schemaUrl is there twice'],
    [
      '{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"intValue":1},"key":"a"}]}}]}',
      'key is there twice',
    ],
    [
      '{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"intValue":1,"intValue":1}}]}}]}',
      'intValue is there twice',
    ],
    [
      '{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"intValue":1,"stringValue":"x"}}]}}]}',
      'stringValue stands beside another value of its kind: send only one of them',
    ],
  ])('are refused: %s', (text, why) => {
    expectRefusal('logs', text, why);
  });

  test('are refused as two kinds of data in a metric', () => {
    const metric = '{"gauge":{},"sum":{}}';
    expectRefusal('metrics', `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[${metric}]}]}]}`, 'sum stands beside');
  });

  test('are ignored when they are unknown, also when they begin like a known key', () => {
    const text = '{"x":1,"x":2,"resourceLogs":[{"schemaUrl\\"":5,"schemaUr":6,"schemaUrls":7,"":8,"schema-url":9}]}';
    expect(transcodeJson('logs', Buffer.from(text))).toEqual(Uint8Array.of(0x0a, 0));
  });
});

describe('nesting', () => {
  /** Below the request the log records are level 3, a body is level 4; each list adds two levels. */
  const lists = (count: number, inner: string): string => {
    const body = `${'{"arrayValue":{"values":['.repeat(count)}${inner}${']}}'.repeat(count)}`;
    return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${body}}]}]}]}`;
  };
  /** The attributes of the resource are level 3, their values level 4; each map adds three levels. */
  const maps = (count: number, inner: string): string =>
    `{"resourceLogs":[{"resource":{"attributes":[${'{"key":"k","value":{"kvlistValue":{"values":['.repeat(count)}${inner}${']}}}'.repeat(count)}]},"scopeLogs":[{"logRecords":[{}]}]}]}`;
  const isTooDeep = (text: string): boolean => {
    const found = scanRequest('logs', transcodeJson('logs', Buffer.from(text)), OTLP_LIMITS);
    return found.badItems.size + found.badResources.size > 0;
  };

  test('of 100 levels is accepted; of more it costs the item, and what is inside is not looked at', () => {
    expect(isTooDeep(lists(48, '{"intValue":1}'))).toBe(false);
    expect(isTooDeep(lists(49, '{"intValue":1}'))).toBe(true);
    expect(isTooDeep(lists(48, '{"arrayValue":{}}'))).toBe(true);
    expect(isTooDeep(lists(49, '{ "not a key" : [ "\\"]}" , -1.5e3 ] }'))).toBe(true);
    expect(isTooDeep(lists(100_000, '{"intValue":1}'))).toBe(true);
    expectRefusal('logs', lists(49, '{"intValue":1]'), "expected ',' or '}'");
  });

  test('is the limit of attributes too, in the fast path and in the general one', () => {
    expect(isTooDeep(maps(32, '{"key":"k","value":{"intValue":1}}'))).toBe(false);
    expect(isTooDeep(maps(32, '{"key":"k", "value":{"intValue":1}}'))).toBe(false);
    expect(isTooDeep(maps(33, '{"key":"k","value":{"intValue":1}}'))).toBe(true);
    expect(isTooDeep(maps(33, '{"key":"k", "value":{"intValue":1}}'))).toBe(true);
  });

  test('of any depth is accepted in unknown values, with the brackets where they should be', () => {
    const nested = (levels: number, end = ''): string =>
      `{"resourceLogs":[],"x":${'[{"a":'.repeat(levels)}1${end}${'}]'.repeat(levels)}}`;
    expect(transcodeJson('logs', Buffer.from(nested(64)))).toHaveLength(0);
    expect(transcodeJson('logs', Buffer.from(nested(100_000)))).toHaveLength(0);
    expectRefusal('logs', nested(100_000, ']'), "expected ',' or '}'");
    expectRefusal('logs', `{"x":${'{"a":'.repeat(100_000)}`, 'was it cut off?');
  });
});

test('a body after a refusal is parsed as usual', () => {
  expectRefusal('logs', '{"resourceLogs":[{"schemaUrl":"a","x', 'was it cut off?');
  expect(transcodeJson('logs', Buffer.from('{"resourceLogs":[{}]}'))).toEqual(Uint8Array.of(0x0a, 0));
});

test('a body of many megabytes is parsed', () => {
  const text = `{"resourceLogs":[{"schemaUrl":"${'x'.repeat(9_000_000)}"}]}`;
  expect(transcodeJson('logs', Buffer.from(text)).length).toBe(9_000_000 + 10);
});

function expectRefusal(signal: Signal, body: string | Buffer, why: string): void {
  let error: unknown;
  try {
    transcodeJson(signal, Buffer.from(body as string));
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ name: 'TailraceError', code: 'bad_json', message: expect.stringContaining(why) });
}
