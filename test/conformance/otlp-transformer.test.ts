/**
 * What characteristic versions of `@opentelemetry/otlp-transformer` wrote, of all types of values and signals, in JSON
 * and protobuf, is accepted whole and stored item by item. All released versions: `npm run interop -- otlp-transformer`,
 * which also made these files.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { faultsOf } from '../../scripts/interop/transformer/send-and-read.ts';
import type { Written } from '../../scripts/interop/transformer/serialize.ts';
import { send, stored } from '../support/otlp-send.ts';
import { startServer, type TestServer } from '../support/server.ts';

const FOLDER = new URL('../fixtures/otlp-transformer/', import.meta.url);

/**
 * The oldest; ids in base64, and times in two halves; the first with serializers; the last that writes bytes as objects;
 * the newest.
 */
const VERSIONS = ['0.29.0', '0.41.2', '0.44.0', '0.52.0', '0.211.0', '0.301.1'];

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

test('every frozen file is looked at', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(VERSIONS.map((version) => `${version}.json.gz`).sort());
});

test.each(VERSIONS)('what version %s writes is accepted whole and read unchanged', async (version) => {
  const text = gunzipSync(readFileSync(new URL(`${version}.json.gz`, FOLDER))).toString();
  const { requests } = JSON.parse(text) as Written;
  expect(requests.length).toBeGreaterThanOrEqual(12);
  const faults: string[] = [];
  for (const request of requests) faults.push(...(await faultsOf(server, request)));
  expect(faults).toEqual([]);
});

interface OldRequest {
  readonly exporter: string;
  readonly type: string;
  /** Text, or protobuf in base64. */
  readonly body: string;
}

test('what exporters sent before there was a transformer is stored in protobuf, and gets a warning in JSON', async () => {
  const file = new URL('../fixtures/old-exporters/requests.json', import.meta.url);
  const requests = JSON.parse(readFileSync(file, 'utf8')) as readonly OldRequest[];
  const outcomes = [];
  for (const { exporter, type, body } of requests) {
    const isJson = type === 'application/json';
    const { status, rejected, message } = await send(server, 'traces', isJson ? body : Buffer.from(body, 'base64'));
    outcomes.push([exporter.replace(/.*\/(.*)@.*/, '$1'), status, rejected, message]);
  }
  const warned = expect.stringContaining('instrumentationLibrarySpans was renamed scopeSpans');
  expect(outcomes).toEqual([
    ['exporter-collector', 200, 0, warned],
    ['exporter-otlp-http', 200, 0, warned],
    ['exporter-trace-otlp-http', 200, 0, warned],
    ['exporter-collector-proto', 200, 0, ''],
    ['exporter-trace-otlp-proto', 200, 0, ''],
  ]);
  const spans = await stored(server, 'traces', 'old');
  const attribute = (key: string, value: object) => ({ key, value });
  const attributes = [
    attribute('text', { stringValue: 'x' }),
    attribute('int', { intValue: '3' }),
    attribute('double', { doubleValue: 1.5 }),
    attribute('yes', { boolValue: true }),
  ];
  expect(spans).toMatchObject([
    { name: 'old span', attributes },
    { name: 'old span', attributes },
  ]);
});
