/** How each column is read of an item: from the fields and attributes that one walk over it has found. */

import type { GroupColumn, SumColumn } from '../../model/aggregate.ts';
import type { FilterNumber } from '../../model/filter.ts';
import type { Signal } from '../../model/record.ts';
import { ITEM_LAYOUTS } from '../match/item-layout.ts';
import type { Bytes } from '../match/value-test.ts';
import { ID_BYTES, idFor } from '../odd-id.ts';
import { FOUND, findMember, STRING_VALUE, varintAt } from '../routing/attributes.ts';
import { type Alias, GEN_AI_ALIASES, type GenAiColumn } from '../views/gen-ai-aliases.ts';
import { TAKES } from '../views/gen-ai-fields.ts';
import { levelOf } from '../views/log-fields.ts';
import { STATUSES } from '../views/span-fields.ts';
import { FoundAttributes } from './attributes.ts';
import { FoundFields } from './fields.ts';
import { type Names, NO_NAME } from './names.ts';
import { nameOf, numberOf, plainValue } from './values.ts';

export type ReadName = (source: Bytes) => number;
export type ReadNumber = (source: Bytes) => FilterNumber | undefined;

/** What one walk over an item finds. */
export interface Found {
  readonly fields: FoundFields;
  readonly attributes: FoundAttributes;
}

const STATUS_CODE = 0x18;
const LEVELS_MAX = 24;
const TWO_32 = 2 ** 32;

/** Undefined for a column of the resource or scope. */
export function groupReader(column: GroupColumn, signal: Signal, found: Found, names: Names): ReadName | undefined {
  const { fields, attributes } = found;
  const layout = ITEM_LAYOUTS[signal];
  if ('key' in column) return column.field === 'attr' ? attributeName(column.key, attributes, names) : undefined;
  switch (column.field) {
    case 'signal': {
      const name = names.ofText(signal);
      return () => name;
    }
    case 'level':
      return levelName(fields, signal, names);
    case 'name':
      return textName(fields, layout.name, names);
    case 'status':
      return statusName(fields, layout.status, names);
    case 'trace_id':
      return idName(fields, layout.traceId, ID_BYTES.traceId ?? 0, names);
    case 'span_id':
      return idName(fields, layout.spanId, ID_BYTES.spanId ?? 0, names);
    case 'spanType':
    case 'llmSystem':
    case 'model':
      return signal === 'metrics' ? () => NO_NAME : genAiName(column.field, attributes, names);
    default:
      return undefined;
  }
}

/** Undefined for a column of the resource or scope, and for the values of data points. */
export function sumReader(column: SumColumn, signal: Signal, { fields, attributes }: Found): ReadNumber | undefined {
  if ('key' in column) return column.field === 'attr' ? attributeNumber(column.key, attributes) : undefined;
  if (column.field === 'durationMs') return durationMs(fields, signal);
  if (column.field === 'value' || signal === 'metrics') return () => undefined;
  return genAiNumber(column.field, attributes);
}

function attributeName(key: string, attributes: FoundAttributes, names: Names): ReadName {
  const number = attributes.add(key);
  return (source) => {
    const start = attributes.start(number);
    return start < 0 ? NO_NAME : nameOf(source, start, attributes.end(number), names);
  };
}

function attributeNumber(key: string, attributes: FoundAttributes): ReadNumber {
  const number = attributes.add(key);
  return (source) => {
    const start = attributes.start(number);
    return start < 0 ? undefined : numberOf(source, start, attributes.end(number));
  };
}

function levelName(fields: FoundFields, signal: Signal, names: Names): ReadName {
  const { severityNumber, severityText } = ITEM_LAYOUTS[signal];
  if (severityNumber === 0) return () => NO_NAME;
  const [number, text] = [fields.add(severityNumber), fields.add(severityText)];
  const byNumber = Array.from({ length: LEVELS_MAX + 1 }, (_, n) => names.ofText(levelOf(n, '') ?? ''));
  return ({ view, bytes }) => {
    const [at, end] = [fields.start(number), fields.end(number)];
    const severity =
      at < 0 ? 0 : end - at === 1 ? view.getUint8(at) : Number(BigInt.asIntN(32, varintAt(view, at, end)));
    if (severity >= 1 && severity <= LEVELS_MAX) return byNumber[severity] ?? NO_NAME;
    const textAt = fields.start(text);
    const level = textAt < 0 ? undefined : levelOf(severity, bytes.toString('utf8', textAt, fields.end(text)));
    return level === undefined ? NO_NAME : names.ofText(level);
  };
}

/** An empty text is none. */
function textName(fields: FoundFields, tag: number, names: Names): ReadName {
  const number = fields.add(tag);
  return ({ bytes }) => {
    const [start, end] = [fields.start(number), fields.end(number)];
    return start < 0 || start === end ? NO_NAME : names.ofBytes(bytes, start, end);
  };
}

function statusName(fields: FoundFields, tag: number, names: Names): ReadName {
  if (tag === 0) return () => NO_NAME;
  const number = fields.add(tag);
  const inner = new FoundFields(0, new FoundAttributes());
  const code = inner.add(STATUS_CODE);
  return (source) => {
    const start = fields.start(number);
    if (start < 0) return names.ofText(STATUSES[0]);
    inner.walk(source, start, fields.end(number));
    const at = inner.start(code);
    const status = at < 0 ? 0 : Number(BigInt.asIntN(32, varintAt(source.view, at, inner.end(code))));
    return names.ofText(STATUSES[status] ?? STATUSES[0]);
  };
}

/** In hex; what is no id is shown as another one: see odd-id.ts. */
function idName(fields: FoundFields, tag: number, size: number, names: Names): ReadName {
  if (tag === 0) return () => NO_NAME;
  const number = fields.add(tag);
  return ({ bytes }) => {
    const [start, end] = [fields.start(number), fields.end(number)];
    if (start < 0 || start === end) return NO_NAME;
    const id = bytes.subarray(start, end);
    return names.ofText(Buffer.from(id.length === size ? id : idFor(id, size)).toString('hex'));
  };
}

/** From start to end, as the `message` view has it. */
function durationMs(fields: FoundFields, signal: Signal): ReadNumber {
  const layout = ITEM_LAYOUTS[signal];
  if (layout.end === 0) return () => undefined;
  const [start, end] = [fields.add(layout.start), fields.add(layout.end)];
  return ({ view }) => {
    const [from, to] = [fields.start(start), fields.start(end)];
    if (from < 0 || to < 0) return undefined;
    const [fromLow, fromHigh] = [view.getUint32(from, true), view.getUint32(from + 4, true)];
    const [toLow, toHigh] = [view.getUint32(to, true), view.getUint32(to + 4, true)];
    if ((fromLow === 0 && fromHigh === 0) || (toLow === 0 && toHigh === 0)) return undefined;
    return ((toHigh - fromHigh) * TWO_32 + (toLow - fromLow)) / 1e6;
  };
}

/** An alias with the numbers of its keys. */
interface NumberedAlias {
  readonly alias: Alias;
  readonly key: number;
  readonly beside: number | undefined;
}

function numbered(column: GenAiColumn, attributes: FoundAttributes): readonly NumberedAlias[] {
  return GEN_AI_ALIASES[column].map((alias) => ({
    alias,
    key: attributes.add(alias.key),
    beside: alias.beside === undefined ? undefined : attributes.add(alias.beside),
  }));
}

/** The first alias that is there and fits counts, as in the `message` view. */
function genAiName(column: GenAiColumn, attributes: FoundAttributes, names: Names): ReadName {
  const aliases = numbered(column, attributes);
  return (source) => {
    for (const { alias, key, beside } of aliases) {
      const start = attributes.start(key);
      if (start < 0 || (beside !== undefined && attributes.start(beside) < 0)) continue;
      if (alias.words === undefined) {
        findMember(source.view, start, attributes.end(key));
        const isText = FOUND.tag === STRING_VALUE && FOUND.start < FOUND.end;
        if (isText) return names.ofBytes(source.bytes, FOUND.start, FOUND.end);
      }
      const value = TAKES[column](plainValue(source, start, attributes.end(key)), alias.words);
      if (typeof value === 'string') return names.ofText(value);
    }
    return NO_NAME;
  };
}

function genAiNumber(column: GenAiColumn, attributes: FoundAttributes): ReadNumber {
  const aliases = numbered(column, attributes);
  return (source) => {
    for (const { alias, key, beside } of aliases) {
      const start = attributes.start(key);
      if (start < 0 || (beside !== undefined && attributes.start(beside) < 0)) continue;
      const value = TAKES[column](plainValue(source, start, attributes.end(key)), alias.words);
      if (typeof value === 'number') return value;
    }
    return undefined;
  };
}
