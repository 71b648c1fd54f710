/**
 * The tests of a filter on what items share: the resource and the scope that they are in. What is tested are the fields of
 * the container (ResourceLogs, ScopeSpans …), with or without the items.
 */

import type { FilterTest } from '../../model/filter.ts';
import { type Bytes, valueMatcher } from './value-test.ts';
import { anyField, attributePasses, type FieldTest } from './walk-fields.ts';

/** Field 1 of each container; the same numbers for all signals (OTLP, common.proto and resource.proto). */
const INNER = 0x0a;
const RESOURCE_ATTRIBUTES = 0x0a;
const SCOPE_NAME = 0x0a;
const SCOPE_ATTRIBUTES = 0x1a;
const SERVICE_NAME = 'service.name';

/** The test on the container of a resource; undefined when it is about something else. @throws TailraceError `bad_query` */
export function resourceTest(test: FilterTest): FieldTest | undefined {
  if (test.field === 'service') return attributeTest(RESOURCE_ATTRIBUTES, SERVICE_NAME, test.test);
  return test.field === 'resource' ? attributeTest(RESOURCE_ATTRIBUTES, test.key, test.test) : undefined;
}

/** The same for the container of a scope. */
export function scopeTest(test: FilterTest): FieldTest | undefined {
  if (test.field === 'scope') return attributeTest(SCOPE_ATTRIBUTES, test.key, test.test);
  if (test.field !== 'scope_name') return undefined;
  const matcher = valueMatcher(test.test);
  return (source, start, end) => {
    // A name that is not there is empty.
    let [nameAt, nameEnd] = [end, end];
    const keepLast: FieldTest = (_, from, to) => {
      [nameAt, nameEnd] = [from, to];
      return false;
    };
    anyField(source, start, end, INNER, (_, from, to) => anyField(source, from, to, SCOPE_NAME, keepLast));
    return matcher.text(source, nameAt, nameEnd);
  };
}

type ValueTestOf = Extract<FilterTest, { readonly field: 'attr' | 'resource' | 'scope' }>['test'];

function attributeTest(tag: number, key: string, test: ValueTestOf): FieldTest {
  const matcher = valueMatcher(test);
  const keyBytes = Buffer.from(key, 'utf8');
  const value: FieldTest = (source, start, end) => matcher.value(source, start, end);
  return (source: Bytes, start, end) => {
    let passes = false;
    // A message that is there twice is merged: the last attribute of all counts.
    anyField(source, start, end, INNER, (_, from, to) => {
      passes = attributePasses(source, from, to, tag, keyBytes, value) ?? passes;
      return false;
    });
    return passes;
  };
}
