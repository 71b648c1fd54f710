/** Worst legal filters over worst legal records: many headers, many attributes, long texts, many conditions. */

import { type Attack, call, type Target } from './attack.ts';
import { field, filled, logRecord } from './bodies.ts';

const MiB = 1024 * 1024;
const JSON_HEADERS = { 's2-basin': 'telemetry', 'content-type': 'application/json' };
const HEADERS = 262_000;
const TERMS = 32;
const RECORDS = 100_000;
/** An attribute `k` without text. */
const ATTRIBUTE = field(6, field(1, Buffer.from('k')), field(2, field(1, Buffer.alloc(0))));
/** Costs about a quarter of a microsecond for each character, and no literal of it tells early that nothing matches. */
const SLOW = '/(a|b|c|d).{100}[0-9]/';

export const FILTER_ATTACKS: readonly Attack[] = [
  filtered('conditions on 262,000 headers', 'header.b=x '.repeat(TERMS), headers),
  filtered('conditions on all texts of 262,000 headers', 'text~x '.repeat(TERMS), headers),
  filtered('conditions on 80,000 attributes', '!attr.zz=1 '.repeat(TERMS), attributes),
  filtered('a regular expression on 80,000 attributes', `attr.k~${SLOW}`, attributes),
  filtered('a regular expression on 1 MiB', `text~${SLOW}`, longText),
  filtered('a regular expression on 100,000 records', `text~${SLOW}`, manyRecords),
  filtered('conditions on 100,000 records', '!attr.zz=1 '.repeat(TERMS), manyRecords),
  filtered('regular expressions that are too large', '/a{490}/ '.repeat(TERMS), longText),
  filtered('regular expressions of many classes', '/[\\pL\\pN]{13}/ '.repeat(TERMS), longText),
];

function filtered(name: string, filter: string, store: (target: Target, stream: string) => Promise<string>): Attack {
  const stream = `filtered ${name}`;
  return {
    name: `filter: ${name}`,
    together: 8,
    prepare: async (target) => {
      const stored = await store(target, stream);
      if (!stored.startsWith('200')) throw new Error(`${name}: ${stored}`);
      const path = `/v1/streams/${encodeURIComponent(stream)}/records?${new URLSearchParams({ seq_num: '0', filter })}`;
      return () => call(target, { method: 'GET', path, headers: { 's2-basin': 'telemetry' } });
    },
  };
}

function headers(target: Target, stream: string): Promise<string> {
  const body = `{"records":[{"headers":[${Array(HEADERS).fill('["a","b"]').join(',')}]}]}`;
  return call(target, { method: 'POST', path: pathOf(stream), headers: JSON_HEADERS, body });
}

function longText(target: Target, stream: string): Promise<string> {
  const body = JSON.stringify({ records: [{ body: 'abcdefghijklmnopqrstuvwxyz'.repeat(40_000) }] });
  return call(target, { method: 'POST', path: pathOf(stream), headers: JSON_HEADERS, body });
}

function attributes(target: Target, stream: string): Promise<string> {
  const bytes = Math.floor((MiB - 1_000) / ATTRIBUTE.length) * ATTRIBUTE.length;
  return otlp(target, stream, logRecord(filled(bytes, ATTRIBUTE)));
}

function manyRecords(target: Target, stream: string): Promise<string> {
  const record = field(2, field(5, field(1, Buffer.from('abcdefghijklmnopqrstuvwxyz'.repeat(4)))), ATTRIBUTE);
  return otlp(target, stream, field(1, field(2, Buffer.alloc(record.length * RECORDS, record))));
}

/** The resource that names the stream comes first; fields of one message may be in any order. */
function otlp(target: Target, stream: string, message: Buffer): Promise<string> {
  const value = field(2, field(1, Buffer.from(stream)));
  const resource = field(1, field(1, field(1, Buffer.from('s2.stream')), value));
  const content = message.subarray(message.length - contentBytes(message));
  const body = field(1, resource, content);
  return call(target, {
    method: 'POST',
    path: '/v1/logs',
    headers: { 'content-type': 'application/x-protobuf' },
    body,
  });
}

/** Bytes of the one field that a message is, without its tag and length. */
function contentBytes(message: Buffer): number {
  let at = 1;
  while ((message[at] ?? 0) >= 0x80) at++;
  return message.length - at - 1;
}

function pathOf(stream: string): string {
  return `/v1/streams/${encodeURIComponent(stream)}/records`;
}
