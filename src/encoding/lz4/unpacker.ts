/**
 * Unpacks LZ4 blocks (the block format of github.com/lz4/lz4) into memory that is used again and again. The native
 * unpacker makes a buffer for each block, and collecting those takes most of the time of a reader that wants few records.
 */

import { assert } from '../../model/error.ts';
import {
  add,
  advance,
  and,
  type Code,
  choose,
  constant,
  copy1,
  copy8,
  copy16,
  equal,
  get,
  giveBack,
  greater,
  isZero,
  less,
  load8,
  load16,
  moduleOf,
  repeatWhile,
  set,
  shiftRight,
  subtract,
  when,
} from './instructions.ts';

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** A part of WebAssembly: node has it, the types of node don't. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

const PAGE_BYTES = 65_536;
const WORD_BYTES = 8;
const WIDE_BYTES = 16;
/** Copies of so many bytes read and write so far beyond what they copy. */
const SLACK_BYTES = WIDE_BYTES;

type RunUnpacker = (from: number, fromEnd: number, to: number, toEnd: number) => number;

export class Lz4Unpacker {
  /** The most that a block may have, packed and unpacked. */
  readonly bytesMax: number;
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #run: RunUnpacker;
  #bytes = new Uint8Array(this.#memory.buffer);

  /** `isWide`: whether it copies 16 bytes at once; some processors, as virtual machines may have them, cannot. */
  constructor(bytesMax: number, isWide: boolean = WebAssembly.validate(program(WIDE_BYTES))) {
    this.bytesMax = bytesMax;
    const code = program(isWide ? WIDE_BYTES : WORD_BYTES);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { from: { memory: this.#memory } });
    this.#run = (exports as { readonly run: RunUnpacker }).run;
  }

  /**
   * What a block unpacks to, of that size: a view that is good until the next call. Undefined for a block that is damaged,
   * or that has another size. The memory of the largest call stays.
   */
  unpack(packed: Uint8Array, size: number): Uint8Array | undefined {
    assert(Math.max(packed.length, size) <= this.bytesMax, 'larger blocks are unpacked elsewhere');
    const from = size + SLACK_BYTES;
    const end = from + packed.length;
    const missing = end + SLACK_BYTES - this.#bytes.length;
    if (missing > 0) {
      this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
      this.#bytes = new Uint8Array(this.#memory.buffer);
    }
    this.#bytes.set(packed, from);
    return this.#run(from, end, 0, size) === size ? this.#bytes.subarray(0, size) : undefined;
  }
}

/** The locals of the program; the first four are its parameters. */
const [FROM, FROM_END, TO, TO_END, START, TOKEN, LENGTH, BYTE, DISTANCE, COPY_END, SOURCE] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
] as const;
const PARAMETERS = 4;
const LOCALS = 7;
const MORE_LENGTH = 15;
const MATCH_BYTES_MIN = 4;
const DAMAGED = giveBack(constant(-1));

/** Sequences of a token, literals, and a match: bytes that came a distance before. The last one has no match. */
function program(bytesAtOnce: number): Uint8Array {
  const sequence = [
    when(isZero(less(get(FROM), get(FROM_END))), DAMAGED),
    ...takeByte(TOKEN),
    set(LENGTH, shiftRight(get(TOKEN), constant(4))),
    when(get(LENGTH), ...readLength(), ...copyLiterals(bytesAtOnce)),
    when(equal(get(FROM), get(FROM_END)), giveBack(subtract(get(TO), get(START)))),
    when(less(subtract(get(FROM_END), get(FROM)), constant(2)), DAMAGED),
    set(DISTANCE, load16(get(FROM))),
    advance(FROM, constant(2)),
    set(LENGTH, and(get(TOKEN), constant(MORE_LENGTH))),
    ...readLength(),
    advance(LENGTH, constant(MATCH_BYTES_MIN)),
    ...copyMatch(bytesAtOnce),
  ];
  return moduleOf(PARAMETERS, LOCALS, [set(START, get(TO)), repeatWhile(constant(1), ...sequence)]);
}

function takeByte(into: number): readonly Code[] {
  return [set(into, load8(get(FROM))), advance(FROM, constant(1))];
}

/** The rest of a length that does not fit into the token. */
function readLength(): readonly Code[] {
  const more = repeatWhile(
    equal(get(BYTE), constant(255)),
    when(isZero(less(get(FROM), get(FROM_END))), DAMAGED),
    ...takeByte(BYTE),
    advance(LENGTH, get(BYTE)),
  );
  return [when(equal(get(LENGTH), constant(MORE_LENGTH)), more)];
}

function copyLiterals(bytesAtOnce: number): readonly Code[] {
  return [
    when(greater(get(LENGTH), subtract(get(FROM_END), get(FROM))), DAMAGED),
    when(greater(get(LENGTH), subtract(get(TO_END), get(TO))), DAMAGED),
    set(SOURCE, get(FROM)),
    advance(FROM, get(LENGTH)),
    ...copyTo(copyBy(bytesAtOnce)),
  ];
}

function copyMatch(bytesAtOnce: number): readonly Code[] {
  return [
    when(isZero(get(DISTANCE)), DAMAGED),
    when(greater(get(DISTANCE), subtract(get(TO), get(START))), DAMAGED),
    when(greater(get(LENGTH), subtract(get(TO_END), get(TO))), DAMAGED),
    set(SOURCE, subtract(get(TO), get(DISTANCE))),
    // A match may run into what it writes itself.
    ...copyTo(choose(less(get(DISTANCE), constant(bytesAtOnce)), copyNear(), copyBy(bytesAtOnce))),
  ];
}

/** Copies `LENGTH` bytes from `SOURCE`, at least one. */
function copyTo(copying: Code): readonly Code[] {
  return [set(COPY_END, add(get(TO), get(LENGTH))), copying, set(TO, get(COPY_END))];
}

/** Of a match that came only a few bytes before. */
function copyNear(): Code {
  return choose(less(get(DISTANCE), constant(WORD_BYTES)), copyBy(1), copyBy(WORD_BYTES));
}

function copyBy(bytes: number): Code {
  const copy = bytes === 1 ? copy1 : bytes === WORD_BYTES ? copy8 : copy16;
  const copying = copy(get(TO), get(SOURCE));
  const step = [copying, advance(TO, constant(bytes)), advance(SOURCE, constant(bytes))];
  return repeatWhile(less(get(TO), get(COPY_END)), ...step);
}
