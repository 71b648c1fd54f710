/** Which stream a resource goes to (otlp.md, Which stream). Walks validated bytes, once per resource. */

import { streamNameFault } from '../../model/names.ts';
import type { Signal } from '../../model/record.ts';
import type { ScannedRequest } from '../scan/columns.ts';
import { FOUND, findAttribute, headView, numberText, STRING_VALUE } from './attributes.ts';
import { nameAt } from './names.ts';

/** A stream's name, or why the records of the resource are rejected and what to do about it. */
export type Route = { readonly stream: string } | { readonly rejected: string };

/** What decides beside the resource itself. */
export interface RoutePolicy {
  /** Where resources without `s2.stream` go, before any template: a name as it is. */
  readonly fixed?: string | undefined;
  /** Template for resources without `s2.stream`; empty is off. */
  readonly fallback: string;
}

const STREAM_KEY = Buffer.from('s2.stream');
const SERVICE_NAME = 'service.name';
const UNKNOWN_SERVICE = 'unknown_service';

/** Finds the stream of resource number `row`: the first rule that matches decides. */
export function routeResource(scanned: ScannedRequest, row: number, policy: RoutePolicy): Route {
  if (findAttribute(scanned, row, STREAM_KEY)) return byAttribute(headView(scanned));
  if (policy.fixed !== undefined) return { stream: policy.fixed };
  if (policy.fallback !== '') return byTemplate(scanned, row, policy.fallback);
  return {
    rejected:
      'the resource names no stream and the basin has no fallback template: set OTEL_RESOURCE_ATTRIBUTES=s2.stream=my-app',
  };
}

/** Rule 1. A wrong `s2.stream` never falls through to another rule: its records would land where nobody looks. */
function byAttribute(view: DataView): Route {
  if (FOUND.tag !== STRING_VALUE) return { rejected: 'the resource attribute s2.stream must be a string' };
  const { name, fault } = nameAt(view, FOUND.start, FOUND.end);
  return fault === undefined ? { stream: name } : { rejected: `s2.stream is not a valid stream name: ${fault}` };
}

/** Rule 4. */
function byTemplate(scanned: ScannedRequest, row: number, template: string): Route {
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

/** A literal text, or a placeholder with what it asks for. */
type Part = string | { readonly name: string; readonly key: Uint8Array };

const parsed = new Map<string, readonly Part[]>();
const PARSED_MAX = 1_000;

function templateParts(template: string): readonly Part[] {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  if (parsed.size >= PARSED_MAX) parsed.clear();
  // Every second piece is what stood between braces.
  const parts = template
    .split(/\{([^{}]*)\}/)
    .map((piece, index): Part => (index % 2 === 0 ? piece : { name: piece, key: Buffer.from(piece) }));
  parsed.set(template, parts);
  return parts;
}

function fill(scanned: ScannedRequest, row: number, part: Exclude<Part, string>): string | undefined {
  if (part.name === 'signal') return scanned.signal satisfies Signal;
  const text = findAttribute(scanned, row, part.key) ? textOf(headView(scanned)) : undefined;
  if (part.name === SERVICE_NAME) return text === undefined || text === '' ? UNKNOWN_SERVICE : text;
  return text === '' ? undefined : text;
}

function textOf(view: DataView): string | undefined {
  return FOUND.tag === STRING_VALUE ? nameAt(view, FOUND.start, FOUND.end).name : numberText(view);
}

function partName(part: Part): string {
  return typeof part === 'string' ? part : part.name;
}
