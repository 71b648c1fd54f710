/**
 * Partitions of a cluster: S21, what writers of three basins get when these are in three partitions, beside all in one; S22,
 * one writer; S23, for how long a basin takes no appends while it moves with 100 MiB of records. Three nodes over HTTP: what
 * this machine shares between them, three machines would not.
 */

import { randomBytes } from 'node:crypto';
import { ClusterNode, leaderOfPartition } from '../../test/support/cluster-nodes.ts';
import { type NatsServers, startNatsServers } from '../../test/support/nats-servers.ts';
import { type BarResult, spread } from './report.ts';

const PARTITIONS = 3;
const WRITERS = 8;
const KIB = 1_024;
const BODY_BYTES = 64 * KIB;
const MOVED_BYTES = 100 * KIB * KIB;
const RUN_MS = 4_000;
const LOOK_MS = 20;
const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const BASINS = ['bench-one', 'bench-two', 'bench-three'];
const MOVED = 'bench-moved';
/** LZ4 makes nothing smaller of it. */
const BODY = randomBytes((BODY_BYTES * 3) / 4).toString('base64');

interface Sample {
  readonly mibPerSecond: number;
  readonly p50: number;
  readonly p99: number;
}

interface MoveSample {
  readonly tookMs: number;
  /** The longest time without an acknowledgement. */
  readonly silentMs: number;
}

export async function partitionBars(dir: string, runs: number, scale: number): Promise<BarResult[]> {
  const nats = await startNatsServers(3);
  const nodes: ClusterNode[] = [];
  try {
    await start(nats, dir, nodes);
    for (const basin of [...BASINS, MOVED]) {
      await ask(nodes, 'POST', '/v1/basins', { basin, config: { create_stream_on_append: true } });
    }
    const [alone, apart, oneAlone, oneApart]: Sample[][] = [[], [], [], []];
    for (let run = 0; run < runs; run++) {
      for (const basin of BASINS) await move(nodes, basin, 1);
      alone?.push(await measure(nodes, WRITERS, RUN_MS * scale));
      oneAlone?.push(await measure(nodes, 1, RUN_MS * scale));
      for (const [partition, basin] of BASINS.entries()) await move(nodes, basin, partition);
      apart?.push(await measure(nodes, WRITERS, RUN_MS * scale));
      oneApart?.push(await measure(nodes, 1, RUN_MS * scale));
    }
    const moves = await measureMoves(nodes, runs, scale);
    return [manyBar(alone ?? [], apart ?? []), oneBar(oneAlone ?? [], oneApart ?? []), moveBar(moves, scale)];
  } finally {
    for (const node of nodes) await node.stop('SIGKILL');
    await nats.dispose();
  }
}

async function start(nats: NatsServers, dir: string, nodes: ClusterNode[]): Promise<void> {
  const main = new URL('../../cli/main.js', import.meta.url).pathname;
  const setup = { nats, replicas: 3, dir, token: TOKEN, main, partitions: PARTITIONS } as const;
  for (const name of ['d', 'e', 'f']) nodes.push(await ClusterNode.at(setup, name));
  await Promise.all(nodes.map((node) => node.start()));
  // Each leads one of them.
  for (;;) {
    const all = Array.from({ length: PARTITIONS }, (_, partition) => leaderOfPartition(nodes, partition));
    if (new Set(await Promise.all(all)).size === nodes.length) return;
    await pause();
  }
}

function manyBar(alone: readonly Sample[], apart: readonly Sample[]): BarResult {
  return {
    bar: 'S21',
    what: `appends of ${BODY_BYTES / KIB} KiB, ${WRITERS} writers of three basins`,
    ours: `in three partitions: ${inWords(apart)}`,
    reference: `all in one: ${inWords(alone)}`,
    ratio: spread(apart.map(({ mibPerSecond }, run) => mibPerSecond / (alone[run]?.mibPerSecond ?? Number.NaN))),
    wanted: ['>=', 0.9],
    note: 'three nodes and three servers of NATS share the processors and the disk of one machine',
  };
}

function oneBar(alone: readonly Sample[], apart: readonly Sample[]): BarResult {
  return {
    bar: 'S22',
    what: `appends of ${BODY_BYTES / KIB} KiB, one writer, at the median`,
    ours: `in three partitions: ${inWords(apart)}`,
    reference: `all in one: ${inWords(alone)}`,
    ratio: spread(apart.map(({ p50 }, run) => p50 / (alone[run]?.p50 ?? Number.NaN))),
    wanted: ['<=', 1.3],
  };
}

function moveBar(moves: readonly MoveSample[], scale: number): BarResult {
  const took = spread(moves.map(({ tookMs }) => tookMs / 1e3));
  const silent = spread(moves.map(({ silentMs }) => silentMs / 1e3));
  const size = Math.round((MOVED_BYTES * scale) / KIB / KIB);
  return {
    bar: 'S23',
    what: `a basin with ${size} MiB of records moves while it is written: seconds without an append`,
    ours: `${silent.median.toFixed(2)} (${silent.min.toFixed(2)}–${silent.max.toFixed(2)}) s`,
    reference: `the whole move: ${took.median.toFixed(1)} (${took.min.toFixed(1)}–${took.max.toFixed(1)}) s`,
    ratio: silent,
    wanted: ['<=', 2],
    note: 'the figure itself, not a ratio',
  };
}

/** Writers append one after the other, each to a stream of its own, through all nodes. */
async function measure(nodes: readonly ClusterNode[], writers: number, ms: number): Promise<Sample> {
  const started = performance.now();
  const took: number[] = [];
  const write = async (writer: number): Promise<void> => {
    while (performance.now() - started < ms) {
      const since = performance.now();
      const status = await append(
        nodes[writer % nodes.length],
        BASINS[writer % BASINS.length] ?? '',
        `w-${writer}`,
        BODY,
      );
      if (status !== 200) throw new Error(`an append was refused with ${status}`);
      took.push(performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const seconds = (performance.now() - started) / 1e3;
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(took.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), mibPerSecond: (took.length * BODY_BYTES) / 2 ** 20 / seconds };
}

async function measureMoves(
  nodes: readonly ClusterNode[],
  runs: number,
  scale: number,
): Promise<readonly MoveSample[]> {
  const appends = Math.ceil((MOVED_BYTES * scale) / BODY_BYTES / WRITERS);
  const fill = async (writer: number): Promise<void> => {
    for (let i = 0; i < appends; i++) await append(nodes[writer % nodes.length], MOVED, `filled-${writer}`, BODY);
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => fill(writer)));
  const samples: MoveSample[] = [];
  // So that each run moves it.
  await move(nodes, MOVED, 2);
  for (let run = 0; run < runs; run++) {
    let isOver = false;
    let silentMs = 0;
    const writing = (async () => {
      for (let last = performance.now(); !isOver; ) {
        const status = await append(nodes[run % nodes.length], MOVED, 'meanwhile', 'x');
        if (status !== 200 && status !== 503) throw new Error(`an append was refused with ${status}`);
        if (status === 503) continue;
        silentMs = Math.max(silentMs, performance.now() - last);
        last = performance.now();
      }
    })();
    const started = performance.now();
    await move(nodes, MOVED, 1 + (run % 2));
    const tookMs = performance.now() - started;
    // The gap that the move has left ends with the next append.
    await append(nodes[run % nodes.length], MOVED, 'behind', 'x');
    isOver = true;
    await writing;
    samples.push({ tookMs, silentMs });
  }
  return samples;
}

/** Moves a basin to a partition, where it is not there yet. */
async function move(nodes: readonly ClusterNode[], basin: string, to: number): Promise<void> {
  const look = async () => {
    const { place, moves } = await ask(nodes, 'GET', `/v1/cluster?place_of=${basin}`);
    return { place, isMoving: moves?.some((each) => each.basin === basin) === true };
  };
  if ((await look()).place?.partition === to) return;
  await ask(nodes, 'POST', '/v1/cluster/move', { basin, partition: to });
  for (;;) {
    const { place, isMoving } = await look();
    if (!isMoving && place?.partition === to) return;
    if (!isMoving) throw new Error(`the move of ${basin} was given up`);
    await pause();
  }
}

async function append(node: ClusterNode | undefined, basin: string, stream: string, body: string): Promise<number> {
  const response = await fetch(`${node?.url}/v1/streams/${stream}/records`, {
    ...{ method: 'POST', headers: headersOf(basin), body: JSON.stringify({ records: [{ body }] }) },
  });
  await response.arrayBuffer();
  return response.status;
}

interface Cluster {
  readonly place?: { readonly partition: number };
  readonly moves?: readonly { readonly basin: string }[];
}

async function ask([node]: readonly ClusterNode[], method: string, path: string, json?: object): Promise<Cluster> {
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  const response = await fetch(`${node?.url}${path}`, { method, headers: headersOf('telemetry'), ...body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as Cluster;
}

function headersOf(basin: string): Record<string, string> {
  return { authorization: `Bearer ${TOKEN}`, 's2-basin': basin, 'content-type': 'application/json' };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}

function inWords(samples: readonly Sample[]): string {
  const median = (of: (sample: Sample) => number): string => spread(samples.map(of)).median.toFixed(1);
  const rate = median(({ mibPerSecond }) => mibPerSecond);
  return `${rate} MiB/s, p50 ${median(({ p50 }) => p50)} ms, p99 ${median(({ p99 }) => p99)} ms`;
}
