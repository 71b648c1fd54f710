/**
 * The one buffer of the JSON transcoder. The input is at its end and the output grows from its start, so both are in
 * one memory, and text can be read again after it was unescaped:
 *
 * ```
 * [spare][written … out)   free   [at … read end)[zeros]
 *        START                    base         end
 * ```
 *
 * Protobuf is nearly always shorter than its JSON, so the free part seldom has to grow. Growing moves the input: after
 * a call, use the position that the call returned and no older one.
 */

/** Where output starts. The spare bytes before it let code read a whole word that ends in the output. */
export const START = 16;
/** Zeros after the input: NUL is not JSON, so loops end there, and words may be read past the end. */
const PADDING = 64;
/** Free bytes before each field or element: more than any tag, number or length needs. */
const MARGIN = 64;
/** A larger buffer is released after use. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
const BYTES_MIN = 64 * 1024;
const BRACES_BYTES = 64;

/** Reading a byte takes as long as moving 2^3. */
export const MOVED_BITS = 3;
/** In place of a position: the reading has paused. */
const PAUSED = -1;

/**
 * What a level of the reading goes on with, once a value in it is read: fields of an object, elements of an array, a
 * length that is to be filled in, an unknown value.
 */
export type PausedLevel =
  | { readonly kind: 'fields'; readonly type: number; readonly depth: number; readonly seen: number }
  | {
      readonly kind: 'elements';
      readonly field: number;
      readonly element: number;
      readonly depth: number;
      readonly start: number;
    }
  | { readonly kind: 'length'; readonly start: number }
  | ByteListLevel
  | { readonly kind: 'skip'; readonly level: number };

/** A list of bytes in place of base64: the numbers of a list, or the members of an object, which may hold the list. */
export interface ByteListLevel {
  readonly kind: 'bytes';
  readonly field: number;
  readonly start: number;
  readonly isList: boolean;
  readonly isObject: boolean;
  /** The number of what is wrong with it; 0 when nothing is. */
  readonly fault: number;
}

/** State of one transcoding; reused by the next. */
export class TranscodeBuffer {
  bytes = Buffer.alloc(0);
  /** The same memory. */
  view = new DataView(this.bytes.buffer);
  /** Where the next byte of output goes. */
  out = START;
  /** The input is [base, end). */
  base = 0;
  end = 0;
  /** How many enum values came as names. */
  enumNames = 0;
  /** How many keys were in snake_case, and how many bytes came as lists of numbers. */
  snakeCaseKeys = 0;
  byteLists = 0;
  /** How many integers became doubles, and how many came in two halves. */
  doublesForIntegers = 0;
  integerHalves = 0;
  /** Values of the wrong kind that were passed over, by what is wrong with them; undefined where they end the reading. */
  faults: Map<string, { readonly number: number; readonly offset: number }> | undefined;
  /** The number of a fault that is to be marked behind packed elements; 0 for none. */
  pendingMark = 0;
  /** Keys that OTLP has no more. */
  readonly oldKeys = new Set<string>();
  /** Where the key ends that was last read as text, with its quote. */
  afterKey = 0;
  /** The first keys of the request itself, for error messages. */
  readonly topKeys: string[] = [];
  /** From this position on, reading pauses after the next value. */
  pauseAt = Number.POSITIVE_INFINITY;
  /** Where it paused, and how it goes on: the innermost frame first. */
  pausedAt = 0;
  readonly frames: PausedLevel[] = [];
  #braces = new Uint8Array(BRACES_BYTES);

  /** Takes a body; returns where it starts. */
  begin(body: Uint8Array): number {
    this.reserve(body.length).set(body);
    return this.base;
  }

  /** The place for a body of that length, which the caller must fill before anything is read. */
  reserve(length: number): Uint8Array {
    const needed = START + MARGIN + (length >> 4) + length + PADDING;
    if (needed > this.bytes.length) this.allocate(Math.max(BYTES_MIN, needed, Math.min(2 * needed, KEPT_BYTES_MAX)));
    this.end = this.bytes.length - PADDING;
    this.base = this.end - length;
    this.out = START;
    this.enumNames = 0;
    this.snakeCaseKeys = 0;
    this.byteLists = 0;
    this.doublesForIntegers = 0;
    this.integerHalves = 0;
    this.pendingMark = 0;
    this.faults?.clear();
    this.oldKeys.clear();
    this.topKeys.length = 0;
    this.pauseAt = Number.POSITIVE_INFINITY;
    this.frames.length = 0;
    return this.bytes.subarray(this.base, this.end);
  }

  /** Notes what the level of an unknown value is: an object, or an array. One bit each, as values may be very deep. */
  openBracket(level: number, isBrace: boolean): void {
    const at = level >> 3;
    if (at >= this.#braces.length) {
      const more = new Uint8Array(2 * this.#braces.length);
      more.set(this.#braces);
      this.#braces = more;
    }
    const bit = 1 << (level & 7);
    const others = (this.#braces[at] as number) & ~bit;
    this.#braces[at] = isBrace ? others | bit : others;
  }

  /** Whether that level is an object. */
  isBrace(level: number): boolean {
    return ((this.#braces[level >> 3] as number) & (1 << (level & 7))) !== 0;
  }

  /** Keeps what a level of the reading needs to go on. Returns `PAUSED`. */
  keep(frame: PausedLevel): number {
    this.frames.push(frame);
    return PAUSED;
  }

  /** The same for the innermost level, which pauses at `at`. */
  pause(at: number, frame: PausedLevel): number {
    this.pausedAt = at;
    return this.keep(frame);
  }

  /** What was written, valid until the next use. */
  get output(): Uint8Array {
    return this.bytes.subarray(START, this.out);
  }

  /** Bytes as text. Slow: for numbers of unusual forms and for error messages. */
  text(from: number, to: number): string {
    return this.bytes.toString('utf8', from, to);
  }

  /** Ends the use of the input, and releases the memory when it is large. */
  release(): void {
    if (this.bytes.length > KEPT_BYTES_MAX) this.allocate(0);
    if (this.#braces.length > BRACES_BYTES) this.#braces = new Uint8Array(BRACES_BYTES);
  }

  /** Makes sure that one tag and scalar can be written before the input at `at`; returns where that input is now. */
  ensure(at: number): number {
    return this.out + MARGIN <= at ? at : this.widen(at);
  }

  /** Doubles the memory. Only long arrays of short numbers need it. */
  private widen(at: number): number {
    const { bytes, out, end, base } = this;
    this.allocate(2 * bytes.length);
    this.bytes.set(bytes.subarray(0, out));
    this.end = this.bytes.length - PADDING;
    const shift = this.end - end;
    this.bytes.set(bytes.subarray(at, end), at + shift);
    this.base = base + shift;
    this.pauseAt += shift;
    return at + shift;
  }

  private allocate(length: number): void {
    this.bytes = Buffer.from(new ArrayBuffer(length));
    this.view = new DataView(this.bytes.buffer);
  }
}
