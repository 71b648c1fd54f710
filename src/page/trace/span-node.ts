/** What the waterfall keeps of a row: little, since a trace may have 200,000 of them. The rest is read again when shown. */

import { oneLine, textOfValue } from '../record/printable.ts';
import { type Attributes, addressText, type Row } from '../wire/rows.ts';
import { preciseMs, type SpanDot, type SpanNode } from './span-tree.ts';

const NAME_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 160;
/** Dots of one span; a longer list would be one line of dots anyway. */
const EVENTS_MAX = 500;
const ERROR_LEVELS: ReadonlySet<string | undefined> = new Set(['error', 'fatal']);

/** Names are the same text over and over: kept once. */
const names = new Map<string, string>();
const NAMES_MAX = 10_000;

/** Undefined for a record that is neither a span nor a log. */
export function nodeOf(stream: string, row: Row): SpanNode | undefined {
  if (row.signal !== 'traces' && row.signal !== 'logs') return undefined;
  const isSpan = row.signal === 'traces';
  const endMs = isSpan ? preciseMs(row.endTimestamp) : undefined;
  const startMs = preciseMs(row.timestamp) ?? preciseMs(row.observedTimestamp) ?? endMs ?? 0;
  return {
    key: addressText({ stream, seqNum: row.seqNum }),
    type: isSpan ? 'span' : 'log',
    stream: kept(stream),
    seqNum: row.seqNum,
    spanId: someText(row.spanId),
    parentId: someText(row.parentSpanId),
    service: kept(row.serviceName ?? ''),
    name: kept(cut(oneLine(isSpan ? (row.type ?? '') : logText(row)), NAME_CHARS_MAX)),
    kind: row.kind === undefined ? undefined : kept(row.kind),
    level: row.level === undefined ? undefined : kept(row.level),
    startMs,
    endMs,
    isError: isSpan ? row.status?.code === 'error' : ERROR_LEVELS.has(row.level),
    spanType: row.spanType === undefined ? undefined : kept(row.spanType),
    note: kept(cut(oneLine(noteOf(row)), TEXT_CHARS_MAX)),
    events: isSpan && row.events !== undefined && row.events.length > 0 ? dotsOf(row.events, startMs) : [],
    parent: undefined,
    children: [],
    logs: [],
    depth: 0,
    top: undefined,
    earlyMs: 0,
    selfMs: 0,
    critical: [],
  };
}

/** What a span says in a few words beside its name. */
function noteOf({ status, metadata, inputTokens, outputTokens, signal }: Row): string {
  if (signal === 'logs') return '';
  if (status?.code === 'error') return status.message ?? textOfValue(metadata?.['error.type'] ?? 'failed');
  if (inputTokens !== undefined) return `${inputTokens} → ${outputTokens ?? '?'} tok`;
  return textOfValue(metadata?.['http.response.status_code'] ?? metadata?.['http.status_code'] ?? '');
}

function logText({ body, type, metadata }: Row): string {
  const text = body ?? metadata?.['exception.message'] ?? type ?? '';
  return textOfValue(text).slice(0, NAME_CHARS_MAX * 2);
}

function dotsOf(events: readonly Attributes[], startMs: number): readonly SpanDot[] {
  return events.slice(0, EVENTS_MAX).map(({ name, timestamp, attributes }) => {
    const fields = (attributes ?? {}) as Attributes;
    const isError = name === 'exception';
    const what = isError ? [fields['exception.type'], fields['exception.message']] : [fields.message];
    const words = [name, ...what].filter((word) => typeof word === 'string' && word !== '');
    const text = cut(oneLine(words.join(': ')), TEXT_CHARS_MAX);
    return { ms: (typeof timestamp === 'string' ? preciseMs(timestamp) : undefined) ?? startMs, isError, text };
  });
}

function someText(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}

function cut(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars)}…` : text;
}

function kept(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  if (names.size >= NAMES_MAX) names.clear();
  names.set(text, text);
  return text;
}
