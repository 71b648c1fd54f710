/**
 * The spans and logs of a trace as a tree: spans under the spans that called them, logs at their spans. Whatever senders
 * write, each span is in it once: open and closed again, without its parent, or in a ring of parents.
 */

/** Something at a point in time on a span's bar: an event of the span, or a log. */
export interface SpanDot {
  readonly ms: number;
  readonly isError: boolean;
  readonly text: string;
}

/** A span, or a log that belongs to none: what a line of the waterfall shows. Their rows are not kept: they are large. */
export interface SpanNode {
  /** `stream:seqNum`. */
  readonly key: string;
  readonly type: 'span' | 'log';
  readonly stream: string;
  readonly seqNum: number;
  readonly spanId: string | undefined;
  readonly parentId: string | undefined;
  readonly service: string;
  readonly name: string;
  readonly kind: string | undefined;
  readonly level: string | undefined;
  /** Milliseconds since the epoch, with fractions. */
  readonly startMs: number;
  /** Undefined of a span that is still open. */
  readonly endMs: number | undefined;
  readonly isError: boolean;
  readonly spanType: string | undefined;
  /** In place of a name: what went wrong, tokens, a status code. */
  readonly note: string;
  readonly events: readonly SpanDot[];
  parent: SpanNode | undefined;
  /** Spans in the order of their begins. */
  children: SpanNode[];
  logs: SpanNode[];
  depth: number;
  /** Why it stands at the top: it has no parent, that one was not found, or its parents go round in a ring. */
  top: 'root' | 'orphan' | 'ring' | undefined;
  /** How long before its parent it began: clocks differ. */
  earlyMs: number;
  /** Time in which none of its children ran; and the parts of it that the whole trace waited for. */
  selfMs: number;
  critical: readonly (readonly [fromMs: number, toMs: number])[];
}

export interface SpanTree {
  readonly top: readonly SpanNode[];
  /** Spans and loose logs, depth first. */
  readonly all: readonly SpanNode[];
  readonly startMs: number;
  readonly endMs: number;
  readonly spans: number;
  readonly logs: number;
  readonly errors: number;
  readonly openSpans: number;
  readonly orphans: number;
  readonly early: number;
  readonly services: readonly { readonly name: string; readonly spans: number; readonly selfMs: number }[];
}

/** Less than this may be the resolution of a clock. */
const EARLY_MS_MIN = 1;

/** Each record of one span once: of several the closed one counts, and of several closed ones the last. */
export function treeOf(nodes: Iterable<SpanNode>): SpanTree {
  const [spans, logs] = uniqueNodes(nodes);
  const byId = new Map<string, SpanNode>();
  for (const span of spans) if (span.spanId !== undefined) byId.set(span.spanId, span);
  const top = placed(spans, byId);
  for (const log of logs) {
    const span = log.spanId === undefined ? undefined : byId.get(log.spanId);
    if (span === undefined) top.push(log);
    else span.logs.push(log);
  }
  top.sort(byTime);
  const all = depthFirst(top);
  breakRings(spans, all, top);
  const [startMs, endMs] = rangeOf(spans.length > 0 ? spans : logs);
  for (const node of all) node.selfMs = node.type === 'span' ? selfTime(node, endMs) : 0;
  // A log that says what its failed span says too is no error of its own.
  const alone = logs.filter(({ isError, spanId = '' }) => isError && byId.get(spanId)?.isError !== true);
  return {
    top,
    all,
    startMs,
    endMs,
    spans: spans.length,
    logs: logs.length,
    errors: spans.filter(({ isError }) => isError).length + alone.length,
    openSpans: spans.filter((span) => span.endMs === undefined).length,
    orphans: spans.filter((span) => span.top === 'orphan').length,
    early: spans.filter(({ earlyMs }) => earlyMs > 0).length,
    services: servicesOf(spans),
  };
}

/** Milliseconds since the epoch with the fraction that the text has; undefined where it is no time. */
export function preciseMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  // After year 9999 the server writes milliseconds.
  if (/^\d+$/.test(text)) return Number(text);
  const dot = text.indexOf('.');
  const ms = Date.parse(dot < 0 ? text : `${text.slice(0, dot)}Z`);
  return Number.isNaN(ms) ? undefined : dot < 0 ? ms : ms + Number(`0${text.slice(dot, -1)}`) * 1_000;
}

function byTime(a: SpanNode, b: SpanNode): number {
  return a.startMs - b.startMs || a.seqNum - b.seqNum;
}

function uniqueNodes(nodes: Iterable<SpanNode>): readonly [SpanNode[], SpanNode[]] {
  const known = new Map<string, SpanNode>();
  const [nameless, logs]: [SpanNode[], SpanNode[]] = [[], []];
  for (const node of nodes) {
    node.parent = undefined;
    node.children = [];
    node.logs = [];
    node.top = undefined;
    node.earlyMs = 0;
    node.depth = 0;
    if (node.type === 'log') logs.push(node);
    else if (node.spanId === undefined) nameless.push(node);
    else if (node.endMs !== undefined || known.get(node.spanId)?.endMs === undefined) known.set(node.spanId, node);
  }
  return [[...known.values(), ...nameless].sort(byTime), logs.sort(byTime)];
}

/** In the order of their begins, so that children are in it too. */
function placed(spans: readonly SpanNode[], byId: ReadonlyMap<string, SpanNode>): SpanNode[] {
  const top: SpanNode[] = [];
  for (const span of spans) {
    const parent = span.parentId === undefined ? undefined : byId.get(span.parentId);
    if (parent === undefined) {
      span.top = span.parentId === undefined ? 'root' : 'orphan';
      top.push(span);
      continue;
    }
    const early = parent.startMs - span.startMs;
    span.earlyMs = early >= EARLY_MS_MIN ? early : 0;
    span.parent = parent;
    parent.children.push(span);
  }
  return top;
}

function depthFirst(top: readonly SpanNode[], depth = 0): SpanNode[] {
  const found: SpanNode[] = [];
  const waiting: SpanNode[] = [];
  const add = (nodes: readonly SpanNode[]): void => {
    for (let i = nodes.length - 1; i >= 0; i--) waiting.push(nodes[i] as SpanNode);
  };
  for (const node of top) node.depth = depth;
  add(top);
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    found.push(node);
    for (const child of node.children) child.depth = node.depth + 1;
    add(node.children);
  }
  return found;
}

/** Spans that no walk from the top reaches have each other as parents: the first of them comes to the top. */
function breakRings(spans: readonly SpanNode[], all: SpanNode[], top: SpanNode[]): void {
  if (all.filter(({ type }) => type === 'span').length === spans.length) return;
  const reached = new Set(all);
  for (const span of spans) {
    if (reached.has(span)) continue;
    span.top = 'ring';
    const siblings = span.parent?.children ?? [];
    siblings.splice(siblings.indexOf(span), 1);
    span.parent = undefined;
    top.push(span);
    for (const node of depthFirst([span])) {
      reached.add(node);
      all.push(node);
    }
  }
}

/** A loop, because a trace may have more spans than a call has arguments. */
function rangeOf(nodes: readonly SpanNode[]): readonly [number, number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { startMs, endMs } of nodes) {
    least = Math.min(least, startMs);
    most = Math.max(most, endMs ?? startMs);
  }
  return least > most ? [0, 0] : [least, most];
}

/** What is left of its time without that of its children, which may overlap. They are in the order of their begins. */
function selfTime({ startMs, endMs, children }: SpanNode, traceEndMs: number): number {
  const end = endMs ?? traceEndMs;
  let [self, at] = [0, startMs];
  for (const child of children) {
    const from = Math.min(end, child.startMs);
    if (from > at) self += from - at;
    at = Math.max(at, Math.min(end, child.endMs ?? traceEndMs));
  }
  return self + Math.max(0, end - at);
}

function servicesOf(spans: readonly SpanNode[]): SpanTree['services'] {
  const found = new Map<string, { name: string; spans: number; selfMs: number }>();
  for (const { service, selfMs } of spans) {
    const one = found.get(service) ?? { name: service, spans: 0, selfMs: 0 };
    one.spans++;
    one.selfMs += selfMs;
    found.set(service, one);
  }
  return [...found.values()].sort((a, b) => b.selfMs - a.selfMs || b.spans - a.spans);
}
