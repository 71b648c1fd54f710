/** Goes over fields of validated messages and asks about those with a tag. Nothing is allocated per field. */

import { contentAt } from '../routing/attributes.ts';
import { NEXT, readTag, skipValue } from '../scan/wire.ts';
import type { Bytes } from './value-test.ts';

export type FieldTest = (source: Bytes, start: number, end: number) => boolean;

/** Whether one of the fields with that tag passes; their content is what is tested. */
export function anyField(source: Bytes, start: number, end: number, tag: number, test: FieldTest): boolean {
  const { view } = source;
  for (let at = start; at < end; ) {
    const found = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, found);
    if (found === tag && test(source, contentAt(view, value, end), at)) return true;
  }
  return false;
}

/** The same for the messages at the end of a path of tags. */
export function anyAlong(
  source: Bytes,
  start: number,
  end: number,
  path: readonly number[],
  test: FieldTest,
  depth = 0,
): boolean {
  const tag = path[depth] ?? 0;
  const inner: FieldTest =
    depth === path.length - 1 ? test : (_, from, to) => anyAlong(source, from, to, path, test, depth + 1);
  return anyField(source, start, end, tag, inner);
}

const KEY = 0x0a;
const VALUE = 0x12;

/** What a test says of the last attribute with that key; undefined when there is none. */
export function attributePasses(
  source: Bytes,
  start: number,
  end: number,
  tag: number,
  key: Buffer,
  test: FieldTest,
): boolean | undefined {
  const { view } = source;
  let passes: boolean | undefined;
  for (let at = start; at < end; ) {
    const found = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, found);
    if (found !== tag) continue;
    const from = contentAt(view, value, end);
    if (hasKey(source, from, at, key)) passes = pairPasses(source, from, at, test);
  }
  return passes;
}

function hasKey({ bytes, view }: Bytes, start: number, end: number, key: Buffer): boolean {
  let has = key.length === 0;
  for (let at = start; at < end; ) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag !== KEY) continue;
    const from = contentAt(view, value, end);
    has = at - from === key.length && bytes.compare(key, 0, key.length, from, at) === 0;
  }
  return has;
}

/** The last value of a KeyValue counts. */
export function pairPasses(source: Bytes, start: number, end: number, test: FieldTest): boolean {
  const { view } = source;
  let passes = false;
  for (let at = start; at < end; ) {
    const tag = readTag(view, at, end);
    const value = NEXT[0] as number;
    at = skipValue(view, value, end, tag);
    if (tag === VALUE) passes = test(source, contentAt(view, value, end), at);
  }
  return passes;
}
