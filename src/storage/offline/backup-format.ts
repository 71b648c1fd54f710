/**
 * The file of a backup: all rows of a store in the order of their keys, in sections with chained checksums, so that a
 * missing, repeated or moved section is detected. It depends neither on the engine nor on its version.
 *
 * ```
 *  "tailrace-backup\n"
 *  sections: type u8, length u32 (little endian), CRC-32 of the five bytes before and of the payload, seeded with the
 *            CRC of the section before (the first one with 0), little endian; payload
 *    type 1, first:  JSON {"version":1,"format":N,"madeAt":ms}; format is the version of the store
 *    type 2:         rows: key length, value length (varints), key, value, back to back; whole rows, keys ascending
 *    type 3, last:   JSON {"rows":N}; nothing follows it
 * ```
 */

import { crc32 } from 'node:zlib';
import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import { TailraceError } from '../../model/error.ts';
import { readU32, VarintReader } from '../block/format.ts';
import type { Entry } from '../engine.ts';
import { FORMAT_VERSION } from '../values.ts';
import { expectKnownFormat } from './verify.ts';

/** The head of a backup, before its rows. */
export interface BackupHead {
  /** Version of the store's format. */
  readonly format: number;
  /** When it was taken, in milliseconds. */
  readonly madeAt: number;
}

export type BackupPart =
  | { readonly type: 'head'; readonly head: BackupHead }
  | { readonly type: 'rows'; readonly rows: readonly Entry[] }
  | { readonly type: 'end'; readonly rows: number };

const MAGIC = Buffer.from('tailrace-backup\n');
const VERSION = 1;
const SECTION = { head: 1, rows: 2, end: 3 } as const;
const SECTION_HEAD_BYTES = 9;
/** A section contains at least one row of any size. We never wrote a section of more than this. */
const SECTION_BYTES_MAX = 512 * 1024 * 1024;

/** The bytes of pages of rows: of a backup in their order, of what goes from one node to another in any. */
export async function* writeBackup(pages: AsyncIterable<readonly Entry[]>, madeAt: number): AsyncGenerator<Uint8Array> {
  const writer = new BackupWriter();
  yield writer.head({ format: FORMAT_VERSION, madeAt });
  for await (const page of pages) if (page.length > 0) yield writer.rows(page);
  yield writer.end();
}

/**
 * The pages again. They are complete when this ends without an error.
 * @throws TailraceError `corrupt` for what is cut short or damaged; `format_too_new`
 */
export async function* readTransfer(parts: AsyncIterable<Uint8Array>): AsyncGenerator<readonly Entry[]> {
  for await (const part of readBackup(parts, 'any order')) {
    if (part.type === 'head') expectKnownFormat(part.head.format, 'what the other node sends');
    if (part.type === 'rows') yield part.rows;
  }
}

/** Makes the bytes of a backup. Call in this order: `head`, `rows` any number of times, `end`. */
export class BackupWriter {
  #crc = 0;
  #rows = 0;

  head(head: BackupHead): Uint8Array {
    return Buffer.concat([MAGIC, this.#section(SECTION.head, json({ version: VERSION, ...head }))]);
  }

  rows(rows: readonly Entry[]): Uint8Array {
    let bytes = 0;
    for (const { key, value } of rows) {
      bytes += varintBytes(key.length) + varintBytes(value.length) + key.length + value.length;
    }
    const payload = Buffer.allocUnsafe(bytes);
    let at = 0;
    for (const { key, value } of rows) {
      at = writeVarint(payload, writeVarint(payload, at, key.length), value.length);
      payload.set(key, at);
      payload.set(value, at + key.length);
      at += key.length + value.length;
    }
    this.#rows += rows.length;
    return this.#section(SECTION.rows, payload);
  }

  end(): Uint8Array {
    return this.#section(SECTION.end, json({ rows: this.#rows }));
  }

  #section(type: number, payload: Uint8Array): Uint8Array {
    const section = Buffer.allocUnsafe(SECTION_HEAD_BYTES + payload.length);
    section[0] = type;
    section.writeUInt32LE(payload.length, 1);
    section.set(payload, SECTION_HEAD_BYTES);
    this.#crc = checksum(section.subarray(0, 5), payload, this.#crc);
    section.writeUInt32LE(this.#crc, 5);
    return section;
  }
}

/**
 * Reads a backup as it arrives, in pieces of any size: first its head, last its end. Everything that it yields is
 * verified. The backup is complete when the loop ends without an error.
 * @throws TailraceError `corrupt` for what is no backup, cut off or damaged; `format_too_new`
 */
export async function* readBackup(
  parts: AsyncIterable<Uint8Array>,
  expected: 'keys ascend' | 'any order' = 'keys ascend',
): AsyncGenerator<BackupPart> {
  const source = new ByteSource(parts);
  const magic = await source.take(MAGIC.length);
  if (magic === undefined || !magic.equals(MAGIC)) throw damaged('it does not begin as one');
  const order = new RowOrder(expected === 'keys ascend');
  let crc = 0;
  let begun = false;
  for (;;) {
    const section = await readSection(source, crc);
    crc = section.crc;
    if (begun === (section.type === SECTION.head)) throw damaged('its parts are in the wrong order');
    begun = true;
    if (section.type === SECTION.head) {
      yield { type: 'head', head: readHead(section.payload) };
    } else if (section.type === SECTION.rows) {
      yield { type: 'rows', rows: order.check(readRows(section.payload)) };
    } else {
      const rows = readJson(section.payload).rows;
      if (rows !== order.rows) throw damaged('the number of its rows is not what it says');
      if ((await source.take(1)) !== undefined) throw damaged('there are bytes after its end');
      yield { type: 'end', rows };
      return;
    }
  }
}

interface Section {
  readonly type: number;
  readonly payload: Uint8Array;
  readonly crc: number;
}

async function readSection(source: ByteSource, before: number): Promise<Section> {
  const head = await source.take(SECTION_HEAD_BYTES);
  if (head === undefined) throw damaged('it is cut short');
  const type = head[0] ?? 0;
  const length = readU32(head, 1);
  if (!Object.values<number>(SECTION).includes(type) || length > SECTION_BYTES_MAX) {
    throw damaged('a part of it is of no known kind or size');
  }
  const payload = await source.take(length);
  if (payload === undefined) throw damaged('it is cut short');
  const crc = checksum(head.subarray(0, 5), payload, before);
  if (crc !== readU32(head, 5)) throw damaged('a checksum does not match');
  return { type, payload, crc };
}

/** Keys ascend over all sections: we never wrote rows in another order. */
class RowOrder {
  rows = 0;
  readonly #ascends: boolean;
  #last: Uint8Array = new Uint8Array(0);

  constructor(ascends: boolean) {
    this.#ascends = ascends;
  }

  check(rows: readonly Entry[]): readonly Entry[] {
    for (const { key } of rows) {
      if (this.#ascends && Buffer.compare(this.#last, key) >= 0) throw damaged('its rows are not in order');
      this.#last = key;
    }
    this.rows += rows.length;
    return rows;
  }
}

function readRows(payload: Uint8Array): readonly Entry[] {
  const rows: Entry[] = [];
  const reader = new VarintReader(payload, 0, payload.length);
  while (!reader.done) {
    const keyBytes = reader.next();
    const valueBytes = reader.next();
    const valueAt = reader.at + keyBytes;
    const end = valueAt + valueBytes;
    if (end > payload.length) throw damaged('a row of it is cut short');
    rows.push({ key: payload.subarray(reader.at, valueAt), value: payload.subarray(valueAt, end) });
    reader.at = end;
  }
  return rows;
}

function readHead(payload: Uint8Array): BackupHead {
  const { version, format, madeAt } = readJson(payload);
  if (typeof version !== 'number' || typeof format !== 'number' || typeof madeAt !== 'number') {
    throw damaged('its head makes no sense');
  }
  if (version > VERSION) {
    throw new TailraceError(
      'format_too_new',
      `the backup is of version ${version}, this Tailrace knows versions up to ${VERSION}: use the newer one`,
    );
  }
  return { format, madeAt };
}

function readJson(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload).toString());
  } catch (cause) {
    throw damaged('its head makes no sense', cause);
  }
  if (typeof value !== 'object' || value === null) throw damaged('its head makes no sense');
  return { ...value };
}

/** Bytes that arrive in pieces and are taken in others. Holds no more than the requested bytes and one piece. */
class ByteSource {
  readonly #parts: AsyncIterator<Uint8Array>;
  #held: Uint8Array[] = [];
  #bytes = 0;

  constructor(parts: AsyncIterable<Uint8Array>) {
    this.#parts = parts[Symbol.asyncIterator]();
  }

  /** Returns the next `bytes` bytes, or undefined when the source ends before. */
  async take(bytes: number): Promise<Buffer | undefined> {
    while (this.#bytes < bytes) {
      const next = await this.#parts.next();
      if (next.done === true) return undefined;
      this.#held.push(next.value);
      this.#bytes += next.value.length;
    }
    const [first] = this.#held;
    const all = this.#held.length === 1 && first !== undefined ? asBuffer(first) : Buffer.concat(this.#held);
    this.#bytes -= bytes;
    this.#held = this.#bytes === 0 ? [] : [all.subarray(bytes)];
    return all.subarray(0, bytes);
  }
}

function checksum(head: Uint8Array, payload: Uint8Array, before: number): number {
  return crc32(payload, crc32(head, before));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function damaged(why: string, cause?: unknown): TailraceError {
  return new TailraceError('corrupt', `the backup is damaged: ${why}`, cause === undefined ? {} : { cause });
}
