/** OTLP messages built byte by byte, with their layout, so that tests can have every odd order of fields. */

import { meteredBytes, OTLP_HEADERS, type Signal } from '../../src/model/record.ts';
import { type BlockDraft, OtlpLayout } from '../../src/storage/block/seal.ts';

/** One field of a container: a head field unchanged, or a child. */
export type ScopeField = { readonly head: Uint8Array } | { readonly item: Uint8Array };
export type ResourceField = { readonly head: Uint8Array } | { readonly scope: readonly ScopeField[] };
export type Message = readonly (readonly ResourceField[])[];

export interface Built {
  readonly draft: BlockDraft;
  readonly payload: Buffer;
  /** The self-contained body of each record, built without the code under test. */
  readonly bodies: readonly Buffer[];
}

/** Builds the payload, its layout and the bodies that readers must get. */
export function buildMessage(signal: Signal, message: Message, timestamps: readonly number[]): Built {
  const layout = new OtlpLayout();
  const resources: Buffer[] = [];
  const bodies: Buffer[] = [];
  let at = 0;
  for (const fields of message) {
    const { bytes, bodies: own } = resource(layout, fields, at);
    resources.push(bytes);
    bodies.push(...own);
    at += bytes.length;
  }
  const payload = Buffer.concat(resources);
  let metered = 0;
  for (const body of bodies) metered += meteredBytes(OTLP_HEADERS[signal], body.length);
  const draft: BlockDraft = {
    kind: signal,
    count: bodies.length,
    timestamps: Float64Array.from(bodies, (_, i) => timestamps[i] ?? 0),
    meteredBytes: metered,
    layout: layout.finish(),
    payload: resources,
  };
  return { draft, payload, bodies };
}

/** A length-delimited field. */
export function field(tag: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(tag), varint(bytes.length), bytes]);
}

function resource(
  layout: OtlpLayout,
  fields: readonly ResourceField[],
  start: number,
): { bytes: Buffer; bodies: Buffer[] } {
  const parts = fields.map((one) => ('head' in one ? Buffer.from(one.head) : field(0x12, scopeBytes(one.scope))));
  const inner = Buffer.concat(parts);
  const whole = field(0x0a, inner);
  const at = start + whole.length - inner.length;
  const { segments, heads } = split(fields, parts, at);
  layout.resource(segments, segments.length / 2);
  const bodies: Buffer[] = [];
  let partAt = at;
  for (const [i, one] of fields.entries()) {
    const part = parts[i] ?? Buffer.alloc(0);
    if ('scope' in one) {
      const inside = scopeBytes(one.scope).length;
      for (const scope of scopeBodies(layout, one.scope, partAt + part.length - inside)) {
        bodies.push(field(0x0a, Buffer.concat([heads, scope])));
      }
    }
    partAt += part.length;
  }
  return { bytes: whole, bodies };
}

function scopeBytes(fields: readonly ScopeField[]): Buffer {
  return Buffer.concat(fields.map((one) => ('head' in one ? Buffer.from(one.head) : field(0x12, one.item))));
}

function scopeBodies(layout: OtlpLayout, fields: readonly ScopeField[], at: number): readonly Buffer[] {
  const parts = fields.map((one) => ('head' in one ? Buffer.from(one.head) : field(0x12, one.item)));
  const { segments, heads } = split(fields, parts, at);
  layout.scope(segments, segments.length / 2);
  const bodies: Buffer[] = [];
  let end = at;
  for (const [i, one] of fields.entries()) {
    end += parts[i]?.length ?? 0;
    if (!('item' in one)) continue;
    layout.item(end - one.item.length, one.item.length);
    bodies.push(field(0x12, Buffer.concat([heads, field(0x12, one.item)])));
  }
  return bodies;
}

/** Where the head fields are, and all of them joined. */
function split(
  fields: readonly object[],
  parts: readonly Buffer[],
  start: number,
): { segments: number[]; heads: Buffer } {
  const segments: number[] = [];
  const heads: Buffer[] = [];
  let at = start;
  for (const [i, part] of parts.entries()) {
    const one = fields[i];
    if (one !== undefined && 'head' in one) {
      segments.push(at, at + part.length);
      heads.push(part);
    }
    at += part.length;
  }
  return { segments, heads: Buffer.concat(heads) };
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
