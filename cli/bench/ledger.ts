/**
 * What a reader must get: of each writer every record, once, in order and unchanged, with sequence numbers that follow on
 * each other. Holds a counter for each writer, and what is missing so far.
 */

import type { Faults } from './faults.ts';
import type { Payloads } from './payload.ts';

/** A gap that was found: these numbers of a writer did not come before later ones. */
interface Missing {
  readonly from: number;
  readonly to: number;
  /** Those of them that came after all. */
  readonly late: Set<number>;
}

/** More gaps are told as lost at once. */
const GAPS_MAX = 1_000;

export class Ledger {
  readonly #payloads: Payloads;
  readonly #faults: Faults;
  /** Of the reader, as sentences name it. */
  readonly #reader: string;
  readonly #expected: number[];
  readonly #missing: Missing[][];
  #nextSeqNum = 0;

  constructor(reader: string, payloads: Payloads, writers: number, faults: Faults) {
    this.#reader = reader;
    this.#payloads = payloads;
    this.#faults = faults;
    this.#expected = Array.from({ length: writers }, () => 0);
    this.#missing = Array.from({ length: writers }, () => []);
  }

  /** The sequence number that comes next. */
  get nextSeqNum(): number {
    return this.#nextSeqNum;
  }

  /**
   * Takes a record, which lies in `bytes` from `start` to `end`. Returns whether it is one of ours: then `payloads` says
   * which.
   */
  take(seqNum: number, bytes: Buffer, start: number, end: number): boolean {
    const state = this.#payloads.inspect(bytes, start, end);
    const { writer, number } = this.#payloads;
    const expected = this.#expected[writer];
    const isNext = expected !== undefined && state !== 'foreign' && number === expected;
    // Where a record is missing the sequence number may jump with it, and that is one fault, not two.
    if (seqNum !== this.#nextSeqNum && isNext) {
      this.#add('misnumbered', `sequence number ${seqNum} came where ${this.#nextSeqNum} was due`);
    }
    this.#nextSeqNum = seqNum + 1;
    if (state === 'foreign' || expected === undefined) {
      this.#add('foreign', `the record at ${seqNum} holds none of ours`);
      return false;
    }
    if (state === 'changed') this.#add('changed', `the record at ${seqNum} is not what was appended`);
    if (isNext) this.#expected[writer] = number + 1;
    else if (state === 'whole') this.#outOfOrder(seqNum, writer, number, expected);
    return state === 'whole';
  }

  /** To be called at the end, with how many records of each writer were acknowledged. */
  finish(acknowledged: readonly number[]): void {
    for (const [writer, count] of acknowledged.entries()) {
      const expected = this.#expected[writer] ?? 0;
      if (expected < count) this.#lost(writer, expected, count, 0);
      for (const { from, to, late } of this.#missing[writer] ?? []) this.#lost(writer, from, to, late.size);
    }
  }

  #outOfOrder(seqNum: number, writer: number, number: number, expected: number): void {
    const gaps = this.#missing[writer] ?? [];
    if (number > expected) {
      this.#expected[writer] = number + 1;
      if (gaps.length < GAPS_MAX) gaps.push({ from: expected, to: number, late: new Set() });
      else this.#lost(writer, expected, number, 0);
      return;
    }
    const gap = gaps.find(({ from, to, late }) => number >= from && number < to && !late.has(number));
    gap?.late.add(number);
    const what = `record ${number} of writer ${writer} came${gap === undefined ? ' again' : ''} at ${seqNum}`;
    this.#add(gap === undefined ? 'doubled' : 'reordered', `${what}, after record ${expected - 1}`);
  }

  #lost(writer: number, from: number, to: number, late: number): void {
    const count = to - from - late;
    if (count === 0) return;
    const which = to - from === 1 ? `record ${from}` : `${count} of records ${from} to ${to - 1}`;
    this.#faults.add('lost', `${this.#reader}: ${which} of writer ${writer}`, count);
  }

  #add(kind: Parameters<Faults['add']>[0], example: string): void {
    this.#faults.add(kind, `${this.#reader}: ${example}`);
  }
}
