/** S2's JSON form of what a reader gets: `ReadBatch` and its parts (S2 API §5.4, §9). */

import type { Position } from '../model/position.ts';
import type { Block } from '../storage/block-read.ts';
import type { HeaderVisit } from '../storage/block-s2.ts';

/** How bytes become JSON strings: `raw` is lossy UTF-8, `base64` keeps every byte. */
export type JsonFormat = 'raw' | 'base64';

/** Records [from, to) of a block as a ReadBatch. `tail` says that the batch ends at the tail. */
export function readBatchJson(
  block: Block,
  from: number,
  to: number,
  format: JsonFormat,
  tail: Position | undefined,
): string {
  const rest = tail === undefined ? '' : `,"tail":${positionJson(tail)}`;
  return `{"records":[${recordsJson(block, from, to, format)}]${rest}}`;
}

/** Records [from, to) of a block as SequencedRecords, joined by commas. */
export function recordsJson(block: Block, from: number, to: number, format: JsonFormat): string {
  const headersText = headersWriter(block, format);
  const encoding = format === 'raw' ? 'utf8' : 'base64';
  let scratch = Buffer.allocUnsafe(0);
  let text = '';
  for (let i = from; i < to; i++) {
    const bytes = block.bodyBytesOf(i);
    text += `${i === from ? '' : ','}{"seq_num":${block.firstSeq + i},"timestamp":${block.timestamp(i)}${headersText(i)}`;
    if (bytes > 0) {
      if (scratch.length < bytes) scratch = Buffer.allocUnsafe(bytes * 2);
      block.writeBody(i, scratch, 0);
      const body = scratch.toString(encoding, 0, bytes);
      text += format === 'raw' ? `,"body":${JSON.stringify(body)}` : `,"body":"${body}"`;
    }
    text += '}';
  }
  return text;
}

/** A position in the words of S2. */
export function positionJson(position: Position): string {
  return `{"seq_num":${position.seqNum},"timestamp":${position.timestamp}}`;
}

/** The headers of an OTLP block are the same for each record: they are written once. */
function headersWriter(block: Block, format: JsonFormat): (i: number) => string {
  if (block.header.kind === 's2') {
    const writer = new HeadersJson(format);
    return (i) => writer.of(block, i);
  }
  const pairs = block.headersOf(0).map(([name, value]) => `[${bytesJson(name, format)},${bytesJson(value, format)}]`);
  const shared = `,"headers":[${pairs.join(',')}]`;
  return () => shared;
}

/** Writes the headers of records without a view of each: a record may have hundreds of thousands. */
class HeadersJson {
  readonly #format: JsonFormat;
  #text = '';
  #payload: Uint8Array = NOTHING;
  #bytes: Buffer = NOTHING;

  constructor(format: JsonFormat) {
    this.#format = format;
  }

  /** Empty for none. */
  of(block: Block, i: number): string {
    this.#text = '';
    block.eachHeader(i, this.#visit);
    return this.#text === '' ? '' : `,"headers":[${this.#text}]`;
  }

  readonly #visit: HeaderVisit = (payload, nameAt, valueAt, end) => {
    if (payload !== this.#payload) {
      this.#payload = payload;
      this.#bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    }
    const pair = `[${this.#string(nameAt, valueAt)},${this.#string(valueAt, end)}]`;
    this.#text = this.#text === '' ? pair : `${this.#text},${pair}`;
  };

  #string(from: number, to: number): string {
    if (this.#format === 'base64') return `"${this.#bytes.toString('base64', from, to)}"`;
    return JSON.stringify(this.#bytes.toString('utf8', from, to));
  }
}

const NOTHING = Buffer.alloc(0);

function bytesJson(bytes: Uint8Array, format: JsonFormat): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return format === 'raw' ? JSON.stringify(view.toString('utf8')) : `"${view.toString('base64')}"`;
}
