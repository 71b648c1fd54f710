/**
 * What the documentation of four systems states, whose senders Tailrace takes: SMLL, to11, Frametail and S2. A sender that
 * is set up as they say works here, by the limits that they name. Where we differ: `src/otlp/README.md`.
 */

import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { EXPORT, encodeOtlp, GrpcClient } from '../support/grpc-call.ts';
import { makeOtlpBasin, makeSenderToken } from '../support/otlp-basin.ts';
import {
  type Answer,
  keyValues,
  logs,
  metrics,
  type Post,
  post as postOtlp,
  spans,
  TRACE_ID,
} from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { only, viewLines, viewRows } from '../support/view-rows.ts';

let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer({ args: ['--basin-host-suffix', 'streams.example'] });
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

const post = (path: string, body: object, options?: Post): Promise<Answer> => postOtlp(server, path, body, options);

describe('SMLL', () => {
  test('its endpoints take logs and metrics, and the base URL without /otlp too', async () => {
    const { token } = await makeSenderToken(s2, { prefix: 'smll' });
    expect(token).toMatch(/^smll_[0-9a-f]{48}$/);
    for (const base of ['/otlp', '']) {
      expect((await post(`${base}/v1/logs`, logs({ 's2.stream': 'smll' }, {}), { token })).json).toEqual({});
      expect((await post(`${base}/v1/metrics`, metrics({ 's2.stream': 'smll' }), { token })).json).toEqual({});
    }
    expect((await viewRows(server, 'smll')).map(({ signal }) => signal)).toEqual([
      'logs',
      'metrics',
      'logs',
      'metrics',
    ]);
  });

  test('the previous token stops at once when a token is rotated, and both are shown only once', async () => {
    const { id, token } = await makeSenderToken(s2);
    const { body } = await s2.call(`POST /access-tokens/${id}/rotate`);
    const { access_token: next } = body as { access_token: string };
    expect((await post('/otlp/v1/logs', {}, { token })).status).toBe(401);
    expect((await post('/otlp/v1/logs', {}, { token: next })).status).toBe(200);
    expect(JSON.stringify(await s2.call(`GET /access-tokens/${id}`))).not.toContain(next);
  });

  test('its labels are set by the server, and a line of text has the attributes as JSON behind it', async () => {
    const labels = { workspace_id: 'w-1', vpc_id: 'v-1', stream_id: 's-1', source: 'otel', namespace: 'vpc-v-1' };
    const { token } = await makeSenderToken(s2, { resource_attributes: labels });
    const said = { 's2.stream': 'labelled', 'service.name': 'shop', 'host.name': 'h', workspace_id: 'forged' };
    const record = { body: { stringValue: 'paid' }, traceId: TRACE_ID, attributes: keyValues({ order: 'o-1' }) };
    expect((await post('/otlp/v1/logs', logs(said, record), { token })).json).toEqual({});
    expect(only(await viewRows(server, 'labelled')).resource).toMatchObject({ ...labels, 'host.name': 'h' });
    const [line = ''] = await viewLines(server, 'labelled');
    expect(line).toMatch(/ shop paid \{/);
    const suffix = JSON.parse(line.slice(line.indexOf('{'))) as unknown;
    expect(suffix).toMatchObject({ ...labels, order: 'o-1', 'host.name': 'h', trace_id: TRACE_ID });
    const native = await post('/v1/streams/labelled/records', { records: [{ body: 'forged' }] }, { token });
    expect(native.status).toBe(403);
  });

  test('its profile takes bodies of 4 MiB and 5,000 streams, and slows a stream down after 8 MB', async () => {
    const basin = await makeOtlpBasin(s2, { otlp_limits: { profile: 'smll' }, otlp_rates: { bytes_per_second: null } });
    const sized = (bytes: number) => ({
      ...logs({}, {}),
      padding: 'x'.repeat(bytes - JSON.stringify(logs({}, {})).length - 13),
    });
    expect((await post('/otlp/v1/logs', sized(4 * 2 ** 20), { basin })).status).toBe(200);
    expect((await post('/otlp/v1/logs', sized(4 * 2 ** 20 + 1), { basin })).status).toBe(413);
    const resources = Array.from({ length: 5_000 }, (_, i) => logs({ 's2.stream': `s-${i}` }, {}).resourceLogs[0]);
    const { json } = await post('/otlp/v1/logs', { resourceLogs: resources }, { basin });
    expect(json.partialSuccess).toMatchObject({
      rejectedLogRecords: '1',
      errorMessage: expect.stringContaining('the basin has its 5000 streams'),
    });
    const large = Array.from({ length: 40 }, () => ({ body: { stringValue: 'x'.repeat(900_000) } }));
    const compressed = gzipSync(JSON.stringify(logs({ 's2.stream': 's-0' }, ...large)));
    expect((await post('/otlp/v1/logs', compressed, { basin })).status).toBe(200);
    const early = await post('/otlp/v1/logs', logs({ 's2.stream': 's-0' }, {}), { basin });
    expect([early.status, early.headers['retry-after']]).toEqual([429, '5']);
    expect((await post('/otlp/v1/logs', logs({ 's2.stream': 's-1' }, {}), { basin })).status).toBe(200);
  });
});

describe('to11', () => {
  async function exchanged(fields: object = {}): Promise<Answer['json']> {
    const { token: credential } = await makeSenderToken(s2, fields);
    const { status, json } = await post('/v1/ingest-token/exchange', { credential }, { token: '' });
    expect(status).toBe(200);
    return json;
  }

  test('an API key is exchanged for a JWT of 15 minutes, in the form that its page shows', async () => {
    const before = Date.now();
    const { token, projectId, expiresAt, ...rest } = await exchanged({
      resource_attributes: { 'project.id': 'proj_abc123' },
    });
    expect([projectId, rest]).toEqual(['proj_abc123', {}]);
    expect(token).toMatch(/^eyJ/);
    expect(expiresAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const seconds = (Date.parse(String(expiresAt)) - before) / 1_000;
    expect(seconds).toBeGreaterThan(898);
    const claims = Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString();
    expect(JSON.parse(claims)).toMatchObject({ sub: 'proj_abc123' });
  });

  test('the JWT sends over HTTP and gRPC, and its project is on every resource', async () => {
    const { token } = await exchanged({ resource_attributes: { 'project.id': 'proj_1' } });
    const body = spans({ 's2.stream': 'exchanged', 'project.id': 'forged' }, {});
    expect((await post('/v1/traces', body, { token: String(token) })).json).toEqual({});
    const grpc = new GrpcClient({ grpcUrl: server.grpcUrl, token: String(token) });
    const said = { resourceSpans: [{ ...body.resourceSpans[0], scopeSpans: [{ spans: [{ name: 'over gRPC' }] }] }] };
    expect((await grpc.call(EXPORT.traces, encodeOtlp('traces', said))).code).toBe(0);
    grpc.close();
    const projects = (await viewRows(server, 'exchanged')).map(({ resource }) => resource['project.id']);
    expect(projects).toEqual(['proj_1', 'proj_1']);
    expect((await post('/v1/traces', body, { token: `${String(token).slice(0, -8)}AAAAAAAA` })).status).toBe(401);
  });

  test('a scope of otel:write sends, and spans without a required project are rejected with the reason', async () => {
    const basin = await makeOtlpBasin(s2, { otlp_required_resource_attributes: ['project.id'] });
    const scope = { basins: { exact: basin }, streams: { prefix: '' }, ops: ['otel:write'] };
    const { body } = await s2.call('POST /access-tokens', { body: { id: 'otel-writer', scope } });
    const { access_token: token } = body as { access_token: string };
    const { json } = await post('/v1/traces', spans({}, {}), { token });
    expect(json.partialSuccess).toMatchObject({
      rejectedSpans: '1',
      errorMessage: expect.stringContaining('the resource has no project.id'),
    });
    expect((await post('/v1/traces', spans({ 'project.id': 'p' }, {}), { token })).json).toEqual({});
  });

  test('a stream keeps its records for 90 days', async () => {
    const basin = await makeOtlpBasin(s2, { default_stream_config: { retention_policy: { age: 90 * 86_400 } } });
    await post('/v1/traces', spans({}, {}), { basin });
    const { body } = await s2.call('GET /streams/all', { basin });
    expect(body).toMatchObject({ retention_policy: { age: 7_776_000 } });
  });
});

describe('Frametail', () => {
  test('its path answers with ids and a count, also for short ids and no resource', async () => {
    const request = {
      resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'abc123', spanId: 'def456', name: 'x' }] }] }],
    };
    const basin = await makeOtlpBasin(s2);
    const { status, json } = await post('/v1/traces/otlp', request, { basin });
    expect([status, json.traceIds, json.spanCount]).toEqual([200, ['00000000000000000000000000abc123'], 1]);
    expect(only(await viewRows(server, 'all', basin))).toMatchObject({
      ...{ traceId: '00000000000000000000000000abc123', spanId: '0000000000def456' },
      metadata: { 'otel.id_malformed': 'abc123, def456' },
    });
  });

  test('a span has its type, its messages and its status, and keeps all other attributes', async () => {
    const messages = (text: string) => JSON.stringify([{ role: 'user', content: text }]);
    const spanOf = (operation: string, code: number) => ({
      status: { code },
      attributes: keyValues({
        ...{ 'gen_ai.operation.name': operation, 'gen_ai.request.model': 'm', 'customer.tier': 'gold' },
        ...{ 'gen_ai.input.messages': messages('in'), 'gen_ai.output.messages': messages('out') },
        ...{ 'gen_ai.usage.input_tokens': 1, 'gen_ai.usage.output_tokens': 2 },
      }),
    });
    const some = [spanOf('chat', 1), spanOf('generate_content', 2), spanOf('embeddings', 0)];
    await post('/v1/traces/otlp', spans({ 's2.stream': 'typed' }, ...some));
    const rows = await viewRows(server, 'typed');
    expect(rows.map(({ spanType, status }) => [spanType, (status as { code: string }).code])).toEqual([
      ['llm', 'ok'],
      ['compose', 'error'],
      ['embeddings', 'unset'],
    ]);
    expect(rows[0]).toMatchObject({
      ...{ model: 'm', inputTokens: 1, outputTokens: 2 },
      ...{ input: [{ role: 'user', content: 'in' }], output: [{ role: 'user', content: 'out' }] },
      metadata: expect.objectContaining({ 'customer.tier': 'gold' }),
    });
  });

  test.each([
    ['standard', 1_000],
    ['pro', 10_000],
  ])('a key of the plan %s sends %i spans a minute, in one request or in several', async (plan, most) => {
    const { token } = await makeSenderToken(s2, { limits: { profile: `frametail-${plan}` } });
    const many = (count: number) => spans({ 's2.stream': 'counted' }, ...Array.from({ length: count }, () => ({})));
    expect((await post('/v1/traces/otlp', many(most - 10), { token })).status).toBe(200);
    expect((await post('/v1/traces/otlp', many(most), { token })).status).toBe(200);
    const { status, headers } = await post('/v1/traces/otlp', many(1), { token });
    expect([status, headers['retry-after']]).toEqual([429, '5']);
  });
});

describe('S2', () => {
  test('the basin is in the host, s2.stream names the stream, and the limit of a record holds', async () => {
    const basin = await makeOtlpBasin(s2);
    const headers = { host: `${basin}.streams.example` };
    const bodies = [1_048_576 - 200, 1_048_577].map((size) => ({ body: { stringValue: 'x'.repeat(size) } }));
    const { json } = await post('/otlp/v1/logs', logs({ 's2.stream': 'stream-a' }, ...bodies), { headers });
    expect(json.partialSuccess).toMatchObject({ rejectedLogRecords: '1' });
    expect(only(await viewRows(server, 'stream-a', basin)).resource).toEqual({ 's2.stream': 'stream-a' });
  });

  test('a stream is made on append only where the basin says so', async () => {
    const basin = await makeOtlpBasin(s2, { create_stream_on_append: false });
    const refused = await post('/otlp/v1/metrics', metrics({ 's2.stream': 'new' }), { basin });
    expect(refused.json.partialSuccess).toMatchObject({
      rejectedDataPoints: '1',
      errorMessage: expect.stringContaining('set create_stream_on_append'),
    });
    await s2.call(`PATCH /basins/${basin}`, { body: { create_stream_on_append: true } });
    expect((await post('/otlp/v1/metrics', metrics({ 's2.stream': 'new' }), { basin })).json).toEqual({});
  });

  test('records of OTLP and of S2 are in one stream, in the order in which they came', async () => {
    for (const body of ['1', '2', '3']) {
      await post('/otlp/v1/logs', logs({ 's2.stream': 'both' }, { body: { stringValue: `otlp ${body}` } }));
      const native = await post('/v1/streams/both/records', { records: [{ body: `s2 ${body}` }] });
      expect(native.status).toBe(200);
    }
    const bodies = (await viewRows(server, 'both')).map(({ body }) => body);
    expect(bodies).toEqual(['otlp 1', 's2 1', 'otlp 2', 's2 2', 'otlp 3', 's2 3']);
  });
});
