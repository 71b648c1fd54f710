/**
 * Answers that are kept for repeats of a request: by what the request was, and in the order in which they end. Encoded as
 * in `values.ts`.
 */

import { FAMILY, type KeyRange, prefixRange, readNumber, writeNumber } from './keys.ts';
import { damaged, encode, FieldReader } from './values.ts';

/** What an answer is found by: the number of the basin, and the SHA-256 of the request with its sender. */
export interface AnswerId {
  readonly basin: number;
  readonly digest: Uint8Array;
}

/** An answer with the time until which it counts, in ms. A later answer to the same request has a later time. */
export interface AnswerName extends AnswerId {
  readonly untilMs: number;
}

const KIND = { answer: 1, end: 2 } as const;
const NUMBER_BYTES = 8;
const DIGEST_BYTES = 32;
const KEY_BYTES = 2 + 2 * NUMBER_BYTES + DIGEST_BYTES;

/** The key of an answer: `[10][1][basin u64][digest][until u64]`. */
export function answerKey({ basin, digest, untilMs }: AnswerName): Uint8Array {
  return Buffer.concat([Buffer.of(FAMILY.dedupe, KIND.answer), u64(basin), digest, u64(untilMs)]);
}

/** The answers to one request, the last one last. */
export function answersTo({ basin, digest }: AnswerId): KeyRange {
  return prefixRange(Buffer.concat([Buffer.of(FAMILY.dedupe, KIND.answer), u64(basin), digest]));
}

/** All answers of a basin. */
export function answersOf(basin: number): KeyRange {
  return prefixRange(Buffer.concat([Buffer.of(FAMILY.dedupe, KIND.answer), u64(basin)]));
}

/** Whether a key is that of an answer, and not that of its end. */
export function isAnswer(key: Uint8Array): boolean {
  return key[1] === KIND.answer;
}

/** @throws TailraceError `corrupt`, as all readers here */
export function readAnswerKey(key: Uint8Array): AnswerName {
  expectKey(key, KIND.answer);
  const digestAt = 2 + NUMBER_BYTES;
  const untilAt = digestAt + DIGEST_BYTES;
  return { basin: readNumber(key, 2), digest: key.slice(digestAt, untilAt), untilMs: readNumber(key, untilAt) };
}

/** The key that says when an answer ends: `[10][2][until u64][basin u64][digest]`. */
export function answerEndKey({ basin, digest, untilMs }: AnswerName): Uint8Array {
  return Buffer.concat([Buffer.of(FAMILY.dedupe, KIND.end), u64(untilMs), u64(basin), digest]);
}

/** All ends, the first ones first. */
export function answerEnds(): KeyRange {
  return prefixRange(Buffer.of(FAMILY.dedupe, KIND.end));
}

export function readAnswerEndKey(key: Uint8Array): AnswerName {
  expectKey(key, KIND.end);
  const basinAt = 2 + NUMBER_BYTES;
  const digestAt = basinAt + NUMBER_BYTES;
  return { untilMs: readNumber(key, 2), basin: readNumber(key, basinAt), digest: key.slice(digestAt) };
}

export function encodeAnswer(answer: Uint8Array): Uint8Array {
  return encode([answer]);
}

export function decodeAnswer(value: Uint8Array): Uint8Array {
  const answer = new FieldReader(value, 'answer').added(1);
  if (!(answer instanceof Uint8Array)) throw damaged('answer');
  return answer;
}

/** The row of an end holds nothing: its key says all. */
export const ANSWER_END = encode([]);

function expectKey(key: Uint8Array, kind: number): void {
  if (key.length !== KEY_BYTES || key[0] !== FAMILY.dedupe || key[1] !== kind) throw damaged('answer');
}

function u64(number: number): Uint8Array {
  const bytes = Buffer.alloc(NUMBER_BYTES);
  writeNumber(bytes, 0, number);
  return bytes;
}
