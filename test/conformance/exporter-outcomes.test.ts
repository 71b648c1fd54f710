/**
 * What the real exporters of Node report when not everything is well, of three signals over three protocols: a partial
 * success, refusals, and trouble that passes. Each time what is stored is looked at, too.
 */

import type { Metadata } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import {
  ATTRIBUTES,
  EXPORTERS,
  type ExportedSignal,
  type ExporterSettings,
  type ExportItems,
  type ExportOutcome,
  LOG_ATTRIBUTES,
  makeItems,
  openExporter,
} from '../../scripts/torture/exporters/real-exporters.ts';
import { ControlClient } from '../support/control-calls.ts';
import { storedItems } from '../support/otlp-sender.ts';
import { startServer, type TestServer } from '../support/server.ts';

const RECORDS_MAX = 200;
/** Of gRPC. */
const CODES = { INVALID_ARGUMENT: 3, NOT_FOUND: 5, RESOURCE_EXHAUSTED: 8, UNAVAILABLE: 14, UNAUTHENTICATED: 16 };
/** An exporter that waits as it is told says so in these words; one that waits as it likes, in milliseconds of any number. */
const WAITS = /^Scheduling export retry in (\d)000ms$/;

let server: TestServer;
let s2: ControlClient;
/** What the SDK has said since the test began. */
let said: string[];

beforeAll(async () => {
  server = await startServer({ args: ['--request-records-max', String(RECORDS_MAX)] });
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

beforeEach(() => {
  said = [];
  const note = (...words: readonly unknown[]): void => {
    said.push(words.filter((word) => typeof word === 'string').join(' '));
  };
  const logger = { error: note, warn: note, info: note, debug: note, verbose: note };
  diag.setLogger(logger, { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true });
});

afterEach(() => {
  diag.disable();
});

/** What the items of a stream are called, in order. */
async function storedNames(basin: string, stream: string, signal: ExportedSignal) {
  return (await storedItems(s2, basin, stream, signal)).map(({ item }) => {
    const { name, body } = item as { name?: string; body?: { stringValue: string } };
    return name ?? body?.stringValue;
  });
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `item-${index}`);

describe.each(EXPORTERS)('an exporter of $signal over $protocol', ({ signal, protocol }) => {
  const name = `${signal}-${protocol.replace('/', '-')}`;

  async function send(items: ExportItems, settings?: ExporterSettings): Promise<ExportOutcome> {
    const exporter = openExporter(signal, protocol, server, settings);
    const outcome = await exporter.export(items);
    await exporter.close();
    return outcome;
  }

  const stored = (stream: string) => storedNames('telemetry', stream, signal);

  test('reports success and says nothing when everything is stored', async () => {
    const attributes = signal === 'logs' ? { ...ATTRIBUTES, ...LOG_ATTRIBUTES } : ATTRIBUTES;
    const items = await makeItems(signal, `whole-${name}`, { names: numbered(9), attributes });
    expect(await send(items, { compression: 'gzip' })).toEqual({ code: 0 });
    expect(await stored(`whole-${name}`)).toEqual(numbered(9));
    expect(said.filter((words) => /partial|could not deserialize/i.test(words))).toEqual([]);
  });

  test('reports success and says what was rejected when one item is too large, and the others are stored', async () => {
    const attributesOf = { 'item-1': { long: 'x'.repeat(1_100_000) } };
    const items = await makeItems(signal, `partly-${name}`, { names: numbered(3), attributesOf });
    expect(await send(items)).toEqual({ code: 0 });
    const partial = said.filter((words) => words.startsWith('Received Partial Success response:'));
    expect(partial).toEqual([expect.stringMatching(/"rejected(LogRecords|Spans|DataPoints)":"?1"?,.*at most 1048576/)]);
    expect(await stored(`partly-${name}`)).toEqual(['item-0', 'item-2']);
  });

  test.each([
    ['of a basin that cannot be', { 's2-basin': 'No Such Basin' }, 400, CODES.INVALID_ARGUMENT, 1],
    ['of an unknown token', { authorization: 'Bearer trk_0' }, 401, CODES.UNAUTHENTICATED, 1],
    ['of a basin that is not there', { 's2-basin': 'no-such-basin' }, 404, CODES.NOT_FOUND, 1],
    ['it has more items than a request may have', {}, 413, CODES.RESOURCE_EXHAUSTED, RECORDS_MAX + 1],
  ])('reports a failure at once when %s, and nothing is stored', async (_, headers, status, code, count) => {
    const items = await makeItems(signal, `refused-${name}`, { names: numbered(count) });
    const outcome = await send(items, { headers });
    expect([outcome.code, outcome.error?.code]).toEqual([1, protocol === 'grpc' ? code : status]);
    expect(said.filter((words) => words.startsWith('Scheduling'))).toEqual([]);
    expect(await stored(`refused-${name}`)).toEqual([]);
  });

  test('takes exactly as many items as a request may have', async () => {
    const items = await makeItems(signal, `most-${name}`, { names: numbered(RECORDS_MAX) });
    expect(await send(items)).toEqual({ code: 0 });
    expect(await stored(`most-${name}`)).toEqual(numbered(RECORDS_MAX));
  });
});

/** Exporters that wait and try again by themselves. */
const OVER_HTTP = EXPORTERS.filter(({ protocol }) => protocol !== 'grpc').length;

test('an exporter over HTTP waits as a 429 says and is then stored once; over gRPC it reports that it may try again', async () => {
  const otlp_rates = { stream_bytes_per_second: 1, stream_burst_bytes: 1 };
  const config = { create_stream_on_append: true, otlp_rates };
  expect((await s2.call('POST /basins', { body: { basin: 'slow-basin', config } })).status).toBe(201);
  const headers = { 's2-basin': 'slow-basin' };
  let refusedOverGrpc = 0;
  let onRefused = (): void => {};
  const allRefused = new Promise<void>((resolve) => {
    onRefused = resolve;
  });
  const exports = EXPORTERS.map(async ({ signal, protocol }) => {
    const stream = `slow-${signal}-${protocol.replace('/', '-')}`;
    const exporter = openExporter(signal, protocol, server, { headers });
    const [first, second] = [
      await makeItems(signal, stream, { names: ['first'] }),
      await makeItems(signal, stream, { names: ['second'] }),
    ];
    expect(await exporter.export(first)).toEqual({ code: 0 });
    let outcome = await exporter.export(second);
    if (protocol === 'grpc') {
      // The exporter of Node does not try again by itself.
      expect(outcome.error).toMatchObject({ code: CODES.UNAVAILABLE });
      const { metadata } = outcome.error as unknown as { metadata: Metadata };
      const details = metadata.get('grpc-status-details-bin').map(String);
      expect(details).toEqual([expect.stringContaining('google.rpc.RetryInfo')]);
      refusedOverGrpc += 1;
      if (refusedOverGrpc === EXPORTERS.length - OVER_HTTP) onRefused();
      await raised;
      outcome = await exporter.export(second);
    }
    expect(outcome).toEqual({ code: 0 });
    await exporter.close();
    expect(await storedNames('slow-basin', stream, signal)).toEqual(['first', 'second']);
  });
  const raised = Promise.all([untilSaid(WAITS, OVER_HTTP), allRefused]).then(async () => {
    expect((await s2.call('PATCH /basins/slow-basin', { body: { otlp_rates: null } })).status).toBe(200);
  });
  await Promise.all([...exports, raised]);
  expect(said.filter((words) => WAITS.test(words))).toHaveLength(OVER_HTTP);
});

/** Waits until the SDKs have said it so many times. */
async function untilSaid(pattern: RegExp, times: number): Promise<void> {
  while (said.filter((words) => pattern.test(words)).length < times) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
