/**
 * Rewrites a request, or a stored message, in which ids have a wrong length: each gets the right one, and its item the
 * attribute `otel.id_malformed` with what was sent. Everything else keeps its bytes.
 */

import protobuf from 'protobufjs/light.js';
import { repairUtf8At } from '../encoding/utf8.ts';
import { varint } from '../encoding/varint.ts';
import { REPAIRED_ITEM_BYTES_MAX, YIELD_BYTES } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import { REQUESTS } from './message-types.ts';
import { ID_BYTES, idFor, ODD_ID_LEAD, shownId } from './odd-id.ts';
import { NEXT, readLength, readTag, skipValue } from './scan/wire.ts';

const MALFORMED = 'otel.id_malformed';

/** What to do with the fields of a message type; types in which there can be no id have none. */
interface IdPlan {
  /** The lengths of the ids, by tag. */
  readonly ids: ReadonlyMap<number, number>;
  readonly children: ReadonlyMap<number, IdPlan>;
  /** The tag of the attributes that tell of malformed ids, for items and exemplars. */
  readonly noteTag: number | undefined;
  /** Whether it is an item. */
  readonly isItem: boolean;
}

/** The field of the attributes, by the name of the type. */
const NOTES: Readonly<Record<string, string>> = {
  LogRecord: 'attributes',
  Span: 'attributes',
  Exemplar: 'filteredAttributes',
};
const ITEMS = ['LogRecord', 'Span', 'Metric'];

const plans: Readonly<Record<Signal, IdPlan>> = {
  logs: planOf(REQUESTS.logs),
  traces: planOf(REQUESTS.traces),
  metrics: planOf(REQUESTS.metrics),
};

/** The message being rewritten. */
interface Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Whether the JSON transcoder wrote it. */
  readonly isJson: boolean;
}

/** The content of a message, as pieces of the source and new ones. */
interface Content {
  readonly parts: Uint8Array[];
  length: number;
}

/**
 * The message with good ids; the same bytes when all are good. Yields after each piece of work.
 * @throws TailraceError `bad_proto` for bytes that are no message
 */
export function* repairIds(signal: Signal, bytes: Uint8Array, isJson = false): Generator<void, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const content = yield* rewriteContainer({ bytes, view, isJson }, plans[signal], 0, bytes.length);
  if (content === undefined) return bytes;
  const target = new Uint8Array(content.length);
  let at = 0;
  let pause = YIELD_BYTES;
  for (const part of content.parts) {
    target.set(part, at);
    at += part.length;
    if (at < pause) continue;
    pause = at + YIELD_BYTES;
    yield;
  }
  return target;
}

/** The request, a resource or a scope; undefined when nothing in it changes. */
function* rewriteContainer(
  source: Source,
  plan: IdPlan,
  start: number,
  end: number,
): Generator<void, Content | undefined> {
  const out = new Rewriting(source, start);
  let pause = start + YIELD_BYTES;
  while (out.next(end)) {
    const child = plan.children.get(out.tag);
    if (child === undefined) continue;
    const content: Content | undefined = child.isItem
      ? rewriteItem(source, child, out.content, out.at, [])
      : yield* rewriteContainer(source, child, out.content, out.at);
    if (content !== undefined) out.replace(content);
    if (out.at < pause) continue;
    pause = out.at + YIELD_BYTES;
    yield;
  }
  return out.finish(end);
}

/** An item or what is in it. `sent` collects what malformed ids in it were. */
function rewriteItem(source: Source, plan: IdPlan, start: number, end: number, sent: string[]): Content | undefined {
  if (end - start > REPAIRED_ITEM_BYTES_MAX) return undefined;
  const out = new Rewriting(source, start);
  const own = plan.noteTag === undefined ? sent : [];
  while (out.next(end)) {
    const size = plan.ids.get(out.tag);
    if (size !== undefined) rewriteId(source, out, size, own);
    const child = plan.children.get(out.tag);
    if (child === undefined) continue;
    const content = rewriteItem(source, child, out.content, out.at, own);
    if (content !== undefined) out.replace(content);
  }
  if (plan.noteTag !== undefined && own.length > 0) out.append(plan.noteTag, attribute(own.join(', ')), end);
  return out.finish(end);
}

function rewriteId(source: Source, out: Rewriting, size: number, sent: string[]): void {
  const length = out.at - out.content;
  if (length === size || length === 0) return;
  const lead = source.isJson ? ODD_ID_LEAD.length : 0;
  const id = source.bytes.slice(out.content + lead, out.at);
  // It came as a string, whose bytes the scanner did not look at.
  if (source.isJson) repairUtf8At(new DataView(id.buffer, id.byteOffset), 0, id.length);
  sent.push(shownId(id));
  out.replace({ parts: [idFor(id, size)], length: size });
}

/** A walk over the fields of one message, of which some are replaced. */
class Rewriting {
  tag = 0;
  /** The current field: its content is [content, at). */
  content = 0;
  at: number;
  readonly #source: Source;
  readonly #out: Content = { parts: [], length: 0 };
  #field = 0;
  /** Where what was not copied yet begins. */
  #kept: number;

  constructor(source: Source, start: number) {
    this.#source = source;
    this.at = start;
    this.#kept = start;
  }

  /** Goes to the next field; false at the end. */
  next(end: number): boolean {
    if (this.at >= end) return false;
    const { view } = this.#source;
    this.#field = this.at;
    this.tag = readTag(view, this.at, end);
    const value = NEXT[0] as number;
    this.at = skipValue(view, value, end, this.tag);
    if ((this.tag & 7) === 2) readLength(view, value, end);
    this.content = (this.tag & 7) === 2 ? (NEXT[0] as number) : value;
    return true;
  }

  /** Gives the current field another content. */
  replace(content: Content): void {
    this.#keep(this.#field);
    this.#kept = this.at;
    this.#write(varint(this.tag), varint(content.length), ...content.parts);
  }

  /** Adds a field at the end of the message. */
  append(tag: number, content: Uint8Array, end: number): void {
    this.#keep(end);
    this.#write(varint(tag), varint(content.length), content);
  }

  /** The new content; undefined when nothing was changed. */
  finish(end: number): Content | undefined {
    if (this.#out.parts.length === 0) return undefined;
    this.#keep(end);
    return this.#out;
  }

  #keep(to: number): void {
    if (to > this.#kept) this.#write(this.#source.bytes.subarray(this.#kept, to));
    this.#kept = to;
  }

  #write(...parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      this.#out.parts.push(part);
      this.#out.length += part.length;
    }
  }
}

/** A KeyValue with a string. */
function attribute(value: string): Uint8Array {
  const text = framed(0x0a, Buffer.from(value));
  return Buffer.concat([framed(0x0a, Buffer.from(MALFORMED)), framed(0x12, text)]);
}

function framed(tag: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint(tag), varint(content.length), content]);
}

function planOf(type: protobuf.Type): IdPlan {
  const ids = new Map<number, number>();
  const children = new Map<number, IdPlan>();
  for (const field of type.fieldsArray) {
    const tag = (field.id << 3) | 2;
    const size = field.type === 'bytes' ? ID_BYTES[field.name] : undefined;
    if (size !== undefined) ids.set(tag, size);
    if (!(field.resolvedType instanceof protobuf.Type) || field.resolvedType.name === 'KeyValue') continue;
    const plan = field.resolvedType.name === 'AnyValue' ? undefined : planOf(field.resolvedType);
    if (plan !== undefined && plan.ids.size + plan.children.size > 0) children.set(tag, plan);
  }
  const noteField = NOTES[type.name];
  const noteTag = noteField === undefined ? undefined : ((type.fields[noteField]?.id ?? 0) << 3) | 2;
  return { ids, children, noteTag, isItem: ITEMS.includes(type.name) };
}
