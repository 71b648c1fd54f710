/** A trace as JSON: its figures, and the tree, in which each entry is a row of the `message` view with what is below it. */

import { safeJson } from '../print/format.ts';
import type { TraceEntry, TraceTree } from './trace-tree.ts';

/** What there is to say of a trace in one object. */
export function traceSummary({ traceId, startMs, endMs, spans, logs, errors, streams }: TraceTree) {
  const start = startMs > 0 ? new Date(startMs).toISOString() : null;
  return { trace_id: traceId, start, duration_ms: rounded(endMs - startMs), spans, logs, errors, streams };
}

/** Pieces of the JSON, because neither a text nor a call may be as large or as deep as a trace. */
export function* traceJson(trace: TraceTree): Generator<string> {
  yield `${safeJson(traceSummary(trace)).slice(0, -1)},"entries":[`;
  /** An entry to open, or the end of one. */
  const waiting: (TraceEntry | string)[] = [];
  const add = (entries: readonly TraceEntry[]) => {
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i];
      if (entry !== undefined) waiting.push(entry);
      if (i > 0) waiting.push(',');
    }
  };
  add(trace.top);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next === 'string') {
      yield next;
      continue;
    }
    const { stream, row, startMs } = next;
    const own = { stream, offset_ms: rounded(startMs - trace.startMs), ...oddities(next), ...row };
    if (next.type === 'log') {
      yield safeJson(own);
      continue;
    }
    yield `${safeJson(own).slice(0, -1)},"entries":[`;
    waiting.push(']}');
    add(next.children);
  }
  yield ']}\n';
}

/** What is not in the record itself. */
function oddities(entry: TraceEntry): object {
  if (entry.type === 'log') return {};
  const { top, earlyMs, endMs } = entry;
  return {
    ...(top === 'orphan' ? { parent_missing: true } : {}),
    ...(top === 'ring' ? { parents_in_a_ring: true } : {}),
    ...(earlyMs > 0 ? { before_parent_ms: rounded(earlyMs) } : {}),
    ...(endMs === undefined ? { open: true } : {}),
  };
}

/** To a microsecond: more is not exact. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
