/** Responses decode to the intended message in both encodings, and stay small. */

import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { ANSWER_BYTES_MAX, ANSWER_MESSAGE_CHARS_MAX } from '../../src/model/limits.ts';
import type { Signal } from '../../src/model/record.ts';
import { exportResponse, OTLP_GRPC_CODE, statusResponse } from '../../src/otlp/response.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const SIGNALS: readonly (readonly [signal: Signal, type: string, field: string])[] = [
  ['logs', 'logs.v1.ExportLogsServiceResponse', 'rejectedLogRecords'],
  ['traces', 'trace.v1.ExportTraceServiceResponse', 'rejectedSpans'],
  ['metrics', 'metrics.v1.ExportMetricsServiceResponse', 'rejectedDataPoints'],
];

function decoded(type: string, bytes: Uint8Array): object {
  const found = root.lookupType(type);
  return found.toObject(found.decode(bytes), { longs: String });
}

function json(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString());
}

describe.each(SIGNALS)('responses in %s', (signal, type, field) => {
  const typeName = `opentelemetry.proto.collector.${type}`;

  test('are zero bytes, or an empty object, on full success', () => {
    const full = { rejected: 0, message: undefined };
    expect(exportResponse(signal, 'protobuf', full)).toHaveLength(0);
    expect(Buffer.from(exportResponse(signal, 'json', full)).toString()).toBe('{}');
  });

  test.each([1, 127, 128, 70_000, 2 ** 40])('report partial success with %i rejected', (rejected) => {
    const partial = { rejected, message: 'Grüße “λ”' };
    const expected = { partialSuccess: { [field]: String(rejected), errorMessage: 'Grüße “λ”' } };
    expect(decoded(typeName, exportResponse(signal, 'protobuf', partial))).toEqual(expected);
    expect(json(exportResponse(signal, 'json', partial))).toEqual(expected);
  });

  test('carry a warning as a message that rejects nothing', () => {
    const warning = { rejected: 0, message: 'cut' };
    expect(decoded(typeName, exportResponse(signal, 'protobuf', warning))).toEqual({
      partialSuccess: { errorMessage: 'cut' },
    });
    expect(json(exportResponse(signal, 'json', warning))).toEqual({ partialSuccess: { errorMessage: 'cut' } });
  });
});

describe('a Status', () => {
  test('carries code and message', () => {
    const status = { code: OTLP_GRPC_CODE.too_large, message: 'too much — send less' };
    expect(decoded('google.rpc.Status', statusResponse('protobuf', status.code, status.message))).toEqual(status);
    expect(json(statusResponse('json', status.code, status.message))).toEqual({ code: 8, message: status.message });
  });

  test('cuts a long message, never inside a character', () => {
    for (const shift of ['', 'x']) {
      const message = shift + '😀'.repeat(ANSWER_MESSAGE_CHARS_MAX);
      const { message: cut } = json(statusResponse('json', 3, message)) as { message: string };
      expect(cut.length).toBeLessThanOrEqual(ANSWER_MESSAGE_CHARS_MAX);
      expect(statusResponse('protobuf', 3, message).length).toBeLessThan(ANSWER_BYTES_MAX);
      expect(cut).toMatch(/^x?(😀)+…$/u);
      expect(decoded('google.rpc.Status', statusResponse('protobuf', 3, message))).toEqual({ code: 3, message: cut });
    }
  });
});
