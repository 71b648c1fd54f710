/** Encrypted streams with the official SDK: what a key decrypts, what happens without it, and what is on the disk. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppendInput, AppendRecord, type S2, type S2Basin } from '@s2-dev/streamstore';
import { failureOf, sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

const KEY = new Uint8Array(32).fill(7);
const OTHER = new Uint8Array(32).fill(8);
const FROM_START = { start: { from: { seqNum: 0 } }, stop: { limits: { count: 10 } } };

const CIPHERS = ['aes-256-gcm', 'aegis-256'] as const;

let server: TestServer;
let s2: S2;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  for (const streamCipher of CIPHERS) {
    await s2.basins.create({ basin: nameOf(streamCipher), config: { streamCipher } });
  }
});

afterAll(async () => {
  await server.stop();
});

test('a stream takes the cipher of its basin when it is created, and keeps it', async () => {
  await s2.basins.create({ basin: 'turned-basin' });
  const turned = s2.basin('turned-basin');
  for (const streamCipher of CIPHERS) {
    await s2.basins.reconfigure({ basin: 'turned-basin', streamCipher });
    expect(await turned.streams.create({ stream: `before ${streamCipher}` })).toMatchObject({ cipher: streamCipher });
  }
  await s2.basins.reconfigure({ basin: 'turned-basin', streamCipher: null });
  await turned.streams.create({ stream: 'after' });
  const { streams } = await turned.streams.list();
  expect(streams.map(({ name, cipher }) => [name, cipher])).toEqual([
    ['after', null],
    ['before aegis-256', 'aegis-256'],
    ['before aes-256-gcm', 'aes-256-gcm'],
  ]);
  for (const cipher of CIPHERS) {
    const keyless = turned.stream(`before ${cipher}`);
    expect(await failureOf(keyless.append(textBatch(['a'])))).toMatchObject({ code: 'bad_header' });
  }
  await turned.stream('after', { encryptionKey: KEY }).append(textBatch(['a']));
  expect((await turned.stream('after').read(FROM_START)).records).toHaveLength(1);
});

const WAYS = CIPHERS.flatMap((cipher) => TRANSPORTS.map((transport) => [cipher, transport] as const));

describe.each(WAYS)('encryption with %s over %s', (cipher, forceTransport) => {
  let basin: S2Basin;

  beforeAll(() => {
    basin = s2.basin(nameOf(cipher));
  });

  test('lets only the key decrypt its records; commands and tails need no key', async () => {
    const name = `sealed-${forceTransport}`;
    await basin.streams.create({ stream: name });
    const keyed = basin.stream(name, { forceTransport, encryptionKey: KEY });
    const session = await keyed.appendSession();
    const headers = [['secret header', 'hidden value']] as const;
    const sealed = [AppendRecord.string({ body: 'the secret body', headers }), AppendRecord.fence('clear-token')];
    const ack = await (await session.submit(AppendInput.create(sealed))).ack();
    expect(ack.end.seqNum).toBe(2);
    await session.close();
    const reader = basin.stream(name, { forceTransport });
    expect(await take(await keyed.readSession(FROM_START))).toMatchObject([
      { body: 'the secret body', headers },
      { body: 'clear-token', headers: [['', 'fence']] },
    ]);
    expect((await reader.checkTail()).tail.seqNum).toBe(2);
    const without = failureOf(reader.readSession(FROM_START).then((it) => take(it)));
    expect(await without).toMatchObject({ status: 400, code: 'bad_header' });
    const wrong = reader.withEncryptionKey(OTHER);
    const failure = await failureOf(wrong.readSession(FROM_START).then((it) => take(it)));
    // Over SSE the SDK reports every failure event as a 503.
    if (forceTransport === 's2s') expect(failure).toMatchObject({ status: 400, code: 'decryption_failed' });
    expect(await failureOf(wrong.read(FROM_START))).toMatchObject({ status: 400, code: 'decryption_failed' });
    await Promise.all([keyed, reader, wrong].map((stream) => stream.close()));
  });

  test('refuses appends with a key of the wrong length or without one, unary and in sessions', async () => {
    const name = `refused-${forceTransport}`;
    await basin.streams.create({ stream: name });
    for (const encryptionKey of [undefined, new Uint8Array(31), 'not base64!']) {
      const stream = basin.stream(name, { forceTransport, ...(encryptionKey === undefined ? {} : { encryptionKey }) });
      const refused = { status: 400, code: 'bad_header' };
      expect(await failureOf(stream.append(textBatch(['a'])))).toMatchObject(refused);
      const session = failureOf(
        stream
          .appendSession()
          .then((it) => it.submit(textBatch(['a'])))
          .then((ticket) => ticket.ack()),
      );
      expect(await session).toMatchObject(refused);
      await stream.close();
    }
    expect((await basin.stream(name).checkTail()).tail.seqNum).toBe(0);
  });
});

test.each(CIPHERS)('encryption with %s leaves no plain text on the disk', async (cipher) => {
  const basin = s2.basin(nameOf(cipher));
  await basin.streams.create({ stream: 'on disk' });
  const stream = basin.stream('on disk', { encryptionKey: KEY });
  const needles = ['needle-in-a-body', 'needle-in-a-name', 'needle-in-a-value'];
  const [body = '', name = '', value = ''] = needles;
  await stream.append(AppendInput.create([AppendRecord.string({ body, headers: [[name, value]] })]));
  const plain = 'needle-in-the-clear';
  await s2.basins.ensure({ basin: 'clear-basin', config: { createStreamOnAppend: true } });
  await s2
    .basin('clear-basin')
    .stream('on disk')
    .append(textBatch([plain]));
  const files = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
  const contents = await Promise.all(
    files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name))),
  );
  const found = (needle: string) => contents.some((bytes) => bytes.includes(needle));
  expect(found(plain)).toBe(true);
  expect(needles.filter(found)).toEqual([]);
});

function nameOf(cipher: (typeof CIPHERS)[number]): string {
  return `secret-${cipher}`;
}
