/** The account calls of the official SDK: usage metrics, authentication, and calls that it repeats by itself. */

import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { S2 } from '@s2-dev/streamstore';
import { call } from '../support/http-call.ts';
import { failureOf, sdkOf, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const HOUR_MS = 3_600_000;

let server: TestServer;
let s2: S2;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: 'account-basin', config: { createStreamOnAppend: true } });
  await s2
    .basin('account-basin')
    .stream('counted')
    .append(textBatch(['a', 'b']));
});

afterAll(async () => {
  await server.stop();
});

test('an unknown token is refused', async () => {
  const unknown = sdkOf({ port: server.port, token: 'never-issued' });
  // Called one after the other: a rejection during the wait for another one is handled by no code.
  for (const ask of [() => unknown.basins.list(), () => unknown.basin('account-basin').stream('counted').read()]) {
    expect(await failureOf(ask())).toMatchObject({ status: 401, code: 'authn' });
  }
});

describe('usage metrics', () => {
  const hour = () => {
    const end = Date.now();
    return { start: end - HOUR_MS, end };
  };

  test('have values of the right shape in each set', async () => {
    const basin = 'account-basin';
    const sets = [
      s2.metrics.account({ set: 'active-basins', ...hour() }),
      s2.metrics.account({ set: 'account-ops', ...hour() }),
      ...(['storage', 'append-ops', 'read-ops', 'append-throughput', 'read-throughput', 'basin-ops'] as const).map(
        (set) => s2.metrics.basin({ basin, set, ...hour() }),
      ),
      s2.metrics.stream({ basin, stream: 'counted', set: 'storage', ...hour() }),
    ];
    for (const { values } of await Promise.all(sets)) {
      expect(Array.isArray(values)).toBe(true);
      for (const value of values) expect(['scalar', 'accumulation', 'gauge', 'label']).toContain(Object.keys(value)[0]);
    }
  });

  test.each<[string, (range: { start: number; end: number }) => { start?: number; end?: number }]>([
    ['no start', ({ end }) => ({ end })],
    ['no end', ({ start }) => ({ start })],
    ['a start after the end', ({ start, end }) => ({ start: end, end: start })],
    ['an end in the future', ({ start, end }) => ({ start, end: end + 600_000 })],
    ['91 days', ({ end }) => ({ start: end - 91 * 24 * HOUR_MS, end })],
  ])('are refused with %s', async (_, range) => {
    const asked = s2.metrics.account({ set: 'account-ops', ...range(hour()) });
    expect(await failureOf(asked)).toMatchObject({ status: 422, code: 'invalid' });
  });
});

describe('a call that the SDK repeats by itself', () => {
  let lossy: Server;
  let answersLost: number;
  let repeating: S2;

  beforeAll(async () => {
    // Forwards everything; the next response is dropped, and the client told to retry.
    lossy = createServer((incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const onward = request({ port: server.port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
        const lost = answersLost-- > 0;
        outgoing.writeHead(lost ? 503 : (answer.statusCode ?? 0), lost ? {} : answer.headers);
        if (lost) answer.resume().on('end', () => outgoing.end('{"code":"unavailable","message":"lost"}'));
        else answer.pipe(outgoing);
      });
      incoming.pipe(onward);
    });
    await new Promise<void>((resolve) => lossy.listen(0, '127.0.0.1', resolve));
    const target = { port: (lossy.address() as AddressInfo).port, token: server.token };
    repeating = sdkOf(target, { retry: { maxAttempts: 3, minBaseDelayMillis: 1, maxBaseDelayMillis: 2 } });
  });

  afterAll(() => {
    lossy.closeAllConnections();
    lossy.close();
  });

  test('creates a basin and a stream once', async () => {
    answersLost = 2;
    const made = await repeating.basins.create({ basin: 'repeated-basin' });
    answersLost = 1;
    const stream = await repeating.basin('repeated-basin').streams.create({ stream: 'repeated' });
    expect((await s2.basins.list({ prefix: 'repeated-' })).basins).toEqual([made]);
    expect((await s2.basin('repeated-basin').streams.list()).streams).toEqual([stream]);
  });

  test('changes and ensures with the same result', async () => {
    answersLost = 1;
    const config = { createStreamOnAppend: true };
    expect((await repeating.basins.ensure({ basin: 'ensured-basin', config })).result).toBe('noop');
    answersLost = 1;
    await repeating.basins.reconfigure({ basin: 'ensured-basin', createStreamOnRead: true });
    const now = await s2.basins.getConfig({ basin: 'ensured-basin' });
    expect(now).toMatchObject({ createStreamOnAppend: true, createStreamOnRead: true });
    answersLost = 1;
    await repeating.basins.delete({ basin: 'ensured-basin' }).catch((error) => {
      // The first attempt may have removed it completely.
      expect(error).toMatchObject({ status: 404, code: 'basin_not_found' });
    });
  });
});

describe('request tokens', () => {
  const create = async (path: string, token: string, body: object) => {
    const headers = {
      authorization: `Bearer ${server.token}`,
      'content-type': 'application/json',
      's2-basin': 'account-basin',
      's2-request-token': token,
    };
    const answer = await call(server.port, { path, headers, body: JSON.stringify(body) });
    return { ...answer, json: JSON.parse(answer.body.toString()) as Record<string, unknown> };
  };

  test.each([
    ['/v1/basins', 'basin', 200, { create_stream_on_read: true }],
    ['/v1/streams', 'stream', 201, { retention_policy: { age: 5 } }],
  ])('replay with the same config and are a conflict with another: %s', async (path, kind, replayed, config) => {
    const first = await create(path, 'token-1', { [kind]: 'tokened-one', config });
    expect([first.status, first.headers['s2-provision-result']]).toEqual([201, 'created']);
    const again = await create(path, 'token-1', { [kind]: 'tokened-one', config });
    expect([again.status, again.headers['s2-provision-result'], again.json]).toEqual([replayed, 'noop', first.json]);
    for (const [token, other] of [
      ['token-2', config],
      ['token-1', {}],
    ] as const) {
      const answer = await create(path, token, { [kind]: 'tokened-one', config: other });
      expect([answer.status, answer.json.code]).toEqual([409, 'resource_already_exists']);
    }
    const long = await create(path, 'x'.repeat(37), { [kind]: 'tokened-two' });
    expect([long.status, long.json.code]).toEqual([400, 'bad_header']);
  });
});
