/** The bars of S2 sessions: S7 (appends of 64 kB batches) beside the engine alone, S8 (replay over s2s) beside `ws.send`. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixture, sessionBatch } from './bodies.ts';
import type { EngineAloneResult } from './engine-alone.ts';
import { type BenchServer, runScript, startTailrace } from './processes.ts';
import { ingest, rawSend } from './readers.ts';
import { type BarResult, human, spread } from './report.ts';
import type { Appends, AppendsResult, Reads, ReadsResult } from './s2s-load.ts';

const SESSIONS = 4;
const IN_FLIGHT = 8;
const batch = sessionBatch();

export async function sessionBars(runs: number, scale: number): Promise<BarResult[]> {
  const appends: { ours: AppendsResult; alone: number; cpu: number }[] = [];
  const replays: { ours: ReadsResult; reference: number; records: number }[] = [];
  for (let run = 0; run < runs; run++) {
    appends.push(await append(Math.ceil(20_000 * scale)));
    replays.push(await replay(Math.ceil(2_000 * scale)));
    process.stderr.write(`sessions: run ${run + 1} of ${runs} done\n`);
  }
  return [appendBar(appends), replayBar(replays)];
}

function appendBar(results: readonly { ours: AppendsResult; alone: number; cpu: number }[]): BarResult {
  const rates = results.map(({ ours }) => (ours.batches * batch.records.length) / ours.seconds);
  const median = (values: readonly number[]): number => spread(values).median;
  const megabytes = (median(rates) / batch.records.length) * (batch.frame.length / 1e6);
  const p50 = median(results.map(({ ours }) => ours.p50Ms)).toFixed(1);
  const p99 = median(results.map(({ ours }) => ours.p99Ms)).toFixed(1);
  return {
    bar: 'S7',
    what: `s2s appends, ${SESSIONS} sessions, batches of 64 kB, ${IN_FLIGHT} under way in each`,
    ours: `${human(median(rates))} records/s, ${megabytes.toFixed(0)} MB/s`,
    reference: `engine alone, same blocks: ${human(median(results.map(({ alone }) => alone)))} records/s`,
    ratio: spread(rates.map((rate, run) => rate / (results[run]?.alone ?? Number.NaN))),
    wanted: ['>=', 0.5],
    note: `${median(results.map(({ cpu }) => cpu)).toFixed(2)} CPU s per M records; ack p50 ${p50} ms, p99 ${p99} ms`,
  };
}

function replayBar(results: readonly { ours: ReadsResult; reference: number; records: number }[]): BarResult {
  const rates = results.map(({ ours }) => ours.bytes / ours.seconds);
  const records = spread(results.map((result) => result.records / result.ours.seconds)).median;
  return {
    bar: 'S8',
    what: 'replay, s2s',
    ours: `${human(spread(rates).median)}B/s, ${human(records)} records/s`,
    reference: `raw ws.send: ${human(spread(results.map(({ reference }) => reference)).median)}B/s`,
    ratio: spread(rates.map((rate, run) => rate / (results[run]?.reference ?? Number.NaN))),
    wanted: ['>=', 0.5],
  };
}

async function append(batches: number): Promise<{ ours: AppendsResult; alone: number; cpu: number }> {
  const server = await startTailrace();
  try {
    const paths = Array.from({ length: SESSIONS }, (_, i) => `/v1/streams/session-${i}/records`);
    const frameFile = join(server.dataDir, 'frame.bin');
    writeFileSync(frameFile, batch.frame);
    const appends = { kind: 'append', paths, frameFile, inFlight: IN_FLIGHT } as const;
    await sessionLoad<AppendsResult>(server, { ...appends, batches: Math.ceil(batches / 10) });
    const before = server.cpuSeconds();
    const ours = await sessionLoad<AppendsResult>(server, { ...appends, batches });
    const cpu = ((server.cpuSeconds() - before) / (ours.batches * batch.records.length)) * 1e6;
    // As many blocks under way as the sessions have.
    const perTransaction = (SESSIONS * IN_FLIGHT) / 2;
    const alone = await runScript<EngineAloneResult>('engine-alone.js', [`${batches}`, 's2', `${perTransaction}`]);
    return { ours, alone: alone.recordsPerSecond, cpu };
  } finally {
    await server.stop();
  }
}

async function replay(requests: number): Promise<{ ours: ReadsResult; reference: number; records: number }> {
  const server = await startTailrace();
  try {
    await ingest(server, requests);
    const paths = ['/v1/streams/orders/records?seq_num=0&wait=0'];
    const ours = await sessionLoad<ReadsResult>(server, { kind: 'read', paths });
    const raw = await rawSend(ours, 1, ours.frames);
    return { ours, reference: raw.bytes / raw.seconds, records: requests * fixture('bench-512.pb').records };
  } finally {
    await server.stop();
  }
}

/** Runs sessions against a server from a process of its own. */
export function sessionLoad<T>(server: BenchServer, load: Appends | Reads): Promise<T> {
  const { port, headers } = server;
  return runScript<T>('s2s-load.js', [
    JSON.stringify({ ...load, port, headers: { ...headers, 's2-basin': 'telemetry' } }),
  ]);
}
