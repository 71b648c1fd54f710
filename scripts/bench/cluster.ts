/**
 * A cluster beside one server: S17 (bytes of commits through a majority that syncs, with group commit), S18 (commits of one
 * writer), its readers, and its partitions. Three servers of NATS on this machine, which takes the same disk and processors for all of them.
 */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Engine } from '../../src/storage/engine.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { connectNats } from '../../src/storage/replicated/nats-connection.ts';
import { Replica } from '../../src/storage/replicated/replica.ts';
import { ReplicatedEngine } from '../../src/storage/replicated/replicated-engine.ts';
import { startNatsServers } from '../../test/support/nats-servers.ts';
import { partitionBars } from './cluster-partitions.ts';
import { clusterReaderBars } from './cluster-readers.ts';
import { type BarResult, spread } from './report.ts';

const KIB = 1024;
const RUN_MS = 4_000;
const WRITERS = 8;

interface Sample {
  readonly p50: number;
  readonly p99: number;
  readonly mibPerSecond: number;
}

export async function clusterBars(runs: number, scale: number): Promise<BarResult[]> {
  const servers = await startNatsServers(3);
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-bench-cluster-'));
  const link = await connectNats({ servers: servers.urls, name: 'bench' });
  try {
    const log = await openJetstreamLog(link, { cluster: 'bench', partition: 0, replicas: 3 });
    const one = await openLmdbEngine({ path: path.join(dir, 'one') });
    const local = await openLmdbEngine({ path: path.join(dir, 'node') });
    const onSuperseded = (error: Error): never => {
      throw error;
    };
    const cluster = await ReplicatedEngine.takeOver({ log, replica: await Replica.open(local), onSuperseded });
    const sides = { cluster, one };
    const bars = [
      await bar(sides, { bar: 'S17', bytes: 64 * KIB, writers: WRITERS, wanted: ['>=', 50] }, runs, scale),
      await bar(sides, { bar: 'S17', bytes: 1024 * KIB, writers: WRITERS, wanted: ['>=', 50] }, runs, scale),
      await bar(sides, { bar: 'S18', bytes: 4 * KIB, writers: 1, wanted: ['<=', 10] }, runs, scale),
      await bar(sides, { bar: 'S18', bytes: 64 * KIB, writers: 1, wanted: ['<=', 10] }, runs, scale),
    ];
    await cluster.close();
    await Promise.all([one.close(), local.close()]);
    bars.push(...(await clusterReaderBars(servers, dir, runs, scale)), ...(await partitionBars(dir, runs, scale)));
    return bars;
  } finally {
    await link.close();
    await servers.dispose();
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Shape {
  readonly bar: string;
  readonly bytes: number;
  readonly writers: number;
  /** Of MiB a second for many writers, of milliseconds at the median for one. */
  readonly wanted: BarResult['wanted'];
}

async function bar(
  { cluster, one }: { readonly cluster: Engine; readonly one: Engine },
  { bar: name, bytes, writers, wanted }: Shape,
  runs: number,
  scale: number,
): Promise<BarResult> {
  const ours: Sample[] = [];
  const theirs: Sample[] = [];
  for (let run = 0; run < runs; run++) {
    ours.push(await commits(cluster, bytes, writers, RUN_MS * scale));
    theirs.push(await commits(one, bytes, writers, RUN_MS * scale));
  }
  const measured = ours.map(({ p50, mibPerSecond }) => (writers === 1 ? p50 : mibPerSecond));
  const what = writers === 1 ? 'ms at the median, one writer' : `MiB/s, ${writers} writers`;
  return {
    bar: name,
    what: `commits of ${bytes / KIB} KiB in a cluster: ${what}`,
    ours: inWords(ours),
    reference: `one server: ${inWords(theirs)}`,
    ratio: spread(measured),
    wanted,
    note: 'the figure itself, not a ratio',
  };
}

async function commits(engine: Engine, bytes: number, writers: number, ms: number): Promise<Sample> {
  const started = performance.now();
  const took: number[] = [];
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; performance.now() - started < ms; i++) {
      const since = performance.now();
      const key = Buffer.from(`${bytes} ${writer} ${i % 100}`);
      await engine.commit([{ type: 'put', key, value: randomBytes(bytes) }]);
      took.push(performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const seconds = (performance.now() - started) / 1e3;
  took.sort((a, b) => a - b);
  const at = (share: number): number => took[Math.floor(took.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), mibPerSecond: (took.length * bytes) / 2 ** 20 / seconds };
}

function inWords(samples: readonly Sample[]): string {
  const median = (of: (sample: Sample) => number): string => spread(samples.map(of)).median.toFixed(1);
  const rate = median(({ mibPerSecond }) => mibPerSecond);
  return `${rate} MiB/s, p50 ${median(({ p50 }) => p50)} ms, p99 ${median(({ p99 }) => p99)} ms`;
}
