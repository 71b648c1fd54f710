/**
 * The `text` view: one line for people for each record, with time, level, service, body, then as JSON the attributes of
 * the item and of its resource, and its ids. Nothing that a record holds can break the line or reach the terminal as a command.
 */

import type { Block } from '../../storage/block/block.ts';
import { type Escape, jsonEscape, type LongTexts } from './long-texts.ts';
import { plainRows } from './message.ts';
import type { RecordRow } from './row.ts';
import { type JsonObject, type JsonValue, viewText } from './values.ts';

/** The lines of the records [from, to), in order, without line ends. Never throws because of what a record holds. */
export function textLines(block: Block, from: number, to: number): readonly string[] {
  return plainRows(block, from, to).map(textLine);
}

/**
 * The JSON of the same lines, in which long texts are marked, for records of many megabytes. Yields after each piece of work.
 */
export function* longTextLines(block: Block, from: number, to: number, long: LongTexts): Generator<void, string> {
  return JSON.stringify(yield* markedLines(block, from, to, (row) => withMarks(row, long, jsonEscape)));
}

/** The same as plain text, line by line. */
export function* longPlainLines(block: Block, from: number, to: number, long: LongTexts): Generator<void, string> {
  return (yield* markedLines(block, from, to, (row) => withMarks(row, long, (part) => part))).join('\n');
}

function* markedLines(
  block: Block,
  from: number,
  to: number,
  mark: (row: RecordRow) => RecordRow,
): Generator<void, readonly string[]> {
  const rows = plainRows(block, from, to);
  yield;
  return rows.map((row) => textLine(mark(row)));
}

/** Every text is marked with what its place in a line does to it (see `textLine`), and then what the line is written in. */
function withMarks(row: RecordRow, long: LongTexts, outside: Escape): RecordRow {
  const inVisible: Escape = (part) => outside(visible(part));
  const inJson: Escape = (part) => outside(json(part).slice(1, -1));
  const shown = (value: JsonValue | undefined): JsonValue | undefined =>
    typeof value === 'string' ? long.mark(value, inVisible) : value && long.marked(value, inJson);
  const column = (value: JsonValue | undefined): JsonValue | undefined =>
    typeof value !== 'string' || !hasSpace(value) ? shown(value) : long.mark(value, inJson, ' ');
  const { body, type, unit, status, level, serviceName, ...rest } = row;
  const { message, ...others } = (status ?? {}) as JsonObject;
  return {
    ...(long.marked(rest, inJson) as RecordRow),
    body: shown(body),
    type: shown(type),
    unit: shown(unit),
    status: { ...others, message: shown(message) },
    level: column(typeof level === 'string' ? level.toUpperCase() : level),
    serviceName: column(serviceName),
  };
}

function textLine(row: RecordRow): string {
  switch (row.signal) {
    case 'logs':
      return line(row, word(row.level), valueText(row.body ?? row.type ?? ''), labels(row));
    case 'traces':
      return line(row, 'span', spanText(row), labels(row));
    case 'metrics':
      return line(row, 'metric', metricText(row), labels(row));
    default:
      return line(row, '-', visible(plainText(row)), undefined);
  }
}

function line(row: RecordRow, level: string, body: string, attributes: JsonValue | undefined): string {
  const start = `${row.timestamp} ${level.toUpperCase().padEnd(5)} ${word(row.serviceName)}`;
  return `${start}${body === '' ? '' : ` ${body}`}${suffix(attributes)}`;
}

/**
 * What can be searched for in a line. Where an attribute of the item has the name of one of the resource, that of the
 * resource counts: a token may have set it, and the sender must not be able to hide that.
 */
function labels(row: RecordRow): JsonObject {
  const found = Object.assign(Object.create(null) as Record<string, JsonValue | undefined>, row.metadata);
  for (const [key, value] of Object.entries((row.resource as JsonObject | undefined) ?? {})) {
    if (key !== 'service.name' && !key.startsWith('telemetry.')) found[key] = value;
  }
  if (row.traceId !== undefined) found.trace_id = row.traceId;
  if (row.spanId !== undefined) found.span_id = row.spanId;
  return found;
}

function suffix(attributes: JsonValue | undefined): string {
  if (attributes === undefined || Object.keys(attributes as JsonObject).length === 0) return '';
  return ` ${json(attributes)}`;
}

/** Name, duration, status. */
function spanText(row: RecordRow): string {
  const status = row.status as JsonObject | undefined;
  const message = typeof status?.message === 'string' ? `: ${visible(status.message)}` : '';
  const duration = typeof row.durationMs === 'number' ? `${row.durationMs}ms` : '-';
  return `${valueText(row.type)} ${duration} ${String(status?.code ?? 'unset')}${message}`;
}

/** Name, kind, and the value of each point with its attributes. */
function metricText(row: RecordRow): string {
  const unit = typeof row.unit === 'string' ? ` ${visible(row.unit)}` : '';
  const points = (row.dataPoints as readonly JsonObject[] | undefined) ?? [];
  const values = points.map((point) => `${pointText(point)}${suffix(point.attributes)}`);
  return `${valueText(row.type)} ${row.kind ?? '-'}${unit} ${values.join(', ')}`.trimEnd();
}

function pointText(point: JsonObject): string {
  if (point.value !== undefined) return typeof point.value === 'number' ? viewText(point.value) : String(point.value);
  if (point.count === undefined) return '-';
  const facts = [`count=${point.count}`];
  for (const name of ['sum', 'min', 'max'] as const) {
    if (point[name] !== undefined)
      facts.push(`${name}=${typeof point[name] === 'number' ? viewText(point[name]) : point[name]}`);
  }
  return facts.join(' ');
}

function plainText(row: RecordRow): string {
  const body = String(row.body ?? '');
  return row.encoding === 'base64' ? Buffer.from(body, 'base64').toString('utf8') : body;
}

/** One column, in quotes when it holds white space. */
function word(value: JsonValue | undefined): string {
  if (typeof value !== 'string' || value === '') return '-';
  return hasSpace(value) ? json(value) : visible(value);
}

function hasSpace(text: string): boolean {
  return /[\s"]/.test(text);
}

function valueText(value: JsonValue | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? visible(value) : json(value);
}

/**
 * C0, DEL, C1, line and paragraph separators, characters that change the direction of text, the byte order mark, and
 * halves of surrogate pairs.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Escapes what could break the line or the terminal; everything else stays readable. */
function visible(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? unicodeEscape(character));
}

/** JSON, in which the escapes are JSON's own. */
function json(value: JsonValue): string {
  return viewText(value).replace(UNSAFE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
