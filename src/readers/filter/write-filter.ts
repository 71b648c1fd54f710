/** Filters as text: one for all that mean the same. */

import type { FilterTerm, FilterTest, TextTest, ValueTest } from '../../model/filter.ts';

/** Reads as the same terms. */
export function filterText(terms: readonly FilterTerm[]): string {
  return terms.map(({ test, isNegated }) => `${isNegated ? '!' : ''}${testText(test)}`).join(' ');
}

function testText(test: FilterTest): string {
  switch (test.field) {
    case 'signal':
      return `signal=${test.signal}`;
    case 'level':
      return `level=${test.levels.join(',')}`;
    case 'status':
      return `status=${test.status}`;
    case 'duration':
      return `duration${test.by}${test.nanos}ns`;
    case 'trace_id':
    case 'span_id':
    case 'parent_span_id':
      return `${test.field}=${test.prefix}`;
    case 'scope_name':
      return `scope${valueText(test.test)}`;
    case 'attr':
    case 'resource':
    case 'scope':
    case 'header':
      return `${test.field}.${JSON.stringify(test.key)}${valueText(test.test)}`;
    default:
      return `${test.field}${valueText(test.test)}`;
  }
}

function valueText(test: TextTest | ValueTest): string {
  switch (test.type) {
    case 'equals':
      return `=${JSON.stringify(test.text)}`;
    case 'contains':
      return `~${JSON.stringify(test.text)}`;
    case 'matches':
      return `~/${test.pattern.replaceAll('/', '\\/')}/${test.ignoresCase ? 'i' : ''}`;
    default:
      return `${test.by}${test.to}`;
  }
}
