/**
 * Any configuration over HTTP: it is accepted whole or refused whole, and the one that is returned can be written back.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ControlClient, type ControlResponse } from '../support/control-calls.ts';
import fc from '../support/fast-check.ts';
import { startServer, type TestServer } from '../support/server.ts';

const basin = 'control-any';

let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
  await s2.call(`PUT /basins/${basin}`);
});

afterAll(async () => {
  await server.stop();
});

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  fc.constantFrom(null, 0, 1, -1, 1.5, 2 ** 64, true, '', {}, []),
);

/** Mostly valid values. */
function mostly(good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 29, arbitrary: good }, { weight: 1, arbitrary: anything });
}

function someOf(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  const model = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, mostly(field)]));
  return mostly(fc.record(model, { requiredKeys: [], noNullPrototype: true }));
}

const nullOr = (...values: unknown[]): fc.Arbitrary<unknown> => fc.constantFrom(null, ...values);
const count = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constant(null));

const streamConfig = someOf({
  storage_class: nullOr('standard', 'express', 'glacier'),
  retention_policy: fc.oneof(nullOr({ infinite: {} }, { age: 60 }, { age: 60, infinite: {} }), someOf({ age: count })),
  timestamping: someOf({ mode: nullOr('client-prefer', 'client-require', 'arrival'), uncapped: nullOr(true, false) }),
  // Empty for so long it is deleted, while others ask for it.
  delete_on_empty: someOf({
    min_age_secs: fc.oneof(
      fc.constantFrom(null, 0),
      fc.maxSafeNat().map((age) => age + 3_600),
    ),
  }),
  retention_bytes: count,
  later: anything,
});

const basinConfig = someOf({
  default_stream_config: streamConfig,
  stream_cipher: nullOr('aes-256-gcm', 'aegis-256'),
  create_stream_on_append: nullOr(true, false),
  create_stream_on_read: nullOr(true, false),
  otlp_default_stream: nullOr('', 'all', '{service.name}'),
  otlp_service_routing: nullOr(true, false),
  otlp_required_resource_attributes: nullOr([], ['a', 'a'], ['']),
  otlp_limits: someOf({ profile: nullOr('smll', 'none'), streams_max: nullOr(0, 1), record_attributes_max: nullOr(7) }),
  otlp_rates: someOf({ bytes_per_second: nullOr(1, 0.5), spans_per_minute: nullOr(2) }),
  otlp_dedupe_window: nullOr(0, 1, 86_400, 86_401),
  otlp_drop_attributes: nullOr([], ['a*'], ['a*b']),
  oidc: someOf({
    issuer: nullOr('https://issuer.example', 'http://issuer.example'),
    audience: nullOr('', 'tailrace'),
    jwks_uri: nullOr('https://issuer.example/keys', 'https://me:secret@issuer.example'),
    jwks: nullOr({ keys: [] }, { keys: [{ kty: 'oct', k: 'AAAA' }] }),
  }),
});

/** Whether it was accepted; a refusal has a message and one of the two possible codes. */
function isTaken({ status, body }: ControlResponse): boolean {
  if (status === 200 || status === 201) return true;
  const refusals = [
    [400, 'bad_json'],
    [422, 'invalid'],
  ];
  expect(refusals).toContainEqual([status, (body as { code: unknown }).code]);
  expect((body as { message: unknown }).message).toEqual(expect.stringMatching(/./));
  return false;
}

test.each([
  ['/streams/any', streamConfig, (config: unknown) => config],
  ['/basins/any-basin', basinConfig, (config: unknown) => ({ config })],
] as const)('any configuration is accepted whole or refused whole by %s', async (target, configs, put) => {
  const more = target.startsWith('/streams') ? { basin } : {};
  const shown = async (): Promise<unknown> => (await s2.call(`GET ${target}`, more)).body;
  await s2.call(`PUT ${target}`, more);
  await fc.assert(
    fc.asyncProperty(configs, fc.constantFrom('PUT', 'PATCH'), async (config, method) => {
      const before = await shown();
      const body = JSON.stringify(method === 'PUT' ? put(config) : config);
      const answer = await s2.call(`${method} ${target}`, { ...more, body });
      const after = await shown();
      if (!isTaken(answer)) expect(after).toEqual(before);
      else if (method === 'PATCH') expect(answer.body).toEqual(after);
      const back = await s2.call(`PUT ${target}`, { ...more, body: put(after) });
      expect([back.status, back.result]).toEqual([200, 'noop']);
      const patched = await s2.call(`PATCH ${target}`, { ...more, body: after });
      expect([patched.status, patched.body]).toEqual([200, after]);
    }),
    { numRuns: 50 },
  );
});
