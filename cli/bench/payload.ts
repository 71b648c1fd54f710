/**
 * What a record of a benchmark holds: text that says by itself which record it is and whether it is whole.
 *
 *   8 hex digits   CRC-32 of everything that follows
 *   12             the run, drawn at random
 *   4 hex digits   the writer
 *   12 hex digits  the number of the record, each writer's from 0
 *   filler         random, so that nothing on the way gets far by compressing it
 *
 * with a hyphen between them. Text, so that OTLP takes it as the body of a log, and people can read what is kept.
 */

import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const CHECKED_AT = 8;
const RUN_AT = CHECKED_AT + 1;
const RUN_BYTES = 12;
const WRITER_AT = RUN_AT + RUN_BYTES + 1;
const WRITER_DIGITS = 4;
const NUMBER_AT = WRITER_AT + WRITER_DIGITS + 1;
const NUMBER_DIGITS = 12;
const FILLER_AT = NUMBER_AT + NUMBER_DIGITS + 1;
const CRC_DIGITS = 8;
const HYPHEN = 0x2d;
const DIGITS = Buffer.from('0123456789abcdef');

/** What was found where a payload should be. */
export type PayloadState = 'whole' | 'changed' | 'foreign';

export class Payloads {
  readonly bytes: number;
  /** No part of another name: in OTLP the name of the stream is in the record too. */
  readonly #run = Buffer.from(randomBytes(RUN_BYTES / 2).toString('hex'));
  /** Whose payload was looked at last; valid unless it is foreign. */
  writer = 0;
  number = 0;
  /** How far from the beginning of a record its payload was last. */
  #offset = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  /** Writes a payload for a writer, with number 0. */
  fill(target: Buffer, at: number, writer: number): void {
    target.fill(HYPHEN, at, at + FILLER_AT);
    target.set(this.#run, at + RUN_AT);
    putHex(target, at + WRITER_AT, WRITER_DIGITS, writer);
    const filler = this.bytes - FILLER_AT;
    target.write(randomBytes(filler).toString('base64url').slice(0, filler), at + FILLER_AT, 'latin1');
    this.renumber(target, at, 0);
  }

  /** Gives a payload another number. */
  renumber(target: Buffer, at: number, number: number): void {
    putHex(target, at + NUMBER_AT, NUMBER_DIGITS, number);
    putHex(target, at, CRC_DIGITS, crc32(target.subarray(at + CHECKED_AT, at + this.bytes)));
  }

  /**
   * Looks for the payload in a record, which may have something before and after it, as OTLP has. Of one that is changed,
   * `writer` and `number` are what it says.
   */
  inspect(record: Buffer, start: number, end: number): PayloadState {
    const at = this.#find(record, start, end);
    if (at === undefined) return 'foreign';
    this.writer = hexAt(record, at + WRITER_AT, WRITER_DIGITS);
    this.number = hexAt(record, at + NUMBER_AT, NUMBER_DIGITS);
    if (at + this.bytes > end) return 'changed';
    const sum = crc32(record.subarray(at + CHECKED_AT, at + this.bytes));
    return hexAt(record, at, CRC_DIGITS) === sum ? 'whole' : 'changed';
  }

  #find(record: Buffer, start: number, end: number): number | undefined {
    if (this.#isRunAt(record, start + this.#offset, end)) return start + this.#offset;
    const found = record.indexOf(this.#run, start);
    if (found < start + RUN_AT || found + this.#run.length > end) return undefined;
    this.#offset = found - RUN_AT - start;
    return found - RUN_AT;
  }

  #isRunAt(record: Buffer, at: number, end: number): boolean {
    if (at + FILLER_AT > end) return false;
    for (let i = 0; i < RUN_BYTES; i++) if (record[at + RUN_AT + i] !== this.#run[i]) return false;
    return true;
  }
}

function putHex(target: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = DIGITS[rest % 16] ?? 0;
    rest = Math.floor(rest / 16);
  }
}

/** NaN when there is anything but digits. */
function hexAt(source: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) value = value * 16 + digitOf(source[i] ?? 0);
  return value;
}

function digitOf(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  return character >= 0x61 && character <= 0x66 ? character - 0x57 : Number.NaN;
}
