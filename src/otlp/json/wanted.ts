/** What each key takes, in words with an example: the fix in messages about values of a wrong kind. */

import { BASE64, BOOL, FIELDS, HEX, KIND, MESSAGE, REPEATED, STRING, typeNameOf } from './tables.ts';

/** By message type: how one looks. */
const EXAMPLES: Readonly<Record<string, string>> = {
  AnyValue: '{"stringValue":"…"}',
  KeyValue: '{"key":"…","value":{"stringValue":"…"}}',
  ArrayValue: '{"values":[{"stringValue":"…"}]}',
  KeyValueList: '{"values":[{"key":"…","value":{"stringValue":"…"}}]}',
};

/** What should stand behind the key. */
export function wantedOf(field: number): string {
  const kind = FIELDS[field + KIND] as number;
  const one = wantedOfOne(field, kind & ~REPEATED);
  return kind & REPEATED ? `must be an array, and in it each must be ${one}` : `must be ${one}`;
}

function wantedOfOne(field: number, kind: number): string {
  if (kind === MESSAGE) {
    const example = EXAMPLES[typeNameOf(field)];
    return example === undefined ? 'an object {…}' : `an object like ${example}`;
  }
  if (kind === STRING) return 'a string in double quotes';
  if (kind === HEX) return 'a string of hex digits in double quotes';
  if (kind === BASE64) return 'a string of base64 in double quotes';
  return kind === BOOL ? 'true or false, without quotes' : 'a number';
}
