/** One record in full: everything that it holds, and the commands that lead on from it. */

import type { MessageRow } from '../../src/model/message-row.ts';
import { type Colors, formatTime } from '../print/format.ts';
import { addConversation } from '../print/terminal/conversation.ts';
import { LAYOUT_DEFAULTS } from '../print/terminal/layout-options.ts';
import { fields, leaves, listOf, printable, printableLines, type ShownPair } from '../print/terminal/printable.ts';
import { durationText, quantityText } from '../print/terminal/quantities.ts';
import { TerminalEntry } from '../print/terminal/terminal-entry.ts';
import { textWidth } from '../print/terminal/text-width.ts';

/** A record, and what the server says of it. */
export interface WholeRecord {
  readonly uri: string;
  readonly row: MessageRow;
  /** When the server stored it, in ms; and how many bytes its body has. */
  readonly storedMs: number;
  readonly bodyBytes: number;
}

/** Fields that stand in the first part, with their names there; all others have a part of their own. */
const FACTS: readonly (readonly [field: keyof MessageRow, name: string])[] = [
  ['signal', 'signal'],
  ['level', 'level'],
  ['severityText', 'severity'],
  ['serviceName', 'service'],
  ['type', 'name'],
  ['kind', 'kind'],
  ['timestamp', 'time'],
  ['endTimestamp', 'end'],
  ['durationMs', 'duration'],
  ['observedTimestamp', 'observed'],
  ['traceId', 'trace'],
  ['spanId', 'span'],
  ['parentSpanId', 'parent'],
  ['traceState', 'trace state'],
  ['status', 'status'],
  ['unit', 'unit'],
  ['description', 'description'],
  ['temporality', 'temporality'],
  ['monotonic', 'monotonic'],
  ['spanType', 'span type'],
  ['llmSystem', 'system'],
  ['model', 'model'],
  ['inputTokens', 'input tokens'],
  ['outputTokens', 'output tokens'],
  ['cacheReadTokens', 'cache read'],
  ['cacheCreateTokens', 'cache created'],
  ['costMicrocents', 'cost (µ¢)'],
  ['encoding', 'encoding'],
];
const PARTS: readonly (readonly [field: keyof MessageRow, name: string])[] = [
  ['headers', 'headers'],
  ['metadata', 'attributes'],
  ['events', 'events'],
  ['links', 'links'],
  ['dataPoints', 'data points'],
  ['scope', 'scope'],
  ['resource', 'resource'],
];
const KNOWN = new Set<string>([...FACTS, ...PARTS].map(([field]) => field));
/** Shown in places of their own. */
const ELSEWHERE = new Set(['seqNum', 'body', 'input', 'output']);
const INDENT = '  ';
/** Longer names push their own value to the right, and not those of all others. */
const NAME_COLUMNS_MAX = 32;

/** The lines of a record, without line ends. Nothing is cut but single lines that no screen takes. */
export function recordLines(record: WholeRecord, colors: Colors): readonly string[] {
  const { uri, row, storedMs, bodyBytes } = record;
  const facts: ShownPair[] = FACTS.flatMap(([field, name]) => {
    const value = row[field];
    return value === undefined || value === null ? [] : [[name, factText(field, value)] as const];
  });
  const stored: ShownPair[] = [
    ['stored', formatTime(storedMs)],
    ['size', quantityText(bodyBytes, 'By')],
  ];
  const others = Object.entries(row).filter(([name]) => !KNOWN.has(name) && !ELSEWHERE.has(name));
  return [
    colors.bold(printable(`${uri}#${row.seqNum}`)),
    ...pairLines([...facts, ...stored], INDENT, colors),
    ...part('body', bodyOf(row), colors),
    ...conversationLines(row, colors),
    ...PARTS.flatMap(([field, name]) => part(name, linesOf(row[field], colors), colors)),
    ...others.flatMap(([name, value]) => part(printable(name), linesOf(value, colors), colors)),
  ];
}

function factText(field: keyof MessageRow, value: unknown): unknown {
  if (field === 'durationMs' && typeof value === 'number') return durationText(value);
  if (field !== 'status') return value;
  const { code, message } = fields(value);
  return message === undefined ? code : `${String(code)}: ${String(message)}`;
}

function part(title: string, lines: readonly string[], colors: Colors): readonly string[] {
  return lines.length === 0 ? [] : ['', colors.bold(title), ...lines];
}

/** All of it; JSON is indented, also where it was sent as text. */
function bodyOf({ body, encoding }: MessageRow): readonly string[] {
  if (body === undefined || body === null || body === '') return [];
  const value = typeof body === 'string' && encoding === undefined ? (parsedObject(body) ?? body) : body;
  return wholeLines(value).map((line) => INDENT + line);
}

function parsedObject(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

function wholeLines(value: unknown): readonly string[] {
  return printableLines(typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? ''));
}

/** The messages to and from a language model. */
function conversationLines(row: MessageRow, colors: Colors): readonly string[] {
  if (row.input === undefined && row.output === undefined) return [];
  const options = { ...LAYOUT_DEFAULTS, wrap: false, messages: true };
  const entry = new TerminalEntry({ text: '', width: 0, levelColumn: 0 }, Number.MAX_SAFE_INTEGER, options, colors);
  addConversation(row, fields(row.metadata), entry);
  return part(
    'conversation',
    entry.lines.filter((line) => line !== '').map((line) => INDENT + line.trimStart()),
    colors,
  );
}

/** The leaves of an object, each item of a list by itself. */
function linesOf(value: unknown, colors: Colors): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) {
    return typeof value === 'object' ? pairLines(leaves(value), INDENT, colors) : wholeLines(value);
  }
  // A header is a name with a value.
  if (value.every((item) => Array.isArray(item) && item.length === 2)) {
    return pairLines(
      value.map((item) => [String(listOf(item)[0]), listOf(item)[1]] as const),
      INDENT,
      colors,
    );
  }
  return value.flatMap((item: unknown) => {
    const lines = pairLines(leaves(fields(item)), `${INDENT}${INDENT}`, colors);
    const [first = ''] = lines;
    return [`${INDENT}${colors.dim('•')} ${first.trimStart()}`, ...lines.slice(1)];
  });
}

/** Names at the left, dim; the other lines of a value stand below its first one. */
function pairLines(pairs: readonly ShownPair[], indent: string, colors: Colors): readonly string[] {
  const names = pairs.map(([name]) => printable(name === '' ? '""' : name));
  const fitting = names.map(textWidth).filter((columns) => columns <= NAME_COLUMNS_MAX);
  const width = fitting.reduce((most, columns) => Math.max(most, columns), 0);
  return pairs.flatMap(([, value], i) => {
    const name = names[i] ?? '';
    const gap = ' '.repeat(Math.max(0, width - textWidth(name)) + INDENT.length);
    const lines = typeof value === 'string' ? printableLines(value) : [printable(JSON.stringify(value) ?? '')];
    const below = ' '.repeat(indent.length + width + INDENT.length);
    return lines.map((line, at) =>
      (at === 0 ? `${indent}${colors.dim(name)}${gap}${line}` : `${below}${line}`).trimEnd(),
    );
  });
}
