/** Conditions of filters (src/readers/filter/README.md) for a value that a record shows. */

import type { Json } from '../wire/rows.ts';

/** A field of the grammar, such as `service` or `attr.http.route`, that has this value. */
export interface Condition {
  readonly field: string;
  readonly value: string | number | boolean;
}

/** Longer values are no use in a filter, which has 4,096 characters. */
const VALUE_CHARS_MAX = 500;
const PLAIN_KEY = /^[\p{L}\p{N}_.:@/-]+$/u;
const PLAIN_VALUE = /^[^\s"\\\p{C}]+$/u;

/** The condition that this value of a field has; undefined where no filter can ask for it. */
export function conditionFor(field: string, value: Json | undefined): Condition | undefined {
  if (typeof value === 'string') return value.length > VALUE_CHARS_MAX ? undefined : { field, value };
  return typeof value === 'number' || typeof value === 'boolean' ? { field, value } : undefined;
}

/** `attr."a key"="a value"`; in quotes only what would end too early without them. */
export function conditionText({ field, value }: Condition, isNegated = false): string {
  const dot = /^(?:attr|resource|scope|header)\./.exec(field)?.[0].length ?? field.length;
  const key = field.slice(dot);
  const text = String(value);
  const name = `${field.slice(0, dot)}${key === '' || PLAIN_KEY.test(key) ? key : JSON.stringify(key)}`;
  return `${name}${isNegated ? '!=' : '='}${PLAIN_VALUE.test(text) ? text : JSON.stringify(text)}`;
}
