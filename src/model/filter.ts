/** A filter: which records a reader wants. Written as text, see src/readers/filter/README.md. */

import type { Signal } from './record.ts';

/** From the least to the most serious. */
export const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;

export const SPAN_STATUSES = ['unset', 'ok', 'error'] as const;

/** The number that a value is compared with. An integer of any size is exact. */
export type FilterNumber = number | bigint;

export type Comparison = '<' | '<=' | '>' | '>=';

/** What is asked of a text, or of any other value as text. */
export type TextTest =
  | { readonly type: 'equals'; readonly text: string }
  | { readonly type: 'contains'; readonly text: string }
  /** A regular expression of RE2, somewhere in the text. */
  | { readonly type: 'matches'; readonly pattern: string; readonly ignoresCase: boolean };

export type ValueTest = TextTest | { readonly type: 'compares'; readonly by: Comparison; readonly to: FilterNumber };

/** Whose attributes: of the item (of any data point of a metric), its resource, or its scope. */
export type AttributeOwner = 'attr' | 'resource' | 'scope';

/** One condition on a record. */
export type FilterTest =
  | { readonly field: 'signal'; readonly signal: Signal }
  /** One of these levels, as the `message` view names them; other words of senders are equal only to themselves. */
  | { readonly field: 'level'; readonly levels: readonly string[] }
  /** An id that begins with these digits, lower case. */
  | { readonly field: 'trace_id' | 'span_id' | 'parent_span_id'; readonly prefix: string }
  | { readonly field: 'status'; readonly status: (typeof SPAN_STATUSES)[number] }
  /** Of a span, in nanoseconds. */
  | { readonly field: 'duration'; readonly by: Comparison; readonly nanos: FilterNumber }
  /** `text` is any text of the record: body, names, values of attributes. */
  | { readonly field: 'service' | 'name' | 'scope_name' | 'text'; readonly test: TextTest }
  | { readonly field: 'body'; readonly test: ValueTest }
  | { readonly field: AttributeOwner; readonly key: string; readonly test: ValueTest }
  /** A header of an S2 record. */
  | { readonly field: 'header'; readonly key: string; readonly test: TextTest };

export interface FilterTerm {
  readonly test: FilterTest;
  /** The record is wanted when the test does not hold, also where it has no such field. */
  readonly isNegated: boolean;
}

/** All terms must hold. */
export interface Filter {
  readonly terms: readonly FilterTerm[];
  /** One text for filters that mean the same, whatever spaces and quotes they were written with. */
  readonly text: string;
}

/** A bigint and a number compare exactly. */
export function isOrdered(a: FilterNumber, by: Comparison, b: FilterNumber): boolean {
  if (by === '<') return a < b;
  if (by === '<=') return a <= b;
  return by === '>' ? a > b : a >= b;
}
