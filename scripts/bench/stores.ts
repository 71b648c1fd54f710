/**
 * The bars of large stores: S13 (a million streams: start, first append to a cold one, a page of the list) and S14 (replay
 * from the middle of a stream of 10 GB). Scale 1 is the size of the bar; stores are removed at once.
 */

import { statfsSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import type { Filled } from './fill-store.ts';
import { type BenchServer, runScript, startTailrace } from './processes.ts';
import { type BarResult, human, spread } from './report.ts';
import type { ReadsResult } from './s2s-load.ts';
import { sessionLoad } from './sessions.ts';

const BASIN = 'telemetry';
const SAMPLES = 200;
const PAGE = 1_000;
const GIB = 2 ** 30;

export async function storeBars(runs: number, scale: number): Promise<BarResult[]> {
  const streams = Math.ceil(1_000_000 * scale);
  const many = await manyStreams(runs, streams);
  const bytes = 10 * GIB * scale;
  return [...many, await longStream(runs, bytes)];
}

async function manyStreams(runs: number, streams: number): Promise<BarResult[]> {
  const first = await startTailrace();
  const starts: number[] = [];
  const appends: number[] = [];
  const pages: number[] = [];
  let server = first;
  try {
    await first.end();
    const filled = await fill(first, 'streams', streams);
    process.stderr.write(`S13: ${streams} streams made in ${filled.seconds.toFixed(1)} s\n`);
    for (let run = 0; run < runs; run++) {
      const startedAt = performance.now();
      server = await startTailrace(first.dataDir);
      starts.push((performance.now() - startedAt) / 1e3);
      // Each run takes other streams: one that was appended to is not cold.
      const at = (sample: number): string => nameAt(Math.floor(((sample + run / runs) * streams) / SAMPLES));
      appends.push(p99(await timed(server, SAMPLES, (i) => appendTo(at(i)))));
      pages.push(
        p99(await timed(server, SAMPLES, (i) => ({ path: `/v1/streams?start_after=${at(i)}&limit=${PAGE}` }))),
      );
      await server.end();
    }
  } finally {
    await server.end();
    await first.stop();
  }
  const what = `${human(streams)} streams`;
  return [
    absolute('S13', `${what}: start`, 's', 3, starts),
    absolute('S13', `${what}: first append to a cold stream, p99`, 'ms', 5, appends),
    absolute('S13', `${what}: list page of ${PAGE}, p99`, 'ms', 20, pages),
  ];
}

async function longStream(runs: number, bytes: number): Promise<BarResult> {
  const { bavail, bsize } = statfsSync(tmpdir());
  if (bavail * bsize < bytes)
    throw new Error('S14 needs more space in the temporary directory: choose a smaller --scale');
  const server = await startTailrace();
  const medians: number[] = [];
  let running = server;
  try {
    await server.end();
    const { records, seconds } = await fill(server, 'records', bytes);
    process.stderr.write(`S14: ${human(bytes)}B of records made in ${seconds.toFixed(1)} s\n`);
    for (let run = 0; run < runs; run++) {
      running = await startTailrace(server.dataDir);
      const middle = Array.from({ length: SAMPLES }, (_, i) =>
        Math.floor(records * (0.25 + (i + run / runs) / (2 * SAMPLES))),
      );
      const paths = middle.map((seqNum) => `/v1/streams/long/records?seq_num=${seqNum}&count=${PAGE}`);
      const { firstFrameMs } = await sessionLoad<ReadsResult>(running, { kind: 'read', paths });
      medians.push(spread(firstFrameMs).median);
      await running.end();
    }
  } finally {
    await running.end();
    await server.stop();
  }
  return absolute('S14', `replay from the middle of ${human(bytes)}B: first block, median`, 'ms', 5, medians);
}

function absolute(bar: string, what: string, unit: string, most: number, values: readonly number[]): BarResult {
  const ours = `${spread(values).median.toFixed(2)} ${unit}`;
  return { bar, what, ours, reference: `1 ${unit}`, ratio: spread(values), wanted: ['<=', most] };
}

function fill(server: BenchServer, what: 'streams' | 'records', amount: number): Promise<Filled> {
  return runScript<Filled>('fill-store.js', [server.dataDir, BASIN, what, String(amount)]);
}

interface Asked {
  readonly path: string;
  readonly body?: string;
}

function nameAt(index: number): string {
  return encodeURIComponent(`tenant-${String(index).padStart(8, '0')}/events`);
}

function appendTo(stream: string): Asked {
  return { path: `/v1/streams/${stream}/records`, body: '{"records":[{"body":"first"}]}' };
}

/** Milliseconds of each call, one after the other on one connection; the first ones open it and warm the code. */
async function timed(server: BenchServer, samples: number, make: (sample: number) => Asked): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const took: number[] = [];
  for (let i = 0; i < samples; i++) {
    const asked = make(i);
    const startedAt = performance.now();
    await ask(server, agent, asked);
    took.push(performance.now() - startedAt);
  }
  agent.destroy();
  return took.slice(Math.floor(samples / 10));
}

function ask(server: BenchServer, agent: Agent, { path, body }: Asked): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { ...server.headers, 's2-basin': BASIN, 'content-type': 'application/json' };
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request({ port: server.port, host: '127.0.0.1', path, method, agent, headers }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`)),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function p99(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN;
}
