/**
 * The real OpenTelemetry exporters of gRPC against a real server: what they send is stored byte for byte as what the
 * exporters of HTTP send, and every outcome reaches them.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  ATTRIBUTES,
  type ExportedSignal,
  type ExporterSettings,
  type ExportItems,
  type ExportOutcome,
  LOG_ATTRIBUTES,
  makeItems,
  openExporter,
  type RealExporter,
} from '../../scripts/torture/exporters/real-exporters.ts';
import { HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { ControlClient } from '../support/control-calls.ts';
import { freePort } from '../support/free-port.ts';
import { readStream } from '../support/read-back.ts';
import { rememberSecret } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';

const ITEMS = 60;
const UNAVAILABLE = 14;

let server: TestServer;
/** For another basin, where the exporters of HTTP send to. */
let token: string;

beforeAll(async () => {
  server = await startServer({ args: ['--request-records-max', '1000'] });
  const control = new ControlClient(server);
  await control.call('PUT /basins/over-http', { body: { config: { create_stream_on_append: true } } });
  const ops = ['create-stream', 'append', 'read', 'check-tail'];
  const scope = { basins: { exact: 'over-http' }, streams: { prefix: '' }, ops };
  const issued = await control.call('POST /access-tokens', { body: { id: 'over-http', scope } });
  token = (issued.body as { readonly access_token: string }).access_token;
  rememberSecret('the token of the other basin', token);
});

afterAll(async () => {
  await server.stop();
});

const overGrpc = (signal: ExportedSignal, settings?: ExporterSettings) =>
  openExporter(signal, 'grpc', server, settings);
const overHttp = (signal: ExportedSignal) => openExporter(signal, 'http/protobuf', { ...server, token });

/** Exports once; resolves with the outcome. */
async function send(exporter: RealExporter, items: ExportItems): Promise<ExportOutcome> {
  const outcome = await exporter.export(items);
  await exporter.close();
  return outcome;
}

/** All types of attributes; the names are `item-0` and so on. */
function some(signal: ExportedSignal, stream: string, count = ITEMS): Promise<ExportItems> {
  const attributes = signal === 'logs' ? { ...ATTRIBUTES, ...LOG_ATTRIBUTES } : ATTRIBUTES;
  return makeItems(signal, stream, { names: Array.from({ length: count }, (_, index) => `item-${index}`), attributes });
}

/** The records of both basins are the same. */
async function expectSame(stream: string): Promise<void> {
  const [fromGrpc, fromHttp] = await Promise.all([
    readStream(server, stream),
    readStream({ port: server.port, token }, stream),
  ]);
  expect(fromGrpc).toHaveLength(ITEMS);
  const bare = (records: typeof fromGrpc) => records.map(({ headers, body }) => [headers, body]);
  expect(bare(fromGrpc)).toEqual(bare(fromHttp));
}

describe.each(['none', 'gzip'] as const)('an exporter of gRPC with compression %s', (compression) => {
  test.each(['logs', 'traces', 'metrics'] as const)('sends %s that are stored as those of HTTP are', async (signal) => {
    const stream = `${signal}-${compression}`;
    const items = await some(signal, stream);
    expect(await send(overGrpc(signal, { compression }), items)).toEqual({ code: 0 });
    expect(await send(overHttp(signal), items)).toEqual({ code: 0 });
    await expectSame(stream);
  });
});

describe('an exporter of gRPC learns', () => {
  test('that its token is unknown, that there is no such basin, and that its batch is too large', async () => {
    const one = await some('logs', 'refused', 1);
    const many = await some('logs', 'refused', 1_001);
    const unknown = await send(overGrpc('logs', { headers: { authorization: 'Bearer trk_0' } }), one);
    expect([unknown.code, unknown.error?.code]).toEqual([1, 16]);
    const missing = await send(overGrpc('logs', { headers: { 's2-basin': 'no-such-basin' } }), one);
    expect([missing.code, missing.error?.code]).toEqual([1, 5]);
    const large = await send(overGrpc('logs'), many);
    expect([large.code, large.error?.code]).toEqual([1, 8]);
    expect(await readStream(server, 'refused')).toHaveLength(0);
  });

  (HAS_OPENSSL ? test : test.skip)(
    `that the certificate of the server is the one it trusts${HAS_OPENSSL ? '' : ' (skipped: openssl is missing)'}`,
    async () => {
      const dir = mkdtempSync(join(tmpdir(), 'tailrace-grpc-tls-'));
      const { cert, key, ca } = makeCertificate(dir, 'grpc');
      const secure = await startServer({ args: ['--tls-cert', cert, '--tls-key', key] });
      try {
        expect(secure.grpcUrl).toMatch(/^https:/);
        const grpcUrl = secure.grpcUrl?.replace('127.0.0.1', 'localhost');
        const trusting = { credentials: credentials.createSsl(Buffer.from(ca)) };
        const exporter = openExporter('logs', 'grpc', { ...secure, grpcUrl }, trusting);
        expect(await send(exporter, await some('logs', 'secure', 3))).toEqual({ code: 0 });
      } finally {
        await secure.stop();
        rmSync(dir, { recursive: true, force: true });
      }
    },
  );
});

test('what an exporter of gRPC was told is stored is there after a kill, and it goes on with the next server', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tailrace-grpc-kill-'));
  const ports = ['--port', String(await freePort()), '--grpc-port', String(await freePort())];
  const setup = { dataDir: dir, args: ports };
  let current = await startServer(setup);
  const exporter = openExporter('logs', 'grpc', current);
  try {
    expect(await exporter.export(await some('logs', 'kept', 5))).toEqual({ code: 0 });
    await current.kill();
    const gone = await exporter.export(await some('logs', 'kept', 5));
    expect([gone.code, gone.error?.code]).toEqual([1, UNAVAILABLE]);
    current = await startServer(setup);
    const later = await some('logs', 'kept', 5);
    let outcome = await exporter.export(later);
    while (outcome.error?.code === UNAVAILABLE) outcome = await exporter.export(later);
    expect(outcome).toEqual({ code: 0 });
    expect(await readStream(current, 'kept')).toHaveLength(10);
  } finally {
    await exporter.close();
    await current.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
