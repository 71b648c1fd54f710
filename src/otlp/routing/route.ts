/**
 * Which stream a resource goes to. The first rule that matches decides: its attribute `s2.stream`, the stream of the
 * token, an existing stream with the name of its service, the fallback template of the basin. Walks validated bytes, once
 * per resource.
 */

import { streamNameFault } from '../../model/names.ts';
import type { Signal } from '../../model/record.ts';
import type { ScannedRequest } from '../scan/columns.ts';
import { FOUND, findAttribute, headView, numberText, STRING_VALUE } from './attributes.ts';
import type { ServiceStreams } from './service-streams.ts';
import { nameAt } from './stream-names.ts';

/**
 * A stream's name, or why the records of the resource are rejected and what to do about it. `undecided` while a stream is
 * looked up.
 */
export type StreamRoute =
  | { readonly stream: string }
  | { readonly rejected: string }
  | { readonly undecided: 'service' };

/** What decides besides the resource itself. */
export interface RoutePolicy {
  /** The stream of resources without `s2.stream`: a name, which comes before any template. */
  readonly fixed?: string | undefined;
  /** The template for resources without `s2.stream`; empty means that there is none. */
  readonly fallback: string;
  /** Says which services have a stream of their name; undefined where these do not count. */
  readonly services?: Pick<ServiceStreams, 'has'> | undefined;
}

const STREAM_KEY = Buffer.from('s2.stream');
const SERVICE_NAME = 'service.name';
const SERVICE_KEY = Buffer.from(SERVICE_NAME);
const SHOWN_CHARS_MAX = 100;
const UNKNOWN_SERVICE = 'unknown_service';

/** Finds the stream of resource number `row`. */
export function routeResource(scanned: ScannedRequest, row: number, policy: RoutePolicy): StreamRoute {
  if (findAttribute(scanned, row, STREAM_KEY)) return byAttribute(headView(scanned));
  if (policy.fixed !== undefined) return { stream: policy.fixed };
  const service = policy.services === undefined ? undefined : serviceName(scanned, row);
  if (service !== undefined) {
    const exists = policy.services?.has(service);
    if (exists === undefined) return { undecided: 'service' };
    if (exists) return { stream: service };
  }
  if (policy.fallback !== '') return byTemplate(scanned, row, policy.fallback);
  if (service !== undefined) return { rejected: noServiceStream(service) };
  return {
    rejected:
      'the resource names no stream and the basin has no fallback template: set OTEL_RESOURCE_ATTRIBUTES=s2.stream=my-app',
  };
}

/** The first of `names` that resource number `row` lacks; a text without characters is no value. */
export function missingAttribute(scanned: ScannedRequest, row: number, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  let keys = encoded.get(names);
  if (keys === undefined) {
    keys = names.map((name) => Buffer.from(name));
    encoded.set(names, keys);
  }
  return names[keys.findIndex((key) => !hasValue(scanned, row, key))];
}

function hasValue(scanned: ScannedRequest, row: number, key: Uint8Array): boolean {
  if (!findAttribute(scanned, row, key)) return false;
  if (FOUND.tag === STRING_VALUE) return FOUND.end > FOUND.start;
  return FOUND.tag !== 0;
}

/** The keys of lists that must not change. */
const encoded = new WeakMap<readonly string[], readonly Uint8Array[]>();

function serviceName(scanned: ScannedRequest, row: number): string | undefined {
  if (!findAttribute(scanned, row, SERVICE_KEY) || FOUND.tag !== STRING_VALUE || FOUND.start === FOUND.end) {
    return undefined;
  }
  return nameAt(headView(scanned), FOUND.start, FOUND.end).name;
}

function noServiceStream(service: string): string {
  const shown = service.length > SHOWN_CHARS_MAX ? `${service.slice(0, SHOWN_CHARS_MAX)}…` : service;
  return `the resource has no s2.stream, no stream named \`${shown}\` exists, and the basin has no fallback template: create that stream, or set OTEL_RESOURCE_ATTRIBUTES=s2.stream=my-app`;
}

/** A wrong `s2.stream` is rejected, and no other rule is tried: its records would land where they are not looked for. */
function byAttribute(view: DataView): StreamRoute {
  if (FOUND.tag !== STRING_VALUE) return { rejected: 'the resource attribute s2.stream must be a string' };
  const { name, fault } = nameAt(view, FOUND.start, FOUND.end);
  return fault === undefined ? { stream: name } : { rejected: `s2.stream is not a valid stream name: ${fault}` };
}

function byTemplate(scanned: ScannedRequest, row: number, template: string): StreamRoute {
  let name = '';
  for (const part of templateParts(template)) {
    const text = typeof part === 'string' ? part : fill(scanned, row, part);
    if (text === undefined) {
      return {
        rejected: `the resource has no s2.stream, and the basin's fallback template ${template} needs a text for ${partName(part)}: set one of both`,
      };
    }
    name += text;
  }
  const fault = streamNameFault(name);
  if (fault === undefined) return { stream: name };
  return {
    rejected: `the basin's fallback template ${template} makes no valid stream name here: ${fault}; set s2.stream`,
  };
}

/** A literal text, or a placeholder with the attribute that fills it. */
type TemplatePart = string | { readonly name: string; readonly key: Uint8Array };

const parsed = new Map<string, readonly TemplatePart[]>();
const PARSED_MAX = 1_000;

function templateParts(template: string): readonly TemplatePart[] {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  // Every second piece was between braces.
  const parts = template
    .split(/\{([^{}]*)\}/)
    .map((piece, index): TemplatePart => (index % 2 === 0 ? piece : { name: piece, key: Buffer.from(piece) }));
  parsed.set(template, parts);
  return parts;
}

function fill(scanned: ScannedRequest, row: number, part: Exclude<TemplatePart, string>): string | undefined {
  if (part.name === 'signal') return scanned.signal satisfies Signal;
  const text = findAttribute(scanned, row, part.key) ? textOf(headView(scanned)) : undefined;
  if (part.name === SERVICE_NAME) return text === undefined || text === '' ? UNKNOWN_SERVICE : text;
  return text === '' ? undefined : text;
}

function textOf(view: DataView): string | undefined {
  return FOUND.tag === STRING_VALUE ? nameAt(view, FOUND.start, FOUND.end).name : numberText(view);
}

function partName(part: TemplatePart): string {
  return typeof part === 'string' ? part : part.name;
}
