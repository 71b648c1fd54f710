/**
 * Requests in which one item is spoiled, in both encodings, and what becomes of them in memory: for the property that an
 * item costs at most itself.
 */

import { TailraceError } from '../../src/model/error.ts';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import type { Signal } from '../../src/model/record.ts';
import type { TimestampingMode } from '../../src/model/stream-config.ts';
import { ingest } from '../../src/otlp/ingest.ts';
import { FieldCursor, type MessageContent, MessageEdit } from '../../src/otlp/message-edit.ts';
import { Block } from '../../src/storage/block/block.ts';
import { type BlockDraft, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import { containerNames, type OracleItem, oracle, requestType, varint } from './otlp-wire.ts';

/** What was done with a request. */
export interface Done {
  /** The stored items in their order, each decoded from the body of its record; undefined for a request that was refused. */
  readonly stored: readonly OracleItem[] | undefined;
  readonly rejected: number;
  readonly message: string;
}

/** Ingests a request into a stream in memory. */
export async function done(
  signal: Signal,
  encoding: 'protobuf' | 'json',
  body: Uint8Array,
  timestampingMode: TimestampingMode = 'client-prefer',
): Promise<Done> {
  const drafts: BlockDraft[] = [];
  const streams = new Set<string>();
  const port = {
    openStream: (_: unknown, name: string) => {
      streams.add(name);
      return { config: { timestampingMode } };
    },
    append: async (appends: readonly { readonly drafts: readonly BlockDraft[] }[]) => {
      for (const { drafts: each } of appends) drafts.push(...each);
    },
  };
  const basin = { name: 'in-memory', config: { otlpDefaultStream: 'one' } };
  try {
    const request = { signal, encoding, body: Uint8Array.from(body) };
    const { rejected, message = '' } = await ingest(port, basin, request, { limits: OTLP_LIMITS });
    return { stored: await itemsIn(signal, drafts), rejected, message };
  } catch (error) {
    if (!(error instanceof TailraceError) || drafts.length > 0) throw error;
    if (error.code !== 'bad_proto' && error.code !== 'bad_json') throw error;
    return { stored: undefined, rejected: 0, message: error.message };
  }
}

async function itemsIn(signal: Signal, drafts: readonly BlockDraft[]): Promise<readonly OracleItem[]> {
  const items: OracleItem[] = [];
  let firstSeq = 0;
  for (const draft of drafts) {
    draft.timestamps.fill(1);
    const { value } = await sealBlock(blockKey(1, firstSeq), firstSeq, draft, 1, false);
    const block = Block.open(blockKey(1, firstSeq), value);
    for (let i = 0; i < draft.count; i++) {
      const [item, ...more] = oracle(signal, block.record(i).body);
      if (item === undefined || more.length > 0) throw new Error('a body does not hold one item');
      items.push(item);
    }
    firstSeq += draft.count;
  }
  return items;
}

/** The tags of a resource, a scope and an item in what is around it: the same for every signal. */
const PATH = [0x0a, 0x12, 0x12];

/** The request with another content of its item number `row`; everything around it stays. */
export function withItem(body: Uint8Array, row: number, change: (item: Uint8Array) => Uint8Array): Uint8Array {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let at = 0;
  const rewritten = (start: number, end: number, depth: number): MessageContent | undefined => {
    const edit = new MessageEdit(body, start);
    for (const fields = new FieldCursor(view, start); fields.next(end); ) {
      if (fields.tag !== PATH[depth]) continue;
      if (depth < PATH.length - 1) {
        const inner = rewritten(fields.content, fields.end, depth + 1);
        if (inner !== undefined) edit.replace(fields, inner);
      } else if (at++ === row) {
        const content = change(body.subarray(fields.content, fields.end));
        edit.replace(fields, { parts: [content], length: content.length });
      }
    }
    return edit.finish(end);
  };
  return Buffer.concat(rewritten(0, body.length, 0)?.parts ?? []);
}

type Plain = Record<string, unknown>;

/** Ids of OTLP/JSON are in hex; other bytes are base64. */
const IDS = new Set(['traceId', 'spanId', 'parentSpanId']);

/** A request as OTLP/JSON says it, without what JSON cannot say. */
export function jsonRequest(signal: Signal, body: Uint8Array): Plain {
  const type = requestType(signal);
  const options = { longs: String, bytes: String, json: true };
  return hexed(type.toObject(type.decode(Buffer.from(body)), options)) as Plain;
}

function hexed(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => hexed(each));
  if (typeof value === 'string' && IDS.has(key)) return Buffer.from(value, 'base64').toString('hex');
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, hexed(each, name)]));
}

/** The same request in protobuf, by protobufjs. */
export function protobufOf(signal: Signal, request: Plain): Uint8Array {
  const type = requestType(signal);
  const toBytes = (value: unknown, key = ''): unknown => {
    if (Array.isArray(value)) return value.map((each) => toBytes(each));
    if (typeof value === 'string' && IDS.has(key)) return Buffer.from(value, 'hex');
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toBytes(each, name)]));
  };
  return type.encode(type.fromObject(toBytes(request) as Plain)).finish();
}

/** Changes the item number `row` of a request in JSON, in place. */
export function spoilJson(signal: Signal, request: Plain, row: number, change: (item: Plain) => void): void {
  const [resources, scopes, items] = containerNames(signal);
  const list = (owner: Plain, name: string): Plain[] => (owner[name] ?? []) as Plain[];
  const all = list(request, resources).flatMap((resource) =>
    list(resource, scopes).flatMap((scope) => list(scope, items)),
  );
  const item = all[row];
  if (item === undefined) throw new Error('there is no such item');
  change(item);
}

/** So many lists of key and value within one another, as the content of an AnyValue. */
export function nested(levels: number): Uint8Array {
  let bytes: readonly number[] = [0x0a, 1, 0x78];
  const enclosed = (tag: number): readonly number[] => [tag, ...varint(bytes.length), ...bytes];
  for (let i = 0; i < levels; i++) {
    bytes = [0x0a, 1, 0x6b, ...enclosed(0x12)];
    bytes = enclosed(0x0a);
    bytes = enclosed(0x32);
  }
  return Uint8Array.from(bytes);
}

/** The same in JSON. */
export function nestedJson(levels: number): object {
  let value: object = { stringValue: 'x' };
  for (let i = 0; i < levels; i++) value = { kvlistValue: { values: [{ key: 'k', value }] } };
  return value;
}
