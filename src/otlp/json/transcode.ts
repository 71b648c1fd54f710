/**
 * OTLP/JSON → OTLP/protobuf, from bytes to bytes in one pass, for speed: no object is built, and the usual forms of
 * values allocate nothing.
 */

import { OPEN_BRACE } from '../../encoding/json-characters.ts';
import { goOnWithWork, atOnce as workAtOnce, inTurns as workInTurns } from '../../encoding/turns.ts';
import { JSON_TOKEN_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import { syntaxFault } from './fault.ts';
import { explainEmpty, explainNoObject } from './hints.ts';
import { readMessage, resume } from './message.ts';
import { NotUtf8, repairedBody } from './repair-utf8.ts';
import { faultsIn, type ValueFault } from './spoiled.ts';
import { REQUEST_TYPES } from './tables.ts';
import { skipSpace } from './text.ts';
import { TokenLengths } from './token-lengths.ts';
import { MOVED_BITS, START, TranscodeBuffer } from './transcode-buffer.ts';

/** Counts what requests held that OTLP does not allow and we tolerate. */
export interface JsonTally {
  /** Enum values that came as names; OTLP/JSON has integers. */
  enumNames: number;
  /** Keys in snake_case; OTLP/JSON has lowerCamelCase. */
  snakeCaseKeys?: number;
  /** Bytes as lists of numbers; OTLP/JSON has base64. */
  byteLists?: number;
  /** Integers of more than 64 bits, which became the double of their oneof. */
  doublesForIntegers?: number;
  /** Integers of 64 bits as objects of two halves; OTLP/JSON has strings. */
  integerHalves?: number;
  /** Keys that were left out and that OTLP once had. */
  oldKeys?: readonly string[];
  /** Receives what is wrong with values of the wrong kind, which are passed over; without it they end the reading. */
  faults?: readonly ValueFault[];
  /** Whether the object had no key at all. */
  isEmpty?: boolean;
}

/** Looking for the ends of tokens is so much faster than reading them. */
const TOKEN_PIECE = 4;

/** For what is transcoded at once, so one buffer is enough. */
const atOnce = new TranscodeBuffer();
/** Settles when no large body is being transcoded: one at a time, since each takes as much memory again. */
let lastLarge: Promise<unknown> = Promise.resolve();

/**
 * Turns the JSON of an Export request into its protobuf, which the caller owns. Fields come in the order of the JSON;
 * unknown keys are left out. What it tolerated is added to `tally`. Blocks the event loop until it is done: use
 * `transcodeInTurns` for large bodies.
 *
 * Text that is not UTF-8 becomes halves of surrogate pairs in three bytes, as does `\ud83d` alone: the scanner must
 * repair them. A message that is nested too deep is written without its content, one level deeper than the scanner
 * allows. A byte order mark is ignored. An object may hold a key once and a oneof one value; null means the same as
 * absent.
 * With `tally.faults` a value of the
 * wrong kind leaves a mark in what holds it, by which the scanner rejects it (\`spoiled.ts\`).
 *
 * @throws TailraceError `bad_json`: not JSON, or not OTLP/JSON (OTLP specification, JSON Protobuf Encoding).
 * The message says where, and what to write instead.
 */
export function transcodeJson(signal: Signal, body: Uint8Array, tally?: JsonTally): Uint8Array {
  try {
    return readAtOnce(signal, body, tally);
  } catch (error) {
    if (error instanceof NotUtf8) return readAtOnce(signal, workAtOnce(repairedBody(body)), tally);
    throw error;
  }
}

function readAtOnce(signal: Signal, body: Uint8Array, tally: JsonTally | undefined): Uint8Array {
  try {
    atOnce.faults = tally?.faults === undefined ? undefined : new Map();
    const first = atOnce.begin(body);
    const output = finish(atOnce, begin(atOnce, first, signal), signal, tally);
    if (tally !== undefined && atOnce.faults !== undefined) tally.faults = faultsIn(atOnce, body);
    const copy = memoryFor(output);
    copy.set(output);
    return copy;
  } finally {
    atOnce.release();
  }
}

/** How much is done at once, and how long a string may be. */
export interface InTurnsOptions {
  readonly pieceBytes: number;
  readonly stringBytesMax: number;
}

/**
 * The same in pieces, between which others run. The body must not change meanwhile.
 * @throws TailraceError also `too_large`, for a single value of many megabytes
 */
export function transcodeInTurns(
  signal: Signal,
  body: Uint8Array,
  tally?: JsonTally,
  options: Partial<InTurnsOptions> = {},
): Promise<Uint8Array> {
  const whole = { pieceBytes: YIELD_BYTES, stringBytesMax: JSON_TOKEN_BYTES_MAX, ...options };
  const transcoded = lastLarge.then(() => readInTurns(signal, body, tally, whole));
  lastLarge = transcoded.catch(() => {});
  return transcoded;
}

async function readInTurns(
  signal: Signal,
  body: Uint8Array,
  tally: JsonTally | undefined,
  options: InTurnsOptions,
): Promise<Uint8Array> {
  try {
    return await inTurns(signal, body, tally, options);
  } catch (error) {
    if (!(error instanceof NotUtf8)) throw error;
    return inTurns(signal, await workInTurns(repairedBody(body)), tally, options);
  }
}

async function inTurns(
  signal: Signal,
  body: Uint8Array,
  tally: JsonTally | undefined,
  { pieceBytes, stringBytesMax }: InTurnsOptions,
): Promise<Uint8Array> {
  if (body.length > JSON_TOKEN_BYTES_MAX) {
    const lengths = new TokenLengths(body, stringBytesMax);
    do await goOnWithWork(YIELD_BYTES);
    while (!lengths.step(TOKEN_PIECE * pieceBytes));
  }
  const buffer = new TranscodeBuffer();
  if (tally?.faults !== undefined) buffer.faults = new Map();
  await copyInTurns(body, buffer.reserve(body.length));
  let at = begin(buffer, buffer.base, signal, pieceBytes);
  while (at < 0) {
    await goOnWithWork(YIELD_BYTES);
    buffer.pauseAt = buffer.pausedAt + pieceBytes;
    at = resume(buffer);
  }
  const output = finish(buffer, at, signal, tally);
  if (tally !== undefined && buffer.faults !== undefined) tally.faults = faultsIn(buffer, body);
  const copy = memoryFor(output);
  await copyInTurns(output, copy);
  return copy;
}

/** Memory that belongs to the caller of the transcoder. */
function memoryFor(output: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(output.length).buffer);
}

async function copyInTurns(source: Uint8Array, target: Uint8Array): Promise<void> {
  const piece = YIELD_BYTES << MOVED_BITS;
  for (let at = 0; at < source.length; at += piece) {
    await goOnWithWork(YIELD_BYTES);
    target.set(source.subarray(at, at + piece), at);
  }
}

/** Reads the request, up to its end or to where it pauses. */
function begin(buffer: TranscodeBuffer, start: number, signal: Signal, pauseAfter?: number): number {
  const first = skipSpace(buffer, skipMark(buffer, start));
  // A zero after the brace means UTF-16.
  if (buffer.view.getUint8(first) !== OPEN_BRACE || buffer.view.getUint8(first + 1) === 0) {
    throw explainNoObject(buffer, first, signal);
  }
  if (pauseAfter !== undefined) buffer.pauseAt = first + pauseAfter;
  return readMessage(buffer, first + 1, REQUEST_TYPES[signal], 1);
}

/** Checks that nothing follows the object that ended at `at`; returns the output in the buffer. */
function finish(buffer: TranscodeBuffer, at: number, signal: Signal, tally: JsonTally | undefined): Uint8Array {
  const after = skipSpace(buffer, at);
  if (after < buffer.end) throw syntaxFault(buffer, after, 'the end of the body (one object is a request)');
  if (buffer.out === START) explainEmpty(buffer, signal);
  if (tally !== undefined) {
    tally.enumNames += buffer.enumNames;
    tally.snakeCaseKeys = buffer.snakeCaseKeys;
    tally.byteLists = buffer.byteLists;
    tally.doublesForIntegers = buffer.doublesForIntegers;
    tally.integerHalves = buffer.integerHalves;
    tally.oldKeys = [...buffer.oldKeys];
    tally.isEmpty = buffer.topKeys.length === 0;
  }
  return buffer.output;
}

/** Returns the position after the byte order mark of UTF-8, which editors on Windows write. */
function skipMark({ view }: TranscodeBuffer, at: number): number {
  return view.getUint8(at) === 0xef && view.getUint8(at + 1) === 0xbb && view.getUint8(at + 2) === 0xbf ? at + 3 : at;
}
