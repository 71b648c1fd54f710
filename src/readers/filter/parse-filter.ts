/** The one parser of filters, whoever writes them: see README.md. */

import { TailraceError } from '../../model/error.ts';
import {
  type AttributeOwner,
  type Comparison,
  type Filter,
  type FilterNumber,
  type FilterTerm,
  type FilterTest,
  isOrdered,
  LEVELS,
  SPAN_STATUSES,
  type TextTest,
  type ValueTest,
} from '../../model/filter.ts';
import { FILTER_CHARS_MAX, FILTER_TERMS_MAX } from '../../model/limits.ts';
import { SIGNALS } from '../../model/record.ts';
import { FilterText, type Operator } from './filter-text.ts';
import { filterText } from './write-filter.ts';

/** How the tests of a field are read. `at` is where the operator begins. */
type ReadTest = (text: FilterText, operator: Operator, at: number) => FilterTest;

const FIELDS: ReadonlyMap<string, ReadTest> = new Map<string, ReadTest>([
  ['signal', (text, operator, at) => ({ field: 'signal', signal: oneOf(text, operator, at, 'signal', SIGNALS) })],
  ['level', (text, operator, at) => ({ field: 'level', levels: levelsOf(text, operator, at) })],
  ['status', (text, operator, at) => ({ field: 'status', status: oneOf(text, operator, at, 'status', SPAN_STATUSES) })],
  ['duration', (text, operator, at) => ({ field: 'duration', ...durationOf(text, operator, at) })],
  ['trace_id', (text, operator, at) => ({ field: 'trace_id', prefix: idOf(text, operator, at, 'trace_id', 32) })],
  ['span_id', (text, operator, at) => ({ field: 'span_id', prefix: idOf(text, operator, at, 'span_id', 16) })],
  [
    'parent_span_id',
    (text, operator, at) => ({ field: 'parent_span_id', prefix: idOf(text, operator, at, 'parent_span_id', 16) }),
  ],
  ['service', (text, operator, at) => ({ field: 'service', test: textTest(text, operator, at, 'service') })],
  ['name', (text, operator, at) => ({ field: 'name', test: textTest(text, operator, at, 'name') })],
  ['scope', (text, operator, at) => ({ field: 'scope_name', test: textTest(text, operator, at, 'scope') })],
  ['text', (text, operator, at) => ({ field: 'text', test: textTest(text, operator, at, 'text') })],
  ['body', (text, operator, at) => ({ field: 'body', test: valueTest(text, operator, at, 'body') })],
]);

const OWNERS: readonly AttributeOwner[] = ['attr', 'resource', 'scope'];
const HEADER = 'header.';

/** What is offered for a field that does not exist. */
const FILTER_FIELDS: readonly string[] = [
  ...FIELDS.keys(),
  'attr.<key>',
  'resource.<key>',
  'scope.<key>',
  'header.<name>',
];

/** Nanoseconds of each unit of time. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1],
  ['us', 1e3],
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
  ['m', 60e9],
  ['h', 3_600e9],
]);

/**
 * Reads a filter; several texts count as one behind the other. No text, or only empty ones, is no filter.
 * @throws TailraceError `bad_query` that says where it is wrong and what was expected
 */
export function parseFilter(texts: readonly string[]): Filter | undefined {
  const terms: FilterTerm[] = [];
  if (texts.reduce((sum, text) => sum + text.length, 0) > FILTER_CHARS_MAX) {
    throw new TailraceError('bad_query', `a filter has at most ${FILTER_CHARS_MAX} characters`);
  }
  for (const each of texts) {
    const text = new FilterText(each);
    while (text.nextTerm()) {
      if (terms.length === FILTER_TERMS_MAX) throw text.wrong(text.at, `at most ${FILTER_TERMS_MAX} conditions`);
      terms.push(readTerm(text));
      text.expectTermEnd();
    }
  }
  return terms.length === 0 ? undefined : { terms, text: filterText(terms) };
}

function readTerm(text: FilterText): FilterTerm {
  const isNegated = text.take('!');
  if (text.isAt('"') || text.isAt('/')) return { isNegated, test: anyText(textOf(text)) };
  const start = text.at;
  const name = text.takeName();
  const at = text.at;
  const operator = text.takeOperator();
  if (operator === undefined) return { isNegated, test: bareWord(text, name, start) };
  const { type, negates } = operator;
  return { isNegated: isNegated !== negates, test: readerFor(text, name, start)(text, type, at) };
}

/** The operator of a bare word is missing, or it is a text to look for. */
function bareWord(text: FilterText, name: string, start: number): FilterTest {
  if (name === '') throw text.wrong(start, 'a condition, such as level>=warn or "connection refused"');
  const colon = name.indexOf(':');
  const field = colon < 0 ? name : name.slice(0, colon);
  if (!isField(field)) return anyText({ type: 'contains', text: name });
  if (colon < 0)
    throw text.wrong(start + name.length, `an operator, as in ${name}=…; to look for the word, write "${name}"`);
  throw text.wrong(start + colon, `an operator, as in ${field}=${name.slice(colon + 1)}`);
}

function anyText(test: TextTest): FilterTest {
  return { field: 'text', test };
}

function isField(name: string): boolean {
  return FIELDS.has(name) || ownerOf(name) !== undefined || name.startsWith(HEADER);
}

function ownerOf(name: string): AttributeOwner | undefined {
  return OWNERS.find((owner) => name.startsWith(`${owner}.`));
}

function readerFor(text: FilterText, name: string, start: number): ReadTest {
  const known = FIELDS.get(name);
  if (known !== undefined) return known;
  const owner = ownerOf(name);
  const key = name.slice(name.indexOf('.') + 1);
  if ((owner !== undefined || name.startsWith(HEADER)) && key === '') {
    throw text.wrong(start + name.length, `the name of an attribute, as in ${name}http.method=GET`);
  }
  if (owner !== undefined) {
    return (from, operator, at) => ({ field: owner, key, test: valueTest(from, operator, at, name) });
  }
  if (name.startsWith(HEADER)) {
    return (from, operator, at) => ({ field: 'header', key, test: textTest(from, operator, at, name) });
  }
  throw text.unknownField(start, name, FILTER_FIELDS);
}

/** What follows `=` or `~`, or stands alone. */
function textOf(text: FilterText): TextTest {
  if (!text.isAt('/')) return { type: 'contains', text: text.takeValue() };
  const { pattern, ignoresCase } = text.takePattern();
  return { type: 'matches', pattern, ignoresCase };
}

function textTest(text: FilterText, operator: Operator, at: number, name: string): TextTest {
  if (operator === '~') return textOf(text);
  if (operator === '=') return { type: 'equals', text: text.takeValue() };
  throw text.wrong(at, `= or ~ after ${name}, which is a text`);
}

function valueTest(text: FilterText, operator: Operator, at: number, name: string): ValueTest {
  if (operator === '~' || operator === '=') return textTest(text, operator, at, name);
  return { type: 'compares', by: operator, to: numberOf(text) };
}

function numberOf(text: FilterText): FilterNumber {
  const at = text.at;
  const value = text.takeValue();
  if (/^[-+]?\d+$/.test(value)) return BigInt(value);
  const number = value === '' ? Number.NaN : Number(value);
  if (Number.isNaN(number)) throw text.wrong(at, 'a number');
  return number;
}

function oneOf<T extends string>(
  text: FilterText,
  operator: Operator,
  at: number,
  name: string,
  words: readonly T[],
): T {
  if (operator !== '=') throw text.wrong(at, `= after ${name}`);
  const valueAt = text.at;
  const value = text.takeValue().toLowerCase();
  const word = words.find((known) => known === value);
  if (word === undefined) throw text.wrong(valueAt, `one of ${words.join(', ')}`);
  return word;
}

function levelsOf(text: FilterText, operator: Operator, at: number): readonly string[] {
  if (operator === '~') throw text.wrong(at, 'one of = != < <= > >= after level');
  const valueAt = text.at;
  const words = text.takeValue().toLowerCase().split(',');
  const named = LEVELS.filter((level) => words.includes(level));
  if (named.length !== new Set(words).size) throw text.wrong(valueAt, `one of ${LEVELS.join(', ')}`);
  if (operator === '=') return named;
  const [level, second] = named;
  if (level === undefined || second !== undefined) throw text.wrong(valueAt, `one level after ${operator}`);
  const i = LEVELS.indexOf(level);
  return LEVELS.filter((_, k) => isOrdered(k, operator, i));
}

function durationOf(
  text: FilterText,
  operator: Operator,
  at: number,
): { readonly by: Comparison; readonly nanos: FilterNumber } {
  if (operator === '=' || operator === '~') throw text.wrong(at, 'one of < <= > >= after duration');
  const valueAt = text.at;
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-zµ]+)$/.exec(text.takeValue()) ?? [];
  const scale = UNITS.get(unit);
  if (scale === undefined) throw text.wrong(valueAt, 'a time with its unit, such as 500ms, 1.5s or 2m');
  return { by: operator, nanos: Number(digits) * scale };
}

function idOf(text: FilterText, operator: Operator, at: number, name: string, digitsMax: number): string {
  if (operator !== '=') throw text.wrong(at, `= after ${name}`);
  const valueAt = text.at;
  const value = text.takeValue().toLowerCase();
  if (value.length === 0 || value.length > digitsMax || !/^[0-9a-f]+$/.test(value)) {
    throw text.wrong(valueAt, `up to ${digitsMax} hex digits, the beginning of an id`);
  }
  return value;
}
