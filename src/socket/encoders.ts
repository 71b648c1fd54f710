/** One encoder for each subprotocol: from records to WebSocket messages. */

import { Loan } from '../encoding/buffer-pool.ts';
import { goOnWithWork } from '../encoding/turns.ts';
import { READ_BATCH_BYTES_MAX, TURN_BYTES } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import { LongTexts } from '../otlp/views/long-texts.ts';
import { longMessageRows, messageRows } from '../otlp/views/message.ts';
import { otlpRuns } from '../otlp/views/otlp.ts';
import { longOtlpJsonRequests, type OtlpJsonRequests, otlpJsonRequests } from '../otlp/views/otlp-json.ts';
import { longTextLines, textLines } from '../otlp/views/text.ts';
import { viewText } from '../otlp/views/values.ts';
import type { Batch, Encoded, Encoder, Frame } from '../readers/wire.ts';
import { type BatchLimits, batchEnd, wholeBatchEnd } from '../s2/batch/batch-end.ts';
import type { BatchPart } from '../s2/batch/batch-part.ts';
import { type JsonFormat, recordsJson } from '../s2/batch/json.ts';
import { readBatchProto } from '../s2/batch/proto.ts';
import type { Block } from '../storage/block/block.ts';
import { type FrameWords, positionText, S2_WORDS, VIEW_WORDS } from './control-frames.ts';

/** A subprotocol, in one of its formats. */
export interface Subprotocol extends Encoder {
  readonly words: FrameWords;
  /** Whether it puts blocks together; if not, a batch always has one part. */
  readonly gathers: boolean;
  /** Where a batch ends that starts at record `from` of a block: after `from`, and at most at `to`. */
  readonly batchEnd: (block: Block, from: number, to: number, limits: BatchLimits) => number;
}

/** Subprotocols by name. `s2.json` comes in two formats. */
export const SUBPROTOCOLS: ReadonlyMap<string, (format: JsonFormat) => Subprotocol> = new Map([
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

const S2_PROTO: Subprotocol = {
  name: 's2.proto',
  words: S2_WORDS,
  gathers: true,
  batchEnd,
  encode: ({ parts, tail }, pool) => {
    if (pool === undefined) return { frames: [{ bytes: readBatchProto(parts, tail), isBinary: true }] };
    const loan = new Loan(pool);
    return { frames: [{ bytes: readBatchProto(parts, tail, { take: loan.take }), isBinary: true, loan }] };
  },
};

/**
 * The payload of a block goes out as it is, so it is cut only where larger batches have no space, and where it may be of
 * many megabytes.
 */
const OTLP_PROTO: Subprotocol = {
  name: 'otlp.proto',
  words: S2_WORDS,
  gathers: false,
  batchEnd: (block, from, to, limits) =>
    limits.bytes >= READ_BATCH_BYTES_MAX && !block.header.hasCuts ? to : wholeBatchEnd(block, from, to, limits),
  encode: ({ parts, tail }) => ({ frames: parts.flatMap((part) => otlpFrames(part, tail)) }),
};

const OTLP_JSON: Subprotocol = textProtocol('otlp.json', S2_WORDS, {
  usual: (part) => requestsText(part, otlpJsonRequests(part.block, part.from, part.to)),
  *long(part, texts) {
    return requestsText(part, yield* longOtlpJsonRequests(part.block, part.from, part.to, texts));
  },
});

const VIEW_JSON: Subprotocol = textProtocol('view.json', VIEW_WORDS, {
  usual: ({ block, from, to }) => `"rows":${viewText(messageRows(block, from, to))}`,
  *long({ block, from, to }, texts) {
    return `"rows":${yield* longMessageRows(block, from, to, texts)}`;
  },
});

const VIEW_TEXT: Subprotocol = textProtocol('view.text', S2_WORDS, {
  usual: ({ block, from, to }) => `"lines":${JSON.stringify(textLines(block, from, to))}`,
  *long({ block, from, to }, texts) {
    return `"lines":${yield* longTextLines(block, from, to, texts)}`;
  },
});

function requestsText(part: BatchPart, { requests, skipped }: OtlpJsonRequests): string {
  const first = positionText(S2_WORDS, positionAt(part.block, part.from));
  return `"first":${first}${skipped === 0 ? '' : `,"skipped":${skipped}`},"requests":[${requests.join(',')}]`;
}

function s2Json(format: JsonFormat): Subprotocol {
  return {
    name: `s2.json ${format}`,
    words: S2_WORDS,
    gathers: true,
    batchEnd,
    encode: (batch) => batchFrame(S2_WORDS, batch, `"records":[${recordsJson(batch.parts, format)}]`),
  };
}

/** What a batch says besides its positions; for records of many megabytes it is made in pieces, with long texts marked. */
interface Content {
  usual(part: BatchPart): string;
  long(part: BatchPart, texts: LongTexts): Generator<void, string>;
}

/** A subprotocol whose batches are text, each of one block. */
function textProtocol(name: string, words: FrameWords, content: Content): Subprotocol {
  const encode = (batch: Batch): Encoded | Promise<Encoded> => {
    if (batch.parts.some(isLong)) return longFrames(words, batch, content);
    return {
      frames: batch.parts.flatMap((part) => batchFrame(words, { ...batch, parts: [part] }, content.usual(part)).frames),
    };
  };
  return { name, words, gathers: false, batchEnd: wholeBatchEnd, encode };
}

function isLong({ block, from, to }: BatchPart): boolean {
  return block.header.hasCuts && block.wholeBytesWithin(from, to) > READ_BATCH_BYTES_MAX;
}

async function longFrames(words: FrameWords, batch: Batch, content: Content): Promise<Encoded> {
  const frames: Frame[] = [];
  for (const part of batch.parts) {
    const making = longFrame(words, { ...batch, parts: [part] }, content);
    // Each piece takes a turn of its own.
    for (let step = making.next(); ; step = making.next()) {
      if (step.done === true) {
        frames.push({ bytes: step.value });
        break;
      }
      await goOnWithWork(TURN_BYTES);
    }
  }
  return { frames };
}

function* longFrame(words: FrameWords, batch: Batch, content: Content): Generator<void, Buffer> {
  yield;
  const texts = new LongTexts();
  const [part] = batch.parts;
  const text = part === undefined ? '' : yield* content.long(part, texts);
  yield;
  return yield* texts.bytes(batchText(words, batch, text));
}

function batchFrame(words: FrameWords, batch: Batch, content: string): Encoded {
  return { frames: [textFrame(batchText(words, batch, content))] };
}

function batchText(words: FrameWords, { parts, tail }: Batch, content: string): string {
  const last = parts[parts.length - 1];
  const ends = last === undefined ? '' : `,${ending(words, last, tail)}`;
  return `{"type":"batch",${content}${ends}}`;
}

/** A positions frame, and the message when there is one: of records that are not OTLP only the positions go out. */
function otlpFrames(part: BatchPart, tail: Position | undefined): readonly Frame[] {
  return otlpRuns(part.block, part.from, part.to).flatMap((run) => {
    const ends = ending(S2_WORDS, { ...part, to: run.to }, run.to === part.to ? tail : undefined);
    const first = positionText(S2_WORDS, positionAt(part.block, run.from));
    const positions = textFrame(
      `{"type":"positions","signal":${JSON.stringify(run.signal ?? null)},"first":${first},${ends}}`,
    );
    if (run.signal === undefined) return [positions];
    const { buffer, byteOffset, length } = run.message;
    return [positions, { bytes: Buffer.from(buffer, byteOffset, length), isBinary: true }];
  });
}

/** Where a reader goes on, and the tail when this is it. */
function ending(words: FrameWords, { block, to }: BatchPart, tail: Position | undefined): string {
  const next = positionText(words, { seqNum: block.firstSeq + to, timestamp: block.timestamp(to - 1) });
  return `"next":${next}${tail === undefined ? '' : `,"tail":${positionText(words, tail)}`}`;
}

function positionAt(block: Block, i: number): Position {
  return { seqNum: block.firstSeq + i, timestamp: block.timestamp(i) };
}

function textFrame(text: string): Frame {
  return { bytes: Buffer.from(text, 'utf8') };
}
