/**
 * Bar S10: append to tailer at 100 requests a second of 100 records, open loop: requests leave on a schedule that does not
 * wait for responses, and every latency counts from the scheduled time.
 */

import protobuf from 'protobufjs/light.js';
import WebSocket from 'ws';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { fixture } from './bodies.ts';
import { type BenchServer, startTailrace } from './processes.ts';
import { type BarResult, spread } from './report.ts';

const RATE_PER_SECOND = 100;
const RECORDS = 100;

export async function latencyBar(runs: number, scale: number): Promise<BarResult> {
  const acks: number[] = [];
  const deliveries: number[] = [];
  for (let run = 0; run < runs; run++) {
    const server = await startTailrace();
    try {
      const { ack, delivery } = await openLoop(server, Math.ceil(1_000 * scale));
      acks.push(ack);
      deliveries.push(delivery);
    } finally {
      await server.stop();
    }
    process.stderr.write(`S10: run ${run + 1} of ${runs} done\n`);
  }
  return {
    bar: 'S10',
    what: 'append → tailer p99, 100 requests/s of 100 records, open loop',
    ours: `${spread(deliveries).median.toFixed(2)} ms`,
    reference: `p99 of the ack: ${spread(acks).median.toFixed(2)} ms`,
    ratio: spread(deliveries.map((delivery, run) => delivery / (acks[run] ?? Number.NaN))),
    wanted: ['<=', 2],
  };
}

async function openLoop(server: BenchServer, requests: number): Promise<{ ack: number; delivery: number }> {
  const warmUp = 100;
  const total = requests + warmUp;
  const url = `http://127.0.0.1:${server.port}/v1/logs`;
  const body = hundredRecords();
  const headers = { ...server.headers, 'content-type': 'application/x-protobuf' };
  const first = await fetch(url, { method: 'POST', headers, body });
  if (first.status !== 200) throw new Error(`the first append was answered ${first.status}`);
  const deliveredAt = tailer(server, total);
  await deliveredAt.level;
  const scheduled = Array.from({ length: total }, () => 0);
  const ackedAt = Array.from({ length: total }, () => 0);
  const origin = performance.now() + 20;
  const acks: Promise<void>[] = [];
  for (let i = 0; i < total; i++) {
    const due = origin + (i * 1_000) / RATE_PER_SECOND;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    scheduled[i] = Math.max(due, performance.now() - 1); // a late timer of the client is not the server's latency
    acks.push(
      fetch(url, { method: 'POST', headers, body }).then(async (response) => {
        await response.arrayBuffer();
        ackedAt[i] = performance.now();
      }),
    );
  }
  await Promise.all(acks);
  const delivered = await deliveredAt.all;
  const p99 = (at: readonly number[]): number => {
    const latencies = scheduled
      .map((due, i) => (at[i] ?? 0) - due)
      .slice(warmUp)
      .sort((a, b) => a - b);
    return latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN;
  };
  return { ack: p99(ackedAt), delivery: p99(delivered) };
}

/** Notes when the i-th request's records have all come: positions are in the order of the requests. */
function tailer(server: BenchServer, total: number): { level: Promise<void>; all: Promise<number[]> } {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/streams/orders/records`, 'otlp.proto', {
    headers: server.headers,
  });
  const at: number[] = [];
  let level: () => void;
  const levelled = new Promise<void>((resolve) => {
    level = resolve;
  });
  const all = new Promise<number[]>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data, binary) => {
      if (binary) return;
      const frame = JSON.parse(String(data)) as { type: string; next?: { seq_num: number } };
      if (frame.type === 'caught_up') level();
      if (frame.type !== 'positions' || frame.next === undefined) return;
      while (at.length < total && frame.next.seq_num >= (at.length + 2) * RECORDS) at.push(performance.now());
      if (at.length < total) return;
      socket.close();
      resolve(at);
    });
  });
  return { level: levelled, all };
}

/** The first 100 records of the frozen body. */
function hundredRecords(): Buffer {
  const message = protobuf.Root.fromJSON(SCHEMA).lookupType('opentelemetry.proto.logs.v1.LogsData');
  const logs = message.toObject(message.decode(fixture('bench-512.pb').body)) as {
    resourceLogs: { scopeLogs: { logRecords: unknown[] }[] }[];
  };
  const scope = logs.resourceLogs[0]?.scopeLogs[0];
  if (scope === undefined) throw new Error('the frozen body has no records');
  scope.logRecords.length = RECORDS;
  return Buffer.from(message.encode(message.fromObject(logs)).finish());
}
