/** The `otlp` and `otlp-json` views: whole payloads, parts, and the records they skip. */

import { describe, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { type OtlpRun, otlpRuns } from '../../src/otlp/views/otlp.ts';
import { otlpJson, otlpJsonRequests } from '../../src/otlp/views/otlp-json.ts';
import { header, otlpBlock, otlpBytes, otlpType, s2Block } from '../support/socket-blocks.ts';
import { LOGS, METRICS, TRACES } from '../support/socket-requests.ts';

const REQUESTS = { logs: LOGS, traces: TRACES, metrics: METRICS } as const;
const SIGNALS = ['logs', 'traces', 'metrics'] as const;

const oneLog = otlpBytes('logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityText: 'a' }] }] }] });
const oneSpan = otlpBytes('traces', { resourceSpans: [{ scopeSpans: [{ spans: [{ name: 's' }] }] }] });
const LOG = { headers: [header('otel.signal', 'logs')], body: oneLog };
const SPAN = { headers: [header('otel.signal', 'traces')], body: oneSpan };
const PLAIN = { body: 'plain' };
const LIAR = { headers: [header('otel.signal', 'metrics')], body: 'not a metric' };

function decoded(signal: Signal, message: Uint8Array): unknown {
  const type = otlpType(signal);
  return type.toObject(type.decode(message), { longs: String, bytes: String, json: true });
}

describe.each(SIGNALS)('the otlp view of %s', (signal) => {
  test('of a whole block is its payload, byte for byte and not copied', async () => {
    const block = await otlpBlock(signal, REQUESTS[signal]);
    const [run, ...others] = otlpRuns(block, 0, block.header.count);
    expect(others).toEqual([]);
    expect(run).toMatchObject({ from: 0, to: block.header.count, signal });
    expect(Buffer.from(run?.message ?? [])).toEqual(Buffer.from(otlpBytes(signal, REQUESTS[signal])));
    expect(otlpRuns(block, 0, block.header.count)[0]?.message.buffer).toBe(run?.message.buffer);
  });

  test('in consecutive parts holds the same items in the same order', async () => {
    const block = await otlpBlock(signal, REQUESTS[signal]);
    const parts: Uint8Array[] = [];
    for (let i = 0; i < block.header.count; i++) parts.push(otlpRuns(block, i, i + 1)[0]?.message ?? new Uint8Array());
    const items = (message: Uint8Array) =>
      JSON.stringify(decoded(signal, message)).match(/"(name|severityText)":"[^"]*"/g);
    expect(items(Buffer.concat(parts))).toEqual(
      expect.arrayContaining(items(otlpBytes(signal, REQUESTS[signal])) ?? []),
    );
  });

  test('as JSON says the same', () => {
    const bytes = otlpBytes(signal, REQUESTS[signal]);
    const json = JSON.parse(otlpJson(signal, bytes)) as object;
    expect(withBytesAsBase64(json)).toEqual(decoded(signal, bytes));
  });
});

test('a block says whether all ids in it have the right length', async () => {
  const spans = (traceId: Uint8Array) => ({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId, name: 's' }] }] }] });
  const good = await otlpBlock('traces', spans(new Uint8Array(16).fill(1)));
  expect(good.header.idsChecked).toBe(true);
  expect(otlpRuns(good, 0, 1)[0]?.message).toEqual(good.otlpMessage(0, 1));
  const bad = await otlpBlock('traces', spans(new Uint8Array(3).fill(1)));
  expect(bad.header.idsChecked).toBe(false);
  expect(otlpRuns(bad, 0, 1)[0]?.message).not.toEqual(bad.otlpMessage(0, 1));
  expect((await s2Block([PLAIN])).header.idsChecked).toBe(false);
});

test('the JSON mapping uses hex ids, integers as strings, base64, names for special numbers, and enums as integers', () => {
  const json = otlpJson('logs', otlpBytes('logs', LOGS));
  expect(json).toContain('"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"');
  expect(json).toContain('"timeUnixNano":"1700000000123456789"');
  expect(json).toContain('"severityNumber":17');
  expect(json).toContain('{"key":"int","value":{"intValue":"-42"}}');
  expect(json).toContain('{"key":"nan","value":{"doubleValue":"NaN"}}');
  expect(json).toContain('{"key":"-inf","value":{"doubleValue":"-Infinity"}}');
  expect(json).toContain('{"key":"bytes","value":{"bytesValue":"AP8B"}}');
  expect(json).toContain('{"key":"false","value":{"boolValue":false}}');
  expect(json).toContain('{"key":"null","value":{}}');
  expect(json).toContain('"flags":1');
});

describe('records appended through S2', () => {
  test('come in runs of one signal that cover the range; a record that is not OTLP has no message', async () => {
    const block = await s2Block([LOG, LOG, SPAN, PLAIN, LIAR, LOG]);
    const runs = otlpRuns(block, 0, 6);
    expect(runs.map(({ from, to, signal }: OtlpRun) => [from, to, signal])).toEqual([
      [0, 2, 'logs'],
      [2, 3, 'traces'],
      [3, 5, undefined],
      [5, 6, 'logs'],
    ]);
    expect(decoded('logs', runs[0]?.message ?? new Uint8Array())).toEqual(
      decoded('logs', Buffer.concat([oneLog, oneLog])),
    );
    expect(runs[2]?.message).toHaveLength(0);
    expect(otlpRuns(block, 3, 3)).toEqual([]);
  });

  test('are one JSON request per run, with the number of skipped records', async () => {
    const block = await s2Block([LOG, LOG, SPAN, PLAIN, LIAR, LOG]);
    const { requests, skipped } = otlpJsonRequests(block, 0, 6);
    expect(requests.map((request) => Object.keys(JSON.parse(request) as object))).toEqual([
      ['resourceLogs'],
      ['resourceSpans'],
      ['resourceLogs'],
    ]);
    expect(skipped).toBe(2);
  });
});

/** OTLP's hex ids as the base64 of protobuf's own JSON mapping. */
function withBytesAsBase64(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((entry) => withBytesAsBase64(entry));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, withBytesAsBase64(entry, name)]));
  }
  const isId = key === 'traceId' || key === 'spanId' || key === 'parentSpanId';
  return isId && typeof value === 'string' ? Buffer.from(value, 'hex').toString('base64') : value;
}
