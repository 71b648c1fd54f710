/** The ingest bars S1, S2, S3, S5, the durable half of S4 and S11: OTLP/HTTP bytes in, fsync, 200 out. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { type BenchBody, fixture, seededBodies } from './bodies.ts';
import type { EngineAloneResult } from './engine-alone.ts';
import { type BenchServer, load, runScript, startScript, startTailrace } from './processes.ts';
import { type BarResult, human, spread } from './report.ts';

/** How one kind of request is sent. */
interface Shape {
  readonly body: BenchBody;
  readonly contentType: string;
  readonly gzip: boolean;
  readonly connections: number;
  readonly requests: number;
}

/** Rates of one shape over the runs, in records per second, and the CPU it took. */
interface Rates {
  readonly perSecond: number[];
  readonly cpuPerMillion: number[];
  readonly p50Ms: number[];
  readonly p99Ms: number[];
}

const PROTOBUF = 'application/x-protobuf';
const scratch = mkdtempSync(join(tmpdir(), 'tailrace-bodies-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** What the runs gave, by shape; the references beside them. */
interface Measured {
  readonly s1: Rates;
  readonly s3: Rates;
  readonly s4: Rates;
  readonly s5: Rates;
  readonly swallowedS1: Rates;
  readonly swallowedS5: Rates;
  readonly alone: number[];
  readonly diskShare: number[];
}

/** Runs every ingest bar; `scale` shortens a run; `jsonReference` is the in-process rate of S4's reference. */
export async function ingestBars(
  runs: number,
  scale: number,
  jsonReference: number,
): Promise<{ bars: BarResult[]; shapes: string[] }> {
  const requests = (count: number): number => Math.ceil(count * scale);
  const big: Shape = {
    body: fixture('bench-512.pb'),
    contentType: PROTOBUF,
    gzip: false,
    connections: 8,
    requests: requests(6_000),
  };
  const one: Shape = { ...big, body: fixture('bench-1.pb'), connections: 64, requests: requests(60_000) };
  const json: Shape = {
    ...big,
    body: fixture('bench-512.json'),
    contentType: 'application/json',
    requests: requests(3_000),
  };
  const measured: Measured = {
    s1: emptyRates(),
    s3: emptyRates(),
    s4: emptyRates(),
    s5: emptyRates(),
    swallowedS1: emptyRates(),
    swallowedS5: emptyRates(),
    alone: [],
    diskShare: [],
  };
  for (let run = 0; run < runs; run++) {
    await measure(await startScript('swallow.js'), big, measured.swallowedS1);
    await measure(await startTailrace(), big, measured.s1, measured.diskShare);
    measured.alone.push((await engineAlone(big.requests)).recordsPerSecond);
    await measure(await startTailrace(), { ...big, gzip: true }, measured.s3);
    await measure(await startTailrace(), json, measured.s4);
    await measure(await startScript('swallow.js'), one, measured.swallowedS5);
    await measure(await startTailrace(), one, measured.s5);
    process.stderr.write(`ingest: run ${run + 1} of ${runs} done\n`);
  }
  return { bars: bars(measured, jsonReference), shapes: await shapeTable(scale) };
}

function bars(measured: Measured, jsonReference: number): BarResult[] {
  const { s1, s3, s4, s5, swallowedS1, swallowedS5, alone, diskShare } = measured;
  const reference = s4.perSecond.map(() => jsonReference);
  return [
    bar('S1', '512 records a request, 8 connections, fsync', s1, 'swallowing server', swallowedS1.perSecond, 0.25),
    bar('S2', 'the same', s1, 'engine alone, same blocks', alone, 0.8),
    bar('S3', 'gzip bodies', s3, 'S1', s1.perSecond, 0.6),
    bar('S4', 'JSON bodies, durable', s4, 'JSON.parse + fromObject + encode', reference, 1.5),
    bar('S5', 'one record a request, 64 connections', s5, 'swallowing server', swallowedS5.perSecond, 0.55),
    {
      bar: 'S11',
      what: 'pages used per byte that came in',
      ours: `${spread(diskShare).median.toFixed(3)} bytes`,
      reference: '1 byte',
      ratio: spread(diskShare),
      wanted: ['<=', 0.4],
    },
  ];
}

function bar(
  name: string,
  what: string,
  ours: Rates,
  of: string,
  reference: readonly number[],
  wanted: number,
): BarResult {
  const median = (values: readonly number[]): number => spread(values).median;
  return {
    bar: name,
    what,
    ours: `${human(median(ours.perSecond))} records/s`,
    reference: `${of}: ${human(median(reference))} records/s`,
    ratio: spread(ours.perSecond.map((value, run) => value / (reference[run] ?? Number.NaN))),
    wanted: ['>=', wanted],
    note: `${median(ours.cpuPerMillion).toFixed(2)} CPU s per M records; ack p50 ${median(ours.p50Ms).toFixed(1)} ms, p99 ${median(ours.p99Ms).toFixed(1)} ms`,
  };
}

/** Loads a server that was just started, stops it, and notes its rates and, when asked to, pages used per byte. */
async function measure(server: BenchServer, shape: Shape, into: Rates, diskShare?: number[]): Promise<void> {
  try {
    const body = shape.gzip ? gzipSync(shape.body.body) : shape.body.body;
    const bodyFile = join(scratch, `${shape.body.name.replaceAll(' ', '-')}${shape.gzip ? '.gz' : ''}`);
    writeFileSync(bodyFile, body);
    const headers = {
      ...server.headers,
      'content-type': shape.contentType,
      ...(shape.gzip ? { 'content-encoding': 'gzip' } : {}),
    };
    const options = {
      port: server.port,
      path: `/v1/${shape.body.signal}`,
      headers,
      bodyFile,
      connections: shape.connections,
    };
    const warmUp = await load({ ...options, requests: Math.max(shape.connections, Math.ceil(shape.requests * 0.1)) });
    const cpuBefore = server.cpuSeconds();
    const result = await load({ ...options, requests: shape.requests });
    const records = result.requests * shape.body.records;
    into.perSecond.push(records / result.seconds);
    into.cpuPerMillion.push(((server.cpuSeconds() - cpuBefore) / records) * 1e6);
    into.p50Ms.push(result.p50Ms);
    into.p99Ms.push(result.p99Ms);
    const sent = (warmUp.requests + result.requests) * shape.body.body.length;
    if (diskShare !== undefined) diskShare.push((await usedBytes(server)) / sent);
  } finally {
    await server.stop();
  }
}

/** The seeded shapes: no bar, but nothing may be tuned to one shape only. */
async function shapeTable(scale: number): Promise<string[]> {
  const rows = ['| shape | records/s | MB/s | CPU s per M records | ack p50 / p99 |', '|---|---|---|---|---|'];
  for (const body of seededBodies()) {
    const into = emptyRates();
    const shape: Shape = {
      body,
      contentType: PROTOBUF,
      gzip: false,
      connections: 8,
      requests: Math.ceil((2e8 / body.body.length) * scale),
    };
    await measure(await startTailrace(), shape, into);
    const perSecond = into.perSecond[0] ?? Number.NaN;
    const megabytes = ((perSecond / body.records) * body.body.length) / 1e6;
    const p50 = into.p50Ms[0]?.toFixed(1);
    const p99 = into.p99Ms[0]?.toFixed(1);
    rows.push(
      `| ${body.name} | ${human(perSecond)} | ${megabytes.toFixed(0)} | ${into.cpuPerMillion[0]?.toFixed(2)} | ${p50} / ${p99} ms |`,
    );
  }
  return rows;
}

/** Pages in use, as the engine counts them; the server is stopped for it. */
async function usedBytes(server: BenchServer): Promise<number> {
  await server.end();
  const engine = await openLmdbEngine({ path: server.dataDir });
  const { usedBytes: used } = await engine.stat();
  await engine.close();
  return used;
}

async function engineAlone(blocks: number): Promise<EngineAloneResult> {
  return runScript<EngineAloneResult>('engine-alone.js', [String(blocks)]);
}

function emptyRates(): Rates {
  return { perSecond: [], cpuPerMillion: [], p50Ms: [], p99Ms: [] };
}
