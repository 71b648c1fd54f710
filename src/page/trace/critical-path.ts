/**
 * The critical path of a trace: for each moment the span that the whole waited for. Shortening anything else does not make
 * the trace shorter.
 */

import type { SpanNode, SpanTree } from './span-tree.ts';

interface PathFrame {
  readonly span: SpanNode;
  /** Children that may still be on the path, the last one to end is the last of them. */
  readonly waiting: SpanNode[];
  readonly parts: [number, number][];
  /** The path is known from here on. */
  at: number;
}

/** Sets `critical` of all spans: that of the longest span at the top, and what it waited for. */
export function markCriticalPath({ top, all, endMs }: SpanTree): void {
  for (const node of all) node.critical = [];
  let longest: SpanNode | undefined;
  for (const node of top) {
    if (node.type === 'span' && (longest === undefined || lengthOf(node, endMs) > lengthOf(longest, endMs)))
      longest = node;
  }
  if (longest === undefined) return;
  const stack: PathFrame[] = [frameOf(longest, longest.endMs ?? endMs, endMs)];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const next = nextChild(frame, endMs);
    if (next === undefined) {
      if (frame.at > frame.span.startMs) frame.parts.push([frame.span.startMs, frame.at]);
      frame.span.critical = frame.parts.reverse();
      stack.pop();
      continue;
    }
    const end = Math.min(frame.at, next.endMs ?? endMs);
    if (frame.at > end) frame.parts.push([end, frame.at]);
    frame.at = Math.max(frame.span.startMs, next.startMs);
    stack.push(frameOf(next, end, endMs));
  }
}

function frameOf(span: SpanNode, at: number, traceEndMs: number): PathFrame {
  const waiting = span.children.slice().sort((a, b) => (a.endMs ?? traceEndMs) - (b.endMs ?? traceEndMs));
  return { span, waiting, parts: [], at };
}

/** The child that ended last before the path goes on; one that began later ran beside it, or went on after its parent. */
function nextChild({ waiting, at, span }: PathFrame, traceEndMs: number): SpanNode | undefined {
  for (let child = waiting.pop(); child !== undefined; child = waiting.pop()) {
    const end = child.endMs ?? traceEndMs;
    // What is still open, or was sent off as a message, and outlives its parent, was not waited for.
    const isApart = child.endMs === undefined || child.kind === 'consumer';
    if (isApart && span.endMs !== undefined && end >= span.endMs) continue;
    if (child.startMs < at && end > span.startMs && end > child.startMs) return child;
  }
  return undefined;
}

function lengthOf({ startMs, endMs }: SpanNode, traceEndMs: number): number {
  return (endMs ?? traceEndMs) - startMs;
}
