/**
 * What OTLP requests are answered over TLS, by a store that is full, and where a stream is damaged: in every form in which
 * they can be sent. What was taken before is still there.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SIGNALS } from '../../../src/model/record.ts';
import { readStreamKey, streamRange } from '../../../src/storage/keys.ts';
import { type Certificate, HAS_OPENSSL, makeCertificate } from '../../support/certificate.ts';
import { append } from '../../support/filling.ts';
import { faultsOf, type Row, requestFor } from '../../support/otlp-answers.ts';
import { bodyOf, FORMS, type Form, FormSender } from '../../support/otlp-forms.ts';
import { itemsOf } from '../../support/otlp-items.ts';
import { readStream } from '../../support/read-back.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { tamper } from '../../support/stored-rows.ts';

// A certificate is made by openssl: without it this is done without TLS, and the name of the test says so.
const OVER_TLS = HAS_OPENSSL ? 'over TLS' : 'without TLS (openssl is missing)';
/** All compressions on the usual path, which is enough where the path makes no difference. */
const USUAL = FORMS.filter(({ path, transport, signal }) => transport === 'gRPC' || path === `/v1/${signal}`);

const CAP_BYTES = 2 * 1024 * 1024;

const dir = mkdtempSync(join(tmpdir(), 'tailrace-troubles-'));
const dataDir = join(dir, 'data');
let certificate: Certificate | undefined;
let server: TestServer;
let sender: FormSender;

beforeAll(async () => {
  certificate = HAS_OPENSSL ? makeCertificate(dir, 'otlp') : undefined;
  await start(certificate === undefined ? [] : ['--tls-cert', certificate.cert, '--tls-key', certificate.key]);
});

afterAll(async () => {
  await stop();
  rmSync(dir, { recursive: true, force: true });
});

async function start(args: readonly string[]): Promise<void> {
  server = await startServer({ dataDir, args: ['--log-level', 'silent', ...args] });
  sender = await FormSender.connect(server, server.url.startsWith('https') ? certificate?.ca : undefined);
}

async function stop(): Promise<void> {
  await sender.close();
  await server.stop();
}

const to = (stream: string) => (form: Form) => ({ body: bodyOf(form, requestFor(form.signal, { [stream]: ['x'] })) });

test(`requests ${OVER_TLS} are taken, and refused without a token`, async () => {
  for (const stream of ['damaged', 'sound']) {
    const row: Row = { what: 'one item', status: 200, code: 0, send: to(stream) };
    expect(await faultsOf(row, USUAL, sender)).toEqual([]);
  }
  const row: Row = {
    what: 'without a token',
    send: (form) => ({ ...to('sound')(form), headers: { authorization: undefined } }),
    ...{ status: 401, code: 16, words: 'a token is needed' },
    headers: () => ({ 'www-authenticate': 'Bearer' }),
  };
  expect(await faultsOf(row, USUAL, sender)).toEqual([]);
});

test('a request that meets the same fault again is 500 and quotes its correlation id, and one to a full store is 503', async () => {
  await stop();
  await tamper(dataDir, (rows) => {
    const { from, to } = streamRange(1);
    const streams = rows.filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0);
    const damaged = streams.filter(({ key }) => readStreamKey(key).name === 'damaged');
    expect(damaged).toHaveLength(1);
    return damaged.map(({ key, value }) => ({ type: 'put', key, value: value.subarray(0, 3) }));
  });
  await start(['--store-bytes-max', String(CAP_BYTES)]);
  // Until there is no space for the smallest.
  for (const chars of [256 * 1024, 16 * 1024, 10]) {
    while ((await append(server, 'filling', chars)).status === 200);
  }
  const fault: Row = { what: 'for a damaged stream', status: 500, code: 13, words: 'row-', send: to('damaged') };
  expect(await faultsOf(fault, USUAL, sender)).toEqual([]);
  const full: Row = {
    what: 'to a full store',
    ...{ status: 503, code: 14, words: 'no space left', retryAfter: [1, 5] },
    send: to('sound'),
  };
  expect(await faultsOf(full, USUAL, sender)).toEqual([]);
  const records = await readStream(server, 'sound');
  for (const signal of SIGNALS) {
    const mine = records.filter(({ headers }) => headers[0]?.[1] === signal);
    expect(mine).toHaveLength(USUAL.filter((form) => form.signal === signal).length);
    const [wanted] = mine.flatMap(({ body }) => itemsOf(signal, body, false));
    for (const { body } of mine) expect(itemsOf(signal, body, false)).toEqual([wanted]);
  }
});
