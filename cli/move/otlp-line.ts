/** A line of the Collector's file format: one Export…ServiceRequest as JSON. Its text is sent on as it is. */

import { TailraceError } from '../../src/model/error.ts';
import type { Signal } from '../../src/model/record.ts';
import { afterSpace, elementsAt, membersAt } from './json-spans.ts';

export interface OtlpLine {
  readonly signal: Signal;
  /** The resources, without the brackets around them. */
  readonly resources: string;
  /** Log records, spans, data points. */
  readonly items: number;
  /** The streams that resources name; undefined for one that names none. */
  readonly streams: ReadonlySet<string | undefined>;
}

type LineObject = Readonly<Record<string, unknown>>;

/** Both spellings of protobuf's JSON. */
const SIGNAL_OF: ReadonlyMap<string, Signal> = new Map([
  ['resourceLogs', 'logs'],
  ['resource_logs', 'logs'],
  ['resourceSpans', 'traces'],
  ['resource_spans', 'traces'],
  ['resourceMetrics', 'metrics'],
  ['resource_metrics', 'metrics'],
]);
const KEY_OF = { logs: 'resourceLogs', traces: 'resourceSpans', metrics: 'resourceMetrics' } as const;
const SCOPES = ['scopeLogs', 'scope_logs', 'scopeSpans', 'scope_spans', 'scopeMetrics', 'scope_metrics'];
const ITEMS = ['logRecords', 'log_records', 'spans'];
const POINTS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'exponential_histogram', 'summary'];
const STREAM_KEY = 's2.stream';

/** Whether an object is such a request, as far as its keys say. */
export function isOtlp(json: LineObject): boolean {
  return Object.keys(json).some((key) => SIGNAL_OF.has(key));
}

/**
 * Reads a line that is JSON, and names another stream in it where that is asked for.
 * @throws TailraceError `invalid` for a line that holds several signals, or no resources
 */
export function otlpLine(text: string, json: LineObject, stream: string | undefined): OtlpLine {
  const found = membersAt(text, afterSpace(text, 0)).filter(({ key }) => SIGNAL_OF.has(key));
  const [member] = found;
  const signal = member === undefined ? undefined : SIGNAL_OF.get(member.key);
  if (member === undefined || signal === undefined || found.length > 1) {
    throw new TailraceError('invalid', 'the line holds several signals: a request has logs, spans or metrics only');
  }
  const resources = json[member.key];
  if (!Array.isArray(resources)) throw new TailraceError('invalid', `${member.key} is not a list of resources`);
  const streams = stream === undefined ? new Set(resources.map(streamOf)) : new Set([stream]);
  const list = text.slice(member.start, member.end);
  const named = stream === undefined ? list : withStream(list, stream);
  const first = afterSpace(named, 0) + 1;
  return { signal, resources: named.slice(first, named.lastIndexOf(']')), items: itemsOf(resources), streams };
}

/** The request that holds the resources of some lines of one signal. */
export function requestOf(signal: Signal, resources: readonly string[]): string {
  return `{"${KEY_OF[signal]}":[${resources.filter((text) => text.trim() !== '').join(',')}]}`;
}

/** The list of resources, each with the attribute that names the stream. */
function withStream(list: string, stream: string): string {
  const attribute = `{"key":"${STREAM_KEY}","value":{"stringValue":${JSON.stringify(stream)}}}`;
  let text = '';
  let at = 0;
  for (const [start, end] of elementsAt(list, 0)) {
    if (list[start] !== '{') continue;
    for (const { from, to, value } of editsOf(list, start, end, attribute)) {
      text += list.slice(at, from) + value;
      at = to;
    }
  }
  return text + list.slice(at);
}

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly value: string;
}

/** What to write where in one resource; an attribute that is there several times counts each time. */
function editsOf(list: string, start: number, end: number, attribute: string): readonly Edit[] {
  const members = membersAt(list, start);
  const resource = members.find(({ key }) => key === 'resource');
  if (resource === undefined || list[resource.start] !== '{') {
    const before = { from: start + 1, to: start + 1 };
    const value = `"resource":{"attributes":[${attribute}]}${members.length === 0 ? '' : ','}`;
    if (resource === undefined) return [{ ...before, value }];
    return [{ from: resource.start, to: resource.end, value: `{"attributes":[${attribute}]}` }];
  }
  const parts = membersAt(list, resource.start);
  const attributes = parts.find(({ key }) => key === 'attributes');
  if (attributes === undefined || list[attributes.start] !== '[') {
    if (attributes !== undefined) return [{ from: attributes.start, to: attributes.end, value: `[${attribute}]` }];
    const from = resource.start + 1;
    return [{ from, to: from, value: `"attributes":[${attribute}]${parts.length === 0 ? '' : ','}` }];
  }
  const elements = elementsAt(list, attributes.start);
  const named = elements.filter(([from, to]) => isStreamAttribute(JSON.parse(list.slice(from, to))));
  if (named.length > 0) return named.map(([from, to]) => ({ from, to, value: attribute }));
  const last = elements.at(-1)?.[1] ?? attributes.start + 1;
  return end < last ? [] : [{ from: last, to: last, value: `${elements.length === 0 ? '' : ','}${attribute}` }];
}

function streamOf(resource: unknown): string | undefined {
  const attributes = objectIn(objectIn(resource).resource).attributes;
  const named = Array.isArray(attributes) ? attributes.find(isStreamAttribute) : undefined;
  const value = objectIn(objectIn(named).value);
  const text = value.stringValue ?? value.string_value;
  return typeof text === 'string' ? text : undefined;
}

function isStreamAttribute(attribute: unknown): boolean {
  return objectIn(attribute).key === STREAM_KEY;
}

function itemsOf(resources: readonly unknown[]): number {
  let items = 0;
  for (const scope of listsIn(resources, SCOPES)) {
    const { metrics } = objectIn(scope);
    if (Array.isArray(metrics)) items += listsIn(listsIn(metrics, POINTS), ['dataPoints', 'data_points']).length;
    else items += listsIn([scope], ITEMS).length;
  }
  return items;
}

function listsIn(objects: readonly unknown[], keys: readonly string[]): readonly unknown[] {
  return objects.flatMap((object) => keys.flatMap((key) => objectIn(object)[key] ?? []));
}

function objectIn(value: unknown): LineObject {
  return typeof value === 'object' && value !== null ? (value as LineObject) : {};
}
