/**
 * Rewrites a request, or a stored message, in which ids have a wrong length: each gets the right one, and its item the
 * attribute `otel.id_malformed` with what was sent. Everything else keeps its bytes.
 */

import protobuf from 'protobufjs/light.js';
import { repairUtf8At } from '../encoding/utf8.ts';
import { varint } from '../encoding/varint.ts';
import { REPAIRED_ITEM_BYTES_MAX, YIELD_BYTES } from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import { FIELD_BYTES, FieldCursor, type MessageContent, MessageEdit } from './message-edit.ts';
import { REQUESTS } from './message-types.ts';
import { ID_BYTES, idFor, ODD_ID_LEAD, shownId } from './odd-id.ts';

const MALFORMED = 'otel.id_malformed';
/** Of one item so much of its malformed ids is shown. */
const SENT_CHARS_MAX = 4_096;
/** What an id that is replaced costs. */
const REPAIRED_ID_BYTES = 512;

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

/** The message that is rewritten, and how much of it was looked at since the last pause. */
interface Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Whether the JSON transcoder wrote it. */
  readonly isJson: boolean;
  /** Larger items stay as they are. */
  readonly itemBytesMax: number;
  work: number;
}

/** What malformed ids in one item were. */
interface SentIds {
  readonly shown: string[];
  chars: number;
}

/**
 * The message with good ids; the same bytes when all are good. Yields after each piece of work.
 * @throws TailraceError `bad_proto` for bytes that are no message
 */
export function* repairIds(
  signal: Signal,
  bytes: Uint8Array,
  isJson = false,
  itemBytesMax: number = REPAIRED_ITEM_BYTES_MAX,
): Generator<void, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const source = { bytes, view, isJson, itemBytesMax, work: 0 };
  const content = yield* rewritten(source, plans[signal], 0, bytes.length, { shown: [], chars: 0 });
  if (content === undefined) return bytes;
  const target = new Uint8Array(content.length);
  let at = 0;
  let work = YIELD_BYTES;
  for (const part of content.parts) {
    if (work >= YIELD_BYTES) {
      work = 0;
      yield;
    }
    target.set(part, at);
    at += part.length;
    work += part.length + FIELD_BYTES;
  }
  yield;
  return target;
}

/** A message with all that is in it; undefined when nothing changes. `around` collects ids for an item around it. */
function* rewritten(
  source: Source,
  plan: IdPlan,
  start: number,
  end: number,
  around: SentIds,
): Generator<void, MessageContent | undefined> {
  if (plan.isItem && end - start > source.itemBytesMax) return undefined;
  const edit = new MessageEdit(source.bytes, start);
  const sent = plan.noteTag === undefined ? around : { shown: [], chars: 0 };
  for (const fields = new FieldCursor(source.view, start); fields.next(end); ) {
    const size = plan.ids.get(fields.tag);
    if (size !== undefined) replaceId(source, edit, fields, size, sent);
    const child = plan.children.get(fields.tag);
    if (child !== undefined) {
      const content: MessageContent | undefined = yield* rewritten(source, child, fields.content, fields.end, sent);
      if (content !== undefined) edit.replace(fields, content);
    }
    source.work += FIELD_BYTES + (child === undefined ? fields.end - fields.start : 0);
    if (source.work < YIELD_BYTES) continue;
    source.work = 0;
    yield;
  }
  if (plan.noteTag !== undefined && sent.shown.length > 0) {
    const note = attribute(sent.shown.join(', '));
    edit.append(end, varint(plan.noteTag), varint(note.length), note);
  }
  return edit.finish(end);
}

function replaceId(source: Source, edit: MessageEdit, fields: FieldCursor, size: number, sent: SentIds): void {
  const length = fields.end - fields.content;
  if (length === size || length === 0) return;
  const lead = source.isJson ? ODD_ID_LEAD.length : 0;
  const id = source.bytes.slice(fields.content + lead, fields.end);
  // It came as a string, whose bytes the scanner did not look at.
  if (source.isJson) repairUtf8At(new DataView(id.buffer, id.byteOffset), 0, id.length);
  source.work += REPAIRED_ID_BYTES;
  if (sent.chars < SENT_CHARS_MAX) {
    const shown = shownId(id);
    sent.shown.push(shown);
    sent.chars += shown.length;
  }
  edit.replace(fields, { parts: [idFor(id, size)], length: size });
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
