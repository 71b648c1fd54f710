/**
 * Readers of a cluster: S19, what it costs the node that leads when all of them ask it, beside the same spread over three
 * nodes; and S20, when a reader has what was appended, on a node that does not lead beside the one that does.
 */

import { WebSocket } from 'ws';
import { ClusterNode, leaderOf, untilFollowed, untilStanding } from '../../test/support/cluster-nodes.ts';
import type { NatsServers } from '../../test/support/nats-servers.ts';
import { cpuSeconds } from './processes.ts';
import { type BarResult, spread } from './report.ts';

const READERS = 150;
const APPENDS_PER_SECOND = 50;
const BODY_BYTES = 1_024;
const RUN_MS = 5_000;
const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const HEADERS = { authorization: `Bearer ${TOKEN}`, 's2-basin': 'telemetry', 'content-type': 'application/json' };
const STREAM = 'measured';

export async function clusterReaderBars(
  nats: NatsServers,
  dir: string,
  runs: number,
  scale: number,
): Promise<BarResult[]> {
  const main = new URL('../../cli/main.js', import.meta.url).pathname;
  const setup = { nats, replicas: 3, dir, token: TOKEN, main } as const;
  const nodes = [await ClusterNode.at(setup, 'a'), await ClusterNode.at(setup, 'b'), await ClusterNode.at(setup, 'c')];
  try {
    for (const node of nodes) {
      await node.start();
      await untilStanding(node, ({ leads, leader }) => leads || leader !== undefined);
    }
    const leader = await leaderOf(nodes);
    await append(leader, 0);
    await untilFollowed(setup, nodes.length);
    const follower = nodes.find((node) => node !== leader) ?? leader;
    const [alone, shared, near, far]: [number[], number[], Latency[], Latency[]] = [[], [], [], []];
    for (let run = 0; run < runs; run++) {
      alone.push((await measure([leader], leader, READERS, RUN_MS * scale)).cpuShare);
      shared.push((await measure(nodes, leader, READERS, RUN_MS * scale)).cpuShare);
      near.push((await measure([leader], leader, 1, RUN_MS * scale)).latency);
      far.push((await measure([follower], leader, 1, RUN_MS * scale)).latency);
    }
    return [scaleBar(alone, shared), latencyBar(near, far)];
  } finally {
    for (const node of nodes) await node.stop('SIGKILL');
  }
}

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

function scaleBar(alone: readonly number[], shared: readonly number[]): BarResult {
  const inWords = (shares: readonly number[]): string => `${(100 * spread(shares).median).toFixed(0)} % of a processor`;
  return {
    bar: 'S19',
    what: `the node that leads, ${READERS} readers at the tail, ${APPENDS_PER_SECOND} appends a second`,
    ours: `spread over three nodes: ${inWords(shared)}`,
    reference: `all ask it: ${inWords(alone)}`,
    ratio: spread(shared.map((share, run) => share / (alone[run] ?? Number.NaN))),
    wanted: ['<=', 0.7],
  };
}

function latencyBar(near: readonly Latency[], far: readonly Latency[]): BarResult {
  const inWords = (all: readonly Latency[]): string => {
    const median = (of: (one: Latency) => number): string => spread(all.map(of)).median.toFixed(1);
    return `p50 ${median(({ p50 }) => p50)} ms, p99 ${median(({ p99 }) => p99)} ms`;
  };
  return {
    bar: 'S20',
    what: 'from the append to a reader at the tail, ms at the median',
    ours: `on a node that does not lead: ${inWords(far)}`,
    reference: `on the node that leads: ${inWords(near)}`,
    ratio: spread(far.map(({ p50 }) => p50)),
    wanted: ['<=', 20],
    note: 'the figure itself, not a ratio',
  };
}

/** Appends at a fixed rate while readers follow; the processor time of the node that leads, and how late the first reader was. */
async function measure(
  asked: readonly ClusterNode[],
  leader: ClusterNode,
  count: number,
  ms: number,
): Promise<{ readonly cpuShare: number; readonly latency: Latency }> {
  const sentAt = new Map<number, number>();
  const took: number[] = [];
  const readers = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const { port } = asked[i % asked.length] ?? leader;
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/streams/${STREAM}/records`, 's2.json', {
        headers: HEADERS,
      });
      if (i === 0) socket.on('message', (frame) => note(String(frame), sentAt, took));
      await new Promise<void>((resolve, reject) => {
        socket.on('error', reject);
        socket.on('message', (frame) => String(frame).includes('caught_up') && resolve());
      });
      return socket;
    }),
  );
  const [cpu, since] = [cpuSeconds(leader.server.pid), performance.now()];
  const under: Promise<void>[] = [];
  for (let i = 1; performance.now() - since < ms; i++) {
    sentAt.set(i, performance.now());
    under.push(append(leader, i));
    await new Promise((resolve) => setTimeout(resolve, 1e3 / APPENDS_PER_SECOND));
  }
  await Promise.all(under);
  const cpuShare = (cpuSeconds(leader.server.pid) - cpu) / ((performance.now() - since) / 1e3);
  for (const reader of readers) reader.terminate();
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(took.length * share)] ?? Number.NaN;
  return { cpuShare, latency: { p50: at(0.5), p99: at(0.99) } };
}

function note(frame: string, sentAt: ReadonlyMap<number, number>, took: number[]): void {
  const now = performance.now();
  const { records = [] } = JSON.parse(frame) as { readonly records?: readonly { readonly body: string }[] };
  for (const { body } of records) took.push(now - (sentAt.get(Number.parseInt(body, 10)) ?? Number.NaN));
}

async function append({ port }: ClusterNode, number: number): Promise<void> {
  const body = JSON.stringify({ records: [{ body: `${number} ${'x'.repeat(BODY_BYTES)}` }] });
  const response = await fetch(`http://127.0.0.1:${port}/v1/streams/${STREAM}/records`, {
    ...{ method: 'POST', headers: HEADERS, body },
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`an append was refused with ${response.status}`);
}
