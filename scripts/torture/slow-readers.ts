/**
 * The long form of the test of readers that stop reading: hundreds of WebSockets, server-sent events and s2s sessions that
 * never read or read a little, while writers write and healthy readers follow. Memory stays within its bound, writers and
 * healthy readers keep their pace, and stalled readers that go on get every record once and in order.
 *
 * Negative controls: a server that does not wait for its readers must break the bound, and a record that is left out must
 * be noticed.
 */

import { createClient } from '../../src/client/client.ts';
import { type ProbedServer, startProbedServer } from './loop/probed-server.ts';
import { KINDS, MarkedReader, markOf, type ReaderKind } from './marked-reader.ts';
import { mib, residentBytes, serverMetric, watchMemory } from './server-figures.ts';

const READERS = Number(process.env.TAILRACE_TORTURE_READERS ?? 600);
const SECONDS = Number(process.env.TAILRACE_TORTURE_SECONDS ?? 15);
const GROWTH_BYTES_MAX = 200 * 1024 * 1024;
/** Machines that run this have other work too. */
const PACE_SHARE_MIN = 0.5;
const LATENCY_MS_MAX = 1_000;
const TURN_MS_MAX = 200;
const STREAMS = 4;
const BATCH = 200;
const RESUMED_EACH_KIND = 4;
/** So many of the stalled readers read a little. */
const TRICKLE_EVERY = 20;
/** More than those read in a second. */
const TRICKLE_BYTES = (READERS / TRICKLE_EVERY) * 2 * 64 * 1024;
/** Of each stream, before anyone reads it. */
const FILLED = 40_000;
const CONTROL_READERS = 100;
/** Far more than the systems buffer for a reader. */
const CONTROL_FILLED = 4 * FILLED;
const CONTROL_MS_MAX = 60_000;
const KIND_NAMES = Object.keys(KINDS) as ReaderKind[];
const PADDING = Array.from({ length: 40 }, (_, i) => (i * 7_919).toString(36)).join('');

interface Pace {
  readonly recordsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly peakBytes: number;
  /** Records in each stream. */
  readonly ends: readonly number[];
}

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  expectGapNoticed();
  const server = await startProbedServer();
  const stalled: MarkedReader[] = [];
  try {
    const alone = await pace(server, 'alone', await fill(server, 'alone'));
    const filled = await fill(server, 'crowd');
    await stallMany(server, 'crowd', stalled);
    const crowded = await pace(server, 'crowd', filled);
    const resumed = await resumeSome(stalled, crowded.ends);
    report('without stalled readers', alone);
    report(`with ${READERS} stalled readers`, crowded);
    const growth = crowded.peakBytes - alone.peakBytes;
    const turnMs = await server.worstTurnMs();
    console.log(
      `slow-readers: memory grew by ${mib(growth)} (bound ${mib(GROWTH_BYTES_MAX)}); ` +
        `${resumed.readers} readers went on and read ${resumed.records} records: 0 lost, 0 twice; ` +
        `worst turn ${turnMs} ms`,
    );
    expectBounds(alone, crowded);
    if (turnMs > TURN_MS_MAX) throw new Error('readers that go on hold up the event loop');
  } finally {
    for (const reader of stalled) reader.end();
    await server.stop();
  }
  await negativeControl();
}

/** Writes to all streams at once for a while, with a healthy reader at the end of each. */
async function pace(server: ProbedServer, name: string, from: number): Promise<Pace> {
  const readers = names(name).map((stream, i) => {
    return new MarkedReader(server.port, server.token, stream, KIND_NAMES[i % KIND_NAMES.length] ?? 'sse', from);
  });
  const watch = watchMemory(server);
  const started = performance.now();
  try {
    const deadline = started + SECONDS * 1_000;
    const goesOn = (): boolean => performance.now() < deadline;
    const ends = await Promise.all(names(name).map((stream) => write(server, stream, from, goesOn)));
    const seconds = (performance.now() - started) / 1_000;
    await Promise.all(readers.map((reader, i) => reader.readTo(ends[i] ?? 0)));
    const latencies = readers.flatMap((reader) => reader.latencies).sort((a, b) => a - b);
    const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.POSITIVE_INFINITY;
    const records = ends.reduce((sum, end) => sum + end - from, 0);
    return { recordsPerSecond: records / seconds, p50: at(0.5), p99: at(0.99), peakBytes: await watch.peak(), ends };
  } finally {
    for (const reader of readers) reader.end();
    await watch.peak();
  }
}

/** Writes more to all streams than the buffers of a reader hold; returns how many records each has then. */
async function fill(server: ProbedServer, name: string, records = FILLED): Promise<number> {
  await makeStreams(server, name);
  const goesOn = (next: number): boolean => next < records;
  await Promise.all(names(name).map((stream) => write(server, stream, 0, goesOn)));
  return records;
}

/** Returns how many records the stream has then. */
async function write(
  server: ProbedServer,
  stream: string,
  from: number,
  goesOn: (next: number) => boolean,
): Promise<number> {
  const client = clientOf(server);
  let next = from;
  while (goesOn(next)) {
    const sentAt = Date.now();
    const records = Array.from({ length: BATCH }, (_, i) => ({ body: markOf(next + i, sentAt) + PADDING }));
    await client.append(stream, records);
    next += BATCH;
  }
  return next;
}

/** Opens readers that stop reading, and waits until the server has filled what the systems buffer for them. */
async function stallMany(server: ProbedServer, name: string, into: MarkedReader[]): Promise<void> {
  const streams = names(name);
  for (let i = 0; i < READERS; i++) {
    const kind = KIND_NAMES[i % KIND_NAMES.length] ?? 'sse';
    const reader = new MarkedReader(server.port, server.token, streams[i % STREAMS] ?? '', kind, 0);
    if (i % TRICKLE_EVERY === TRICKLE_EVERY - 1) reader.trickle();
    else reader.stall();
    into.push(reader);
    await reader.connected();
  }
  let [before, sent] = [-1, await serverMetric(server, 'tailrace_read_bytes_total')];
  while (sent - before > TRICKLE_BYTES) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    [before, sent] = [sent, await serverMetric(server, 'tailrace_read_bytes_total')];
  }
}

/** The first of each kind go on and must get everything. */
async function resumeSome(
  stalled: readonly MarkedReader[],
  ends: readonly number[],
): Promise<{ readers: number; records: number }> {
  const some = stalled.slice(0, RESUMED_EACH_KIND * KIND_NAMES.length);
  await Promise.all(some.map((reader, i) => reader.readTo(ends[i % STREAMS] ?? 0)));
  return { readers: some.length, records: some.reduce((sum, _, i) => sum + (ends[i % STREAMS] ?? 0), 0) };
}

function expectBounds(alone: Pace, crowded: Pace): void {
  const growth = crowded.peakBytes - alone.peakBytes;
  if (growth > GROWTH_BYTES_MAX) throw new Error(`stalled readers took ${mib(growth)}`);
  if (crowded.recordsPerSecond < alone.recordsPerSecond * PACE_SHARE_MIN)
    throw new Error('stalled readers slow writers');
  if (crowded.p99 > Math.max(LATENCY_MS_MAX, 2 * alone.p99)) throw new Error('stalled readers slow a healthy reader');
}

/** A server that does not wait for its readers. */
async function negativeControl(): Promise<void> {
  const server = await startProbedServer([], 'without-back-pressure');
  const stalled: MarkedReader[] = [];
  try {
    await fill(server, 'crowd', CONTROL_FILLED);
    const before = await residentBytes(server);
    const streams = names('crowd');
    for (let i = 0; i < CONTROL_READERS; i++) {
      // Each begins somewhere else, so that no two share their frames.
      const reader = new MarkedReader(server.port, server.token, streams[i % STREAMS] ?? '', 'websocket', i);
      reader.stall();
      stalled.push(reader);
    }
    let growth = 0;
    const deadline = performance.now() + CONTROL_MS_MAX;
    while (growth < GROWTH_BYTES_MAX && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      growth = (await residentBytes(server)) - before;
    }
    if (growth < GROWTH_BYTES_MAX)
      throw new Error(`negative control: a server that never waits took only ${mib(growth)}`);
    console.log(`slow-readers: negative control broke the bound with ${CONTROL_READERS} readers, as it must`);
  } finally {
    for (const reader of stalled) reader.end();
    await server.stop();
  }
}

function expectGapNoticed(): void {
  const reader = new MarkedReader(1, 'x', 'x', 'sse', 0);
  reader.end();
  reader.take(markOf(0, 0).slice(0, 5), 0);
  reader.take(markOf(0, 1_000_000_000_000).slice(5) + markOf(1, 1_000_000_000_000), 0);
  try {
    reader.take(markOf(3, 1_000_000_000_000), 0);
  } catch {
    return;
  }
  throw new Error('negative control: a record that is left out was not noticed');
}

function clientOf({ port, token }: ProbedServer) {
  return createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin: 'telemetry' });
}

/** A read of a stream that is not there is refused. */
async function makeStreams(server: ProbedServer, name: string): Promise<void> {
  for (const stream of names(name)) await clientOf(server).ensureStream(stream);
}

function names(name: string): readonly string[] {
  return Array.from({ length: STREAMS }, (_, i) => `${name}-${i}`);
}

function report(what: string, { recordsPerSecond, p50, p99, peakBytes }: Pace): void {
  const rate = Math.round(recordsPerSecond).toLocaleString('en');
  console.log(
    `slow-readers: ${what}: ${rate} records/s, a healthy reader gets them after ${p50} ms (p99 ${p99} ms), ` +
      `peak memory ${mib(peakBytes)}`,
  );
}
