/** Worst legal requests of the S2 API: records with as many headers as fit, long lists, bodies of the control plane. */

import { type Attack, type Call, call, type Target } from './attack.ts';
import { field } from './bodies.ts';

const JSON_HEADERS = { 's2-basin': 'telemetry', 'content-type': 'application/json' };
const READ = '/v1/streams/headers/records?seq_num=0';
/** The metered bytes of a header are its own and two; the record itself takes eight. */
const HEADERS = 262_000;
const STREAMS = 1_000;
const CONTROL_BODY_BYTES = 1024 * 1024 - 100;

export const S2_ATTACKS: readonly Attack[] = [
  s2('append 262,000 headers as JSON', 8, async () => appendHeaders('a', 'b')),
  read('read 262,000 headers as JSON', 'raw', 'a', 'b'),
  read('read 262,000 headers as base64', 'base64', 'a', 'b'),
  read('read 262,000 headers that are not UTF-8', 'raw', '/w==', '/w=='),
  s2('read 262,000 headers as protobuf', 8, async (target) => {
    await call(target, appendHeaders('a', 'b'));
    return { method: 'GET', path: READ, headers: { 's2-basin': 'telemetry', accept: 'application/protobuf' } };
  }),
  s2('read 1 MiB of control characters as JSON', 8, async (target) => {
    const body = JSON.stringify({ records: [{ body: '\u0001'.repeat(1_000_000) }] });
    await call(target, { method: 'POST', path: '/v1/streams/controls/records', headers: JSON_HEADERS, body });
    return { method: 'GET', path: '/v1/streams/controls/records?seq_num=0', headers: { 's2-basin': 'telemetry' } };
  }),
  s2('list 1,000 streams', 250, async (target) => {
    const create = (index: number): Promise<string> => {
      const body = JSON.stringify({ stream: `listed/${index}` });
      return call(target, { method: 'POST', path: '/v1/streams', headers: JSON_HEADERS, body });
    };
    for (let i = 0; i < STREAMS; i += 50) await Promise.all(Array.from({ length: 50 }, (_, k) => create(i + k)));
    return { method: 'GET', path: '/v1/streams?limit=1000', headers: { 's2-basin': 'telemetry' } };
  }),
  control('fields that do not exist', 64, (bytes) => `{${'"x":0,'.repeat(bytes / 6 - 1)}"x":0}`),
  control('a deep body', 64, (bytes) => `${'{"stream":'.repeat(bytes / 11)}0${'}'.repeat(bytes / 11)}`),
  s2('append 8 MiB under an unknown key', 8, async () => ({
    method: 'POST',
    path: '/v1/streams/headers/records',
    headers: JSON_HEADERS,
    body: `{"x":[${'1,'.repeat(4_000_000)}1],"records":[{"body":"x"}]}`,
  })),
  s2('append 262,000 headers as protobuf', 8, async () => ({
    method: 'POST',
    path: '/v1/streams/headers/records',
    headers: { 's2-basin': 'telemetry', 'content-type': 'application/protobuf' },
    body: field(
      1,
      Buffer.concat(Array(HEADERS).fill(field(2, field(1, Buffer.from('a')), field(2, Buffer.from('b'))))),
    ),
  })),
  s2('metrics of the server', 64, async () => ({ method: 'GET', path: '/metrics' })),
];

function appendHeaders(name: string, value: string): Call {
  const header = JSON.stringify([name, value]);
  const headers = Array(HEADERS).fill(header).join(',');
  const format = name.length > 1 ? { 's2-format': 'base64' } : {};
  return {
    method: 'POST',
    path: '/v1/streams/headers/records',
    headers: { ...JSON_HEADERS, ...format },
    body: `{"records":[{"headers":[${headers}]}]}`,
  };
}

function read(name: string, format: 'raw' | 'base64', headerName: string, headerValue: string): Attack {
  return s2(name, 8, async (target) => {
    const stored = await call(target, appendHeaders(headerName, headerValue));
    const seqNum = /"seq_num":(\d+)/.exec(stored)?.[1] ?? '0';
    const path = `/v1/streams/headers/records?seq_num=${seqNum}&count=1`;
    return { method: 'GET', path, headers: { 's2-basin': 'telemetry', 's2-format': format } };
  });
}

function control(name: string, together: number, body: (bytes: number) => string): Attack {
  const text = body(CONTROL_BODY_BYTES);
  const sent = { method: 'POST', path: '/v1/streams', headers: JSON_HEADERS, body: text };
  return s2(`control plane: ${name}`, together, async () => sent);
}

function s2(name: string, together: number, make: (target: Target) => Promise<Call>): Attack {
  return {
    name: `S2: ${name}`,
    together,
    prepare: async (target) => {
      const prepared = await make(target);
      return () => call(target, prepared);
    },
  };
}
