/** `--format '{{time}} {{level}} {{body}}'`: lines that users lay out themselves. No value in them is a control character. */

import { nearest } from '../../src/encoding/nearest.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import type { StreamUri } from '../flags/names.ts';
import { escapeControls, safeJson } from './format.ts';

/** Makes the line of a row. */
export type TemplateLine = (row: MessageRow, uri: StreamUri) => string;

type TemplateField = (row: MessageRow, uri: StreamUri) => unknown;

/** Columns of a row under their own names, then what people call them. */
const FIELDS: Readonly<Record<string, TemplateField>> = {
  ...Object.fromEntries(
    (
      [
        ...[
          'timestamp',
          'endTimestamp',
          'observedTimestamp',
          'signal',
          'level',
          'severityText',
          'type',
          'body',
          'kind',
        ],
        ...['traceId', 'spanId', 'parentSpanId', 'durationMs', 'unit', 'model', 'input', 'output', 'inputTokens'],
        ...['outputTokens', 'costMicrocents', 'seqNum', 'metadata', 'events', 'headers', 'dataPoints', 'serviceName'],
      ] as (keyof MessageRow)[]
    ).map((name): [string, TemplateField] => [name, (row) => row[name]]),
  ),
  time: (row) => row.timestamp,
  service: (row) => row.serviceName,
  name: (row) => row.type,
  seq: (row) => row.seqNum,
  trace_id: (row) => row.traceId,
  span_id: (row) => row.spanId,
  duration: (row) => (row.durationMs === undefined ? undefined : `${row.durationMs}ms`),
  status: (row) => row.status?.code,
  message: (row) => row.body ?? row.type,
  attributes: (row) => row.metadata,
  resource: (row) => row.resource,
  scope: (row) => row.scope,
  basin: (_row, { basin }) => basin,
  stream: (_row, { stream }) => stream,
};

/** Behind these stands the name of an attribute, which may have dots. */
const OWNERS = {
  'attributes.': (row: MessageRow) => row.metadata,
  'attr.': (row: MessageRow) => row.metadata,
  'resource.': (row: MessageRow) => row.resource,
  'scope.': (row: MessageRow) => row.scope,
} as const;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\' };

/**
 * Reads a template: text with `{{fields}}`, and `\t` and `\n`.
 * @throws TailraceError `config` for an unknown field, with the nearest one, and for braces that do not close
 */
export function parseTemplate(text: string): TemplateLine {
  const parts: (string | TemplateField)[] = [];
  let at = 0;
  while (at < text.length) {
    const start = text.indexOf('{{', at);
    parts.push(literal(start < 0 ? text.slice(at) : text.slice(at, start)));
    if (start < 0) break;
    const end = text.indexOf('}}', start);
    if (end < 0) throw wrong(`${JSON.stringify(text.slice(start))} has no end: write {{body}}`);
    parts.push(fieldOf(text.slice(start + 2, end).trim()));
    at = end + 2;
  }
  if (parts.every((part) => typeof part === 'string')) throw wrong('no field is in it: write {{time}} {{body}}');
  return (row, uri) => parts.map((part) => (typeof part === 'string' ? part : shown(part(row, uri)))).join('');
}

function literal(text: string): string {
  return text.replace(/\\([nt\\])/g, (_all, letter: string) => ESCAPES[letter] ?? letter);
}

function fieldOf(name: string): TemplateField {
  const known = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (known !== undefined) return known;
  for (const [start, owner] of Object.entries(OWNERS)) {
    const key = name.slice(start.length);
    if (name.startsWith(start) && key !== '') return (row) => owner(row)?.[key];
  }
  const near = nearest(name, Object.keys(FIELDS)).slice(0, 3);
  const hint = near.length === 0 ? '' : `; did you mean ${near.map((one) => `{{${one}}}`).join(', ')}?`;
  throw wrong(`there is no field {{${name}}}${hint} Fields are ${Object.keys(FIELDS).join(', ')}, attributes.<name>`);
}

/** Nothing for what a record does not have. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? escapeControls(value) : safeJson(value);
}

function wrong(what: string): TailraceError {
  return new TailraceError('config', `--format: ${what}`);
}
