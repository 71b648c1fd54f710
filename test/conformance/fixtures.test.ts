/** The examples that OTLP itself publishes, with an `s2.stream` put in: what goes in comes out, in both encodings. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { encodeJsonFixture, itemsOf } from '../support/otlp-items.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

const EXAMPLES: readonly (readonly [file: string, signal: Signal, items: number])[] = [
  ['logs.json', 'logs', 1],
  ['events.json', 'logs', 1],
  ['trace.json', 'traces', 1],
  ['metrics.json', 'metrics', 4],
];

describe.each(EXAMPLES)('%s', (file, signal, items) => {
  test.each(['application/json', 'application/x-protobuf'])('as %s', async (contentType) => {
    const stream = `${file}-${contentType.slice('application/'.length)}`;
    const json = withStream(readFileSync(new URL(`../fixtures/otlp/${file}`, import.meta.url), 'utf8'), stream);
    const isJson = contentType === 'application/json';
    const body = isJson ? json : encodeJsonFixture(signal, json);
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': contentType };
    const answer = await fetch(`${server.url}/v1/${signal}`, { method: 'POST', headers, body });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, contentType]);
    expect(await answer.text()).toBe(isJson ? '{}' : '');
    const wanted = itemsOf(signal, body, isJson);
    expect(wanted).toHaveLength(items);
    const records = await readStream(server, stream);
    expect(records.flatMap((record) => itemsOf(signal, record.body, false))).toEqual(wanted);
  });
});

/** The first list of attributes in each example is that of its resource. */
function withStream(text: string, stream: string): Buffer {
  const attribute = `{"key":"s2.stream","value":{"stringValue":"${stream}"}},`;
  return Buffer.from(text.replace(/"attributes"\s*:\s*\[/, (found) => found + attribute));
}
