/**
 * OTLP with real tokens over real sockets: attributes that the server sets show in every view and cannot be forged,
 * data goes where the token says, and a refusal uses the caller's own names.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { SUBPROTOCOLS } from '../../src/readers/encoders.ts';
import { type CallResponse, call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const ENCODINGS = ['application/json', 'application/x-protobuf'] as const;
type Encoding = (typeof ENCODINGS)[number];
type Attributes = Readonly<Record<string, string>>;

let server: TestServer;
let ids = 0;

beforeAll(async () => {
  server = await startServer();
  for (const basin of ['tenant-one', 'tenant-two']) {
    const config = { create_stream_on_append: true, otlp_default_stream: 'fallback' };
    await asRoot('PUT', `/v1/basins/${basin}`, { config });
  }
});

afterAll(async () => {
  await server.stop();
});

async function asRoot(method: string, path: string, body: unknown): Promise<CallResponse> {
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const answer = await call(server.port, { method, path, headers, body: JSON.stringify(body) });
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.body.toString()}`);
  return answer;
}

interface Asked {
  readonly basins?: object;
  readonly streams?: object;
  readonly [field: string]: unknown;
}

/** A new token that may write and read streams, by default of one basin. */
async function issue({ basins = { exact: 'tenant-one' }, streams = { prefix: '' }, ...more }: Asked = {}) {
  const id = `token-${ids++}`;
  const scope = { basins, streams, access_tokens: { prefix: id }, op_groups: { stream: { read: true, write: true } } };
  const ops = { ...scope, ops: ['create-stream'] };
  const { body } = await asRoot('POST', '/v1/access-tokens', { id, scope: ops, ...more });
  return { id, secret: (JSON.parse(body.toString()) as { access_token: string }).access_token };
}

/** One resource with this number of items. */
function resource(attributes: Attributes, items = 1) {
  return {
    resource: {
      attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } })),
    },
    scopeLogs: [{ logRecords: Array.from({ length: items }, () => ({ body: { stringValue: 'said' } })) }],
  };
}

function send(secret: string, encoding: Encoding, resources: readonly object[], headers: Attributes = {}) {
  const type = root.lookupType('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest');
  const message = { resourceLogs: resources };
  return call(server.port, {
    path: '/v1/logs',
    headers: { authorization: `Bearer ${secret}`, 'content-type': encoding, ...headers },
    body: encoding === 'application/json' ? JSON.stringify(message) : type.encode(type.fromObject(message)).finish(),
  });
}

function sendSpans(secret: string, spans: number) {
  const span = { traceId: '0102030405060708090a0b0c0d0e0f10', spanId: '0102030405060708', name: 'step' };
  const scopeSpans = [{ spans: Array.from({ length: spans }, () => span) }];
  return call(server.port, {
    path: '/v1/traces',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans }] }),
  });
}

/** The partial success, or nothing. */
function partial({ status, headers, body }: CallResponse): { rejected: number; message: string } | undefined {
  if (status !== 200) throw new Error(`${status} ${body.toString()}`);
  const type = root.lookupType('opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse');
  const json =
    headers['content-type'] === 'application/json'
      ? (JSON.parse(body.toString()) as Record<string, unknown>)
      : type.toObject(type.decode(body), { longs: Number });
  const found = json.partialSuccess as { rejectedLogRecords: number | string; errorMessage: string } | undefined;
  return found && { rejected: Number(found.rejectedLogRecords), message: found.errorMessage };
}

/** google.rpc.Status in either encoding. */
function refusal({ status, headers, body }: CallResponse): readonly [status: number, message: string] {
  const type = root.lookupType('google.rpc.Status');
  const json = headers['content-type'] === 'application/json' ? JSON.parse(body.toString()) : type.decode(body);
  return [status, (json as { message: string }).message];
}

/** Everything that a reader gets of a stream in one view, until the tail. */
async function view(secret: string, stream: string, protocol: string, basin?: string) {
  const query = `?seq_num=0&wait=0${basin === undefined ? '' : `&basin=${basin}`}`;
  const url = `ws://127.0.0.1:${server.port}/v1/streams/${encodeURIComponent(stream)}/records${query}`;
  const reader = new Reader(url, protocol, { headers: { authorization: `Bearer ${secret}` } });
  expect(await reader.ended).toMatchObject({ code: 1000 });
  return reader.got;
}

/** The resource attributes of all records of a stream, from the bytes as they are stored. */
async function stored(stream: string, basin = 'tenant-one'): Promise<readonly (readonly [string, unknown])[][]> {
  const type = root.lookupType('opentelemetry.proto.logs.v1.LogsData');
  const headers = { authorization: `Bearer ${server.token}`, 's2-basin': basin, 's2-format': 'base64' };
  const path = `/v1/streams/${encodeURIComponent(stream)}/records?seq_num=0`;
  const { body, status } = await call(server.port, { method: 'GET', path, headers });
  if (status !== 200) return [];
  const { records } = JSON.parse(body.toString()) as { records: { body: string }[] };
  return records.map((record) => {
    const data = type.toObject(type.decode(Buffer.from(record.body, 'base64'))) as {
      resourceLogs: { resource: { attributes: { key: string; value: { stringValue: unknown } }[] } }[];
    };
    return (data.resourceLogs[0]?.resource.attributes ?? []).map(({ key, value }) => [key, value.stringValue] as const);
  });
}

describe.each(ENCODINGS)('a token over %s', (encoding) => {
  const name = (what: string) => `${what}-${encoding.length}`;

  test('sets attributes in the bytes and in every view, whatever the sender says', async () => {
    const stream = name('stamped');
    const attributes = { workspace_id: 'w-1', 'service.name': 'billing' };
    const { secret } = await issue({ resource_attributes: attributes, stream });
    const forged = resource({ workspace_id: 'forged-id', Workspace_id: 'kept', 'service.name': 'forged-name' });
    expect(partial(await send(secret, encoding, [forged, resource({})]))).toBeUndefined();
    expect(await stored(stream)).toEqual([
      [['Workspace_id', 'kept'], ...Object.entries(attributes)],
      Object.entries(attributes),
    ]);
    for (const protocol of SUBPROTOCOLS.keys()) {
      const frames = await view(secret, stream, protocol);
      const text = frames.map((frame) => (Buffer.isBuffer(frame) ? frame.toString('latin1') : JSON.stringify(frame)));
      expect(text.join('')).toContain('billing');
      expect(text.join('')).not.toContain('forged');
      if (protocol !== 'view.text') expect(text.join('')).toContain('w-1');
    }
  });

  test('routes by the s2.stream that it sets, and templates use the attributes that it sets', async () => {
    const bound = await issue({ resource_attributes: { 's2.stream': name('bound') }, stream: name('unused') });
    expect(partial(await send(bound.secret, encoding, [resource({ 's2.stream': name('else') })]))).toBeUndefined();
    expect(await stored(name('bound'))).toHaveLength(1);
    expect(await stored(name('else'))).toEqual([]);
    expect(await stored(name('unused'))).toEqual([]);
  });

  test('routes by s2.stream first, then by the fixed stream, then by the template', async () => {
    const { secret } = await issue({ stream: name('fixed-{service.name}') });
    const sent = await send(secret, encoding, [resource({ 's2.stream': name('named') }), resource({}, 2)]);
    expect(partial(sent)).toBeUndefined();
    expect(await stored(name('named'))).toHaveLength(1);
    expect(await stored(name('fixed-{service.name}'))).toHaveLength(2);
  });

  test('with auto-prefix gets its prefix on stream names in requests, but not on the absolute fixed stream', async () => {
    const prefix = `${name('p')}/`;
    const { secret } = await issue({
      streams: { prefix },
      auto_prefix_streams: true,
      stream: `${prefix}in`,
      resource_attributes: { tenant: 't' },
    });
    const sent = await send(secret, encoding, [resource({ 's2.stream': 'own' }), resource({}, 2)]);
    expect(partial(sent)).toBeUndefined();
    expect(await stored(`${prefix}own`)).toHaveLength(1);
    expect(await stored(`${prefix}in`)).toHaveLength(2);
  });

  test('has resources rejected by name for streams it may not append to; the rest is stored', async () => {
    const { secret } = await issue({ streams: { prefix: name('team') } });
    const sent = await send(secret, encoding, [
      resource({ 's2.stream': name('team') }),
      resource({ 's2.stream': name('secret') }, 3),
      resource({}, 2),
    ]);
    const { rejected, message } = partial(sent) ?? { rejected: 0, message: '' };
    expect(rejected).toBe(5);
    expect(message).toContain(
      `rejected 5 log records of stream "${name('secret')}" and 1 more: the token may not append`,
    );
    expect(await stored(name('team'))).toHaveLength(1);
    expect(await stored(name('secret'))).toEqual([]);
  });

  test('gets 403 when it may append to none of the streams, and nothing is stored or created', async () => {
    const { secret } = await issue({ streams: { prefix: name('team') } });
    const sent = await send(secret, encoding, [resource({ 's2.stream': name('secret') }), resource({})]);
    expect(refusal(sent)).toEqual([403, `the token may not append to stream "${name('secret')}"`]);
    expect(await stored(name('secret'))).toEqual([]);
  });

  test('is refused in names that its holder knows', async () => {
    const prefix = `${name('hidden')}/`;
    const { secret } = await issue({ streams: { prefix }, auto_prefix_streams: true });
    const long = 'x'.repeat(512);
    const mixed = await send(secret, encoding, [resource({ 's2.stream': long }), resource({ 's2.stream': 'ok' })]);
    expect(partial(mixed)?.message).not.toContain('hidden');
    const none = refusal(await send(secret, encoding, [resource({ 's2.stream': long })]));
    expect(none[0]).toBe(403);
    expect(none[1]).not.toContain('hidden');
  });
});

describe('the basin of OTLP data', () => {
  const one = [resource({ 's2.stream': 'which' })];

  test('is the only one of the token without a header', async () => {
    const { secret } = await issue({ basins: { exact: 'tenant-two' } });
    expect(partial(await send(secret, 'application/json', one))).toBeUndefined();
    expect(await stored('which', 'tenant-two')).toHaveLength(1);
    expect(await view(secret, 'which', 'view.json')).toHaveLength(2);
    const elsewhere = await send(secret, 'application/json', one, { 's2-basin': 'tenant-one' });
    expect(refusal(elsewhere)[0]).toBe(403);
  });

  test('is the default one for a token that reaches several', async () => {
    const { secret } = await issue({ basins: { prefix: '' } });
    expect(partial(await send(secret, 'application/json', [resource({ 's2.stream': 'where' })]))).toBeUndefined();
    expect(await stored('where', 'telemetry')).toHaveLength(1);
    expect(await stored('where', 'tenant-one')).toEqual([]);
  });
});

describe('the limit of spans per minute', () => {
  test('responds 429 with Retry-After and stores nothing; a new secret does not reset it', async () => {
    const { id, secret } = await issue({ stream: 'spans', limits: { spans_per_minute: 5 } });
    expect((await sendSpans(secret, 3)).status).toBe(200);
    // The bucket is not empty, so it takes a request of any size.
    expect((await sendSpans(secret, 6)).status).toBe(200);
    const over = await sendSpans(secret, 1);
    const sentence = new RegExp(`^the token \`${id}\` may send 5 spans a minute, and has: send again in \\d+ seconds$`);
    expect(refusal(over)).toEqual([429, expect.stringMatching(sentence)]);
    expect(Number(over.headers['retry-after'])).toBe(5);
    const rotated = await asRoot('POST', `/v1/access-tokens/${id}/rotate`, {});
    const next = (JSON.parse(rotated.body.toString()) as { access_token: string }).access_token;
    expect((await sendSpans(next, 1)).status).toBe(429);
    // Logs are not counted.
    expect((await send(next, 'application/json', [resource({}, 9)])).status).toBe(200);
    const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'tenant-one' };
    const tail = await call(server.port, { method: 'GET', path: '/v1/streams/spans/records/tail', headers });
    expect(JSON.parse(tail.body.toString())).toMatchObject({ tail: { seq_num: 18 } });
  });
});

test('a fixed stream that a prefixed token could not name is refused', async () => {
  const scope = { basins: { prefix: '' }, streams: { prefix: 'a/' }, op_groups: { stream: { write: true } } };
  const body = JSON.stringify({ id: 'odd', scope, auto_prefix_streams: true, stream: 'in' });
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  const { status, body: answer } = await call(server.port, { path: '/v1/access-tokens', headers, body });
  expect([status, (JSON.parse(answer.toString()) as { code: string }).code]).toEqual([422, 'invalid']);
});
