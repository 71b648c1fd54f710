/** Usage is counted the same over every protocol, and each token sees the usage within its scope. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { S2 } from '@s2-dev/streamstore';
import { call } from '../support/http-call.ts';
import { sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

/** Metered bytes: 8 plus the body. */
const RECORD_BYTES = 8 + 1;

let server: TestServer;
let s2: S2;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
});

afterAll(async () => {
  await server.stop();
});

type BasinSet = 'append-ops' | 'append-throughput' | 'read-ops' | 'read-throughput';

/** The sum of a set over the last hour, by name. */
async function sums(basin: string, set: BasinSet): Promise<Record<string, number>> {
  const now = Math.floor(Date.now() / 1_000);
  const query = `set=${set}&start=${now - 3_600}&end=${now}`;
  const headers = { authorization: `Bearer ${server.token}` };
  const answer = await call(server.port, { method: 'GET', path: `/v1/metrics/${basin}?${query}`, headers });
  const { values } = JSON.parse(answer.body.toString()) as {
    values: { accumulation: { name: string; values: [number, number][] } }[];
  };
  return Object.fromEntries(
    values.map(({ accumulation }) => [
      accumulation.name,
      accumulation.values.reduce((sum, [, value]) => sum + value, 0),
    ]),
  );
}

test.each(TRANSPORTS)(
  'sessions over %s count an operation for each batch, and one for each read',
  async (forceTransport) => {
    const name = `protocols-${forceTransport}`;
    await s2.basins.create({ basin: name });
    const basin = s2.basin(name);
    await basin.streams.create({ stream: 'a' });
    const stream = basin.stream('a', { forceTransport });
    const session = await stream.appendSession();
    for (let i = 0; i < 7; i++) await (await session.submit(textBatch(['x', 'y']))).ack();
    await session.close();
    const reading = await stream.readSession({ start: { from: { seqNum: 4 } }, stop: { limits: { count: 10 } } });
    expect(await take(reading)).toHaveLength(10);
    await stream.close();
    expect(await sums(name, 'append-ops')).toEqual({ standard: 0, express: 7 });
    expect(await sums(name, 'append-throughput')).toEqual({ standard: 0, express: 14 * RECORD_BYTES });
    expect(await sums(name, 'read-ops')).toEqual({ unary: 0, streaming: 1 });
    expect(await sums(name, 'read-throughput')).toEqual({ read: 10 * RECORD_BYTES });
  },
);

test('each reader over WebSocket counts as one streaming read', async () => {
  await s2.basins.create({ basin: 'protocols-socket' });
  const basin = s2.basin('protocols-socket');
  await basin.streams.create({ stream: 'a' });
  await basin.stream('a').append(textBatch(['x', 'y', 'z']));
  const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'protocols-socket' };
  const url = `ws://127.0.0.1:${server.port}/v1/streams/a/records?seq_num=0&count=2`;
  for (let i = 0; i < 3; i++) expect((await new Reader(url, 's2.json', { headers }).ended).code).toBe(1000);
  expect(await sums('protocols-socket', 'read-ops')).toEqual({ unary: 0, streaming: 3 });
  expect(await sums('protocols-socket', 'read-throughput')).toEqual({ read: 3 * 2 * RECORD_BYTES });
});

describe('a token', () => {
  test('sees the active basins of its scope only', async () => {
    for (const name of ['seen-basin', 'hidden-basin']) {
      await s2.basins.create({ basin: name });
      await s2.basin(name).streams.create({ stream: 'a' });
    }
    const scope = { basins: { prefix: 'seen' }, ops: ['account-metrics' as const] };
    const { accessToken } = await s2.accessTokens.issue({ id: 'scraper', scope });
    const end = new Date();
    const asked = { set: 'active-basins', start: new Date(end.getTime() - 60_000), end } as const;
    const seen = await sdkOf({ ...server, token: accessToken }).metrics.account(asked);
    expect(seen.values).toEqual([{ label: { name: 'active-basins', values: ['seen-basin'] } }]);
  });

  test('with account-metrics may scrape Prometheus, and one without may not', async () => {
    const statuses = [];
    for (const operation of ['account-metrics', 'list-basins'] as const) {
      const scope = { basins: { prefix: '' }, ops: [operation] };
      const { accessToken } = await s2.accessTokens.issue({ id: `only-${operation}`, scope });
      const headers = { authorization: `Bearer ${accessToken}` };
      statuses.push((await call(server.port, { method: 'GET', path: '/metrics', headers })).status);
    }
    expect(statuses).toEqual([200, 403]);
  });

  test('with a hidden prefix names its streams without the prefix', async () => {
    const scope = {
      basins: { exact: 'seen-basin' },
      streams: { prefix: 'tenant/' },
      opGroups: { stream: { read: true, write: true } },
    };
    const { accessToken } = await s2.accessTokens.issue({ id: 'tenant', scope, autoPrefixStreams: true });
    await s2.basin('seen-basin').streams.create({ stream: 'tenant/mine' });
    const tenant = sdkOf({ ...server, token: accessToken });
    await tenant
      .basin('seen-basin')
      .stream('mine')
      .append(textBatch(['x']));
    const end = new Date();
    const answer = await tenant.metrics.stream({
      basin: 'seen-basin',
      stream: 'mine',
      set: 'storage',
      start: end,
      end,
    });
    expect(answer.values).toMatchObject([{ gauge: { values: [[expect.anything(), RECORD_BYTES]] } }]);
    const other = await tenant.metrics.stream({ basin: 'seen-basin', stream: 'a', set: 'storage', start: end, end });
    expect(other.values).toEqual([]);
  });
});
