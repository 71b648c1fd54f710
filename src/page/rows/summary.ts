/** What a row says in one line, and what is folded behind it: for the list, for its filter menu and for copying. */

import type { Attributes, Json, Row } from '../wire/rows.ts';
import { type Fact, metricFacts } from './metric-facts.ts';
import { durationText, numberText } from './quantities.ts';
import { visibleText } from './visible-text.ts';

/** An attribute that stands in the line. */
export interface Pair {
  readonly key: string;
  readonly value: string;
  /** The field of a filter, such as `attr.order.id`. */
  readonly field: string;
}

export interface RowSummary {
  /** `▸ POST /checkout`, a message; may hold colours of the application. */
  readonly headline: string;
  readonly facts: readonly Fact[];
  readonly pairs: readonly Pair[];
  /** Folded: the other lines of the message, stacks, points. */
  readonly rest: readonly string[];
}

const PYTHON_STACK = /^Traceback \(most recent call last\):/;
/** Where the code is, and what the summary says already. */
const HIDDEN = /^(telemetry|thread|code|http|url|db|gen_ai|exception|server|user_agent|event)\./;
const HIDDEN_OF_SPANS = /^(client|network|net|ai|llm|openinference|traceloop)\.|^error\.type$/;
const ARROWS: Readonly<Record<string, string>> = { server: '▸', consumer: '▸', client: '◂', producer: '◂' };
const SLOW_MS = 1_000;
const VALUE_CHARS_MAX = 200;
/** A line with more is no line; the record shows all of them. */
const PAIRS_MAX = 24;
const POINTS_MAX = 8;
const LEVEL_WIDTH = 5;

export function summaryOf(row: Row): RowSummary {
  if (row.signal === 'traces') return spanSummary(row);
  if (row.signal === 'metrics') return metricSummary(row);
  if (row.signal === null) return plainSummary(row);
  return logSummary(row);
}

/** The first line has time, level, place, service and message; folded lines follow, indented. */
export function plainLines(stream: string, row: Row): string {
  const { headline, facts, pairs, rest } = summaryOf(row);
  const level = row.signal === 'traces' ? 'SPAN' : row.signal === 'metrics' ? 'METR' : (row.level ?? '').toUpperCase();
  const said = [headline, ...facts.map(({ text }) => text), ...pairs.map(pairText)].filter((text) => text !== '');
  const start = [
    row.endTimestamp ?? row.timestamp,
    level.padEnd(LEVEL_WIDTH),
    `${stream}#${row.seqNum}`,
    row.serviceName ?? '',
  ];
  const trace = row.traceId === undefined ? [] : [`trace=${row.traceId}`];
  const first = [...start.filter((text) => text !== ''), visibleText([...said, ...trace].join('  '))].join(' ');
  return [first, ...rest.map((line) => `    ${visibleText(line)}`)].join('\n');
}

function logSummary(row: Row): RowSummary {
  const metadata = row.metadata ?? {};
  const { body } = row;
  const [headline, lines] = headlineOf(row);
  const cause = exceptionText(metadata, typeof body === 'string' ? body : '');
  const stack = textOf(metadata['exception.stacktrace']);
  const isNews = stack !== undefined && !(typeof body === 'string' && body.includes(stack.trim()));
  const own = isObject(body) ? pairsOf(body, 'body') : [];
  const tokens = tokensText(row);
  return {
    headline,
    facts: [
      ...(cause === undefined ? [] : [{ text: cause, look: 'failed' as const }]),
      ...(tokens === undefined ? [] : [{ text: tokens }]),
    ],
    pairs: [...own, ...pairsOf(metadata, 'attr').filter(({ key }) => !HIDDEN.test(key))].slice(0, PAIRS_MAX),
    rest: isNews ? [...lines, ...linesOf(stack)] : lines,
  };
}

/** The message and its other lines. A Python stack says at its end what happened. */
function headlineOf(row: Row): readonly [string, readonly string[]] {
  const { body, metadata = {} } = row;
  const name = row.type ?? textOf(metadata['event.name']) ?? '';
  if (isObject(body)) return [name, []];
  if (body === undefined || body === null || body === '') return [name, []];
  if (typeof body !== 'string') return [JSON.stringify(body), []];
  const lines = linesOf(body);
  const first = lines.findIndex((line) => line.trim() !== '');
  if (first === -1) return [name, []];
  if (PYTHON_STACK.test(lines[first] ?? '') && lines.length - first > 1) return [(lines.at(-1) ?? '').trim(), lines];
  return [lines[first] ?? '', lines.slice(first + 1)];
}

function spanSummary(row: Row): RowSummary {
  const metadata = row.metadata ?? {};
  const name = row.type ?? '(no name)';
  const model = row.model !== undefined && !name.includes(row.model) ? ` ${row.model}` : '';
  const facts: Fact[] = [];
  const { durationMs } = row;
  if (durationMs === undefined) facts.push({ text: 'open', look: 'dim' });
  else facts.push({ text: durationText(durationMs), ...(durationMs > SLOW_MS ? { look: 'slow' as const } : {}) });
  const code = Number(metadata['http.response.status_code'] ?? metadata['http.status_code']);
  if (code > 0) facts.push({ text: String(code), look: code >= 500 ? 'failed' : code >= 400 ? 'warned' : 'good' });
  const tokens = tokensText(row);
  if (tokens !== undefined) facts.push({ text: tokens });
  if (row.status?.code === 'error') {
    const message = row.status.message ?? textOf(metadata['error.type']) ?? '';
    facts.push({ text: `✗ ${message.replace(/\s+/g, ' ')}`.trimEnd(), look: 'failed' });
  }
  const detail = detailOf(row, name);
  if (detail !== undefined) facts.push({ text: detail, look: 'dim' });
  const pairs = pairsOf(metadata, 'attr').filter(({ key }) => !HIDDEN.test(key) && !HIDDEN_OF_SPANS.test(key));
  return {
    headline: `${ARROWS[row.kind ?? ''] ?? '·'} ${name}${model}`,
    facts,
    pairs: pairs.slice(0, PAIRS_MAX),
    rest: (row.events ?? []).filter(({ name: event }) => event === 'exception').flatMap(exceptionLines),
  };
}

function exceptionLines(event: Attributes): readonly string[] {
  const attributes = isObject(event.attributes) ? event.attributes : {};
  const stack = textOf(attributes['exception.stacktrace']);
  return [`⚡ ${exceptionText(attributes, '') ?? 'exception'}`, ...(stack === undefined ? [] : linesOf(stack))];
}

/** The query or the address of a call. */
function detailOf(row: Row, name: string): string | undefined {
  const metadata = row.metadata ?? {};
  const addresses = row.kind === 'server' ? ['url.path', 'http.target'] : ['url.full', 'http.url'];
  const keys = ['db.query.text', 'db.statement', ...addresses];
  const text = keys.map((key) => textOf(metadata[key])).find((value) => value !== undefined);
  return text === undefined || name.includes(text) ? undefined : text.replace(/\s+/g, ' ').slice(0, VALUE_CHARS_MAX);
}

/** `1,287 → 214 tok  stop`. */
function tokensText({ inputTokens, outputTokens, metadata = {} }: Row): string | undefined {
  if (inputTokens === undefined && outputTokens === undefined) return undefined;
  const sides = [inputTokens, outputTokens].map((count) => (count === undefined ? '?' : numberText(count)));
  const reasons = metadata['gen_ai.response.finish_reasons'] ?? metadata['ai.response.finishReason'];
  const reason = [reasons].flat().filter((one) => typeof one === 'string' && one !== '');
  return [`${sides.join(' → ')} tok`, ...reason].join('  ');
}

function metricSummary(row: Row): RowSummary {
  const points = row.dataPoints ?? [];
  const [only] = points;
  const own = pairsOf(row.metadata ?? {}, 'attr');
  if (points.length === 1 && only !== undefined) {
    const pairs = [...pairsOf(isObject(only.attributes) ? only.attributes : {}, 'attr'), ...own];
    return { headline: row.type ?? '(no name)', facts: metricFacts(only, row.unit ?? ''), pairs, rest: [] };
  }
  const lines = points.slice(0, POINTS_MAX).map((point) => {
    const pairs = pairsOf(isObject(point.attributes) ? point.attributes : {}, 'attr');
    return [...metricFacts(point, row.unit ?? '').map(({ text }) => text), ...pairs.map(pairText)].join('  ');
  });
  const more = points.length - lines.length;
  return {
    headline: row.type ?? '(no name)',
    facts: [{ text: points.length === 0 ? 'no points' : `${numberText(points.length)} points` }],
    pairs: own,
    rest: more > 0 ? [...lines, `… ${numberText(more)} more`] : lines,
  };
}

/** What was appended through S2; a record with one header without a name is a command. */
function plainSummary(row: Row): RowSummary {
  const headers = row.headers ?? [];
  const body = typeof row.body === 'string' ? row.body : JSON.stringify(row.body ?? '');
  const [first] = headers;
  if (headers.length === 1 && first?.[0] === '') return { ...commandSummary(row, first[1], body), pairs: [], rest: [] };
  const pairs = headers.map(([key, value]) => ({ key, value, field: `header.${quoted(key)}` }));
  if (row.encoding === 'base64') {
    const bytes = Math.floor((body.replace(/=+$/, '').length * 3) / 4);
    return { headline: body, facts: [{ text: `${numberText(bytes)} bytes`, look: 'dim' }], pairs, rest: [] };
  }
  const [headline = '', ...rest] = linesOf(body);
  return { headline, facts: [], pairs, rest };
}

function commandSummary(row: Row, word: string, body: string): Pick<RowSummary, 'headline' | 'facts'> {
  const isBinary = row.encoding === 'base64';
  const name = isBinary ? binaryOf(word) : word;
  if (name === 'trim') {
    const bytes = isBinary ? binaryOf(body) : body;
    let point = 0;
    for (const sign of bytes) point = point * 256 + sign.charCodeAt(0);
    return { headline: `TRIM before #${numberText(point)}`, facts: [{ text: 'a command', look: 'dim' }] };
  }
  const token = isBinary ? binaryOf(body) : body;
  const said = name === 'fence' ? (token === '' ? 'FENCE removed' : `FENCE ${token}`) : `${name} ${token}`;
  return { headline: said, facts: [{ text: 'a command', look: 'dim' }] };
}

function binaryOf(base64: string): string {
  try {
    return atob(base64);
  } catch {
    return base64;
  }
}

/** `type: message` without what is said already. */
function exceptionText(attributes: Attributes, before: string): string | undefined {
  const parts = [textOf(attributes['exception.type']), textOf(attributes['exception.message'])];
  const news = parts.filter((part): part is string => part !== undefined && !before.includes(part));
  return news.length === 0 ? undefined : news.map((part) => part.replace(/\s+/g, ' ')).join(': ');
}

/** The leaves of attributes; keys of objects in objects have dots between. */
export function pairsOf(attributes: Attributes, field: string, prefix = ''): readonly Pair[] {
  return Object.entries(attributes).flatMap(([name, value]): readonly Pair[] => {
    const key = `${prefix}${name}`;
    if (isObject(value) && Object.keys(value).length > 0) return pairsOf(value, field, `${key}.`);
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [{ key, value: text, field: field === 'body' ? 'body' : `${field}.${quoted(key)}` }];
  });
}

/** `order.id=A-10923`, in one line. */
export function pairText({ key, value }: Pair): string {
  const line = value.replace(/\s+/g, ' ');
  return `${key}=${line.length > VALUE_CHARS_MAX ? `${line.slice(0, VALUE_CHARS_MAX)}…` : line}`;
}

/** A key or value as a filter takes it. */
export function quoted(text: string): string {
  return text === '' || /[\s"'=!<>~,/\\]/.test(text) ? JSON.stringify(text) : text;
}

function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/);
  while (lines.length > 1 && lines.at(-1)?.trim() === '') lines.pop();
  return lines;
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isObject(value: Json | undefined): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
