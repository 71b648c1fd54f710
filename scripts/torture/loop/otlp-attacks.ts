/** The worst legal requests that are known, each as something that a client does to a server, alone or many at once. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Attack, call } from './attack.ts';
import { BODY_BYTES, distinctStreams, field, filled, jsonRecord, logRecord, repeatedJson } from './bodies.ts';
import { pingFlood, resetFlood } from './frames.ts';

const compress = promisify(gzip);
const MiB = 1024 * 1024;
const STILL_MS = 100;

export const ATTACKS: readonly Attack[] = [
  otlp('10,000 streams', 'pb', 4, () => distinctStreams(10_000)),
  otlp('100,000 streams', 'pb', 4, () => distinctStreams(100_000)),
  otlp('100,000 records', 'json', 4, () => manyRecords()),
  otlp('63 MiB of JSON', 'json', 4, () => {
    const [before, after] = jsonRecord('"attributes":[…]');
    return repeatedJson(before, after, '{"key":"k","value":{"stringValue":"a value"}}', BODY_BYTES);
  }),
  otlp('values under an unknown key', 'json', 4, () => repeatedJson('{"x":[', ']}', '1', 40 * MiB)),
  otlp('objects under an unknown key', 'json', 4, () => repeatedJson('{"x":[', ']}', '{"a":[]}', BODY_BYTES)),
  otlp('unknown keys', 'json', 4, () => repeatedJson('{', '}', '"x":0', BODY_BYTES)),
  otlp('one long string with escapes', 'json', 4, () => {
    const [before, after] = jsonRecord('"body":{"stringValue":"…"}');
    return Buffer.concat([
      Buffer.from(before),
      filled(BODY_BYTES - 200 - (BODY_BYTES % 6), '\\u0001'),
      Buffer.from(after),
    ]);
  }),
  otlp('one long string that is not ASCII', 'json', 4, () => {
    const [before, after] = jsonRecord('"body":{"stringValue":"…"}');
    return Buffer.concat([Buffer.from(before), filled(BODY_BYTES - 64, 'é'), Buffer.from(after)]);
  }),
  otlp('one long base64', 'json', 4, () => {
    const [before, after] = jsonRecord('"body":{"bytesValue":"…"}');
    return Buffer.concat([Buffer.from(before), filled(BODY_BYTES - 64, 'QUJD'), Buffer.from(after)]);
  }),
  otlp('white space', 'json', 4, () => Buffer.concat([Buffer.from('{'), filled(BODY_BYTES, '\n\t'), Buffer.from('}')])),
  otlp('one long number', 'json', 4, () =>
    Buffer.concat([Buffer.from('{"x":'), filled(BODY_BYTES - 8, '1'), Buffer.from('}')]),
  ),
  otlp('one long double', 'json', 4, () => {
    const [before, after] = jsonRecord('"body":{"doubleValue":…}');
    return Buffer.concat([Buffer.from(before), filled(BODY_BYTES - 200, '1'), Buffer.from(after)]);
  }),
  otlp('one long integer in a string', 'json', 4, () => {
    const [before, after] = jsonRecord('"body":{"intValue":"…"}');
    return Buffer.concat([Buffer.from(before), filled(BODY_BYTES - 200, '0'), Buffer.from(after)]);
  }),
  otlp('one long key', 'json', 4, () =>
    Buffer.concat([Buffer.from('{"'), filled(BODY_BYTES - 8, 'é'), Buffer.from('":0}')]),
  ),
  otlp(
    'packed numbers',
    'json',
    4,
    () => {
      const before = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[';
      return repeatedJson(before, ']}]}}]}]}]}', '1', 40 * MiB);
    },
    'metrics',
  ),
  otlp(
    'packed doubles',
    'json',
    4,
    () => {
      const before = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[';
      return repeatedJson(before, ']}]}}]}]}]}', '0.123456789012345', BODY_BYTES);
    },
    'metrics',
  ),
  otlp('empty messages', 'pb', 4, () => logRecord(filled(BODY_BYTES, Buffer.of(0x32, 0)))),
  otlp('unknown fields', 'pb', 4, () => logRecord(filled(BODY_BYTES, Buffer.of(0x78, 0)))),
  otlp('groups', 'pb', 4, () => logRecord(filled(BODY_BYTES, Buffer.of(0x7b, 0x7c)))),
  otlp('a long string that is not ASCII', 'pb', 4, () => logRecord(field(5, field(1, filled(BODY_BYTES, 'é'))))),
  otlp(
    'packed varints',
    'pb',
    4,
    () => {
      const point = field(6, filled(BODY_BYTES, Buffer.of(0xff, 1)));
      return field(1, field(2, field(2, field(10, field(1, field(8, point))))));
    },
    'metrics',
  ),
  otlp(
    'a million data points',
    'pb',
    4,
    () => field(1, field(2, field(2, field(5, filled(BODY_BYTES, Buffer.of(0x0a, 0)))))),
    'metrics',
  ),
  otlp('a torn resource', 'pb', 4, () => field(1, filled(24 * MiB, Buffer.of(0x0a, 0, 0x12, 2, 0x12, 0)))),
  otlp('empty scopes', 'pb', 4, () => field(1, field(2, field(2)), filled(24 * MiB, Buffer.of(0x12, 0)))),
  otlp('an attribute in many pieces', 'pb', 4, () =>
    field(1, field(1, filled(MiB - 200, Buffer.of(0x0a, 0))), field(2, field(2))),
  ),
  otlp('small requests', 'pb', 1_000, () => distinctStreams(1)),
  {
    name: 'HTTP/2: requests that are reset at once, over 16 connections',
    together: 4,
    prepare: async ({ port, plant }) => resetFlood(port, 16, () => plant(STILL_MS)),
  },
  {
    name: 'WebSocket: pings of 24 readers',
    together: 4,
    prepare: (target) => pingFlood(target, 24, () => target.plant(STILL_MS)),
  },
];

function manyRecords(): Buffer {
  const before = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[';
  const record = '{"timeUnixNano":"1700000000000000000","body":{"stringValue":"a line of the log"},"severityNumber":9}';
  return repeatedJson(before, ']}]}]}', record, 99_000 * (record.length + 1));
}

type OtlpEncoding = 'pb' | 'json';

const CONTENT_TYPES: Readonly<Record<OtlpEncoding, string>> = {
  pb: 'application/x-protobuf',
  json: 'application/json',
};

function otlp(name: string, encoding: OtlpEncoding, together: number, make: () => Buffer, signal = 'logs'): Attack {
  return {
    name: `${encoding === 'pb' ? 'protobuf' : 'JSON'}: ${name}`,
    together,
    prepare: async (target) => {
      const plain = make();
      const body = plain.length > MiB ? await compress(plain, { level: 1 }) : plain;
      const headers = {
        'content-type': CONTENT_TYPES[encoding],
        ...(body === plain ? {} : { 'content-encoding': 'gzip' }),
      };
      return () => call(target, { method: 'POST', path: `/v1/${signal}`, headers, body });
    },
  };
}
