/**
 * What a value of the wrong kind leaves: a mark in the message that holds it, an unknown field, by which the scanner knows
 * what is to be rejected and why. The rest of the message is read on and stays a valid one, so that what is rejected is
 * counted, and named by its stream, as everything else. What JSON becomes has no unknown fields but these.
 */

import { OPEN_BRACE, OPEN_BRACKET } from '../../encoding/json-characters.ts';
import { varint, writeVarint } from '../../encoding/varint.ts';
import { YIELD_BYTES } from '../../model/limits.ts';
import { valueFault } from './fault.ts';
import { expectValue, skipValue } from './skip.ts';
import { FIELDS, KIND, keyOf, MESSAGE, REPEATED, typeNameOf } from './tables.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';
import { writeTag, writeZero } from './write-field.ts';

/** The tag of marks: a field number that OTLP does not have, with a varint, the number of the fault. */
export const MARK_TAG = 30_000 << 3;
const MARK = varint(MARK_TAG);

/** What is wrong with values of a request, in one sentence, and where the first of them is. */
export interface ValueFault {
  readonly text: string;
  readonly place: string;
}

/**
 * By the type of a container: the tags of what is put into it in place of what cannot be read, down to an item, or to a
 * data point, so that it counts as one.
 */
const POINTS = [0x0a];
const METRICS = [0x2a, ...POINTS];
const CONTAINERS: Readonly<Record<string, readonly number[]>> = {
  ResourceLogs: [0x12, 0x12],
  ResourceSpans: [0x12, 0x12],
  ResourceMetrics: [0x12, 0x12, ...METRICS],
  ScopeLogs: [0x12],
  ScopeSpans: [0x12],
  ScopeMetrics: [0x12, ...METRICS],
  LogRecord: [],
  Span: [],
  Metric: METRICS,
  Gauge: POINTS,
  Sum: POINTS,
  Histogram: POINTS,
  ExponentialHistogram: POINTS,
  Summary: POINTS,
  NumberDataPoint: [],
  HistogramDataPoint: [],
  ExponentialHistogramDataPoint: [],
  SummaryDataPoint: [],
};

/**
 * Takes the value at `at`, before whose field nothing is written, as one of the wrong kind. Returns the position after it,
 * or `PAUSED`.
 * @throws TailraceError `bad_json` when it is no JSON, or nothing may be spoiled
 */
export function spoilField(buffer: TranscodeBuffer, at: number, field: number, fix: string): number {
  if (buffer.faults === undefined) expectValue(buffer, at);
  const mark = noteFault(buffer, at, field, fix);
  const isMessage = ((FIELDS[field + KIND] as number) & ~REPEATED) === MESSAGE;
  const inner = isMessage ? CONTAINERS[typeNameOf(field)] : undefined;
  if (inner === undefined) writeMark(buffer, mark);
  else writeContainer(buffer, field, inner, mark);
  return skipValue(buffer, at);
}

/**
 * The same for a scalar whose tag is written, or that is an element of packed ones. `after` is the position after it, or 0
 * for a value that is still to be skipped.
 */
export function spoilScalar(buffer: TranscodeBuffer, at: number, field: number, fix: string, after = 0): number {
  const mark = noteFault(buffer, at, field, fix);
  writeZero(buffer, (FIELDS[field + KIND] as number) & ~REPEATED);
  // Packed elements have no place for it: it comes behind the last one.
  if (((FIELDS[field + KIND] as number) & REPEATED) !== 0) buffer.pendingMark = mark;
  else writeMark(buffer, mark);
  if (after > 0 || isBracket(buffer.view.getUint8(at))) return after || skipValue(buffer, at);
  try {
    return skipValue(buffer, at);
  } catch {
    // NaN without quotes, for example: what to write says more than that it is no JSON.
    throw valueFault(buffer, at, keyOf(field), fix);
  }
}

function isBracket(byte: number): boolean {
  return byte === OPEN_BRACE || byte === OPEN_BRACKET;
}

/**
 * The number of a fault, from 1 on.
 * @throws TailraceError `bad_json` when nothing may be spoiled
 */
export function noteFault(buffer: TranscodeBuffer, at: number, field: number, fix: string): number {
  const { faults } = buffer;
  if (faults === undefined) throw valueFault(buffer, at, keyOf(field), fix);
  const text = `${keyOf(field)} ${fix}`;
  const known = faults.get(text);
  if (known !== undefined) return known.number;
  const number = faults.size + 1;
  faults.set(text, { number, offset: at - buffer.base });
  return number;
}

export function writeMark(buffer: TranscodeBuffer, mark: number): void {
  buffer.bytes.set(MARK, buffer.out);
  buffer.out = writeVarint(buffer.bytes, buffer.out + MARK.length, mark);
}

/** An element of a list of containers, with what makes it count. Every length has one byte. */
function writeContainer(buffer: TranscodeBuffer, field: number, inner: readonly number[], mark: number): void {
  const { view } = buffer;
  writeTag(buffer, field);
  const lengths = [buffer.out++];
  for (const tag of inner) {
    view.setUint8(buffer.out++, tag);
    lengths.push(buffer.out++);
  }
  writeMark(buffer, mark);
  for (const at of lengths) view.setUint8(at, buffer.out - at - 1);
}

/** What was passed over, each with the keys and indices that lead to the first; far behind in the body its byte alone. */
export function faultsIn({ faults }: TranscodeBuffer, body: Uint8Array): readonly ValueFault[] {
  let walked = 0;
  return [...(faults ?? [])].map(([text, { offset }]) => {
    walked += offset;
    if (walked > PATH_BYTES_MAX) return { text, place: `byte ${offset}` };
    return { text, place: pathTo(Buffer.from(body.buffer, body.byteOffset, offset).toString('utf8')) };
  });
}

/** A byte costs a path more than other work. */
const PATH_BYTES_MAX = YIELD_BYTES / 4;

/** The tokens of JSON that a path depends on. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},:]/gs;

function pathTo(text: string): string {
  const levels: { key: string; index: number; readonly isList: boolean }[] = [];
  let word = '';
  for (const [token] of text.matchAll(TOKEN)) {
    const level = levels.at(-1);
    if (token === '{' || token === '[') levels.push({ key: '', index: 0, isList: token === '[' });
    else if (token === '}' || token === ']') levels.pop();
    else if (token === ':' && level !== undefined) level.key = word;
    else if (token === ',' && level !== undefined) level.index++;
    else word = token.slice(1, -1);
  }
  const steps = levels.map(({ key, index, isList }) => (isList ? `[${index}]` : `.${key}`));
  return steps.join('').slice(1);
}
