/** How a node connects to NATS: credentials, TLS, what it refuses, and that no secret is in what it says. */

import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectNats, type NatsOptions } from '../../src/storage/replicated/nats-connection.ts';
import { HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { makeNatsCredentials } from '../support/nats-credentials.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-nats-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Why a connection is refused. */
async function refusal(options: Partial<NatsOptions>): Promise<unknown> {
  const link = await connectNats({ servers: ['nats://127.0.0.1:1'], name: 'test', ...options }).catch(
    (error: unknown) => error,
  );
  expect(link).toBeInstanceOf(Error);
  return link;
}

function written(name: string, text: string): string {
  const file = path.join(dir, name);
  writeFileSync(file, text);
  return file;
}

test('settings that cannot be right are refused with what to change, and without what they hold', async () => {
  const secret = 'Xq7-very-secret-password';
  const broken = written('broken.creds', `-----BEGIN NATS USER JWT-----\n${secret}\n`);
  const half = written(
    'half.creds',
    `-----BEGIN A-----\nx\n------END A------\n-----BEGIN B-----\n${secret}\n------END B------\n`,
  );
  const cases: readonly [Partial<NatsOptions>, RegExp][] = [
    [{ servers: [`nats://user:${secret}@127.0.0.1:1`] }, /NATS server 1 holds a user: use a credentials file/],
    [{ servers: ['nats://127.0.0.1:1', `http://${secret}`] }, /NATS server 2 is no URL such as nats:/],
    [{ credentialsFile: broken }, /broken.creds is no NATS credentials file/],
    [{ credentialsFile: half }, /half.creds is no NATS credentials file/],
    [{ credentialsFile: path.join(dir, 'none') }, /none for NATS cannot be read \(ENOENT\)/],
    [{ tls: { caFile: path.join(dir, 'no-ca') } }, /no-ca for NATS cannot be read/],
  ];
  for (const [options, message] of cases) {
    const error = await refusal(options);
    expect(error).toMatchObject({ code: 'config', message: expect.stringMatching(message) });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
  }
});

test('servers that are not there are unavailable', async () => {
  expect(await refusal({})).toMatchObject({ code: 'unavailable', detail: { retryAfterSeconds: 1 } });
});

test('a server that says nothing is given up', async () => {
  const accepted: Socket[] = [];
  const silent = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  expect(await refusal({ servers: [`nats://127.0.0.1:${port}`] })).toMatchObject({ code: 'unavailable' });
  for (const socket of accepted) socket.destroy();
  silent.close();
});

describeWithNats('with servers', () => {
  let servers: NatsServers | undefined;
  const start = async (more: string) => {
    servers = await startNatsServers(1, { more });
    return servers.urls;
  };
  const dispose = async () => {
    await servers?.dispose();
    servers = undefined;
  };
  afterAll(dispose);

  test('a credentials file lets its user in, and the one of another operator is refused without its content', async () => {
    const [ours, other] = [makeNatsCredentials(), makeNatsCredentials()];
    const urls = await start(ours.configuration);
    const link = await connectNats({ servers: urls, name: 'test', credentialsFile: written('ours.creds', ours.file) });
    expect(link.isConnected).toBe(true);
    await link.close();
    for (const options of [{}, { credentialsFile: written('other.creds', other.file) }]) {
      const error = await refusal({ servers: urls, ...options });
      expect(error).toMatchObject({ code: 'config', message: expect.stringMatching(/check the credentials file/) });
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(other.seed);
    }
    await dispose();
  });

  (HAS_OPENSSL ? test : test.skip)('TLS is checked against the certificate authority that is given', async () => {
    const certificate = makeCertificate(dir, 'nats');
    const stranger = makeCertificate(dir, 'stranger');
    const tls = `tls { cert_file: "${certificate.cert}", key_file: "${certificate.key}" }`;
    const urls = (await start(tls)).map((url) => url.replace('nats:', 'tls:'));
    const link = await connectNats({ servers: urls, name: 'test', tls: { caFile: certificate.cert } });
    expect(link.isConnected).toBe(true);
    await link.close();
    for (const caFile of [stranger.cert, undefined]) {
      const error = await refusal({ servers: urls, tls: caFile === undefined ? {} : { caFile } });
      expect(error).toMatchObject({ code: 'unavailable' });
    }
    await dispose();
  });

  test('servers that take small messages only are refused', async () => {
    const error = await refusal({ servers: await start('max_payload: 65536') });
    expect(error).toMatchObject({
      code: 'config',
      message: expect.stringMatching(/65536 bytes only: set max_payload/),
    });
    await dispose();
  });

  test('a lost connection fails what waits at once, is told, and comes back by itself', async () => {
    const heard: boolean[] = [];
    let wake = () => {};
    const changed = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    const urls = await start('');
    const link = await connectNats({
      servers: urls,
      name: 'test',
      onConnected: (isConnected) => {
        heard.push(isConnected);
        wake();
      },
    });
    link.subscribe('silence', () => {});
    const waiting = link.request('silence', new Uint8Array(0), { timeoutMs: 60_000 });
    const lost = changed();
    const failed = expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
    await servers?.kill(0);
    await failed;
    await lost;
    await expect(link.api('INFO')).rejects.toMatchObject({ code: 'unavailable' });
    const back = changed();
    await servers?.restart(0);
    await back;
    expect((await link.api('INFO')).type).toBe('done');
    expect(heard).toEqual([false, true]);
    await link.close();
    await expect(link.api('INFO')).rejects.toMatchObject({ code: 'closed' });
    await dispose();
  });
});
