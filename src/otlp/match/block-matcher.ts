/**
 * Which records of a block a filter wants. What items share is tested once for all of them, and nothing is decoded that no
 * test asks for. Work is done in turns of the event loop; what is more than a turn for one record is another thread's work.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import { TailraceError } from '../../model/error.ts';
import type { Filter, FilterTerm } from '../../model/filter.ts';
import { FILTER_PATTERN_STEPS_MAX, FILTER_TURN_BYTES, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import type { BlockKind } from '../../storage/block/seal.ts';
import { signalOf } from '../views/otlp.ts';
import { askMatchThread } from './match-thread.ts';
import { type NeedleSearch, Needles } from './needles.ts';
import { type HeaderBytes, type MatchedRecord, NO_HEADERS, RecordMatcher } from './record-matcher.ts';
import { passes } from './signal-tests.ts';
import { summaryTest, traceHashOf } from './summary-test.ts';
import { bytesOf, patternSize } from './value-test.ts';

/** What looking at a record costs besides its bytes. */
const RECORD_BYTES = 256;
/** So many records are looked at before their work is counted, where none of them can be long. */
const STRETCH_RECORDS = 64;
/** What a byte costs a small regular expression, compared with a condition without one. */
const PATTERN_WEIGHT_MIN = 32;

type Wants = (i: number) => boolean;
const NONE: Wants = () => false;
const ANY: Wants = () => true;

export class BlockMatcher {
  readonly #filter: Filter;
  readonly #matcher: RecordMatcher;
  /** The tests without regular expressions, which come first where these are costly. */
  readonly #quick: RecordMatcher;
  /** What a byte costs all conditions, and those without regular expressions. */
  readonly #weight: number;
  readonly #quickWeight: number;
  readonly #needles: Needles;
  /** That was done since others had their turn. */
  #work = 0;
  /** Whether a block may hold a wanted record, by its kind and the bytes of its summary. */
  readonly mayWant: (kind: BlockKind, summary: Uint8Array) => boolean;
  /** The hash of the trace id that all wanted records have; undefined where the filter names none. */
  readonly traceHash: number | undefined;

  /** @throws TailraceError `bad_query` */
  constructor(filter: Filter) {
    this.#filter = filter;
    let [steps, weight] = [0, 0];
    for (const term of filter.terms) {
      const size = sizeOf(term);
      steps += size;
      if (steps > FILTER_PATTERN_STEPS_MAX) throw new TailraceError('bad_query', TOO_LARGE);
      weight += size === 0 ? 1 : Math.max(size, PATTERN_WEIGHT_MIN);
    }
    const quickTerms = filter.terms.filter((term) => sizeOf(term) === 0);
    this.#weight = weight;
    this.#quickWeight = quickTerms.length;
    this.#matcher = new RecordMatcher(filter.terms);
    this.#quick = new RecordMatcher(quickTerms);
    this.#needles = new Needles(filter.terms);
    this.mayWant = summaryTest(filter);
    this.traceHash = traceHashOf(filter);
  }

  /**
   * The wanted records among [from, to), as runs: from and to of each. A promise only where it takes more than what is left
   * of a turn: most blocks are done at once, and a reader goes over thousands of them.
   */
  runs(block: Block, from: number, to: number): readonly number[] | Promise<readonly number[]> {
    const search = this.#search(block, from, to);
    const { done, value } = search.next();
    return done === true ? value : afterWaits(search, value);
  }

  /** Yields what it waits for. */
  *#search(block: Block, from: number, to: number): Generator<Promise<void>, readonly number[]> {
    const runs: number[] = [];
    const search = this.#needles.in(block);
    if (search !== undefined) {
      const looking = this.#worked(search.work);
      if (looking !== undefined) yield looking;
      if (!search.isAnyThere) return runs;
    }
    const wants = testOf(this.#matcher, block);
    if (wants === NONE) return runs;
    if (block.header.kind !== 's2' && block.header.rawBytes * this.#weight <= YIELD_BYTES)
      return yield* this.#searchShort(block, from, to, search, wants);
    const mayWant = testOf(this.#quick, block);
    const mayBeIn = placeTest(search, block);
    const bytesOfRecord = sizeTest(block);
    // Made once: what each turn of the loop closes over would be garbage of each record.
    const thread = { isWanted: false };
    let start = -1;
    for (let i = from; i < to; i++) {
      let isWanted = false;
      if (mayBeIn(i)) {
        const bytes = bytesOfRecord(i);
        const isLong = bytes * this.#weight > FILTER_TURN_BYTES;
        if (isLong) {
          // What is quick comes first, unless all of it is not.
          const isQuick = bytes * this.#quickWeight <= FILTER_TURN_BYTES / 2;
          if (!isQuick || mayWant(i)) {
            yield this.#ask(recordAt(block, i), thread);
            isWanted = thread.isWanted;
          }
        } else isWanted = wants(i);
        const working = this.#worked((RECORD_BYTES + bytes) * (isLong ? this.#quickWeight + 1 : this.#weight));
        if (working !== undefined) yield working;
      }
      if (isWanted && start < 0) start = i;
      if (!isWanted && start >= 0) {
        runs.push(start, i);
        start = -1;
      }
    }
    if (start >= 0) runs.push(start, to);
    return runs;
  }

  /** The same of a block of OTLP that is less than a turn: none of its records has to be asked for its size. */
  *#searchShort(
    block: Block,
    from: number,
    to: number,
    search: NeedleSearch | undefined,
    wants: Wants,
  ): Generator<Promise<void>, readonly number[]> {
    const runs: number[] = [];
    const { itemAt, itemBytes, scopes } = block.otlpParts().index;
    const shared = scopes.reduce(
      (most, { head, resourceHead }) => Math.max(most, head.length + resourceHead.length),
      0,
    );
    let start = -1;
    for (let first = from; first < to; first += STRETCH_RECORDS) {
      const end = Math.min(to, first + STRETCH_RECORDS);
      let bytes = 0;
      for (let i = first; i < end; i++) {
        const at = itemAt[i] ?? 0;
        const length = itemBytes[i] ?? 0;
        let isWanted = false;
        if (search === undefined || search.mayBeIn(at, at + length)) {
          bytes += RECORD_BYTES + shared + length;
          isWanted = wants(i);
        }
        if (isWanted && start < 0) start = i;
        if (!isWanted && start >= 0) {
          runs.push(start, i);
          start = -1;
        }
      }
      const working = this.#worked(bytes * this.#weight);
      if (working !== undefined) yield working;
    }
    if (start >= 0) runs.push(start, to);
    return runs;
  }

  async #ask(record: MatchedRecord, answer: { isWanted: boolean }): Promise<void> {
    answer.isWanted = await askMatchThread(this.#filter, record);
  }

  /** Counts work, over all blocks: most of them are less than a turn of the event loop, and many are not. */
  #worked(bytes: number): Promise<void> | undefined {
    this.#work += bytes;
    if (this.#work < YIELD_BYTES) return undefined;
    const work = this.#work;
    this.#work = 0;
    return goOnWithWork(work);
  }
}

async function afterWaits<T>(search: Generator<Promise<void>, T>, first: Promise<void>): Promise<T> {
  await first;
  for (;;) {
    const { done, value } = search.next();
    if (done === true) return value;
    await value;
  }
}

/** The bytes of record i, with those that it shares with others: what looking at all of it costs. */
function sizeTest(block: Block): (i: number) => number {
  if (block.header.kind === 's2') return (i) => block.wholeBytesOf(i);
  const { itemBytes, scopeOf, scopes } = block.otlpParts().index;
  const shared = scopes.map(({ head, resourceHead }) => head.length + resourceHead.length);
  return (i) => (itemBytes[i] ?? 0) + (shared[scopeOf[i] ?? 0] ?? 0);
}

/** Whether record i may be wanted, by where it is: of S2 records that is not asked one by one. */
function placeTest(search: NeedleSearch | undefined, block: Block): Wants {
  if (search === undefined || block.header.kind === 's2') return ANY;
  const { index } = block.otlpParts();
  return (i) => {
    const at = index.itemAt[i] ?? 0;
    return search.mayBeIn(at, at + (index.itemBytes[i] ?? 0));
  };
}

/** Whether a matcher wants record i of a block. */
function testOf(matcher: RecordMatcher, block: Block): Wants {
  const { kind } = block.header;
  return kind === 's2' ? (i) => matcher.wants(recordAt(block, i)) : otlpTest(matcher, block, kind);
}

function otlpTest(matcher: RecordMatcher, block: Block, signal: Signal): Wants {
  const tests = matcher.testsOf(signal);
  if (tests === undefined) return NONE;
  const { index, payload } = block.otlpParts();
  const source = bytesOf(payload);
  // Records of one scope follow each other.
  let last = -1;
  let isWanted = false;
  return (i) => {
    const scope = index.scopeOf[i] ?? 0;
    if (scope !== last) {
      const heads = index.scopes[scope];
      isWanted = heads !== undefined && passes(tests.resource, heads.resourceHead) && passes(tests.scope, heads.head);
      last = scope;
    }
    const at = index.itemAt[i] ?? 0;
    return isWanted && tests.item(source, at, at + (index.itemBytes[i] ?? 0));
  };
}

/** Record i of a block, all of it. */
export function recordAt(block: Block, i: number): MatchedRecord {
  const { kind } = block.header;
  // S2 readers may get a large item cut: what is looked at is all of it.
  if (kind !== 's2') return { signal: kind, headers: NO_HEADERS, body: block.otlpMessage(i, i + 1) };
  const body = Buffer.allocUnsafe(block.bodyBytesOf(i));
  block.writeBody(i, body, 0);
  const signal = signalOf(block, i);
  return { signal, headers: signal === undefined ? headersAt(block, i) : NO_HEADERS, body };
}

function headersAt(block: Block, i: number): HeaderBytes {
  let [count, length] = [0, 0];
  block.eachHeader(i, (_, nameAt, _valueAt, end) => {
    count += 1;
    length += end - nameAt;
  });
  const [bytes, ends] = [new Uint8Array(length), new Uint32Array(2 * count)];
  let [h, at] = [0, 0];
  block.eachHeader(i, (payload, nameAt, valueAt, end) => {
    for (let from = nameAt; from < end; from++) bytes[at++] = payload[from] ?? 0;
    ends[h++] = at - (end - valueAt);
    ends[h++] = at;
  });
  return { bytes, ends };
}

const TOO_LARGE = 'filter: its regular expressions are too large: write them with fewer or smaller repetitions';

/** Of the regular expression of a condition; 0 without one. */
function sizeOf({ test }: FilterTerm): number {
  return 'test' in test && test.test.type === 'matches' ? patternSize(test.test) : 0;
}
