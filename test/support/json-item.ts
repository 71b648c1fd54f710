/** One item of OTLP/JSON through the transcoder, the scanner and protobufjs, for tests of single values. */

import { OTLP_LIMITS } from '../../src/model/limits.ts';
import type { Signal } from '../../src/model/record.ts';
import { type JsonTally, transcodeJson } from '../../src/otlp/json/transcode.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { REQUEST_TYPES } from './json-oracle.ts';

const WRAPS: Readonly<Record<Signal, readonly [string, string]>> = {
  logs: ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[', ']}]}]}'],
  traces: ['{"resourceSpans":[{"scopeSpans":[{"spans":[', ']}]}]}'],
  metrics: ['{"resourceMetrics":[{"scopeMetrics":[{"metrics":[', ']}]}]}'],
};

/** A log record. */
export function log(text: string, tally?: JsonTally): unknown {
  return item('logs', text, tally);
}

/** A data point of an exponential histogram. */
export function exponential(text: string): unknown {
  const metric = item('metrics', `{"exponentialHistogram":{"dataPoints":[${text}]}}`);
  return (metric as { exponentialHistogram: { dataPoints: [unknown] } }).exponentialHistogram.dataPoints[0];
}

/** One item through the transcoder and protobufjs; only present fields are compared. */
export function item(signal: Signal, text: string, tally?: JsonTally): unknown {
  const type = REQUEST_TYPES[signal];
  const bytes = transcodeJson(signal, Buffer.from(WRAPS[signal].join(text)), tally);
  scanRequest(signal, bytes, OTLP_LIMITS);
  const request = type.toObject(type.decode(bytes), { longs: String }) as object;
  let inner: unknown = request;
  for (let level = 0; level < 3; level++) [inner] = Object.values(inner as Record<string, unknown[]>)[0] ?? [];
  return withHexIds(inner);
}

function withHexIds(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(withHexIds);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withHexIds(inner)]));
}
