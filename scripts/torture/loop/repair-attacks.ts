/** OTLP requests that the server repairs, rewrites or answers at length: as large and as bad as they may be. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type Attack, call, type Target } from './attack.ts';
import { BODY_BYTES, distinctStreams, field, filled, jsonRecord, logRecord } from './bodies.ts';

const compress = promisify(gzip);
const MiB = 1024 * 1024;
const SPANS = 100_000;
/** An attribute `k` with a value of 40 bytes. */
const ATTRIBUTE = field(6, field(1, Buffer.from('k')), field(2, field(1, Buffer.alloc(40, 'v'))));
const POLICY = {
  create_stream_on_append: true,
  otlp_default_stream: 'all',
  otlp_drop_attributes: ['gone', 'prefix.*'],
  otlp_limits: { attribute_value_bytes_max: 10, record_attributes_max: 64, span_links_max: 4 },
};

export const REPAIR_ATTACKS: readonly Attack[] = [
  otlp('a long string that is not UTF-8', () => logRecord(field(5, field(1, filled(BODY_BYTES, Buffer.of(0xff)))))),
  otlp('short strings that are not UTF-8', () =>
    logRecord(filled(BODY_BYTES, field(6, field(1, Buffer.of(0xc3)), field(2, field(1, Buffer.of(0xed, 0xa0)))))),
  ),
  otlp('spans with malformed ids', () => spans(Buffer.concat(Array(SPANS).fill(field(2, field(1, Buffer.of(7))))))),
  otlp('a span whose links have malformed ids', () => spans(field(2, filled(4 * MiB - 100, links(Buffer.of(7)))))),
  otlp('a span whose links have long malformed ids', () =>
    spans(field(2, filled(4 * MiB - 100, links(Buffer.alloc(4_096, 'i'))))),
  ),
  otlp(
    'spans whose ids are asked for',
    () => spans(Buffer.concat(Array.from({ length: SPANS }, (_, i) => idSpan(i)))),
    {
      path: '/v1/traces/otlp',
    },
  ),
  otlp('empty spans of which ids are asked for', () => spans(filled(2 * SPANS, Buffer.of(0x12, 0))), {
    path: '/v1/traces/otlp',
  }),
  otlp('halves of surrogate pairs', () => json(7 * MiB, '\\ud83d'), { isJson: true }),
  otlp('a JSON body that is not UTF-8', () => json(7 * MiB, Buffer.of(0xff)), { isJson: true }),
  otlp(
    'many JSON strings that are not UTF-8',
    () => {
      const [before, after] = jsonRecord('"attributes":[…]');
      const one = Buffer.from('{"key":"\xff","value":{"stringValue":"\xff"}},', 'latin1');
      return Buffer.concat([
        Buffer.from(before),
        filled(BODY_BYTES - 4_096, one),
        Buffer.from('{}'),
        Buffer.from(after),
      ]);
    },
    { isJson: true },
  ),
  otlp(
    'bytes as a list of numbers',
    () => {
      const [before, after] = jsonRecord('"body":{"bytesValue":[…]}');
      return Buffer.concat([Buffer.from(before), filled(40 * MiB, '1,'), Buffer.from('1'), Buffer.from(after)]);
    },
    { isJson: true },
  ),
  otlp('items with what a policy cuts', () => logRecords(field(2, filled(64 * 1024, ATTRIBUTE))), {
    basin: 'policies',
  }),
  otlp('an item with what a policy cuts', () => logRecord(filled(4 * MiB - 100, ATTRIBUTE)), { basin: 'policies' }),
  otlp('a repeated body', () => logRecord(field(5, field(1, filled(BODY_BYTES, 'x')))), { basin: 'repeats' }),
  otlp('100,000 streams in a basin with a policy', () => distinctStreams(100_000), { basin: 'policies' }),
];

function links(id: Buffer): Buffer {
  return field(13, field(1, id));
}

function idSpan(index: number): Buffer {
  const id = Buffer.alloc(16);
  id.writeUInt32BE(index + 1);
  return field(2, field(1, id));
}

function spans(content: Buffer): Buffer {
  return field(1, field(2, content));
}

function logRecords(record: Buffer): Buffer {
  return field(1, field(2, filled(BODY_BYTES, record)));
}

function json(bytes: number, part: string | Buffer): Buffer {
  const [before, after] = jsonRecord('"body":{"stringValue":"…"}');
  return Buffer.concat([Buffer.from(before), filled(bytes, part), Buffer.from(after)]);
}

interface Where {
  readonly path?: string;
  readonly basin?: string;
  readonly isJson?: boolean;
}

function otlp(name: string, make: () => Buffer, { path, basin = 'telemetry', isJson = false }: Where = {}): Attack {
  const usual = name.includes('span') ? '/v1/traces' : '/v1/logs';
  return {
    name: `repairs: ${name}`,
    together: 4,
    prepare: async (target) => {
      await basins(target);
      const body = await compress(make(), { level: 1 });
      const type = isJson ? 'application/json' : 'application/x-protobuf';
      const headers = { 'content-type': type, 'content-encoding': 'gzip', 's2-basin': basin };
      return () => call(target, { method: 'POST', path: path ?? usual, headers, body });
    },
  };
}

/** A basin whose policy changes what comes, and one that knows repeats. */
async function basins(target: Target): Promise<void> {
  const make = (basin: string, config: object): Promise<string> => {
    const headers = { 'content-type': 'application/json' };
    return call(target, { method: 'POST', path: '/v1/basins', headers, body: JSON.stringify({ basin, config }) });
  };
  await make('policies', POLICY);
  await make('repeats', { create_stream_on_append: true, otlp_default_stream: 'all', otlp_dedupe_window: 60 });
}
