/** `tailrace send`: its messages compared with protobufjs, and which secret it sends to which server. */

import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { connect, explain, findEndpoint, findToken } from '../../cli/flags/connection.ts';
import { findOtlpTarget, parsePairs } from '../../cli/flags/otlp-target.ts';
import { encodeRequest, type MessageOrigin, type RequestItems } from '../../cli/otlp-message.ts';
import { TailraceError } from '../../src/model/error.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const origin: MessageOrigin = { resource: new Map([['s2.stream', 'a']]), scope: 'test' };
const attributes = new Map<string, string | boolean | bigint | number | readonly bigint[]>([
  ['s', 'text'],
  ['b', true],
  ['i', -5n],
  ['big', 2n ** 63n - 1n],
  ['d', 0.5],
  ['l', [1n, 2n]],
]);
const timeNanos = 1_767_225_600_000_000_007n;

const cases: readonly (readonly [string, RequestItems])[] = [
  [
    'logs.v1.LogsData',
    { signal: 'logs', items: [{ timeNanos, severityNumber: 17, severityText: 'ERROR', body: 'grüße', attributes }] },
  ],
  [
    'trace.v1.TracesData',
    {
      signal: 'traces',
      items: [
        {
          traceId: new Uint8Array(16).fill(0xab),
          spanId: new Uint8Array(8).fill(0xcd),
          name: 'GET /',
          startNanos: timeNanos - 1n,
          endNanos: timeNanos,
          failed: true,
          attributes,
        },
      ],
    },
  ],
  [
    'metrics.v1.MetricsData',
    {
      signal: 'metrics',
      items: [
        { name: 'depth', unit: '1', kind: 'gauge', value: 1.5, timeNanos, attributes },
        { name: 'done', unit: '1', kind: 'sum', value: 3, timeNanos, attributes: new Map() },
      ],
    },
  ],
];

test.each(cases)('%s has the same content in protobuf and in JSON', (name, items) => {
  const type = root.lookupType(`opentelemetry.proto.${name}`);
  const options = { longs: String, bytes: String } as const;
  const decoded = type.toObject(type.decode(encodeRequest(origin, items, 'protobuf')), options);
  const json: unknown = JSON.parse(Buffer.from(encodeRequest(origin, items, 'json')).toString());
  expect(hexIds(decoded)).toEqual(json);
});

describe('server and token', () => {
  test('endpoint and token come from flags first, then from our variables, then from this machine', () => {
    const env = { TAILRACE_ENDPOINT: 'http://b', S2_ACCOUNT_ENDPOINT: 'c', S2_ACCESS_TOKEN: 't' };
    expect(findEndpoint({ endpoint: 'http://a' }, env)).toEqual({ value: 'http://a', from: '--endpoint' });
    expect(findEndpoint({}, env)).toEqual({ value: 'http://b', from: 'TAILRACE_ENDPOINT' });
    expect(findEndpoint({}, {})).toEqual({ value: 'http://127.0.0.1:4318', from: 'the default' });
  });

  test("S2's token counts only together with S2's endpoint, and goes only there", () => {
    const s2 = { S2_ACCOUNT_ENDPOINT: 'https://s2.example/v1', S2_ACCESS_TOKEN: 's2secret' };
    const endpoint = findEndpoint({}, s2);
    expect(endpoint).toEqual({ value: 'https://s2.example', from: 'S2_ACCOUNT_ENDPOINT' });
    expect(findToken({}, s2, endpoint)?.value).toBe('s2secret');
    expect(findEndpoint({}, { S2_ACCESS_TOKEN: 's2secret' }).from).toBe('the default');
    expect(findToken({}, s2, { value: 'https://other.example', from: '--endpoint' })).toBeUndefined();
  });

  test('the root token on this disk never leaves this machine', () => {
    expect(
      findToken({}, { TAILRACE_DATA_DIR: '.' }, { value: 'https://far.example', from: '--endpoint' }),
    ).toBeUndefined();
  });

  test('a 401 says where endpoint and token came from, without the token', () => {
    const connection = connect({ endpoint: 'http://127.0.0.1:9', token: 'trk_secret' }, {});
    const error = explain(new TailraceError('authn', 'unknown token'), connection) as TailraceError;
    expect(error.code).toBe('authn');
    expect(error.message).toContain('http://127.0.0.1:9 (from --endpoint)');
    expect(error.message).toContain('token from --token');
    expect(error.message).not.toContain('trk_secret');
  });

  test('a URL with a password in it is refused', () => {
    expect(() => connect({ endpoint: 'http://user:secret@host' }, {})).toThrow('must not hold');
    expect(() => connect({ endpoint: 'ftp://host' }, {})).toThrow('http');
  });
});

describe('where send posts to', () => {
  const sdk = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/otlp/',
    OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20sdk,x-tenant=a',
  };

  test('the general endpoint gets the path appended, the endpoint of a signal is used unchanged', () => {
    expect(findOtlpTarget('logs', {}, sdk).url).toBe('http://collector:4318/otlp/v1/logs');
    const own = { ...sdk, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:1/in' };
    expect(findOtlpTarget('traces', {}, own).url).toBe('http://traces:1/in');
    expect(findOtlpTarget('metrics', { endpoint: 'http://flag:2' }, own).url).toBe('http://flag:2/v1/metrics');
  });

  test("the SDK's headers go to the SDK's endpoint only", () => {
    expect(findOtlpTarget('logs', {}, sdk).headers).toEqual({ authorization: 'Bearer sdk', 'x-tenant': 'a' });
    expect(findOtlpTarget('logs', { endpoint: 'http://elsewhere:1' }, sdk).headers).toEqual({});
    expect(findOtlpTarget('logs', { endpoint: 'http://collector:4318' }, sdk).headers).toMatchObject({
      'x-tenant': 'a',
    });
  });

  test('our token does not go to the endpoint of the SDK', () => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'https://vendor.example', TAILRACE_TOKEN: 'ours' };
    expect(findOtlpTarget('logs', {}, env).headers).toEqual({});
  });

  test('header pairs are percent-decoded', () => {
    expect([...parsePairs('X', 'a=b%20c, d=e=f,%,=x'.slice(0, 14))]).toEqual([
      ['a', 'b c'],
      ['d', 'e=f'],
    ]);
    expect(() => parsePairs('X', 'nonsense')).toThrow('key=value');
  });
});

/** protobufjs encodes ids in base64 where OTLP/JSON uses hex. */
function hexIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hexIds);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const isId = /^(traceId|spanId)$/.test(key) && typeof inner === 'string';
      return [key, isId ? Buffer.from(inner, 'base64').toString('hex') : hexIds(inner)];
    }),
  );
}
