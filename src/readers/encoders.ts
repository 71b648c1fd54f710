/** One encoder for each view: from records to WebSocket messages, and to the data of server-sent events. */

import { Loan } from '../encoding/buffer-pool.ts';
import { inTurns } from '../encoding/turns.ts';
import type { Member } from '../log/events.ts';
import { assert } from '../model/error.ts';
import { READ_BATCH_BYTES_MAX, TURN_BYTES } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import type { TextView, View } from '../model/view.ts';
import { LongTexts } from '../otlp/views/long-texts.ts';
import { longMessageRows, messageRows } from '../otlp/views/message.ts';
import { type OtlpRun, otlpRuns } from '../otlp/views/otlp.ts';
import { longOtlpJsonRequests, type OtlpJsonRequests, otlpJsonRequests } from '../otlp/views/otlp-json.ts';
import { longTextLines, textLines } from '../otlp/views/text.ts';
import { viewText } from '../otlp/views/values.ts';
import { type BatchLimits, batchEnd, wholeBatchEnd } from '../s2/batch/batch-end.ts';
import { type BatchPart, recordsIn } from '../s2/batch/batch-part.ts';
import { type JsonFormat, recordsJson } from '../s2/batch/json.ts';
import { readBatchProto } from '../s2/batch/proto.ts';
import type { Block } from '../storage/block/block.ts';
import { type FrameWords, positionText, S2_WORDS, streamText, VIEW_WORDS } from './frame-words.ts';
import type { Batch, Encoded, Encoder, Frame } from './wire.ts';

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

/** The subprotocols of each view, the usual one first. */
export const SUBPROTOCOLS_OF: Readonly<Record<View, readonly [string, ...string[]]>> = {
  raw: [DEFAULT_SUBPROTOCOL, 's2.proto'],
  otlp: ['otlp.proto'],
  'otlp-json': ['otlp.json'],
  message: ['view.json'],
  text: ['view.text'],
};

const S2_JSON_RAW = s2Json('raw');
const S2_JSON_BASE64 = s2Json('base64');

const S2_PROTO: Subprotocol = {
  name: 's2.proto',
  words: S2_WORDS,
  gathers: true,
  batchEnd,
  encode: ({ parts, tail, of }, pool) => {
    const before = of === undefined ? [] : [textFrame(s2Positions(parts, tail, of))];
    if (pool === undefined) return { frames: [...before, { bytes: readBatchProto(parts, tail), isBinary: true }] };
    const loan = new Loan(pool);
    return { frames: [...before, { bytes: readBatchProto(parts, tail, { take: loan.take }), isBinary: true, loan }] };
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
  encode: ({ parts, tail, of }) => ({ frames: otlpFrames(parts, tail, of) }),
};

const OTLP_JSON: Subprotocol = textProtocol('otlp.json', S2_WORDS, {
  usual: (parts) =>
    requestsText(
      parts,
      parts.map(({ block, from, to }) => otlpJsonRequests(block, from, to)),
    ),
  *long(part, texts) {
    return requestsText([part], [yield* longOtlpJsonRequests(part.block, part.from, part.to, texts)]);
  },
});

const VIEW_JSON: Subprotocol = textProtocol('view.json', VIEW_WORDS, {
  usual: (parts) => `"rows":${viewText(parts.flatMap(({ block, from, to }) => messageRows(block, from, to)))}`,
  *long({ block, from, to }, texts) {
    return `"rows":${yield* longMessageRows(block, from, to, texts)}`;
  },
});

const VIEW_TEXT: Subprotocol = textProtocol('view.text', S2_WORDS, {
  usual: (parts) => `"lines":${JSON.stringify(parts.flatMap(({ block, from, to }) => textLines(block, from, to)))}`,
  *long({ block, from, to }, texts) {
    return `"lines":${yield* longTextLines(block, from, to, texts)}`;
  },
});

/** Views of which each batch is one text, by name: the data of a server-sent event is the frame of a WebSocket. */
export const TEXT_ENCODERS: Readonly<Record<TextView, Subprotocol>> = {
  'otlp-json': OTLP_JSON,
  message: VIEW_JSON,
  text: VIEW_TEXT,
};

function requestsText(parts: readonly BatchPart[], each: readonly OtlpJsonRequests[]): string {
  const first = positionText(S2_WORDS, startOf(parts));
  const skipped = each.reduce((sum, part) => sum + part.skipped, 0);
  const requests = each.flatMap((part) => part.requests);
  const facts = `${countText(parts)}${skipped === 0 ? '' : `,"skipped":${skipped}`}`;
  return `"first":${first}${facts},"requests":[${requests.join(',')}]`;
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
  usual(parts: readonly BatchPart[]): string;
  long(part: BatchPart, texts: LongTexts): Generator<void, string>;
}

/** A subprotocol whose batches are text, each of one block, or of what a filter wants of several. */
function textProtocol(name: string, words: FrameWords, content: Content): Subprotocol {
  const encode = (batch: Batch): Encoded | Promise<Encoded> =>
    batch.parts.some(isLong)
      ? longFrames(words, batch, content)
      : { frames: [textFrame(batchText(words, batch, content.usual(batch.parts)))] };
  return { name, words, gathers: false, batchEnd: wholeBatchEnd, encode };
}

/** Records of many megabytes: their text is written in pieces, each in a turn of its own. */
export function isLong({ block, from, to }: BatchPart): boolean {
  return block.header.hasCuts && block.wholeBytesWithin(from, to) > READ_BATCH_BYTES_MAX;
}

/** The batches that a batch goes out as: where a part is of many megabytes, each part by itself. */
export function apart(batch: Batch): readonly Batch[] {
  const { parts, tail } = batch;
  if (!parts.some(isLong)) return [batch];
  const last = parts.at(-1);
  return parts.map((part) => ({ ...batch, parts: [part], tail: part === last ? tail : undefined }));
}

async function longFrames(words: FrameWords, batch: Batch, content: Content): Promise<Encoded> {
  const frames: Frame[] = [];
  for (const each of apart(batch)) {
    // Each piece takes a turn of its own.
    frames.push({ bytes: await inTurns(longFrame(words, each, content), TURN_BYTES) });
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

/** What goes before a batch in protobuf of a reader of many streams. */
function s2Positions(parts: readonly BatchPart[], tail: Position | undefined, of: Member): string {
  const last = parts.at(-1);
  assert(last !== undefined, 'a batch has a part');
  const first = positionText(S2_WORDS, startOf(parts));
  return `{"type":"positions"${streamText(of)},"first":${first}${countText(parts)},${ending(S2_WORDS, last, tail)}}`;
}

function batchText(words: FrameWords, { parts, tail, of }: Batch, content: string): string {
  const last = parts[parts.length - 1];
  const ends = last === undefined ? '' : `,${ending(words, last, tail)}`;
  return `{"type":"batch"${streamText(of)},${content}${ends}}`;
}

/**
 * A positions frame, and the message when there is one, for each run of records of one signal: of records that are not
 * OTLP only the positions go out.
 */
function otlpFrames(parts: readonly BatchPart[], tail: Position | undefined, of: Member | undefined): readonly Frame[] {
  const runs = parts.flatMap(({ block, from, to }) => otlpRuns(block, from, to).map((run) => ({ block, ...run })));
  return grouped(runs).flatMap((group) => {
    const last = group.at(-1) === runs.at(-1);
    const { signal } = group[0];
    const end = group.at(-1) ?? group[0];
    const first = positionText(S2_WORDS, startOf(group));
    const facts = `"first":${first}${countText(group)},${ending(S2_WORDS, end, last ? tail : undefined)}`;
    const positions = textFrame(
      `{"type":"positions"${streamText(of)},"signal":${JSON.stringify(signal ?? null)},${facts}}`,
    );
    if (signal === undefined) return [positions];
    // Messages of one type, one behind the other, are one message of that type.
    const message = group.length === 1 ? group[0].message : Buffer.concat(group.map((run) => run.message));
    const { buffer, byteOffset, length } = message;
    return [positions, { bytes: Buffer.from(buffer, byteOffset, length), isBinary: true }];
  });
}

type BlockRun = BatchPart & OtlpRun;

/** Neighbours of one signal. */
function grouped(runs: readonly BlockRun[]): readonly (readonly [BlockRun, ...BlockRun[]])[] {
  const groups: [BlockRun, ...BlockRun[]][] = [];
  for (const run of runs) {
    const group = groups.at(-1);
    if (group !== undefined && group[0].signal === run.signal) group.push(run);
    else groups.push([run]);
  }
  return groups;
}

/** How many records there are, where their positions do not tell. */
function countText(parts: readonly BatchPart[]): string {
  return parts.length === 1 ? '' : `,"count":${recordsIn(parts)}`;
}

/** Where a reader goes on, and the tail when this is it. */
function ending(words: FrameWords, { block, to }: BatchPart, tail: Position | undefined): string {
  const next = positionText(words, { seqNum: block.firstSeq + to, timestamp: block.timestamp(to - 1) });
  return `"next":${next}${tail === undefined ? '' : `,"tail":${positionText(words, tail)}`}`;
}

/** Where the first of them is. */
function startOf([first]: readonly BatchPart[]): Position {
  assert(first !== undefined, 'a batch has a part');
  return { seqNum: first.block.firstSeq + first.from, timestamp: first.block.timestamp(first.from) };
}

function textFrame(text: string): Frame {
  return { bytes: Buffer.from(text, 'utf8') };
}
