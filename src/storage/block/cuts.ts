/**
 * What S2 readers get of OTLP records that are larger than S2 allows: the same message with its longest strings cut. The
 * block keeps such a record whole, and says in its index how to shorten it: which ranges are left out, and which bytes come
 * in their place. So no reader has to look for strings. The bytes of cuts, before those of the records in the index:
 *
 * ```
 *  number of cuts of heads, then for each: the cut of the head of a resource, the cut of the head of a scope
 *  number of records that are cut, then for each: its number, as difference to the record before (the first: to 0);
 *          the number of its cut of heads, counted from 1, or 0 when its heads stay as they are; the cut of its item
 *
 *  a cut:  bytes of its edits (0: nothing is cut, and nothing follows); bytes of strings that are left out; bytes that
 *          the content has afterwards; the edits
 *  edit:   bytes that stay, bytes that are left out, number of new bytes, the new bytes; what is behind the last edit stays
 * ```
 *
 * All numbers are varints.
 */

import { varint } from '../../encoding/varint.ts';
import { corrupt, VarintReader } from './format.ts';
import { CHILD_TAG, fieldBytes, itemOf, type OtlpIndex, RESOURCE_TAG, scopeAt, writeField } from './otlp-index.ts';

/** How a content is shortened: the head of a resource or of a scope, or an item. */
export interface Cut {
  /** Bytes of strings that are left out. */
  readonly truncatedBytes: number;
  /** Bytes of the content afterwards. */
  readonly length: number;
  /** As they are stored. */
  readonly edits: Uint8Array;
}

/** How the heads of a scope are shortened. */
export interface HeadCut {
  readonly resource: Cut | undefined;
  readonly scope: Cut | undefined;
}

/** How a record is shortened. */
export interface RecordCut {
  readonly heads: HeadCut | undefined;
  readonly item: Cut | undefined;
}

/** Collects the edits of a content, in order. */
export class CutEdits {
  /** Bytes of all edits so far. */
  length = 0;
  readonly #parts: Uint8Array[] = [];
  #at = 0;

  /** The bytes [start, end) of the content are replaced. */
  replace(start: number, end: number, by: Uint8Array): void {
    for (const number of [start - this.#at, end - start, by.length]) this.#add(varint(number));
    this.#add(by);
    this.#at = end;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts, this.length);
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.length += part.length;
  }
}

/** The bytes of all cuts of a block, by the numbers of its records. Those that share cuts of heads share the object. */
export function writeCuts(records: ReadonlyMap<number, RecordCut>): Uint8Array {
  const heads = [...new Set([...records.values()].flatMap((record) => record.heads ?? []))];
  const numbers = new Map(heads.map((head, i) => [head, i + 1]));
  const parts: Uint8Array[] = [varint(heads.length)];
  for (const { resource, scope } of heads) parts.push(...cutBytes(resource), ...cutBytes(scope));
  parts.push(varint(records.size));
  let before = 0;
  for (const [i, { heads: own, item }] of records) {
    parts.push(varint(i - before), varint(own === undefined ? 0 : (numbers.get(own) ?? 0)), ...cutBytes(item));
    before = i;
  }
  return Buffer.concat(parts);
}

function cutBytes(cut: Cut | undefined): readonly Uint8Array[] {
  if (cut === undefined) return [varint(0)];
  return [varint(cut.edits.length), varint(cut.truncatedBytes), varint(cut.length), cut.edits];
}

/** Reads what `writeCuts` wrote, from the position of the reader on. @throws TailraceError `corrupt` */
export function readCuts(reader: VarintReader, bytes: Uint8Array, count: number): ReadonlyMap<number, RecordCut> {
  const heads: HeadCut[] = [];
  for (let left = reader.next(); left > 0; left--) {
    heads.push({ resource: readCut(reader, bytes), scope: readCut(reader, bytes) });
  }
  const records = new Map<number, RecordCut>();
  let i = 0;
  for (let left = reader.next(); left > 0; left--) {
    i += reader.next();
    const head = reader.next();
    if (i >= count || head > heads.length) throw corrupt('its cuts do not match its records');
    records.set(i, { heads: heads[head - 1], item: readCut(reader, bytes) });
  }
  return records;
}

function readCut(reader: VarintReader, bytes: Uint8Array): Cut | undefined {
  const editBytes = reader.next();
  if (editBytes === 0) return undefined;
  const truncatedBytes = reader.next();
  const length = reader.next();
  const end = reader.at + editBytes;
  if (end > bytes.length) throw corrupt('a cut lies outside its index');
  const edits = bytes.subarray(reader.at, end);
  reader.at = end;
  return { truncatedBytes, length, edits };
}

/** Bytes of strings that a record has lost. */
export function truncatedBytes({ heads, item }: RecordCut): number {
  return (heads?.resource?.truncatedBytes ?? 0) + (heads?.scope?.truncatedBytes ?? 0) + (item?.truncatedBytes ?? 0);
}

/** The bytes of the heads and the item of a record, and of the messages around them. */
interface Lengths {
  readonly item: number;
  readonly scope: number;
  readonly resource: number;
}

/** Bytes of the self-contained body of record i, shortened. */
export function cutBodyBytes(index: OtlpIndex, i: number, cut: RecordCut): number {
  return fieldBytes(lengthsOf(index, i, cut).resource);
}

/** Writes the self-contained body of record i, shortened, at `at`. Returns where it ends. @throws TailraceError `corrupt` */
export function writeCutBody(
  index: OtlpIndex,
  payload: Uint8Array,
  i: number,
  cut: RecordCut,
  target: Uint8Array,
  at: number,
): number {
  const { head, resourceHead } = scopeAt(index, i);
  const lengths = lengthsOf(index, i, cut);
  let end = writeField(target, at, RESOURCE_TAG, lengths.resource);
  end = writeShortened(resourceHead, cut.heads?.resource, target, end);
  end = writeField(target, end, CHILD_TAG, lengths.scope);
  end = writeShortened(head, cut.heads?.scope, target, end);
  end = writeField(target, end, CHILD_TAG, lengths.item);
  return writeShortened(itemOf(index, payload, i), cut.item, target, end);
}

function lengthsOf(index: OtlpIndex, i: number, { heads, item }: RecordCut): Lengths {
  const { head, resourceHead } = scopeAt(index, i);
  const itemBytes = item?.length ?? index.itemBytes[i] ?? 0;
  const scope = (heads?.scope?.length ?? head.length) + fieldBytes(itemBytes);
  return { item: itemBytes, scope, resource: (heads?.resource?.length ?? resourceHead.length) + fieldBytes(scope) };
}

function writeShortened(content: Uint8Array, cut: Cut | undefined, target: Uint8Array, start: number): number {
  if (cut === undefined) {
    target.set(content, start);
    return start + content.length;
  }
  const { edits, length } = cut;
  const reader = new VarintReader(edits, 0, edits.length);
  const end = start + length;
  let from = 0;
  let at = start;
  const take = (source: Uint8Array, first: number, bytes: number): void => {
    if (first + bytes > source.length || at + bytes > end) throw corrupt('a cut does not match its record');
    target.set(source.subarray(first, first + bytes), at);
    at += bytes;
  };
  while (!reader.done) {
    const kept = reader.next();
    take(content, from, kept);
    from += kept + reader.next();
    const added = reader.next();
    take(edits, reader.at, added);
    reader.at += added;
  }
  take(content, from, Math.max(0, content.length - from));
  if (at !== end || from > content.length) throw corrupt('a cut does not match its record');
  return at;
}
