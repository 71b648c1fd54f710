/**
 * What a unary read responds with in a view other than S2's own: rows, lines, OTLP/JSON requests, or one OTLP message. Where
 * a later read goes on is in a header.
 */

import { beginWork, inTurns } from '../../encoding/turns.ts';
import { TURN_BYTES } from '../../model/limits.ts';
import type { TextView, View } from '../../model/view.ts';
import { LongTexts } from '../../otlp/views/long-texts.ts';
import { longMessageRows, messageRows } from '../../otlp/views/message.ts';
import { otlpRuns } from '../../otlp/views/otlp.ts';
import { longOtlpJsonRequests, otlpJsonRequests } from '../../otlp/views/otlp-json.ts';
import { longPlainLines, textLines } from '../../otlp/views/text.ts';
import { viewText } from '../../otlp/views/values.ts';
import { isLong } from '../../readers/encoders.ts';
import { positionText, VIEW_WORDS } from '../../readers/frame-words.ts';
import type { BatchPart } from '../../s2/batch/batch-part.ts';
import type { Collected } from './collect.ts';

interface ViewResponse {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Where the next read goes on: before `next` where the body could not hold everything. */
  readonly nextSeq: number | undefined;
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

const NDJSON = 'application/x-ndjson';

/** The signal of a body in the view `otlp`. */
const SIGNAL = 'Tailrace-Signal';

/** Makes the response, in turns. `accepted` is the media type that the client asks for first. */
export async function viewResponse(
  view: Exclude<View, 'raw'>,
  accepted: string,
  collected: Collected,
): Promise<ViewResponse> {
  if (view === 'otlp') return otlpMessage(collected);
  const nextSeq = collected.next?.seqNum;
  if (view === 'message' && accepted !== NDJSON) {
    const pieces = await piecesOf(collected.parts, ROWS);
    const body = Buffer.concat([ROWS_BEGIN, ...between(pieces, COMMA), Buffer.from(`]${ending(collected)}}`)]);
    return { contentType: 'application/json', body, nextSeq, headers: [] };
  }
  const form = LINES[view];
  const pieces = await piecesOf(collected.parts, form);
  const body = Buffer.concat(pieces.flatMap((piece) => [piece, LINE_END]));
  return { contentType: form.contentType, body, nextSeq, headers: [] };
}

/** The text of records; of those of many megabytes with long texts marked, in pieces of work. */
interface Form {
  usual(part: BatchPart): string;
  long(part: BatchPart, texts: LongTexts): Generator<void, string>;
}

/** Rows, separated by commas. */
const ROWS: Form = {
  usual: ({ block, from, to }) => viewText(messageRows(block, from, to)).slice(1, -1),
  *long({ block, from, to }, texts) {
    return (yield* longMessageRows(block, from, to, texts)).slice(1, -1);
  },
};

/** Views as lines of text. */
const LINES: Readonly<Record<TextView, Form & { readonly contentType: string }>> = {
  message: {
    contentType: NDJSON,
    usual: ({ block, from, to }) =>
      messageRows(block, from, to)
        .map((row) => viewText(row))
        .join('\n'),
    *long({ block, from, to }, texts) {
      const rows: string[] = [];
      for (let i = from; i < to; i++) rows.push((yield* longMessageRows(block, i, i + 1, texts)).slice(1, -1));
      return rows.join('\n');
    },
  },
  'otlp-json': {
    contentType: NDJSON,
    usual: ({ block, from, to }) => otlpJsonRequests(block, from, to).requests.join('\n'),
    *long({ block, from, to }, texts) {
      return (yield* longOtlpJsonRequests(block, from, to, texts)).requests.join('\n');
    },
  },
  text: {
    contentType: 'text/plain; charset=utf-8',
    usual: ({ block, from, to }) => textLines(block, from, to).join('\n'),
    long: ({ block, from, to }, texts) => longPlainLines(block, from, to, texts),
  },
};

const COMMA = Buffer.from(',');
const LINE_END = Buffer.from('\n');
const ROWS_BEGIN = Buffer.from('{"rows":[');

/** What there is of each part, in order; a part of which a view shows nothing has no piece. */
async function piecesOf(parts: readonly BatchPart[], form: Form): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = [];
  for (const part of parts) {
    const piece = isLong(part) ? await longPiece(part, form) : await usualPiece(part, form);
    if (piece.length > 0) pieces.push(piece);
  }
  return pieces;
}

async function usualPiece(part: BatchPart, form: Form): Promise<Buffer> {
  const work = beginWork(part.block.wholeBytesWithin(part.from, part.to));
  if (work !== undefined) await work;
  return Buffer.from(form.usual(part));
}

/** Each step takes a turn of its own. */
function longPiece(part: BatchPart, form: Form): Promise<Buffer> {
  return inTurns(longBytes(part, form), TURN_BYTES);
}

function* longBytes(part: BatchPart, form: Form): Generator<void, Buffer> {
  yield;
  const texts = new LongTexts();
  const text = yield* form.long(part, texts);
  yield;
  return yield* texts.bytes(text);
}

function between(pieces: readonly Buffer[], separator: Buffer): Buffer[] {
  return pieces.flatMap((piece, i) => (i === 0 ? [piece] : [separator, piece]));
}

function ending({ next, tail }: Collected): string {
  const goesOn = next === undefined ? '' : `,"next":${positionText(VIEW_WORDS, next)}`;
  return `${goesOn}${tail === undefined ? '' : `,"tail":${positionText(VIEW_WORDS, tail)}`}`;
}

/**
 * The records of the first signal that there is, as one message, which can be posted as it is. Records that are not OTLP
 * are left out; a record of another signal is where the next read goes on.
 */
function otlpMessage({ parts, next }: Collected): ViewResponse {
  const messages: Uint8Array[] = [];
  let signal: string | undefined;
  let nextSeq = next?.seqNum;
  look: for (const { block, from, to } of parts) {
    for (const run of otlpRuns(block, from, to)) {
      if (run.signal === undefined) continue;
      signal ??= run.signal;
      if (run.signal !== signal) {
        nextSeq = block.firstSeq + run.from;
        break look;
      }
      messages.push(run.message);
    }
  }
  const body = messages.length === 1 ? (messages[0] ?? EMPTY) : Buffer.concat(messages);
  const headers = signal === undefined ? [] : [SIGNAL, signal];
  return { contentType: 'application/x-protobuf', body, nextSeq, headers };
}

const EMPTY = new Uint8Array(0);
