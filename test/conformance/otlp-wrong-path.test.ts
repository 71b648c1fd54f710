/**
 * A request of one signal on the path of another is refused with the right path, in both encodings, and nothing of it is
 * stored: an SDK with a wrong endpoint sends it again and again.
 */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { encodeJsonFixture } from '../support/otlp-items.ts';
import { jsonOf, report, requestOf, send, stored } from '../support/otlp-send.ts';
import { field, fixed64 } from '../support/otlp-wire.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ['--default-stream', 'mixed'] });
});

afterAll(async () => {
  await server.stop();
});

const MIXES = SIGNALS.flatMap((signal) =>
  SIGNALS.filter((path) => path !== signal).map((path) => [signal, path] as const),
);
const json = (signal: Signal): string =>
  readFileSync(new URL(`../fixtures/json/every-${signal}.json`, import.meta.url), 'utf8');

async function expectRefused(signal: Signal, path: Signal, body: string | Uint8Array): Promise<void> {
  const { status, message } = await send(server, path, body);
  expect([status, message]).toEqual([
    400,
    expect.stringContaining(`this is a ${signal} request: post it to /v1/${signal}`),
  ]);
}

describe.each(MIXES)('a request of %s posted to /v1/%s', (signal, path) => {
  test('is refused in JSON', async () => {
    await expectRefused(signal, path, json(signal));
    await expectRefused(signal, path, jsonOf(signal, 'mixed'));
  });

  test('is refused in protobuf', async () => {
    await expectRefused(signal, path, encodeJsonFixture(signal, Buffer.from(json(signal))));
  });
});

const ids = [...field(1, Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex')), ...field(2, Buffer.alloc(8, 0xb7))];
const lowIds = [
  ...field(
    1,
    Array.from({ length: 16 }, (_, i) => i),
  ),
  ...field(2, [1, 2, 3, 4, 5, 6, 7, 8]),
];
const textLog = field(5, field(1, 'hello world'));
const numberPoint = [...fixed64(3, 1_700_000_000_000_000_000n), ...fixed64(6, 5n)];
const gauge = field(5, field(1, numberPoint));
const smallGauge = field(5, field(1, [0x18 + 0x28, 0x01]));

/** Items that hold so little that other signals can be read from them. */
const SPARSE: readonly (readonly [what: string, signal: Signal, path: Signal, item: readonly number[]])[] = [
  ['a log with a body only', 'logs', 'traces', textLog],
  ['a log with a body only', 'logs', 'metrics', textLog],
  ['a log with a text and a level', 'logs', 'traces', [...field(3, 'INFO'), ...textLog]],
  ['a log with a number as its body', 'logs', 'metrics', [...field(3, 'INFO'), ...field(5, [0x18, 0x05])]],
  ['a log with a number as its body', 'logs', 'traces', [...field(3, 'INFO'), ...field(5, [0x18, 0x05])]],
  ['a span with ids and a name', 'traces', 'logs', [...ids, ...field(5, 'GET /')]],
  ['a span with ids and a name', 'traces', 'metrics', [...ids, ...field(5, 'GET /')]],
  ['a span with low bytes as ids', 'traces', 'metrics', [...lowIds, ...field(5, 'GET /')]],
  ['a span with ids only', 'traces', 'metrics', ids],
  ['a span with low bytes as ids only', 'traces', 'metrics', lowIds],
  ['a gauge', 'metrics', 'traces', [...field(1, 'process.cpu'), ...field(3, 's'), ...gauge]],
  ['a gauge', 'metrics', 'logs', [...field(1, 'process.cpu'), ...field(3, 's'), ...gauge]],
  ['a gauge of few bytes', 'metrics', 'traces', [...field(1, 'process.cpu'), ...smallGauge]],
];

test.each(SPARSE)('%s (of %s) is refused on /v1/%s', async (_, signal, path, item) => {
  await expectRefused(signal, path, requestOf('mixed', item));
});

test('what the newest Python SDK sends with a wrong endpoint is refused', async () => {
  await expectRefused('logs', 'traces', report('wrongsig-logs-to-traces.bin'));
  await expectRefused('traces', 'logs', report('wrongsig-traces-to-logs.bin'));
});

test('a known field with another wire type is refused, and the message names it', async () => {
  const { status, message } = await send(server, 'traces', report('wire-flags-varint.bin'));
  expect([status, message]).toEqual([400, expect.stringContaining('flags of Span (field 16) has wire type 0')]);
});

test('sparse items on their own path are stored', async () => {
  for (const [what, signal, , item] of SPARSE) {
    expect([what, await send(server, signal, requestOf(`own-${signal}`, item))]).toMatchObject([
      what,
      { status: 200, rejected: 0 },
    ]);
  }
  for (const signal of SIGNALS) {
    const wanted = SPARSE.filter((entry) => entry[1] === signal).length;
    expect(await stored(server, signal, `own-${signal}`)).toHaveLength(wanted);
  }
});

test('after all of these nothing is stored that was refused', async () => {
  expect(await stored(server, 'logs', 'mixed')).toEqual([]);
});
