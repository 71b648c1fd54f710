/**
 * The records of a trace as a tree: spans under the spans that called them, logs beside them at their time. Whatever
 * senders write, each span is in it once: open and closed again, without its parent, or in a ring of parents.
 */

import type { MessageRow } from '../../src/model/message-row.ts';
import { someText } from '../print/terminal/printable.ts';
import { isFailed } from '../print/terminal/span-facts.ts';

/** A record, and the stream in which it was found. */
export interface FoundRow {
  readonly stream: string;
  readonly row: MessageRow;
}

export interface TraceSpan extends FoundRow {
  readonly type: 'span';
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  /** Undefined of a span that is still open. */
  readonly endMs: number | undefined;
  /** Why it stands at the top: it has no parent, that one was not found, or its parents go round in a ring. */
  top: 'root' | 'orphan' | 'ring' | undefined;
  /** How long before its parent it began: clocks differ. */
  earlyMs: number;
  /** Spans and logs, in the order of their times. */
  children: readonly TraceEntry[];
}

export interface TraceLog extends FoundRow {
  readonly type: 'log';
  readonly startMs: number;
}

export type TraceEntry = TraceSpan | TraceLog;

export interface TraceTree {
  readonly traceId: string;
  /** From the first begin of a span to the last end; of a trace without spans from the first log to the last. */
  readonly startMs: number;
  readonly endMs: number;
  readonly top: readonly TraceEntry[];
  readonly spans: number;
  readonly logs: number;
  /** Spans that failed, and logs of errors that belong to none of them. */
  readonly errors: number;
  readonly streams: readonly string[];
}

/** Less than this may be the resolution of a clock. */
const EARLY_MS_MIN = 1;

/** One tree for each trace among the records, the oldest first. */
export function traceTrees(found: readonly FoundRow[]): readonly TraceTree[] {
  const traces = new Map<string, FoundRow[]>();
  for (const one of found) {
    const id = someText(one.row.traceId);
    if (id === undefined || (one.row.signal !== 'traces' && one.row.signal !== 'logs')) continue;
    const rows = traces.get(id);
    if (rows === undefined) traces.set(id, [one]);
    else rows.push(one);
  }
  return [...traces].map(([id, rows]) => treeOf(id, rows)).sort((a, b) => a.startMs - b.startMs);
}

/** Whether a log says that something failed. */
export function isErrorLog({ level }: MessageRow): boolean {
  return level === 'error' || level === 'fatal';
}

/** Milliseconds since the epoch with the fraction that the text has; undefined where it is no time. */
function preciseMs(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  // After year 9999 the server writes milliseconds.
  if (/^\d+$/.test(text)) return Number(text);
  const [, whole = '', fraction = ''] = /^(.*:\d\d)(\.\d+)?Z$/.exec(text) ?? [];
  const ms = Date.parse(`${whole}Z`);
  return Number.isNaN(ms) ? undefined : ms + Number(fraction || '0') * 1_000;
}

function treeOf(traceId: string, rows: readonly FoundRow[]): TraceTree {
  const spans = uniqueSpans(rows.filter(({ row }) => row.signal === 'traces'));
  const times = spans.flatMap(({ startMs, endMs }) => [startMs, ...(endMs === undefined ? [] : [endMs])]);
  const logTimes = rows.flatMap(({ row }) => (row.signal === 'logs' ? timeOfLog(row) : []));
  const [startMs, endMs] = rangeOf(times.length > 0 ? times : logTimes);
  const logs = rows.filter(({ row }) => row.signal === 'logs').map((one) => logOf(one, startMs));
  const placed = placedEntries(spans, logs);
  return {
    traceId,
    startMs,
    endMs,
    top: placed.top,
    spans: spans.length,
    logs: logs.length,
    errors: errorsIn(spans, logs),
    streams: [...new Set(rows.map(({ stream }) => stream))].sort(),
  };
}

function logOf(found: FoundRow, otherwise: number): TraceLog {
  return { ...found, type: 'log', startMs: timeOfLog(found.row)[0] ?? otherwise };
}

function timeOfLog(row: MessageRow): readonly number[] {
  const time = preciseMs(row.timestamp) ?? preciseMs(row.observedTimestamp);
  return time === undefined ? [] : [time];
}

/** A loop, because a trace may have more spans than a call has arguments. */
function rangeOf(times: readonly number[]): readonly [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const time of times) {
    if (time < least) least = time;
    if (time > most) most = time;
  }
  return times.length === 0 ? [0, 0] : [least, most];
}

/** Of records of one span the closed one counts, and of several the last. */
function uniqueSpans(rows: readonly FoundRow[]): readonly TraceSpan[] {
  const known = new Map<string, TraceSpan>();
  const nameless: TraceSpan[] = [];
  for (const one of rows) {
    const span = spanOf(one);
    const id = someText(one.row.spanId);
    if (id === undefined) nameless.push(span);
    else if (span.endMs !== undefined || known.get(id)?.endMs === undefined) known.set(id, span);
  }
  return [...known.values(), ...nameless].sort(byTime);
}

function spanOf(found: FoundRow): TraceSpan {
  const endMs = preciseMs(found.row.endTimestamp);
  const startMs = preciseMs(found.row.timestamp) ?? endMs ?? 0;
  return { ...found, type: 'span', startMs, endMs, top: undefined, earlyMs: 0, children: [] };
}

function byTime(a: TraceEntry, b: TraceEntry): number {
  return a.startMs - b.startMs || a.row.seqNum - b.row.seqNum;
}

function placedEntries(
  spans: readonly TraceSpan[],
  logs: readonly TraceLog[],
): { readonly top: readonly TraceEntry[] } {
  const byId = new Map(spans.map((span) => [span.row.spanId ?? '', span]));
  byId.delete('');
  const parentOf = ({ row }: TraceSpan) => byId.get(row.parentSpanId ?? '');
  const children = new Map<TraceSpan, TraceEntry[]>();
  const top: TraceEntry[] = [];
  const below = (parent: TraceSpan, entry: TraceEntry) => {
    const list = children.get(parent);
    if (list === undefined) children.set(parent, [entry]);
    else list.push(entry);
  };
  for (const span of spans) {
    const parent = parentOf(span);
    if (parent === undefined) {
      span.top = someText(span.row.parentSpanId) === undefined ? 'root' : 'orphan';
      top.push(span);
    } else {
      const early = parent.startMs - span.startMs;
      span.earlyMs = early >= EARLY_MS_MIN ? early : 0;
      below(parent, span);
    }
  }
  for (const log of logs) {
    const span = log.row.spanId === undefined ? undefined : byId.get(log.row.spanId);
    if (span === undefined) top.push(log);
    else below(span, log);
  }
  breakRings(spans, children, top, parentOf);
  for (const [span, entries] of children) span.children = entries.sort(byTime);
  return { top: top.sort(byTime) };
}

/** Spans that no walk from the top reaches have each other as parents: the first of them comes to the top. */
function breakRings(
  spans: readonly TraceSpan[],
  children: ReadonlyMap<TraceSpan, TraceEntry[]>,
  top: TraceEntry[],
  parentOf: (span: TraceSpan) => TraceSpan | undefined,
): void {
  const reached = new Set<TraceEntry>();
  const reach = (from: readonly TraceEntry[]) => {
    const waiting = [...from];
    for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
      if (reached.has(entry)) continue;
      reached.add(entry);
      if (entry.type === 'span') for (const child of children.get(entry) ?? []) waiting.push(child);
    }
  };
  reach(top);
  for (const span of spans) {
    if (reached.has(span)) continue;
    span.top = 'ring';
    const siblings = children.get(parentOf(span) ?? span) ?? [];
    siblings.splice(siblings.indexOf(span), 1);
    top.push(span);
    reach([span]);
  }
}

function errorsIn(spans: readonly TraceSpan[], logs: readonly TraceLog[]): number {
  const failed = new Set(spans.filter(({ row }) => isFailed(row)).map(({ row }) => row.spanId));
  const alone = logs.filter(({ row }) => isErrorLog(row) && (row.spanId === undefined || !failed.has(row.spanId)));
  return spans.filter(({ row }) => isFailed(row)).length + alone.length;
}
