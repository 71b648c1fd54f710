/** The reader bars S8 (replay) and S9 (fan-out to 1,000 sockets), each beside raw `ws.send` in the same run. */

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fixture } from './bodies.ts';
import { type BenchServer, load, startScript, startTailrace } from './processes.ts';
import { type BarResult, human, spread } from './report.ts';
import type { ReaderOptions, ReaderResult } from './ws-load.ts';

const STREAM = '/v1/streams/orders/records';
const body = fixture('bench-512.pb');

export async function readerBars(runs: number, scale: number): Promise<BarResult[]> {
  const results: BarResult[] = [];
  for (const protocol of ['otlp.proto', 's2.proto']) {
    results.push(await bar('S8', `replay, ${protocol}`, 0.5, runs, () => replay(protocol, Math.ceil(2_000 * scale))));
  }
  for (const protocol of ['otlp.proto', 's2.proto']) {
    results.push(
      await bar('S9', `fan-out to 1,000 sockets, ${protocol}`, 0.8, runs, () =>
        fanOut(protocol, Math.ceil(30 * scale)),
      ),
    );
  }
  return results;
}

interface Pair {
  readonly ours: ReaderResult;
  readonly reference: ReaderResult;
}

async function bar(
  name: string,
  what: string,
  wanted: number,
  runs: number,
  once: () => Promise<Pair>,
): Promise<BarResult> {
  const rates: { ours: number; reference: number; records: number }[] = [];
  for (let run = 0; run < runs; run++) {
    const { ours, reference } = await once();
    rates.push({
      ours: ours.bytes / ours.seconds,
      reference: reference.bytes / reference.seconds,
      records: (ours.frames * body.records) / ours.seconds,
    });
    process.stderr.write(`${name} ${what}: run ${run + 1} of ${runs} done\n`);
  }
  const ours = spread(rates.map((rate) => rate.ours)).median;
  const records = spread(rates.map((rate) => rate.records)).median;
  return {
    bar: name,
    what,
    ours: `${human(ours)}B/s, ${human(records)} records/s`,
    reference: `raw ws.send: ${human(spread(rates.map((rate) => rate.reference)).median)}B/s`,
    ratio: spread(rates.map((rate) => rate.ours / rate.reference)),
    wanted: ['>=', wanted],
  };
}

async function replay(protocol: string, requests: number): Promise<Pair> {
  const server = await startTailrace();
  try {
    await ingest(server, requests);
    const options = { port: server.port, path: `${STREAM}?seq_num=0`, protocol, headers: server.headers };
    const ours = await read({ ...options, sockets: 1, waitFor: 'open', frames: requests });
    return { ours, reference: await rawSend(ours, 1, requests) };
  } finally {
    await server.stop();
  }
}

async function fanOut(protocol: string, requests: number): Promise<Pair> {
  const server = await startTailrace();
  const sockets = 1_000;
  try {
    await ingest(server, 1);
    const options = { port: server.port, path: STREAM, protocol, headers: server.headers };
    const reading = read({ ...options, sockets, waitFor: 'caught_up', frames: sockets * requests }, () =>
      ingest(server, requests),
    );
    const ours = await reading;
    return { ours, reference: await rawSend(ours, sockets, requests) };
  } finally {
    await server.stop();
  }
}

/** Raw `ws.send` of frames as large as ours were, to as many sockets. */
export async function rawSend(
  ours: Pick<ReaderResult, 'bytes' | 'frames'>,
  sockets: number,
  frames: number,
): Promise<ReaderResult> {
  const server = await startScript('ws-send.js', [String(Math.round(ours.bytes / ours.frames)), String(frames)]);
  try {
    const options = { port: server.port, path: '/', protocol: 'raw', headers: {}, sockets, frames: frames * sockets };
    return await read({ ...options, waitFor: 'open' }, async () => {
      await fetch(`http://127.0.0.1:${server.port}/go`);
    });
  } finally {
    await server.stop();
  }
}

/** Runs the readers; calls `whenReady` once all are level. */
async function read(options: ReaderOptions, whenReady?: () => Promise<unknown>): Promise<ReaderResult> {
  const script = fileURLToPath(new URL('ws-load.js', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'ready') await whenReady?.();
    else return JSON.parse(line) as ReaderResult;
  }
  throw new Error('the readers ended without a result');
}

export async function ingest(server: BenchServer, requests: number): Promise<void> {
  const bodyFile = join(server.dataDir, 'body.bin');
  writeFileSync(bodyFile, body.body);
  const headers = { ...server.headers, 'content-type': 'application/x-protobuf' };
  await load({ port: server.port, path: '/v1/logs', headers, bodyFile, connections: Math.min(4, requests), requests });
}
