/** What operators are told about NATS servers that are not fit for data. */

import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { checkServers } from '../../src/storage/replicated/check-servers.ts';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { connectNats } from '../../src/storage/replicated/nats-connection.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { startNatsServers } from '../support/nats-servers.ts';

const fakes: Server[] = [];
afterEach(() => {
  for (const fake of fakes.splice(0)) {
    fake.closeAllConnections();
    fake.close();
  }
});

const GOOD = { server_name: 'n0', version: '2.15.2', jetstream: { config: { sync_always: true } } };

describeWithNats('with servers', () => {
  test.each([
    ['always', []],
    ['2m', ['unsynced']],
  ])('of a server that syncs %s the findings are %j', async (syncInterval, kinds) => {
    const servers = await startNatsServers(1, { syncInterval });
    const link = await connectNats({ servers: servers.urls, name: 'test' });
    const log = await openJetstreamLog(link, { cluster: 'c', partition: 0, replicas: 1 });
    await log.publish(new Uint8Array(1), new Uint8Array(16), 0);
    const found = await checkServers(servers.monitors, 'c');
    expect(found.map(({ kind }) => kind)).toEqual(kinds);
    await link.close();
    await servers.dispose();
  });
});

test('each fault is told with the server and the fix, and a sound server is not named', async () => {
  const damaged = stream('c-p0', { num_deleted: 254 });
  const lossy = stream('c-p15', { num_deleted: 0, lost: { msgs: [7, 8], bytes: 20 } });
  const others = ['c-keys', 'cc-p0', 'c-p1-p0'].map((name) => stream(name, { num_deleted: 9 }));
  const monitors = await Promise.all([
    monitor(GOOD, [stream('c-p0', { num_deleted: 0 }), ...others]),
    monitor({ ...GOOD, server_name: 'n1', version: '2.14.9' }),
    monitor({ ...GOOD, server_name: 'n2', version: '3.0.0', jetstream: { config: {} } }),
    monitor({ server_name: 'n3', version: '2.15.0' }),
    monitor({ ...GOOD, server_name: 'n4' }, [damaged, lossy]),
  ]);
  const found = await checkServers(monitors, 'c');
  expect(found.map(({ severity, kind, what }) => [severity, kind, /n\d/.exec(what)?.[0]])).toEqual([
    ['error', 'old', 'n1'],
    ['error', 'unsynced', 'n2'],
    ['error', 'no-jetstream', 'n3'],
    ['warning', 'lost', 'n4'],
    ['warning', 'lost', 'n4'],
  ]);
  expect(found.map(({ what }) => what).join('\n')).toMatch(/c-p0 .* lacks 254 messages.\n.*c-p15 .* lacks 2 messages./);
  expect(found.every(({ what, fix }) => /^[A-Z].*\.$/.test(what) && /^[A-Z].*\.$/.test(fix))).toBe(true);
});

test('a server that does not answer, answers too much, or not in JSON, is told as one that cannot be reached', async () => {
  const monitors = await Promise.all([
    listen((_, response) => response.end('no JSON')),
    listen((_, response) => response.writeHead(404).end('{}')),
    listen((_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()),
    listen(() => {}),
    listen((_, response) => {
      response.write('{"version":"');
      const more = () => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      };
      response.on('drain', more);
      more();
    }),
  ]);
  const found = await checkServers([...monitors, 'http://127.0.0.1:1'], 'c');
  expect(found.map(({ severity, kind }) => `${severity} ${kind}`)).toEqual(Array(6).fill('warning unreachable'));
});

function stream(name: string, state: object): object {
  return { name, state };
}

function monitor(general: object, streams: readonly object[] = []): Promise<string> {
  const details = { account_details: [{ stream_detail: streams }] };
  return listen(({ url }, response) => response.end(JSON.stringify(url?.startsWith('/varz') ? general : details)));
}

async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  fakes.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
