/**
 * The in-process bars: S6 (validation and routing against protobufjs' decode, and what it allocates) and the first half
 * of S4 (transcoding JSON against JSON.parse, fromObject and encode). A process of its own, started with
 * `--expose-gc`, so that nothing else is on its heap. Prints one line of JSON.
 */

import protobuf from 'protobufjs/light.js';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { transcodeJson } from '../../src/otlp/json/transcode.ts';
import { routeResource } from '../../src/otlp/routing/route.ts';
import { ScannedRequest } from '../../src/otlp/scan/columns.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { fixture } from './bodies.ts';

/** Records per second of each thing, one number a run, and heap bytes per item of the scan. */
export interface CodecResult {
  readonly scan: readonly number[];
  readonly decode: readonly number[];
  readonly transcode: readonly number[];
  readonly jsonReference: readonly number[];
  readonly heapBytesPerItem: number;
}

const logs = protobuf.Root.fromJSON(SCHEMA).lookupType(
  'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest',
);
const pb = fixture('bench-512.pb');
const json = fixture('bench-512.json');
const runs = Number(process.argv[2] ?? 5);
const scanned = new ScannedRequest();

const result: CodecResult = {
  scan: repeat(() => scanAndRoute(), pb.records),
  decode: repeat(() => void logs.decode(pb.body), pb.records),
  transcode: repeat(() => void transcodeJson('logs', json.body), json.records),
  jsonReference: repeat(
    () => void logs.encode(logs.fromObject(JSON.parse(json.body.toString()) as object)).finish(),
    json.records,
  ),
  heapBytesPerItem: heapBytesPerItem(),
};
process.stdout.write(`${JSON.stringify(result)}\n`);

function scanAndRoute(): void {
  scanRequest('logs', pb.body, OTLP_LIMITS, scanned);
  for (let row = 0; row < scanned.resourceCount; row++) routeResource(scanned, row, { fallback: '{service.name}' });
}

/** Records per second of the runs, each at least half a second long, after a warm-up. */
function repeat(work: () => void, records: number): number[] {
  run(work, 500);
  return Array.from({ length: runs }, () => run(work, 500) * records);
}

/** Calls per second. */
function run(work: () => void, durationMs: number): number {
  const startedAt = performance.now();
  let calls = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    work();
    calls++;
    elapsedMs = performance.now() - startedAt;
  }
  return (calls / elapsedMs) * 1e3;
}

/** What scanning and routing leave on the heap, per item, over at least 10,000 items once warm. */
function heapBytesPerItem(): number {
  const calls = Math.ceil(10_000 / pb.records);
  for (let i = 0; i < 200; i++) scanAndRoute();
  global.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < calls; i++) scanAndRoute();
  return Math.max(0, process.memoryUsage().heapUsed - before) / (calls * pb.records);
}
