/**
 * Bytes without which no record of a block is wanted: they are looked for in all of its payload at once, which takes a
 * small part of the time of a look at each field of each record. What they are not in needs no such look.
 */

import type { FilterTerm, TextTest, ValueTest } from '../../model/filter.ts';
import { BLOCK_BYTES_MAX } from '../../model/limits.ts';
import type { Block } from '../../storage/block/block.ts';
import { type FormSearch, NeedleForm } from './needle-form.ts';
import { numberIn } from './value-test.ts';

/** One of them is in each wanted record. */
type Needle = readonly NeedleForm[];

/** So many of the longest are looked for; more would hardly find less. */
const NEEDLES_MAX = 2;
/** Fewer bytes are nearly everywhere. */
const NEEDLE_BYTES_MIN = 2;
/** In larger payloads nothing is looked for: that would be more than a turn of the event loop. */
const PAYLOAD_BYTES_MAX = 2 * BLOCK_BYTES_MAX;

export class Needles {
  readonly #texts: readonly Needle[];
  readonly #ids: readonly Needle[];

  constructor(terms: readonly FilterTerm[]) {
    const positive = terms.filter(({ isNegated }) => !isNegated);
    this.#texts = longest(positive.map(textNeedle));
    this.#ids = longest(positive.map(idNeedle));
  }

  /** Undefined when nothing can be looked for in the block. */
  in(block: Block): NeedleSearch | undefined {
    const { kind, idsChecked } = block.header;
    // Ids of another length are shown as other ids.
    const needles = kind !== 's2' && idsChecked ? [...this.#ids, ...this.#texts] : this.#texts;
    if (needles.length === 0) return undefined;
    const payload = block.payloadBytes();
    return payload.length > PAYLOAD_BYTES_MAX ? undefined : new NeedleSearch(payload, needles);
  }
}

/** Looks for needles in the payload of one block. */
export class NeedleSearch {
  /** What it costs, as work in bytes. */
  readonly work: number;
  readonly #payloadBytes: number;
  readonly #needles: readonly (readonly Occurrences[])[];

  constructor(payload: Uint8Array, needles: readonly Needle[]) {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    this.#payloadBytes = payload.length;
    this.work = payload.length / 4;
    this.#needles = needles.map((needle) => needle.map((form) => new Occurrences(bytes, form)));
  }

  /** Whether any record may be wanted. */
  get isAnyThere(): boolean {
    return this.mayBeIn(0, this.#payloadBytes);
  }

  /** Whether a record may be wanted whose bytes are [start, end) of the payload. */
  mayBeIn(start: number, end: number): boolean {
    // Each record is asked about: two calls for each of them would take longer than the search.
    for (const forms of this.#needles) {
      let isIn = false;
      for (let f = 0; f < forms.length && !isIn; f++) isIn = forms[f]?.isIn(start, end) === true;
      if (!isIn) return false;
    }
    return true;
  }
}

/** Where some bytes are in others: looked for as far as it is asked. */
class Occurrences {
  readonly #search: FormSearch;
  readonly #length: number;
  /** From here on, the first one is there. */
  #from = Number.POSITIVE_INFINITY;
  #first = 0;

  constructor(bytes: Buffer, form: NeedleForm) {
    this.#search = form.in(bytes);
    this.#length = form.bytes.length;
  }

  isIn(start: number, end: number): boolean {
    if (start < this.#from || start > this.#first) {
      const found = this.#search.next(start);
      this.#from = start;
      this.#first = found < 0 ? Number.POSITIVE_INFINITY : found;
    }
    return this.#first + this.#length <= end;
  }
}

function longest(needles: readonly (readonly Buffer[] | undefined)[]): readonly Needle[] {
  const found = needles.filter((needle) => needle?.every(({ length }) => length >= NEEDLE_BYTES_MIN) === true);
  const usable = found.filter((needle) => needle !== undefined);
  const shortest = (needle: readonly Buffer[]): number => Math.min(...needle.map(({ length }) => length));
  const chosen = usable.sort((a, b) => shortest(b) - shortest(a)).slice(0, NEEDLES_MAX);
  return chosen.map((forms) => forms.map((bytes) => new NeedleForm(bytes)));
}

function idNeedle({ test }: FilterTerm): readonly Buffer[] | undefined {
  if (test.field !== 'trace_id' && test.field !== 'span_id' && test.field !== 'parent_span_id') return undefined;
  return [Buffer.from(test.prefix.slice(0, test.prefix.length & ~1), 'hex')];
}

function textNeedle({ test }: FilterTerm): readonly Buffer[] | undefined {
  switch (test.field) {
    case 'name':
    case 'header':
      return test.test.type === 'matches' ? undefined : [Buffer.from(test.test.text, 'utf8')];
    case 'text':
    case 'body':
    case 'attr':
      return valueNeedle(test.test);
    default:
      return undefined;
  }
}

/** Of a test that also takes values that are no texts: those are tested in a form in which they are not stored. */
function valueNeedle(test: ValueTest): readonly Buffer[] | undefined {
  if (test.type === 'compares' || test.type === 'matches' || isInOtherValue(test)) return undefined;
  return [
    Buffer.from(test.text, 'utf8'),
    ...(test.type === 'equals' ? base64Whole(test.text) : base64Parts(test.text)),
  ];
}

const OTHER_WORDS = ['true', 'false', '-Infinity', 'NaN'];

/** Whether a number or boolean may pass, as text. */
function isInOtherValue({ type, text }: TextTest & { readonly text: string }): boolean {
  if (type === 'contains') return /^[-+.e\d]*$/.test(text) || OTHER_WORDS.some((word) => word.includes(text));
  return numberIn(text) !== undefined || OTHER_WORDS.includes(text) || text === 'Infinity';
}

/** The bytes whose base64 is that text. */
function base64Whole(text: string): readonly Buffer[] {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? [bytes] : [];
}

/** Bytes that are in all bytes whose base64 contains that text: it may begin at any of four places of a group. */
function base64Parts(text: string): readonly Buffer[] {
  const digits = /^([A-Za-z0-9+/]*)={0,2}$/.exec(text)?.[1];
  if (digits === undefined) return [];
  return [0, 1, 2, 3].map((place) => {
    // The first digits share a byte with what is before them.
    const bytes = Buffer.from('A'.repeat(place) + digits, 'base64');
    return bytes.subarray(place, Math.floor(((place + digits.length) * 6) / 8));
  });
}
