/** One encoder for each subprotocol: from records of a block to frames (readers.md, WebSocket; users.md 6). */

import { type BufferPool, Loan } from '../encoding/buffer-pool.ts';
import type { Position } from '../model/position.ts';
import { messageRows } from '../otlp/views/message.ts';
import { otlpRuns } from '../otlp/views/otlp.ts';
import { otlpJsonRequests } from '../otlp/views/otlp-json.ts';
import { textLines } from '../otlp/views/text.ts';
import { batchEnd } from '../s2/batch/batch-end.ts';
import { type JsonFormat, positionJson, recordsJson } from '../s2/batch/json.ts';
import { readBatchProto } from '../s2/batch/proto.ts';
import type { Block } from '../storage/block/block.ts';

/** One WebSocket message. Its bytes are shared between readers and never changed. */
export interface Frame {
  readonly bytes: Buffer;
  readonly binary: boolean;
  /** Where the bytes stand, if it is borrowed: whoever sends them gives it back, and nobody else has it. */
  readonly loan?: Loan;
}

/** Records [from, to) of a block; `tail` is set when they end at the durable tail. */
export interface Piece {
  readonly block: Block;
  readonly from: number;
  readonly to: number;
  readonly tail: Position | undefined;
}

export interface Encoder {
  readonly name: string;
  /** Where the batch that starts at record `from` ends; at most at `to`. */
  end(block: Block, from: number, to: number): number;
  /** With a pool, frames that nobody keeps may be made in its buffers. */
  encode(piece: Piece, pool?: BufferPool): readonly Frame[];
}

/** Subprotocols by name. `s2.json` comes in two formats. */
export const SUBPROTOCOLS: ReadonlyMap<string, (format: JsonFormat) => Encoder> = new Map([
  ['s2.json', (format: JsonFormat) => (format === 'raw' ? S2_JSON_RAW : S2_JSON_BASE64)],
  ['s2.proto', () => S2_PROTO],
  ['otlp.proto', () => OTLP_PROTO],
  ['otlp.json', () => OTLP_JSON],
  ['view.json', () => VIEW_JSON],
  ['view.text', () => VIEW_TEXT],
]);

export const DEFAULT_SUBPROTOCOL = 's2.json';

const S2_JSON_RAW = s2Json('raw');
const S2_JSON_BASE64 = s2Json('base64');

const S2_PROTO: Encoder = {
  name: 's2.proto',
  end: batchEnd,
  encode: ({ block, from, to, tail }, pool) => {
    if (pool === undefined) return [{ bytes: readBatchProto(block, from, to, tail), binary: true }];
    const loan = new Loan(pool);
    return [{ bytes: readBatchProto(block, from, to, tail, { take: loan.take }), binary: true, loan }];
  },
};

/** The payload of a block goes out as it is, so it is not cut; a block holds 1 MiB, or one larger record. */
const OTLP_PROTO: Encoder = {
  name: 'otlp.proto',
  end: (_block, _from, to) => to,
  encode: (piece) => otlpRuns(piece.block, piece.from, piece.to).flatMap((run) => otlpFrames(piece, run)),
};

const OTLP_JSON: Encoder = {
  name: 'otlp.json',
  end: batchEnd,
  encode: (piece) => {
    const { requests, skipped } = otlpJsonRequests(piece.block, piece.from, piece.to);
    const first = positionJson(positionAt(piece.block, piece.from));
    const facts = `"first":${first}${skipped === 0 ? '' : `,"skipped":${skipped}`}`;
    return [batchFrame(piece, `${facts},"requests":[${requests.join(',')}]`)];
  },
};

const VIEW_JSON: Encoder = {
  name: 'view.json',
  end: batchEnd,
  encode: (piece) => [batchFrame(piece, `"rows":${JSON.stringify(messageRows(piece.block, piece.from, piece.to))}`)],
};

const VIEW_TEXT: Encoder = {
  name: 'view.text',
  end: batchEnd,
  encode: (piece) => [batchFrame(piece, `"lines":${JSON.stringify(textLines(piece.block, piece.from, piece.to))}`)],
};

function s2Json(format: JsonFormat): Encoder {
  return {
    name: `s2.json ${format}`,
    end: batchEnd,
    encode: (piece) => [batchFrame(piece, `"records":[${recordsJson(piece.block, piece.from, piece.to, format)}]`)],
  };
}

function batchFrame(piece: Piece, content: string): Frame {
  return textFrame(`{"type":"batch",${content},${ending(piece)}}`);
}

/** A positions frame, and the message when there is one: of records that are not OTLP only the positions go out. */
function otlpFrames(piece: Piece, run: ReturnType<typeof otlpRuns>[number]): readonly Frame[] {
  const ends = ending({ ...piece, to: run.to, tail: run.to === piece.to ? piece.tail : undefined });
  const first = positionJson(positionAt(piece.block, run.from));
  const positions = textFrame(
    `{"type":"positions","signal":${JSON.stringify(run.signal ?? null)},"first":${first},${ends}}`,
  );
  if (run.signal === undefined) return [positions];
  const { buffer, byteOffset, length } = run.message;
  return [positions, { bytes: Buffer.from(buffer, byteOffset, length), binary: true }];
}

/** Where a reader goes on, and the tail when this is it. */
function ending({ block, to, tail }: Piece): string {
  const next = positionJson({ seqNum: block.firstSeq + to, timestamp: block.timestamp(to - 1) });
  return `"next":${next}${tail === undefined ? '' : `,"tail":${positionJson(tail)}`}`;
}

function positionAt(block: Block, i: number): Position {
  return { seqNum: block.firstSeq + i, timestamp: block.timestamp(i) };
}

function textFrame(text: string): Frame {
  return { bytes: Buffer.from(text, 'utf8'), binary: false };
}
