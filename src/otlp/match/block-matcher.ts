/**
 * Which records of a block a filter wants. What items share is tested once for all of them, and nothing is decoded that no
 * test asks for. Work is done in turns of the event loop; a regular expression on a long text is another thread's work.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import type { Filter, FilterTerm } from '../../model/filter.ts';
import { FILTER_PATTERN_TEXT_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { signalOf } from '../views/otlp.ts';
import { askPatternThread } from './pattern-thread.ts';
import { type MatchedRecord, RecordMatcher } from './record-matcher.ts';
import { passes } from './signal-tests.ts';
import { bytesOf, patternSize } from './value-test.ts';

/** What looking at a record costs besides its bytes. */
const RECORD_BYTES = 256;

type Wants = (i: number) => boolean;
const NONE: Wants = () => false;

export class BlockMatcher {
  readonly #filter: Filter;
  readonly #matcher: RecordMatcher;
  /** The tests without regular expressions, which come first where these are costly. */
  readonly #quick: RecordMatcher;
  /** How many times as much a byte costs as without regular expressions; 1 when there are none. */
  readonly #weight: number;

  /** @throws TailraceError `bad_query` */
  constructor(filter: Filter) {
    this.#filter = filter;
    this.#matcher = new RecordMatcher(filter.terms);
    this.#quick = new RecordMatcher(filter.terms.filter((term) => sizeOf(term) === 0));
    this.#weight = Math.max(1, ...filter.terms.map(sizeOf));
  }

  /** The wanted records among [from, to), as runs: from and to of each. */
  async runs(block: Block, from: number, to: number): Promise<readonly number[]> {
    const wants = testOf(this.#matcher, block);
    const mayWant = this.#weight === 1 ? NONE : testOf(this.#quick, block);
    const runs: number[] = [];
    if (wants === NONE) return runs;
    let start = -1;
    let work = 0;
    for (let i = from; i < to; i++) {
      const bytes = block.wholeBytesWithin(i, i + 1);
      const isLong = this.#weight > 1 && bytes > FILTER_PATTERN_TEXT_BYTES_MAX;
      const isWanted = isLong ? mayWant(i) && (await askPatternThread(this.#filter, recordAt(block, i))) : wants(i);
      if (isWanted && start < 0) start = i;
      if (!isWanted && start >= 0) {
        runs.push(start, i);
        start = -1;
      }
      work += RECORD_BYTES + (isLong ? bytes : bytes * this.#weight);
      if (work < YIELD_BYTES) continue;
      work = 0;
      await goOnWithWork(YIELD_BYTES);
    }
    if (start >= 0) runs.push(start, to);
    return runs;
  }
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
  const verdicts = new Map<number, boolean>();
  return (i) => {
    const scope = index.scopeOf[i] ?? 0;
    let isWanted = verdicts.get(scope);
    if (isWanted === undefined) {
      const heads = index.scopes[scope];
      isWanted = heads !== undefined && passes(tests.resource, heads.resourceHead) && passes(tests.scope, heads.head);
      verdicts.set(scope, isWanted);
    }
    const at = index.itemAt[i] ?? 0;
    return isWanted && tests.item(source, at, at + (index.itemBytes[i] ?? 0));
  };
}

function recordAt(block: Block, i: number): MatchedRecord {
  const { kind } = block.header;
  // S2 readers may get a large item cut: what is looked at is all of it.
  if (kind !== 's2') return { signal: kind, headers: [], body: block.otlpMessage(i, i + 1) };
  const { headers, body } = block.record(i);
  return { signal: signalOf(block, i), headers, body };
}

/** Of the regular expression of a condition; 0 without one. */
function sizeOf({ test }: FilterTerm): number {
  return 'test' in test && test.test.type === 'matches' ? patternSize(test.test) : 0;
}
