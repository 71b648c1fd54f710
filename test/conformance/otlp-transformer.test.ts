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
