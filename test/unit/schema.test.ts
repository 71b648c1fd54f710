/** The generated descriptors load in the light build and agree with an independent implementation. */
import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { SCHEMA as OTLP } from '../../src/otlp/schema.gen.ts';
import { SCHEMA as S2 } from '../../src/s2/schema.gen.ts';

describe('opentelemetry descriptors', () => {
  const root = protobuf.Root.fromJSON(OTLP);

  test.each([
    ['opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest', 'opentelemetry.proto.logs.v1.LogsData'],
    ['opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest', 'opentelemetry.proto.trace.v1.TracesData'],
    [
      'opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest',
      'opentelemetry.proto.metrics.v1.MetricsData',
    ],
  ])('%s and %s describe the same message', (request, data) => {
    const shape = (name: string) =>
      root
        .lookupType(name)
        .fieldsArray.map((field) => [field.id, field.name, field.rule, field.resolve().resolvedType?.fullName]);
    expect(shape(request)).toEqual(shape(data));
  });

  test('64-bit integers are exact', () => {
    const point = root.lookupType('opentelemetry.proto.metrics.v1.NumberDataPoint');
    const bytes = point
      .encode(point.fromObject({ asInt: '-9223372036854775808', timeUnixNano: '18446744073709551615' }))
      .finish();
    expect(point.toObject(point.decode(bytes), { longs: String })).toEqual({
      asInt: '-9223372036854775808',
      timeUnixNano: '18446744073709551615',
    });
  });

  test('repeated numbers are packed', () => {
    const buckets = root.lookupType('opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint.Buckets');
    const bytes = buckets.encode(buckets.fromObject({ offset: -1, bucketCounts: [1, 2, 300] })).finish();
    expect(Buffer.from(bytes).toString('hex')).toBe('080112040102ac02');
  });

  test('an optional zero stays on the wire, a plain zero does not', () => {
    const point = root.lookupType('opentelemetry.proto.metrics.v1.HistogramDataPoint');
    const bytes = point.encode(point.fromObject({ sum: 0, flags: 0 })).finish();
    expect(point.toObject(point.decode(bytes))).toEqual({ sum: 0 });
  });
});

describe('s2 descriptors', () => {
  test('conditions of zero and of the empty token are conditions', () => {
    const input = protobuf.Root.fromJSON(S2).lookupType('s2.v1.AppendInput');
    const bytes = input.encode(input.fromObject({ matchSeqNum: 0, fencingToken: '' })).finish();
    expect(Buffer.from(bytes).toString('hex')).toBe('10001a00');
    expect(input.toObject(input.decode(bytes), { longs: Number })).toEqual({ matchSeqNum: 0, fencingToken: '' });
    expect(input.toObject(input.decode(new Uint8Array()), { longs: Number })).toEqual({});
  });
});
