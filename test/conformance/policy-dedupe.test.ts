/** Repeated requests in a basin with a window: stored once, answered alike, also after a crash. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlClient } from '../support/control-calls.ts';
import { call } from '../support/http-call.ts';
import { makeOtlpBasin, makeSenderToken } from '../support/otlp-basin.ts';
import { OtlpSender, storedItems } from '../support/otlp-sender.ts';
import { startServer, type TestServer } from '../support/server.ts';

const dir = mkdtempSync(join(tmpdir(), 'tailrace-dedupe-'));
let server: TestServer;
let s2: ControlClient;

beforeAll(start);

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  server = await startServer({ dataDir: join(dir, 'data') });
  s2 = new ControlClient(server);
}

const basinWith = (config: object): Promise<string> => makeOtlpBasin(s2, config);
const root = (basin: string) => new OtlpSender(server, basin);
const count = async (basin: string) => (await storedItems(s2, basin, 'all')).length;

async function repeats(): Promise<number> {
  const { body } = await call(server.port, {
    method: 'GET',
    path: '/metrics',
    headers: { authorization: `Bearer ${server.token}` },
  });
  return Number(/tailrace_otlp_repeated_total\{signal="logs"\} (\d+)/.exec(body.toString())?.[1]);
}

test('a repeat is not stored again, gets the first answer with its partial success, and is counted', async () => {
  const basin = await basinWith({ otlp_dedupe_window: 60, otlp_required_resource_attributes: ['team'] });
  const before = await repeats();
  const sent = [{ team: 'a' }, { no: 'team' }];
  const first = await root(basin).logs(sent);
  expect(first).toMatchObject({ status: 200, rejected: 1 });
  expect(await root(basin).logs(sent)).toEqual(first);
  expect(await count(basin)).toBe(1);
  expect((await repeats()) - before).toBe(1);
});

test('another body, signal, basin or token is not a repeat, and another secret of the token is', async () => {
  const [basin, other] = [await basinWith({ otlp_dedupe_window: 60 }), await basinWith({ otlp_dedupe_window: 60 })];
  const { id, token } = await makeSenderToken(s2);
  const { token: second } = await makeSenderToken(s2);
  const with_ = (secret: string) => new OtlpSender({ port: server.port, token: secret }, basin);
  await root(basin).logs([{}]);
  await root(basin).logs([{ a: 'b' }]);
  await root(other).logs([{}]);
  await with_(token).logs([{}]);
  await with_(second).logs([{}]);
  expect([await count(basin), await count(other)]).toEqual([4, 1]);
  const { body } = await s2.call(`POST /access-tokens/${id}/rotate`, { body: {} });
  await with_((body as { access_token: string }).access_token).logs([{}]);
  expect(await count(basin)).toBe(4);
  // A body that is empty in all signals.
  for (const signal of ['logs', 'traces', 'metrics'] as const) {
    expect((await root(basin).post(signal, {})).status).toBe(200);
  }
});

test('repeats that are under way at the same time wait for the first one', async () => {
  const basin = await basinWith({ otlp_dedupe_window: 60 });
  const many = Array.from({ length: 500 }, (_, i) => ({ i: String(i) }));
  const outcomes = await Promise.all(Array.from({ length: 12 }, () => root(basin).logs(many)));
  expect(outcomes.map(({ status, rejected }) => [status, rejected])).toEqual(outcomes.map(() => [200, 0]));
  expect(await count(basin)).toBe(500);
});

/** Posts where the answer names the traces that are stored, or on the usual path. */
async function postTraces(basin: string, body: string, path = '/v1/traces/otlp'): Promise<unknown> {
  const headers = {
    ...{ authorization: `Bearer ${server.token}`, 's2-basin': basin },
    'content-type': 'application/json',
  };
  const answer = await call(server.port, { path, headers, body });
  return [answer.status, JSON.parse(answer.body.toString())];
}

/** Requests of traces of which some spans are stored, in several streams. */
const ID = '0af7651916cd43dd8448eb211c80319c';
type Spans = readonly (readonly [stream: string, id: string])[];
const SPANS: readonly (readonly [what: string, resources: Spans])[] = [
  [
    'all spans',
    [
      ['b', `f${ID.slice(1)}`],
      ['a', ID],
      ['b', 'short'],
      ['a', `f${ID.slice(1)}`],
    ],
  ],
  [
    'some of them',
    [
      ['a', ID],
      ['', 'no-stream'],
      ['b', 'short'],
    ],
  ],
  ['none', [['', ID]]],
];
const tracesOf = (resources: Spans) => ({
  resourceSpans: resources.map(([stream, traceId]) => ({
    resource: { attributes: stream === '' ? [] : [{ key: 's2.stream', value: { stringValue: stream } }] },
    scopeSpans: [{ spans: [{ traceId, spanId: 'b7ad6b7169203331' }] }],
  })),
});

test.each(SPANS)('a repeat names the same traces as the first answer, when %s are stored', async (_, resources) => {
  const basin = await basinWith({ otlp_dedupe_window: 60, otlp_default_stream: '' });
  const [body, other] = [JSON.stringify(tracesOf(resources)), JSON.stringify(tracesOf(resources), null, 1)];
  const first = await postTraces(basin, body);
  expect(first).toEqual([200, expect.objectContaining({ traceIds: expect.any(Array) as unknown })]);
  expect(await postTraces(basin, body)).toEqual(first);
  // Where the first answer did not name them, the repeat does.
  await postTraces(basin, other, '/v1/traces');
  expect(await postTraces(basin, other)).toEqual(first);
  const stored = resources.filter(([stream]) => stream !== '');
  const found = [...(await storedItems(s2, basin, 'a', 'traces')), ...(await storedItems(s2, basin, 'b', 'traces'))];
  expect(found).toHaveLength(2 * stored.length);
});

test('a repeat is known after the server was killed', async () => {
  const basin = await basinWith({ otlp_dedupe_window: 600 });
  await root(basin).logs([{ before: 'the crash' }]);
  await server.kill();
  await start();
  expect((await root(basin).logs([{ before: 'the crash' }])).status).toBe(200);
  expect(await count(basin)).toBe(1);
});

test('a request that was refused is no first one', async () => {
  const basin = await basinWith({
    otlp_dedupe_window: 60,
    otlp_rates: { stream_bytes_per_second: 1_000_000, stream_burst_bytes: 10 },
  });
  const large = [{ body: { stringValue: 'x'.repeat(2_000_000) } }];
  // Larger than a record may be, so it is rejected, but it counts.
  expect(await root(basin).logs([{ first: 'one' }], large)).toMatchObject({ status: 200, rejected: 1 });
  const refused = await root(basin).logs([{ a: 'b' }]);
  expect([refused.status, await count(basin)]).toEqual([429, 0]);
  let taken = await root(basin).logs([{ a: 'b' }]);
  while (taken.status === 429) taken = await root(basin).logs([{ a: 'b' }]);
  expect([taken.status, await count(basin)]).toEqual([200, 1]);
});

test('without a window every request is stored', async () => {
  const basin = await basinWith({});
  await root(basin).logs([{}]);
  await root(basin).logs([{}]);
  expect(await count(basin)).toBe(2);
});

test('a window that is taken back ends at once', async () => {
  const basin = await basinWith({ otlp_dedupe_window: 60 });
  await root(basin).logs([{}]);
  await s2.call(`PATCH /basins/${basin}`, { body: { otlp_dedupe_window: null } });
  await root(basin).logs([{}]);
  expect(await count(basin)).toBe(2);
});
