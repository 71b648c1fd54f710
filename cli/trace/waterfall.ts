/**
 * A trace as people read it: when each span began, where it stands in the tree, a bar for its time, and how it ended;
 * logs stand between the spans at their time.
 */

import { type Colors, counted } from '../print/format.ts';
import { hashPaint } from '../print/terminal/entry-start.ts';
import { exceptionText, readException } from '../print/terminal/exception.ts';
import type { Paint } from '../print/terminal/flow.ts';
import { levelPaint, logHeadline, messagePaint } from '../print/terminal/log-row.ts';
import { fields, listOf, printable, someText } from '../print/terminal/printable.ts';
import { durationText, numberText } from '../print/terminal/quantities.ts';
import { failureText, isFailed, spanArrow, spanName, statusCode, tokensText } from '../print/terminal/span-facts.ts';
import { clipEnd, textWidth } from '../print/terminal/text-width.ts';
import { type ShownEntry, shownEntries } from './shown-entries.ts';
import { barText } from './time-bar.ts';
import type { TraceLog, TraceSpan, TraceTree } from './trace-tree.ts';

export interface WaterfallOptions {
  readonly columns: number;
  readonly colors: Colors;
  /** Whether all children are shown, however many there are. */
  readonly isWhole: boolean;
  /** Longer spans are yellow. */
  readonly slowMs: number;
  /** How a moment is written. */
  readonly timeText: (ms: number) => string;
}

/** Fewer columns are laid out as so many. */
const COLUMNS_MIN = 40;
const GAP = '  ';
const INDENT = 2;
/** Of what stands right of the begin, the part that the tree may take at most, and what stands behind the bars. */
const TREE_PART = 0.42;
const TAIL_PART = 0.34;
const TREE_MIN = 12;
const TAIL_MIN = 8;
const BAR_MIN = 12;
const BAR_MAX = 60;
/** Deeper spans stand no further at the right, and say how deep they are. */
const INDENT_PART = 0.5;
const LEVEL_COLUMNS = 5;
const ID_SHOWN = 8;
const LINKS_SHOWN = 3;

/** A text with its colour. */
type Piece = readonly [text: string, paint?: Paint];

interface WaterfallShape {
  readonly beginColumns: number;
  readonly treeColumns: number;
  readonly barColumns: number;
  readonly indentMax: number;
}

/** The lines of a trace, without line ends. */
export function waterfallLines(trace: TraceTree, options: WaterfallOptions): readonly string[] {
  const columns = Math.max(COLUMNS_MIN, options.columns);
  const shown = shownEntries(trace.top, options.isWhole);
  const shape = shapeOf(trace, shown, columns, options);
  const lines = shown.flatMap((one) => entryLines(one, trace, shape, { ...options, columns }));
  return [...headLines(trace, { ...options, columns }), '', ...lines];
}

/** `2.43 s  3 spans  5 logs  2 errors`, and below it which trace this is. */
function headLines(trace: TraceTree, { columns, colors, timeText }: WaterfallOptions): readonly string[] {
  const { startMs, endMs, spans, logs, errors, streams } = trace;
  const time = spans === 0 && logs < 2 ? [] : [durationText(endMs - startMs)];
  const counts = [count(spans, 'span'), count(logs, 'log')].filter((text) => !text.startsWith('0 '));
  const pieces: Piece[] = [[[...time, ...counts].join(GAP), colors.bold]];
  if (errors > 0) pieces.push([count(errors, 'error'), colors.red]);
  const about = [trace.traceId, ...(startMs === 0 ? [] : [timeText(startMs)]), streams.map(printable).join(', ')];
  return [joined(pieces, GAP, columns), colors.dim(clipEnd(about.join(GAP), columns))];
}

function count(number: number, noun: string): string {
  return counted(number, noun).replace(/^\d+/, numberText(number));
}

function shapeOf(
  trace: TraceTree,
  shown: readonly ShownEntry[],
  columns: number,
  options: WaterfallOptions,
): WaterfallShape {
  let [beginColumns, tree, tail] = [3, TREE_MIN, TAIL_MIN];
  for (const { entry, depth } of shown) {
    if (entry === undefined) continue;
    beginColumns = Math.max(beginColumns, durationText(entry.startMs - trace.startMs).length);
    if (entry.type !== 'span') continue;
    tree = Math.max(tree, depth * INDENT + textWidth(nameText(entry)));
    tail = Math.max(
      tail,
      tailPieces(entry, options).reduce((sum, [text]) => sum + textWidth(text) + 1, -1),
    );
  }
  const right = columns - beginColumns - GAP.length;
  const treeColumns = Math.min(tree, Math.max(TREE_MIN, Math.floor(right * TREE_PART)));
  const left = right - treeColumns - GAP.length - 1;
  const tailColumns = Math.min(tail, Math.floor(right * TAIL_PART), Math.max(TAIL_MIN, left - BAR_MIN));
  const bars = left - tailColumns;
  return {
    beginColumns,
    treeColumns,
    barColumns: Math.min(BAR_MAX, Math.max(TAIL_MIN, bars)),
    indentMax: Math.floor(treeColumns * INDENT_PART),
  };
}

function entryLines(
  { entry, depth, more, failed }: ShownEntry,
  trace: TraceTree,
  shape: WaterfallShape,
  options: WaterfallOptions,
): readonly string[] {
  const { colors, columns } = options;
  const blank = ' '.repeat(shape.beginColumns) + GAP;
  if (entry === undefined) {
    const text = `… ${numberText(more)} more ${depth === 0 ? '' : more === 1 ? 'child' : 'children'}`.trimEnd();
    const failures = failed === 0 ? '' : `, ${count(failed, 'error')}`;
    return [blank + fitted([[indentOf(depth, shape) + text + failures, colors.dim]], columns - blank.length)];
  }
  const begin = `${colors.dim(durationText(entry.startMs - trace.startMs).padStart(shape.beginColumns))}${GAP}`;
  const indent = indentOf(depth, shape);
  if (entry.type === 'log') return [begin + logLine(entry, indent, columns - blank.length, colors)];
  const line = spanLine(entry, trace, { indent, shape, options });
  const below = [...exceptionPieces(entry, colors), ...linkPieces(entry, colors)];
  const start = indentOf(depth + 1, shape);
  return [begin + line, ...below.map((piece) => blank + fitted([[start], piece], columns - blank.length, ''))];
}

function indentOf(depth: number, { indentMax }: WaterfallShape): string {
  const columns = depth * INDENT;
  if (columns <= indentMax) return ' '.repeat(columns);
  const deep = `${depth}› `;
  return ' '.repeat(Math.max(0, indentMax - deep.length)) + deep;
}

function spanLine(
  span: TraceSpan,
  trace: TraceTree,
  {
    indent,
    shape,
    options,
  }: { readonly indent: string; readonly shape: WaterfallShape; readonly options: WaterfallOptions },
): string {
  const { colors, columns } = options;
  const paint = isFailed(span.row) ? colors.red : hashPaint(someText(span.row.serviceName) ?? '', colors);
  const width = shape.treeColumns - indent.length;
  const name = clipEnd(nameText(span), width);
  const [arrow = '', ...words] = name.split(' ');
  const tree = `${indent}${colors.dim(arrow)} ${servicePainted(words.join(' '), span, paint)}`;
  const spaces = ' '.repeat(Math.max(0, width - textWidth(name)));
  const bar = barText({ from: span.startMs, to: span.endMs, start: trace.startMs, end: trace.endMs }, shape.barColumns);
  const painted = bar.replace(/[^ ]+/, (cells) => (span.endMs === undefined ? colors.dim(cells) : paint(cells)));
  const used = shape.beginColumns + GAP.length + shape.treeColumns + GAP.length + shape.barColumns + 1;
  return `${tree}${spaces}${GAP}${painted} ${fitted(tailPieces(span, options), columns - used)}`.trimEnd();
}

/** The service in its colour, the name after it as it is. */
function servicePainted(text: string, span: TraceSpan, paint: Paint): string {
  const service = printable(someText(span.row.serviceName) ?? '');
  return service !== '' && text.startsWith(`${service} `) ? paint(service) + text.slice(service.length) : text;
}

function nameText({ row }: TraceSpan): string {
  const service = printable(someText(row.serviceName) ?? '');
  return [spanArrow(row), ...(service === '' ? [] : [service]), spanName(row)].join(' ');
}

/** How long it took and how it ended, and what is odd about it. */
function tailPieces(span: TraceSpan, { colors, slowMs }: WaterfallOptions): readonly Piece[] {
  const { row, startMs, endMs } = span;
  const duration = row.durationMs ?? (endMs === undefined ? undefined : endMs - startMs);
  const pieces: Piece[] = [];
  if (duration === undefined || endMs === undefined) pieces.push(['still open', colors.yellow]);
  else pieces.push([durationText(duration), duration > slowMs ? colors.yellow : (text) => text]);
  const code = statusCode(row, colors);
  if (code !== undefined) pieces.push([code.text, code.paint]);
  if (isFailed(row)) pieces.push([failureText(row), colors.red]);
  const tokens = tokensText(row);
  if (tokens !== undefined) pieces.push([tokens]);
  const mark = markText(span);
  if (mark !== undefined) pieces.push([mark, colors.dim]);
  return pieces;
}

function markText({ top, earlyMs, row }: TraceSpan): string | undefined {
  if (top === 'orphan') return `(no parent ${printable(String(row.parentSpanId)).slice(0, ID_SHOWN)})`;
  if (top === 'ring') return '(ring of parents)';
  return earlyMs > 0 ? `(clock ${durationText(earlyMs)} behind?)` : undefined;
}

function logLine({ row }: TraceLog, indent: string, columns: number, colors: Colors): string {
  const level = someText(row.level) ?? '';
  const badge = clipEnd(printable(level.toUpperCase()), LEVEL_COLUMNS).padEnd(LEVEL_COLUMNS);
  const service = printable(someText(row.serviceName) ?? '');
  const pieces: Piece[] = [[badge, levelPaint(level, colors)] as Piece];
  if (service !== '') pieces.push([service, hashPaint(service, colors)]);
  pieces.push([logHeadline(row), messagePaint(level, colors)] as Piece);
  return indent + fitted(pieces, columns - indent.length);
}

function exceptionPieces({ row }: TraceSpan, colors: Colors): readonly Piece[] {
  return listOf(row.events).flatMap((given): Piece[] => {
    const event = fields(given);
    if (event.name !== 'exception') return [];
    return [[`⚡ ${exceptionText(readException(fields(event.attributes))) ?? 'exception'}`, colors.red]];
  });
}

function linkPieces({ row }: TraceSpan, colors: Colors): readonly Piece[] {
  const links = listOf(row.links).map(fields);
  const shown = links.slice(0, links.length === LINKS_SHOWN + 1 ? links.length : LINKS_SHOWN);
  const texts = shown.map(({ traceId, spanId }) => {
    const id = (value: unknown) => printable(String(value ?? '?')).slice(0, ID_SHOWN);
    return traceId === row.traceId ? `↔ linked to span ${id(spanId)}` : `↔ linked to trace ${id(traceId)}`;
  });
  const more = links.length - shown.length;
  return [...texts, ...(more > 0 ? [`… ${numberText(more)} more links`] : [])].map((text): Piece => [text, colors.dim]);
}

function joined(pieces: readonly Piece[], gap: string, columns: number): string {
  return fitted(pieces, columns, gap);
}

/** Pieces in one line that is not wider than the columns. */
function fitted(pieces: readonly Piece[], columns: number, gap = ' '): string {
  let [line, left] = ['', columns];
  for (const [text, paint] of pieces) {
    if (text === '') continue;
    const before = line === '' ? '' : gap;
    const part = clipEnd(text, left - before.length);
    if (part === '' || left - before.length <= 0) break;
    line += before + (paint === undefined || part.trim() === '' ? part : paint(part));
    left -= before.length + textWidth(part);
  }
  return line;
}
