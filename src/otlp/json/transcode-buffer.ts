/**
 * The one buffer of the JSON transcoder. What is read stands at its end, what is written grows from its start, so both
 * live in one place and a piece of text can be read again after it was unescaped:
 *
 * ```
 * [spare][written … out)   free   [at … read end)[zeros]
 *        START                    base         end
 * ```
 *
 * Protobuf is nearly always shorter than its JSON, so the free part seldom has to be widened. Widening moves what is
 * read: a position there may be held across a call only as what the call returns.
 */

import { NESTING_MAX } from '../../model/limits.ts';

/** Where output starts. Before it there is room for code that reads words that end where they should. */
export const START = 16;
/** Zeros behind the input: NUL is no JSON, so loops end there, and words may be read over the end. */
const PADDING = 64;
/** Free bytes that there are before any field or element: more than any tag, number or length needs. */
const MARGIN = 64;
/** A larger buffer is let go after use. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
const BYTES_MIN = 64 * 1024;

/** State of one transcoding; reused by the next. */
export class TranscodeBuffer {
  bytes = Buffer.alloc(0);
  /** The same memory. */
  view = new DataView(this.bytes.buffer);
  /** Where the next byte of output goes. */
  out = START;
  /** First and one behind the last byte of input. */
  base = 0;
  end = 0;
  /** Names that stood for numbers of enums. */
  enumNames = 0;
  /** Where the key that was read last as text ends, its quote included. */
  behindKey = 0;
  /** Open objects and arrays of an unknown value. */
  readonly open = new Uint8Array(NESTING_MAX + 1);

  /** Takes a body; returns where it starts. */
  begin(body: Uint8Array): number {
    const needed = START + MARGIN + (body.length >> 4) + body.length + PADDING;
    if (needed > this.bytes.length) this.allocate(Math.max(BYTES_MIN, needed, Math.min(2 * needed, KEPT_BYTES_MAX)));
    this.end = this.bytes.length - PADDING;
    this.base = this.end - body.length;
    this.bytes.set(body, this.base);
    this.out = START;
    this.enumNames = 0;
    return this.base;
  }

  /** The output, copied: it is the caller's. */
  result(): Uint8Array {
    const length = this.out - START;
    const copy = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    copy.set(this.bytes.subarray(START, this.out));
    return copy;
  }

  /** Bytes as text, where that is not too often: numbers of odd forms, and messages. */
  text(from: number, to: number): string {
    return this.bytes.toString('utf8', from, to);
  }

  /** Forgets the input, and the memory too where it is much. */
  release(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.allocate(0);
  }

  /** Makes sure that any one tag and scalar can be written before the input at `at`; returns where that is now. */
  ensure(at: number): number {
    return this.out + MARGIN <= at ? at : this.widen(at);
  }

  /** Twice the memory. Only long arrays of short numbers come here. */
  private widen(at: number): number {
    const { bytes, out, end, base } = this;
    this.allocate(2 * bytes.length);
    this.bytes.set(bytes.subarray(0, out));
    this.end = this.bytes.length - PADDING;
    const shift = this.end - end;
    this.bytes.set(bytes.subarray(at, end), at + shift);
    this.base = base + shift;
    return at + shift;
  }

  private allocate(length: number): void {
    this.bytes = Buffer.from(new ArrayBuffer(length));
    this.view = new DataView(this.bytes.buffer);
  }
}
