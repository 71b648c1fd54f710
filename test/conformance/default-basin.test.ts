/** The default basin: whoever deletes it gets an empty one with its settings at once, and no sender is refused. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verify } from '../../src/maintenance.ts';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { ControlClient } from '../support/control-calls.ts';
import { HeldDeletions } from '../support/held-deletions.ts';
import { call } from '../support/http-call.ts';
import { startServer, type TestServer } from '../support/server.ts';

const DEFAULT = 'telemetry';
let server: TestServer;
let s2: ControlClient;

beforeAll(async () => {
  server = await startServer({ args: ['--default-stream', 'by-{service.name}'] });
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

const RECORDS = { body: { records: [{ body: 'a' }, { body: 'b' }] } };

async function sendLog({ port, token }: { port: number; token: string }): Promise<number> {
  const log = {
    resourceLogs: [{ resource: { attributes: [] }, scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }] }],
  };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  return (await call(port, { path: '/v1/logs', headers, body: JSON.stringify(log) })).status;
}

async function configOf(basin: string): Promise<unknown> {
  return (await s2.call(`GET /basins/${basin}`)).body;
}

test('a deleted default basin is there again at once, empty and with the settings that the server gives it', async () => {
  const settings = await configOf(DEFAULT);
  expect(settings).toMatchObject({ create_stream_on_append: true, otlp_default_stream: 'by-{service.name}' });
  await s2.call('POST /streams/kept/records', { basin: DEFAULT, ...RECORDS });
  await s2.call(`PATCH /basins/${DEFAULT}`, { body: { create_stream_on_append: false, create_stream_on_read: true } });

  expect((await s2.call(`DELETE /basins/${DEFAULT}`)).status).toBe(202);
  expect(await configOf(DEFAULT)).toEqual(settings);
  expect((await s2.call('GET /streams', { basin: DEFAULT })).body).toEqual({ streams: [], has_more: false });
  const { body } = await s2.call(`GET /basins?prefix=${DEFAULT}`);
  expect(body).toMatchObject({ basins: [{ name: DEFAULT, deleted_at: null, state: 'active' }] });
  expect(await s2.refusal('POST /basins', { body: { basin: DEFAULT } })).toBe('409 resource_already_exists');
});

test('no sender is refused while default basins are deleted, and streams begin anew', async () => {
  const statuses: number[] = [];
  for (let round = 0; round < 5; round++) {
    const both = await Promise.all([sendLog(server), s2.call(`DELETE /basins/${DEFAULT}`), sendLog(server)]);
    statuses.push(both[0], both[2], await sendLog(server));
  }
  expect(new Set(statuses)).toEqual(new Set([200]));
  await s2.call(`DELETE /basins/${DEFAULT}`);
  const first = await s2.call('POST /streams/kept/records', { basin: DEFAULT, ...RECORDS });
  expect(first).toMatchObject({ status: 200, body: { start: { seq_num: 0 }, end: { seq_num: 2 } } });
});

test('another basin that is deleted stays away', async () => {
  await s2.call('POST /basins', { body: { basin: 'other-basin' } });
  expect((await s2.call('DELETE /basins/other-basin')).status).toBe(202);
  await s2.untilGone('GET /basins/other-basin');
});

test('what a deleted default basin held is removed after a restart, and the new one keeps what it got', async () => {
  const deletions = new HeldDeletions();
  const { token } = server;
  const own = { port: 0, dataDir: `${server.dataDir}/inner`, rootToken: token, logLevel: 'silent' } as const;
  const withClient = async (inner: TailraceServer, act: (client: ControlClient) => Promise<void>): Promise<void> => {
    const { url } = await inner.listen();
    await act(new ControlClient({ url, token }));
    await inner.close();
  };
  await withClient(await createServer(own, { wrapEngine: deletions.wrap }), async (client) => {
    await client.call('POST /streams/old/records', { basin: DEFAULT, ...RECORDS });
    await client.call(`DELETE /basins/${DEFAULT}`);
    await client.call('POST /streams/old/records', { basin: DEFAULT, ...RECORDS });
    await client.call(`DELETE /basins/${DEFAULT}`);
    await client.call('POST /streams/new/records', { basin: DEFAULT, ...RECORDS });
  });
  expect(await verify({ dataDir: own.dataDir })).toMatchObject({ basins: 1, streams: 3, faultCount: 0 });
  const after = await createServer(own);
  await after.log.backgroundSettled();
  expect(await after.log.countStreams()).toBe(1);
  await withClient(after, async (client) => {
    const { body } = await client.call('GET /streams/new/records?seq_num=0', { basin: DEFAULT });
    expect(body).toMatchObject({ records: [{ seq_num: 0 }, { seq_num: 1 }] });
  });
});
