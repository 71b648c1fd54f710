/**
 * A thousand sockets, each of which reads a hundred streams at once, as a WebSocket or as server-sent events. Most never
 * read, some read a little, and a few read everything while writers write to all streams. Memory stays within its bound,
 * writers keep their pace, and those that read get every record of every stream once and in order.
 *
 * Negative controls: a server that does not wait for its readers must break the bound, and a record that is left out of one
 * of many streams must be noticed.
 */

import { createClient } from '../../src/client/client.ts';
import { type ProbedServer, startProbedServer } from './loop/probed-server.ts';
import { MarkedReader, markOf, STREAM_NUMBERS } from './marked-reader.ts';
import { mib, residentBytes, serverMetric, watchMemory } from './server-figures.ts';

const SOCKETS = Number(process.env.TAILRACE_TORTURE_READERS ?? 1_000);
const SECONDS = Number(process.env.TAILRACE_TORTURE_SECONDS ?? 15);
const STREAMS = 100;
const BATCH = 100;
/** Of each stream, before anyone reads it: together more than the buffers of both systems hold for a reader. */
const FILLED = 400;
/** What the server may hold for clients: half of what it may by default. */
const LIMIT_MIB = 256;
/** What it takes beside that. */
const OWN_MIB = 200;
const MEMORY_BYTES_MAX = (LIMIT_MIB + OWN_MIB) * 1024 * 1024;
const ARGS = ['--memory-limit', `${LIMIT_MIB}MiB`];
/** Machines that run this have other work too. */
const PACE_SHARE_MIN = 0.5;
const TURN_MS_MAX = 200;
/** So many read everything. */
const FAST = 6;
/** Of ten of the others so many read a little, and so seldom that checking it takes no time from the writers. */
const SLOW_OF_TEN = 1;
const SLOW_PAUSE_MS = 4_000;
const SLOW_BYTES_PER_SECOND = 64 * 1024;
const WRITERS = 4;
const CONTROL_READERS = 100;
const CONTROL_MS_MAX = 120_000;
const KINDS = ['websocket', 'sse'] as const;
const PADDING = Array.from({ length: 60 }, (_, i) => (i * 7_919).toString(36)).join('');

interface Pace {
  readonly recordsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly peakBytes: number;
}

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  expectGapNoticed();
  const server = await startProbedServer(ARGS);
  const others: MarkedReader[] = [];
  try {
    await fill(server, 'alone');
    const alone = await pace(server, 'alone');
    report('without others', alone);
    await fill(server, 'crowd');
    await openMany(server, others);
    const crowded = await pace(server, 'crowd');
    report(`beside ${SOCKETS} sockets that do not read or read a little`, crowded);
    const turnMs = await server.worstTurnMs();
    const slow = others.reduce((sum, { taken }) => sum + taken, 0);
    console.log(
      `many-readers: ${SOCKETS} sockets over ${STREAMS} streams: peak memory ${mib(crowded.peakBytes)} ` +
        `(bound ${mib(MEMORY_BYTES_MAX)}); slow ones took ${slow} records in order; worst turn ${turnMs} ms`,
    );
    for (const reader of others) reader.expectSound();
    if (crowded.peakBytes > MEMORY_BYTES_MAX) throw new Error('sockets that do not read take too much memory');
    if (crowded.recordsPerSecond < alone.recordsPerSecond * PACE_SHARE_MIN) throw new Error('they slow writers');
    if (turnMs > TURN_MS_MAX) throw new Error('they hold up the event loop');
  } finally {
    for (const reader of others) reader.end();
    await server.stop();
  }
  await negativeControl();
}

/** Writes to all streams for a while; readers that began before have everything in the end. */
async function pace(server: ProbedServer, name: string): Promise<Pace> {
  const readers = Array.from({ length: FAST }, (_, i) => readerOf(server, name, i));
  const watch = watchMemory(server);
  try {
    // They catch up first: what is measured is how soon they get what is written now.
    await Promise.all(readers.map((reader) => reader.readAll(STREAMS * FILLED)));
    for (const reader of readers) reader.latencies.length = 0;
    const started = performance.now();
    const deadline = started + SECONDS * 1_000;
    const written = await write(server, name, FILLED, (round) => round === 0 || performance.now() < deadline);
    const seconds = (performance.now() - started) / 1_000;
    await Promise.all(readers.map((reader) => reader.readAll(STREAMS * FILLED + written)));
    const latencies = readers.flatMap((reader) => reader.latencies).sort((a, b) => a - b);
    const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.POSITIVE_INFINITY;
    return { recordsPerSecond: written / seconds, p50: at(0.5), p99: at(0.99), peakBytes: await watch.peak() };
  } finally {
    for (const reader of readers) reader.end();
    await watch.peak();
  }
}

/** Makes the streams, with records. */
async function fill(server: ProbedServer, name: string): Promise<void> {
  const client = clientOf(server);
  for (const stream of names(name)) await client.ensureStream(stream);
  await write(server, name, 0, (round) => round < FILLED / BATCH);
}

/** Writes batches to one stream after the other, some at once, round after round; returns how many records. */
async function write(
  server: ProbedServer,
  name: string,
  from: number,
  goesOn: (round: number) => boolean,
): Promise<number> {
  const client = clientOf(server);
  const streams = names(name);
  let written = 0;
  const writer = async (first: number): Promise<void> => {
    for (let round = 0; goesOn(round); round++) {
      for (let i = first; i < STREAMS; i += WRITERS) {
        const number = i * STREAM_NUMBERS + from + round * BATCH;
        const sentAt = Date.now();
        const records = Array.from({ length: BATCH }, (_, k) => ({ body: markOf(number + k, sentAt) + PADDING }));
        await client.append(streams[i] ?? '', records);
        written += BATCH;
      }
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, first) => writer(first)));
  return written;
}

/** Opens those that do not read or read a little, and waits until the server has filled what the systems buffer for them. */
async function openMany(server: ProbedServer, into: MarkedReader[]): Promise<void> {
  for (let i = 0; i < SOCKETS; i++) {
    const reader = readerOf(server, 'crowd', i);
    if (Math.floor(i / KINDS.length) % 10 < SLOW_OF_TEN) reader.trickle(SLOW_PAUSE_MS);
    else reader.stall();
    into.push(reader);
    await reader.connected();
  }
  let [before, sent] = [-1, await serverMetric(server, 'tailrace_read_bytes_total')];
  while (sent - before > ((SOCKETS * SLOW_OF_TEN) / 10) * SLOW_BYTES_PER_SECOND) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    [before, sent] = [sent, await serverMetric(server, 'tailrace_read_bytes_total')];
  }
}

function readerOf({ port, token }: ProbedServer, name: string, i: number, filter?: string): MarkedReader {
  const query = new URLSearchParams({ prefix: `${name}-`, from: 'start', ...(filter === undefined ? {} : { filter }) });
  return new MarkedReader(port, token, `${name}-*`, KINDS[i % KINDS.length] ?? 'sse', 0, `/v1/records?${query}`);
}

/** A server that does not wait for its readers. */
async function negativeControl(): Promise<void> {
  const server = await startProbedServer(ARGS, 'without-back-pressure');
  const stalled: MarkedReader[] = [];
  try {
    await fill(server, 'crowd');
    for (let i = 0; i < CONTROL_READERS; i++) {
      // WebSockets, each with a filter of its own that wants everything, so that no two share their frames.
      const reader = readerOf(server, 'crowd', 0, `!nothing-${i}`);
      reader.stall();
      stalled.push(reader);
    }
    let bytes = 0;
    const deadline = performance.now() + CONTROL_MS_MAX;
    while (bytes < MEMORY_BYTES_MAX && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      bytes = await residentBytes(server);
    }
    if (bytes < MEMORY_BYTES_MAX)
      throw new Error(`negative control: a server that never waits took only ${mib(bytes)}`);
    console.log(`many-readers: negative control broke the bound with ${CONTROL_READERS} sockets, as it must`);
  } finally {
    for (const reader of stalled) reader.end();
    await server.stop();
  }
}

function expectGapNoticed(): void {
  const reader = new MarkedReader(1, 'x', 'x', 'sse', 0);
  reader.end();
  const at = 1_000_000_000_000;
  reader.take(markOf(3 * STREAM_NUMBERS, at) + markOf(0, at) + markOf(3 * STREAM_NUMBERS + 1, at), at);
  try {
    reader.take(markOf(3 * STREAM_NUMBERS + 3, at), at);
  } catch {
    return;
  }
  throw new Error('negative control: a record that is left out was not noticed');
}

function clientOf({ port, token }: ProbedServer) {
  return createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin: 'telemetry' });
}

function names(name: string): readonly string[] {
  return Array.from({ length: STREAMS }, (_, i) => `${name}-${String(i).padStart(3, '0')}`);
}

function report(what: string, { recordsPerSecond, p50, p99, peakBytes }: Pace): void {
  const rate = Math.round(recordsPerSecond).toLocaleString('en');
  console.log(
    `many-readers: ${what}: ${rate} records/s, ${FAST} fast readers get them after ${p50} ms (p99 ${p99} ms), ` +
      `peak memory ${mib(peakBytes)}`,
  );
}
