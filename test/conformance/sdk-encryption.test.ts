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

let server: TestServer;
let s2: S2;
let basin: S2Basin;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: 'secret-basin', config: { streamCipher: 'aes-256-gcm' } });
  basin = s2.basin('secret-basin');
});

afterAll(async () => {
  await server.stop();
});

test('a stream takes the cipher of its basin when it is created, and keeps it', async () => {
  expect(await basin.streams.create({ stream: 'ciphered' })).toMatchObject({ cipher: 'aes-256-gcm' });
  await s2.basins.create({ basin: 'turned-basin', config: { streamCipher: 'aes-256-gcm' } });
  const turned = s2.basin('turned-basin');
  await turned.streams.create({ stream: 'before' });
  await s2.basins.reconfigure({ basin: 'turned-basin', streamCipher: null });
  await turned.streams.create({ stream: 'after' });
  const { streams } = await turned.streams.list();
  expect(streams.map(({ name, cipher }) => [name, cipher])).toEqual([
    ['after', null],
    ['before', 'aes-256-gcm'],
  ]);
  expect(await failureOf(turned.stream('before').append(textBatch(['a'])))).toMatchObject({ code: 'bad_header' });
  await turned.stream('after', { encryptionKey: KEY }).append(textBatch(['a']));
  expect((await turned.stream('after').read(FROM_START)).records).toHaveLength(1);
});

test('AEGIS-256 is accepted where there is a codec, and otherwise refused with advice', async () => {
  const asked = s2.basins
    .create({ basin: 'aegis-basin', config: { streamCipher: 'aegis-256' } })
    .catch((error) => error);
  const answer = (await asked) as { status?: number; code?: string; message?: string; name: string };
  if (answer.name !== 'aegis-basin') {
    expect(answer).toMatchObject({ status: 422, code: 'invalid', message: expect.stringContaining('aes-256-gcm') });
  }
});

describe.each(TRANSPORTS)('encryption over %s', (forceTransport) => {
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

test('encryption leaves no plain text on the disk', async () => {
  await basin.streams.create({ stream: 'on disk' });
  const stream = basin.stream('on disk', { encryptionKey: KEY });
  const needles = ['needle-in-a-body', 'needle-in-a-name', 'needle-in-a-value'];
  const [body = '', name = '', value = ''] = needles;
  await stream.append(AppendInput.create([AppendRecord.string({ body, headers: [[name, value]] })]));
  const plain = 'needle-in-the-clear';
  await s2.basins.create({ basin: 'clear-basin', config: { createStreamOnAppend: true } });
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
