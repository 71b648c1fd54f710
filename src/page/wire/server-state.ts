/** What the server says about itself: whether it is ready, its metrics, its usage over time, who sent last, and its audit log. */

import { call, request, segment, WireError } from './call.ts';
import type { SendersPage } from './senders.ts';

export interface Readiness {
  readonly status: 'ready' | 'draining';
  /** `ok`, or why the store takes no writes: `full`, `read_only`. */
  readonly writes: string;
}

/** One line of `/metrics`: its name, labels and value. */
export interface MetricLine {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The cluster of the server; the name is null for a server that is no node of one. */
export interface Cluster {
  readonly name: string | null;
  readonly nodes: readonly ClusterNode[];
  /** The parts over which the basins are spread. */
  readonly partitions: readonly ClusterPart[];
  /** Basins on their way to another partition, as far as the caller may know. */
  readonly moves: readonly MovingBasin[];
}

export interface ClusterPart {
  readonly partition: number;
  /** The URL of the node that leads it. */
  readonly leader: string | null;
  readonly basins: number | null;
  readonly problems: readonly string[];
}

export interface MovingBasin {
  readonly basin: string;
  readonly from: number;
  readonly to: number;
  readonly phase: string;
  readonly copied_bytes: number;
  /** Why it does not go on. */
  readonly problem: string | null;
}

/** A node of the cluster of the server. */
export interface ClusterNode {
  readonly url: string;
  readonly role: string;
  readonly version: string;
  /** Commands by which it is behind the node that leads, in the partition where that is most. */
  readonly lag: number;
  readonly draining: boolean;
  readonly problems: readonly string[];
}

/** A count or a size for each of the times, which are Unix seconds. */
export interface UsageCounts {
  readonly name: string;
  readonly unit: string;
  readonly points: readonly (readonly [second: number, value: number])[];
}

/** One line of the audit log. What it does not say is absent. */
export interface AuditEntry {
  readonly time: string;
  readonly action: string;
  /** `done`, `refused` for want of permission, or `failed`. */
  readonly outcome: string;
  readonly error?: string;
  readonly reason?: string;
  /** Absent in a line that counts what was held back. */
  readonly principal?: string;
  /** Of a token. */
  readonly principal_number?: number;
  readonly basin?: string;
  readonly stream?: string;
  readonly token_id?: string;
  readonly protocol?: string;
  readonly sender?: string;
  readonly correlation_id?: string;
  readonly done_at?: string;
  readonly count?: number;
}

export interface AuditPage {
  /** Since when the server keeps lines: its start. */
  readonly since: string;
  readonly now: string;
  /** The newest first. */
  readonly lines: readonly AuditEntry[];
  readonly has_more: boolean;
  /** Those that are only in the log now. */
  readonly forgotten: number;
}

interface UsageValues {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly (readonly [number, number])[];
}

const AUDIT_LINES = 500;

/** Senders that sent last, enough to see what the user has just tried. */
const LAST_SENDERS = 50;

/** Also while the server is stopping, when it answers 503. */
export async function readiness(signal?: AbortSignal): Promise<Readiness> {
  try {
    return await call<Readiness>('/readyz', within(signal));
  } catch (thrown) {
    if (thrown instanceof WireError && thrown.status === 503) return { status: 'draining', writes: 'ok' };
    throw thrown;
  }
}

/** Needs `account-metrics`. A node of an older version, which may lead during an upgrade, knows of no partitions. */
export async function cluster(signal?: AbortSignal): Promise<Cluster> {
  const older = { partitions: [], moves: [] };
  return { ...older, ...(await call<Omit<Cluster, keyof typeof older>>('/v1/cluster', within(signal))) };
}

/** The metrics that Prometheus scrapes; needs `account-metrics`. */
export async function serverMetrics(signal?: AbortSignal): Promise<readonly MetricLine[]> {
  // A node of a cluster that does not lead has none of its own.
  const response = await request('/metrics', { accept: 'text/plain', query: { of: 'leader' }, ...within(signal) });
  return parseMetrics(await response.text());
}

/** The samples of Prometheus' text format; comments and what is not understood are left out. */
export function parseMetrics(text: string): readonly MetricLine[] {
  const lines: MetricLine[] = [];
  for (const line of text.split('\n')) {
    const [, name, labels = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/.exec(line) ?? [];
    if (name !== undefined) lines.push({ name, labels: labelsOf(labels), value: numberOf(value) });
  }
  return lines;
}

/** Usage of a basin, or of the account without one, in steps of an hour. Times are Unix seconds. */
export async function usage(
  where: { readonly basin?: string; readonly set: string; readonly start: number; readonly end: number },
  signal?: AbortSignal,
): Promise<readonly UsageCounts[]> {
  const { basin, ...query } = where;
  const path = basin === undefined ? '/v1/metrics' : `/v1/metrics/${segment(basin)}`;
  const options = { query: { ...query, interval: 'hour' }, ...within(signal) };
  const { values } = await call<{ readonly values: readonly Readonly<Record<string, UsageValues>>[] }>(path, options);
  return values.flatMap(({ accumulation, gauge }) => {
    const series = accumulation ?? gauge;
    return series === undefined ? [] : [{ name: series.name, unit: series.unit, points: series.values }];
  });
}

/** Those that sent last come first. Without a basin those of all, and those that send to none. */
export function lastSenders(basin: string | undefined, signal?: AbortSignal): Promise<SendersPage> {
  const path = basin === undefined ? '/v1/senders' : `/v1/senders/${segment(basin)}`;
  return call<SendersPage>(path, { query: { limit: LAST_SENDERS }, ...within(signal) });
}

/** Only for the root token. */
export function auditLog(signal?: AbortSignal): Promise<AuditPage> {
  return call<AuditPage>('/v1/audit', { query: { limit: AUDIT_LINES }, ...within(signal) });
}

function within(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function labelsOf(text: string): Readonly<Record<string, string>> {
  const pairs = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value.replace(/\\(.)/g, unescaped)]));
}

function unescaped(_all: string, letter: string): string {
  return letter === 'n' ? '\n' : letter;
}

function numberOf(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
