/** What a filter needs of a block, asked of its kind and its summary alone. */

import type { Filter, FilterTerm, FilterTest, ValueTest } from '../../model/filter.ts';
import type { Signal } from '../../model/record.ts';
import type { BlockKind } from '../../storage/block/seal.ts';
import { levelBit, OTHER_LEVEL_BIT, Summary, type SummaryPart, summaryHash } from '../../storage/block/summary.ts';
import { ID_BYTES } from '../odd-id.ts';

/** Whether a block of that signal may hold a record that passes a condition. */
type BlockTest = (signal: Signal, summary: Summary | undefined) => boolean;

/** Fields that only items of these signals have. */
const SIGNALS_WITH: Partial<Record<FilterTest['field'], readonly Signal[]>> = {
  level: ['logs'],
  body: ['logs'],
  duration: ['traces'],
  status: ['traces'],
  parent_span_id: ['traces'],
  trace_id: ['logs', 'traces'],
  span_id: ['logs', 'traces'],
  header: [],
};

/** Whether a block may hold what a filter wants: it never says no to one that holds a wanted record. */
export function summaryTest({ terms }: Filter): (kind: BlockKind, summary: Uint8Array) => boolean {
  const tests = terms.map(blockTest).filter((test) => test !== undefined);
  return (kind, bytes) => {
    // S2 records may be OTLP as well, of any signal, or be encrypted.
    if (kind === 's2') return true;
    const summary = Summary.of(bytes);
    return tests.every((test) => test(kind, summary));
  };
}

/** The hash of the trace id that all wanted records have; undefined where a filter names none. */
export function traceHashOf({ terms }: Filter): number | undefined {
  for (const { test, isNegated } of terms) {
    if (!isNegated && test.field === 'trace_id' && isWholeTraceId(test.prefix))
      return summaryHash('traceIds', Buffer.from(test.prefix, 'hex'));
  }
  return undefined;
}

/** Undefined when the header cannot tell. */
function blockTest({ test, isNegated }: FilterTerm): BlockTest | undefined {
  if (test.field === 'signal') return (signal) => (test.signal === signal) !== isNegated;
  if (test.field === 'level') return levelTest(test.levels, isNegated);
  // A filter of texts tells what is there, not that there is nothing else.
  if (isNegated) return undefined;
  const signals = SIGNALS_WITH[test.field];
  const part = partTest(test);
  if (signals === undefined) return part;
  return (signal, summary) => signals.includes(signal) && (part === undefined || part(signal, summary));
}

function levelTest(levels: readonly string[], isNegated: boolean): BlockTest {
  const wanted = levels.reduce((bits, level) => bits | levelBit(level), 0);
  // A level that only a text tells may be any.
  const matching = (isNegated ? ~wanted : wanted) | OTHER_LEVEL_BIT;
  return (signal, summary) => {
    if (signal !== 'logs') return isNegated;
    return summary === undefined || (summary.levels & matching) !== 0;
  };
}

function partTest(test: FilterTest): BlockTest | undefined {
  switch (test.field) {
    case 'service':
      return textTest('services', test.test);
    case 'resource':
      return test.key === 'service.name' ? textTest('services', test.test) : undefined;
    case 'name':
      return textTest('names', test.test);
    case 'trace_id':
      return isWholeTraceId(test.prefix) ? entryTest('traceIds', Buffer.from(test.prefix, 'hex')) : undefined;
    default:
      return undefined;
  }
}

function isWholeTraceId(prefix: string): boolean {
  return prefix.length === 2 * (ID_BYTES.traceId ?? 0);
}

function textTest(part: SummaryPart, test: ValueTest): BlockTest | undefined {
  return test.type === 'equals' ? entryTest(part, Buffer.from(test.text, 'utf8')) : undefined;
}

function entryTest(part: SummaryPart, entry: Uint8Array): BlockTest | undefined {
  // A text that is not there is empty.
  if (entry.length === 0) return undefined;
  const hash = summaryHash(part, entry);
  return (_, summary) => summary?.mayHold(part, hash) ?? true;
}
