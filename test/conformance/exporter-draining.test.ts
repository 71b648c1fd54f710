/**
 * Real exporters whose server is told to stop while it still works: those of HTTP get a 503, wait, and find the next
 * server on the same ports; those of gRPC report that it is unavailable. Each batch is stored once.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { EXPORTERS, makeItems, openExporter } from '../../scripts/torture/exporters/real-exporters.ts';
import { ControlClient } from '../support/control-calls.ts';
import { freePort } from '../support/free-port.ts';
import { connectRaw } from '../support/http-call.ts';
import { answerOf, connectHttp2 } from '../support/http2-call.ts';
import { storedItems } from '../support/otlp-sender.ts';
import { startServer } from '../support/server.ts';

const UNAVAILABLE = 14;
const OVER_HTTP = EXPORTERS.filter(({ protocol }) => protocol !== 'grpc').length;
/** Said of a response with Retry-After; where there was no response, an exporter waits a random time. */
const WAITS = /^Scheduling export retry in (\d)000ms$/;

test('a batch that meets a server which stops is stored once, by the next server on its ports', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-draining-'));
  const args = ['--port', String(await freePort()), '--grpc-port', String(await freePort())];
  const first = await startServer({ dataDir, args });
  let waiting = 0;
  let allWait = (): void => {};
  const refused = new Promise<void>((resolve) => {
    allWait = resolve;
  });
  const note = (words: string): void => {
    if (WAITS.test(words) && ++waiting === OVER_HTTP) allWait();
  };
  const ignore = (): void => {};
  const logger = { error: ignore, warn: ignore, info: ignore, debug: ignore, verbose: note };
  diag.setLogger(logger, { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true });
  const lanes = EXPORTERS.map(({ signal, protocol }) => ({
    ...{ signal, protocol, stream: `${signal}-${protocol.replace('/', '-')}` },
    exporter: openExporter(signal, protocol, first),
  }));
  // Each has a connection before the server stops: later there are no new ones.
  for (const { signal, stream, exporter } of lanes) {
    expect(await exporter.export(await makeItems(signal, stream, { names: ['before'] }))).toEqual({ code: 0 });
  }
  // While a request is under way, the server is there.
  const held = await connectHttp2(first.url);
  const headers = { authorization: `Bearer ${first.token}`, 'content-type': 'application/json' };
  const upload = held.open({ path: '/v1/logs', headers: { ...headers, expect: '100-continue' } });
  await new Promise<void>((resolve) => upload.once('continue', resolve));
  const exit = first.stop();
  while (await connectRaw(first.port).then(closed, () => false));
  const batches = await Promise.all(lanes.map(({ signal, stream }) => makeItems(signal, stream, { names: ['after'] })));
  let started = (): void => {};
  const next = new Promise<void>((resolve) => {
    started = resolve;
  });
  const exports = lanes.map(async ({ protocol, exporter }, index) => {
    let outcome = await exporter.export(batches[index]);
    if (protocol === 'grpc') {
      expect([outcome.code, outcome.error?.code]).toEqual([1, UNAVAILABLE]);
      await next;
      while (outcome.error?.code === UNAVAILABLE) outcome = await exporter.export(batches[index]);
    }
    expect(outcome).toEqual({ code: 0 });
    await exporter.close();
  });
  await refused;
  const answer = answerOf(upload);
  upload.end('{}');
  expect((await answer).status).toBe(200);
  expect(await exit).toEqual({ code: 0, signal: null });
  const second = await startServer({ dataDir, args });
  started();
  await Promise.all(exports);
  diag.disable();
  const s2 = new ControlClient(second);
  for (const { signal, stream } of lanes) {
    const names = (await storedItems(s2, 'telemetry', stream, signal)).map(({ item }) => JSON.stringify(item));
    expect([stream, names.length]).toEqual([stream, 2]);
    expect(names[1]).toContain('"after"');
  }
  await second.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** Closes a connection, and says that there was one. */
function closed(connection: { destroy(): void }): boolean {
  connection.destroy();
  return true;
}
