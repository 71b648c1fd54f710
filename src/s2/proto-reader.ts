/** Reads protobuf fields from bytes, without copies, and refuses what is no protobuf. */

import { TailraceError } from '../model/error.ts';

export const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const START_GROUP = 3;
const END_GROUP = 4;
const FIXED_32 = 5;

const VARINT_BYTES_MAX = 10;
const TAG_MAX = 2 ** 32 - 1;
/** Groups within groups that are skipped: the official servers give up at this depth too. */
const GROUPS_MAX = 100;

/** A place in a message that moves forward. All methods throw TailraceError `bad_proto`. */
export class ProtoReader {
  at = 0;
  readonly #bytes: Uint8Array;
  /** Where the innermost message ends. Nothing is read beyond it. */
  #end: number;
  #wireType = VARINT;
  #field = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  /** Reads the head of a field and returns its number. */
  tag(): number {
    const tag = this.uint64();
    const field = Math.floor(tag / 8);
    if (tag > TAG_MAX || field === 0) throw bad(`there is no field ${field}`);
    this.#wireType = tag % 8;
    this.#field = field;
    return field;
  }

  /** Says which wire type the field that was just begun must have. */
  expect(wireType: number): void {
    if (this.#wireType !== wireType) throw bad(`field ${this.#field} has the wire type ${this.#wireType}`);
  }

  /** The value of a length-delimited field, as a view. */
  bytes(): Uint8Array {
    const end = this.submessage();
    const start = this.at;
    this.at = end;
    return this.#bytes.subarray(start, end);
  }

  /** Enters a length-delimited field; returns where it ends. */
  submessage(): number {
    this.expect(LENGTH_DELIMITED);
    const length = this.uint64();
    const end = this.at + length;
    if (end > this.#end) throw bad('a length leads beyond the end');
    return end;
  }

  /** A message that was entered must end where it said. */
  expectEnd(end: number): void {
    if (this.at !== end) throw bad('a message does not end where it should');
  }

  /**
   * An unsigned varint of up to 64 bits. Exact up to 2^53 − 1; what is larger is rounded, and never below 2^53. Every
   * field of an append goes through it, so it does not share `readVarint`, which returns an object and takes more bits.
   */
  uint64(): number {
    const bytes = this.#bytes;
    let at = this.at;
    let byte = bytes[at++] ?? END;
    let value = byte & 0x7f;
    let factor = 1;
    for (let count = 1; byte >= 0x80; count++) {
      if (byte === END) throw bad('it ends within a number');
      if (count === VARINT_BYTES_MAX) throw bad('a number has more than 64 bits');
      byte = bytes[at++] ?? END;
      if (count === VARINT_BYTES_MAX - 1 && byte > 1) throw bad('a number has more than 64 bits');
      factor *= 128;
      value += (byte & 0x7f) * factor;
    }
    this.at = at;
    return value;
  }

  /** Goes over the value of the field that was just begun. */
  skip(): void {
    const open: number[] = [];
    for (;;) {
      this.#skipOne(open);
      if (open.length === 0) return;
      this.tag();
    }
  }

  #skipOne(open: number[]): void {
    if (this.#wireType === VARINT) this.uint64();
    else if (this.#wireType === FIXED_64) this.#jump(8);
    else if (this.#wireType === FIXED_32) this.#jump(4);
    else if (this.#wireType === LENGTH_DELIMITED) this.bytes();
    else if (this.#wireType === START_GROUP) this.#enter(open);
    else if (this.#wireType === END_GROUP && open.pop() === this.#field) return;
    else throw bad(`there is no wire type ${this.#wireType}`);
  }

  #enter(open: number[]): void {
    if (open.push(this.#field) > GROUPS_MAX) throw bad('groups are nested too deeply');
  }

  #jump(bytes: number): void {
    if (this.at + bytes > this.#end) throw bad('it ends within a field');
    this.at += bytes;
  }
}

/** Means the position after the last byte: no byte is that large. */
const END = 0x100;

function bad(what: string): TailraceError {
  return new TailraceError('bad_proto', `the body is no AppendInput: ${what}`);
}
