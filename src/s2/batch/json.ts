/** S2's JSON form of what a reader gets: `ReadBatch` and its parts. */

import type { Position } from '../../model/position.ts';
import type { Block } from '../../storage/block/block.ts';
import type { HeaderVisit } from '../../storage/block/s2-index.ts';
import type { BatchPart } from './batch-part.ts';
import { type JsonFormat, JsonText } from './json-text.ts';

export type { JsonFormat } from './json-text.ts';

const NOTHING = Buffer.alloc(0);

/** Records as a ReadBatch. `tail` says that the batch ends at the tail. */
export function readBatchJson(parts: readonly BatchPart[], format: JsonFormat, tail: Position | undefined): string {
  const rest = tail === undefined ? '' : `,"tail":${positionJson(tail)}`;
  return `{"records":[${recordsJson(parts, format)}]${rest}}`;
}

/** Records as SequencedRecords, joined by commas. */
export function recordsJson(parts: readonly BatchPart[], format: JsonFormat): string {
  const writer = new RecordsJson(format);
  return parts.map((part) => writer.of(part)).join(',');
}

/** A position in the words of S2. */
export function positionJson(position: Position): string {
  return `{"seq_num":${position.seqNum},"timestamp":${position.timestamp}}`;
}

/** Writes records one by one; what it needs besides is used again for the next part. */
class RecordsJson {
  readonly #format: JsonFormat;
  readonly #headers: HeadersJson;
  #scratch: Buffer = NOTHING;

  constructor(format: JsonFormat) {
    this.#format = format;
    this.#headers = new HeadersJson(format);
  }

  of({ block, from, to }: BatchPart): string {
    const headersText = this.#headersOf(block);
    let text = '';
    for (let i = from; i < to; i++) {
      const bytes = block.bodyBytesOf(i);
      text += `${i === from ? '' : ','}{"seq_num":${block.firstSeq + i},"timestamp":${block.timestamp(i)}${headersText(i)}`;
      if (bytes > 0) {
        if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafe(bytes * 2);
        block.writeBody(i, this.#scratch, 0);
        text += `,"body":${stringJson(this.#scratch, 0, bytes, this.#format)}`;
      }
      text += '}';
    }
    return text;
  }

  /** The headers of an OTLP block are the same for each record, unless some are cut: they are written once. */
  #headersOf(block: Block): (i: number) => string {
    if (block.header.kind === 's2') return (i) => this.#headers.of(block, i);
    if (block.header.hasCuts) return (i) => this.#otlpHeaders(block, i);
    const shared = this.#otlpHeaders(block, 0);
    return () => shared;
  }

  #otlpHeaders(block: Block, i: number): string {
    const whole = (bytes: Uint8Array): string => stringJson(bufferOf(bytes), 0, bytes.length, this.#format);
    const pairs = block.headersOf(i).map(([name, value]) => `[${whole(name)},${whole(value)}]`);
    return `,"headers":[${pairs.join(',')}]`;
  }
}

/** Writes the headers of records without a view or a text of each: a record may have hundreds of thousands. */
class HeadersJson {
  readonly #out: JsonText;

  constructor(format: JsonFormat) {
    this.#out = new JsonText(format);
  }

  /** Empty for none. */
  of(block: Block, i: number): string {
    const out = this.#out;
    out.begin();
    block.eachHeader(i, this.#visit);
    const pairs = out.text();
    return pairs === '' ? '' : `,"headers":[${pairs.slice(1)}]`;
  }

  readonly #visit: HeaderVisit = (payload, nameAt, valueAt, end) => this.#out.pair(payload, nameAt, valueAt, end);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function stringJson(bytes: Buffer, from: number, to: number, format: JsonFormat): string {
  if (format === 'base64') return `"${bytes.toString('base64', from, to)}"`;
  return JSON.stringify(bytes.toString('utf8', from, to));
}
