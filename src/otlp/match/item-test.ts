/** The tests of a filter on one OTLP item, each made for one signal, on the bytes of the item. */

import { type FilterTest, isOrdered } from '../../model/filter.ts';
import type { Signal } from '../../model/record.ts';
import { ID_BYTES, idFor } from '../odd-id.ts';
import { contentAt, varintAt } from '../routing/attributes.ts';
import { NEXT, readTag, skipValue } from '../scan/wire.ts';
import { levelOf } from '../views/log-fields.ts';
import { STATUSES } from '../views/span-fields.ts';
import { ITEM_LAYOUTS, type ItemLayout, type PartLayout } from './item-layout.ts';
import { type Bytes, type ValueMatcher, valueMatcher } from './value-test.ts';
import { anyAlong, anyField, attributePasses, type FieldTest, pairPasses } from './walk-fields.ts';

type TestOf<F extends FilterTest['field']> = Extract<FilterTest, { readonly field: F }>;

const NEVER: FieldTest = () => false;
const STATUS_CODE = 0x18;

/**
 * Whether an item passes. Tests on what all items of a scope or resource share are not its matter.
 * @throws TailraceError `bad_query`
 */
export function itemTest(signal: Signal, test: FilterTest): FieldTest {
  const layout = ITEM_LAYOUTS[signal];
  switch (test.field) {
    case 'level':
      return layout.severityNumber === 0 ? NEVER : levelTest(layout, test);
    case 'trace_id':
      return idTest(layout.traceId, ID_BYTES.traceId, test.prefix);
    case 'span_id':
      return idTest(layout.spanId, ID_BYTES.spanId, test.prefix);
    case 'parent_span_id':
      return idTest(layout.parentSpanId, ID_BYTES.parentSpanId, test.prefix);
    case 'duration':
      return layout.end === 0 ? NEVER : durationTest(layout, test);
    case 'status':
      return layout.status === 0 ? NEVER : statusTest(layout, test);
    case 'name':
      return textFieldTest(layout.name, valueMatcher(test.test));
    case 'body':
      return layout.body === 0 ? NEVER : bodyTest(layout, valueMatcher(test.test));
    case 'text':
      return anyTextTest(layout, valueMatcher(test.test));
    case 'attr':
      return attributeTest(layout, test.key, valueMatcher(test.test));
    default:
      return NEVER;
  }
}

/** The content of the last field with a tag, as of a decoder: [start, end), or nothing: [end, end) of the message. */
const LAST = { isThere: false, start: 0, end: 0 };

function findLast({ bytes, view }: Bytes, start: number, end: number, tag: number): typeof LAST {
  LAST.isThere = false;
  LAST.start = LAST.end = end;
  for (let at = start; at < end; ) {
    // Most fields: a tag and a length of one byte each, or a fixed size. Each field of each record comes by here.
    const next = endOfShort(bytes, at, end);
    if (next > 0) {
      if (bytes[at] === tag) {
        LAST.isThere = true;
        LAST.start = (tag & 7) === 2 ? at + 2 : at + 1;
        LAST.end = next;
      }
      at = next;
      continue;
    }
    const found = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, found);
    if (found !== tag) continue;
    LAST.isThere = true;
    LAST.start = (tag & 7) === 2 ? contentAt(view, value, end) : value;
    LAST.end = at;
  }
  return LAST;
}

/** Where a field ends whose tag has one byte, and its length or number too; 0 for other fields. */
function endOfShort(bytes: Uint8Array, at: number, end: number): number {
  const tag = bytes[at] ?? 0x80;
  if (tag >= 0x80 || tag < 8) return 0;
  const type = tag & 7;
  let next = 0;
  if (type === 1) next = at + 9;
  else if (type === 5) next = at + 5;
  else {
    const value = bytes[at + 1] ?? 0x80;
    if (value >= 0x80) return 0;
    if (type === 2) next = at + 2 + value;
    else if (type === 0) next = at + 2;
  }
  return next <= end ? next : 0;
}

function levelTest({ severityNumber, severityText }: ItemLayout, { levels }: TestOf<'level'>): FieldTest {
  const byNumber = Array.from({ length: 25 }, (_, number) => levels.includes(levelOf(number, '') ?? ''));
  return (source, start, end) => {
    const number = findLast(source, start, end, severityNumber);
    const byte = number.end - number.start === 1 ? (source.bytes[number.start] ?? 0) : 0;
    if (byte >= 1 && byte <= 24) return byNumber[byte] === true;
    const severity = number.isThere ? Number(BigInt.asIntN(32, varintAt(source.view, number.start, number.end))) : 0;
    let word = '';
    if (severity < 1 || severity > 24) {
      const text = findLast(source, start, end, severityText);
      word = source.bytes.toString('utf8', text.start, text.end);
    }
    const level = levelOf(severity, word);
    return level !== undefined && levels.includes(level);
  };
}

function idTest(tag: number, bytes: number | undefined, prefix: string): FieldTest {
  if (tag === 0 || bytes === undefined) return NEVER;
  const whole = Buffer.from(prefix.slice(0, prefix.length & ~1), 'hex');
  const half = prefix.length % 2 === 0 ? undefined : Number.parseInt(prefix.at(-1) ?? '0', 16);
  return (source, start, end) => {
    const last = findLast(source, start, end, tag);
    const length = last.end - last.start;
    if (length === 0) return false;
    if (length !== bytes) {
      // What older builds stored is shown as other ids: see odd-id.ts.
      const shown = idFor(source.bytes.subarray(last.start, last.end), bytes);
      return Buffer.from(shown).toString('hex').startsWith(prefix);
    }
    if (source.bytes.compare(whole, 0, whole.length, last.start, last.start + whole.length) !== 0) return false;
    return half === undefined || source.view.getUint8(last.start + whole.length) >> 4 === half;
  };
}

function durationTest({ start: startTag, end: endTag }: ItemLayout, { by, nanos }: TestOf<'duration'>): FieldTest {
  const time = (source: Bytes, from: number, to: number, tag: number): bigint => {
    const last = findLast(source, from, to, tag);
    return last.isThere ? source.view.getBigUint64(last.start, true) : 0n;
  };
  return (source, from, to) => {
    const started = time(source, from, to, startTag);
    const ended = time(source, from, to, endTag);
    return started !== 0n && ended !== 0n && isOrdered(ended - started, by, nanos);
  };
}

function statusTest({ status: tag }: ItemLayout, { status }: TestOf<'status'>): FieldTest {
  return (source, start, end) => {
    const message = findLast(source, start, end, tag);
    const last = findLast(source, message.start, message.end, STATUS_CODE);
    const code = last.isThere ? Number(BigInt.asIntN(32, varintAt(source.view, last.start, last.end))) : 0;
    return (STATUSES[code] ?? 'unset') === status;
  };
}

/** A text that is not there is empty. */
function textFieldTest(tag: number, matcher: ValueMatcher): FieldTest {
  return (source, start, end) => {
    const last = findLast(source, start, end, tag);
    return matcher.text(source, last.start, last.end);
  };
}

function bodyTest({ body }: ItemLayout, matcher: ValueMatcher): FieldTest {
  return (source, start, end) => {
    const last = findLast(source, start, end, body);
    return last.isThere && matcher.value(source, last.start, last.end);
  };
}

function attributeTest(layout: ItemLayout, key: string, matcher: ValueMatcher): FieldTest {
  const keyBytes = Buffer.from(key, 'utf8');
  const value: FieldTest = (source, start, end) => matcher.value(source, start, end);
  const own = (tag: number): FieldTest => {
    return (source, start, end) => attributePasses(source, start, end, tag, keyBytes, value) === true;
  };
  if (layout.attributes !== 0) return own(layout.attributes);
  const parts = layout.parts.filter(({ isItem }) => isItem).map((part) => ({ ...part, test: own(part.attributes) }));
  return (source, start, end) => parts.some(({ path, test }) => anyAlong(source, start, end, path, test));
}

/** Names and texts of the item, its body, and values of its attributes, events, links and data points. */
function anyTextTest(layout: ItemLayout, matcher: ValueMatcher): FieldTest {
  // A name that is empty and one that is not there are the same.
  const text: FieldTest = (source, start, end) => start < end && matcher.text(source, start, end);
  const pair: FieldTest = (source, start, end) =>
    pairPasses(source, start, end, (_, from, to) => matcher.value(source, from, to));
  const tags = [layout.name, ...layout.texts];
  const inPart = ({ attributes, texts }: PartLayout): FieldTest => {
    return (source, start, end) =>
      texts.some((tag) => anyField(source, start, end, tag, text)) || anyField(source, start, end, attributes, pair);
  };
  const parts = layout.parts.map((part) => ({ path: part.path, test: inPart(part) }));
  const body = layout.body === 0 ? NEVER : bodyTest(layout, matcher);
  return (source, start, end) =>
    tags.some((tag) => anyField(source, start, end, tag, text)) ||
    body(source, start, end) ||
    anyField(source, start, end, layout.attributes, pair) ||
    parts.some(({ path, test }) => anyAlong(source, start, end, path, test));
}
