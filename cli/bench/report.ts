/** What a benchmark found: a table for people, which also shows while it runs, and JSON. */

import { counted, formatBytes } from '../print/format.ts';
import type { Bench, BenchFigures, BenchPlan } from './bench.ts';
import type { LatencySummary } from './latencies.ts';

/** What the end of a benchmark is about. */
export interface BenchEnd {
  readonly plan: BenchPlan;
  readonly bench: Bench;
  readonly endpoint: string;
  readonly isKept: boolean;
  readonly isInterrupted: boolean;
}

/** A generator that takes more of a core is what limits the figures, perhaps. */
const GENERATOR_CORES_MAX = 0.8;
/** A rate that is missed by more than this is said. */
const RATE_SHARE_MIN = 0.95;
const MIB = 1024 * 1024;
const COLUMNS = ['', 'MiB/s', 'records/s', 'records', 'p50', 'p90', 'p99', 'max'] as const;
const WIDTHS = [8, 8, 10, 11, 8, 8, 8, 8] as const;

/** What is measured, in one line. */
export function planText({
  basin,
  stream,
  protocol,
  durationMs,
  recordBytes,
  batch,
  connections,
  rate,
}: BenchPlan): string {
  const speed = rate === undefined ? 'as fast as it goes' : `${round(rate / MIB)} MiB/s`;
  const how = protocol === 'otlp' ? 'requests' : 'batches';
  const size = `${how} of ${counted(batch, 'record')} of ${formatBytes(recordBytes)}`;
  const from = counted(connections, 'connection');
  return `s2://${basin}/${stream}: ${durationMs / 1_000} s, ${size}, ${from}, ${speed}`;
}

/** The figures so far, a line each. */
export function figureLines(bench: Bench, recordBytes: number): readonly string[] {
  const lines = [row(COLUMNS)];
  const add = (name: string, figures: BenchFigures | undefined) => {
    if (figures !== undefined) lines.push(row([name, ...figureTexts(figures, recordBytes)]));
  };
  add('append', bench.append);
  add('tail', bench.tail);
  add('catch-up', bench.catchup);
  return lines;
}

/** All there is to say at the end. */
export function reportText(end: BenchEnd): string {
  const { plan, bench } = end;
  const lines = [...figureLines(bench, plan.recordBytes)];
  if (plan.reads.has('tail')) {
    lines.push('times: of an append until it is acknowledged, of the tail from the append until the record is read');
  } else {
    lines.push('times: of an append until it is acknowledged');
  }
  lines.push(verdict(end));
  if (bench.generatorCores !== undefined)
    lines.push(`this client took ${round(bench.generatorCores)} of a processor core`);
  return lines.join('\n');
}

/** What to be careful about. */
export function warnings({ plan, bench }: BenchEnd): readonly string[] {
  const found: string[] = [];
  if ((bench.generatorCores ?? 0) > GENERATOR_CORES_MAX) {
    found.push(
      `this client took ${round(bench.generatorCores ?? 0)} of a processor core: the figures may be its limit and not the ` +
        "server's; give --rate, or run several of it on other machines",
    );
  }
  const { rate } = plan;
  const reached = bytesPerSecond(bench.append, plan.recordBytes);
  if (rate !== undefined && bench.append.seconds > 0 && reached < rate * RATE_SHARE_MIN) {
    found.push(`${round(rate / MIB)} MiB/s were asked for, and ${round(reached / MIB)} MiB/s were taken`);
  }
  return found;
}

/** What the server did wrong, a sentence each. */
export function faultTexts(bench: Bench): readonly string[] {
  return bench.faults
    .list()
    .map(({ kind, meaning, count, examples }) => `${count} ${kind} (${meaning}): ${examples.join('; ')}`);
}

export function reportJson(end: BenchEnd) {
  const { plan, bench, endpoint, isKept, isInterrupted } = end;
  const faults = bench.faults.list();
  return {
    endpoint,
    basin: plan.basin,
    stream: plan.stream,
    kept: isKept,
    protocol: plan.protocol,
    duration_s: plan.durationMs / 1_000,
    record_bytes: plan.recordBytes,
    batch_records: plan.batch,
    connections: plan.connections,
    rate_mib_per_s: plan.rate === undefined ? null : plan.rate / MIB,
    append: figuresJson(bench.append, plan.recordBytes),
    tail: figuresJson(bench.tail, plan.recordBytes),
    catchup: figuresJson(bench.catchup, plan.recordBytes),
    verified: faults.length === 0 && !isInterrupted && plan.reads.size > 0,
    interrupted: isInterrupted,
    faults: faults.map(({ kind, count, examples }) => ({ kind, count, examples })),
    client_cores: bench.generatorCores ?? null,
    client_is_limit: (bench.generatorCores ?? 0) > GENERATOR_CORES_MAX,
  };
}

function verdict({ plan, bench, isInterrupted }: BenchEnd): string {
  const faults = bench.faults.list();
  if (faults.length > 0) return `NOT verified: ${faults.map(({ kind, count }) => `${count} ${kind}`).join(', ')}`;
  if (isInterrupted) return 'interrupted: not verified to the end';
  if (plan.reads.size === 0) return 'not read, so only the counts are verified';
  const readers = [...plan.reads].map((read) => (read === 'tail' ? 'the tail' : 'the catch-up read'));
  return `verified: every record once, in order and unchanged, by ${readers.join(' and ')}`;
}

function figureTexts({ records, seconds, latency }: BenchFigures, recordBytes: number): readonly string[] {
  const rate = seconds > 0 ? records / seconds : 0;
  return [round((rate * recordBytes) / MIB), whole(rate), whole(records), ...latencyTexts(latency)];
}

function latencyTexts(latency: LatencySummary | undefined): readonly string[] {
  if (latency === undefined) return [];
  return [latency.p50, latency.p90, latency.p99, latency.max].map(timeText);
}

function figuresJson(figures: BenchFigures | undefined, recordBytes: number) {
  if (figures === undefined) return null;
  const { records, seconds, latency } = figures;
  const rate = bytesPerSecond(figures, recordBytes);
  return {
    records,
    bytes: records * recordBytes,
    seconds,
    mib_per_s: rate / MIB,
    records_per_s: rate / recordBytes,
    ...(latency === undefined
      ? {}
      : { latency_ms: { p50: latency.p50, p90: latency.p90, p99: latency.p99, max: latency.max } }),
  };
}

function bytesPerSecond({ records, seconds }: BenchFigures, recordBytes: number): number {
  return seconds > 0 ? (records * recordBytes) / seconds : 0;
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i] ?? 0)))
    .join(' ')
    .trimEnd();
}

function timeText(milliseconds: number): string {
  if (milliseconds >= 10_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  return milliseconds >= 100 ? `${Math.round(milliseconds)} ms` : `${round(milliseconds)} ms`;
}

function round(value: number): string {
  return value >= 100 ? whole(value) : value.toFixed(value >= 10 ? 1 : 2);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
