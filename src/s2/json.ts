/** S2's JSON form of what a reader gets: `ReadBatch` and its parts (S2 API §5.4, §9). */

import type { Position } from '../model/position.ts';
import type { Header } from '../model/record.ts';
import type { Block } from '../storage/block-read.ts';

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
  if (block.header.kind === 's2') return (i) => headersJson(block.headersOf(i), format);
  const shared = headersJson(block.headersOf(0), format);
  return () => shared;
}

function headersJson(headers: readonly Header[], format: JsonFormat): string {
  if (headers.length === 0) return '';
  const pairs = headers.map(([name, value]) => `[${bytesJson(name, format)},${bytesJson(value, format)}]`);
  return `,"headers":[${pairs.join(',')}]`;
}

function bytesJson(bytes: Uint8Array, format: JsonFormat): string {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return format === 'raw' ? JSON.stringify(view.toString('utf8')) : `"${view.toString('base64')}"`;
}
