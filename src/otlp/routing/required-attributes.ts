/** Finds out whether a resource has the attributes that its basin requires. Walks validated bytes. */

import type { ScannedRequest } from '../scan/columns.ts';
import { FOUND, findAttribute, STRING_VALUE } from './attributes.ts';

const encoded = new WeakMap<readonly string[], readonly Uint8Array[]>();

/** The first of `names` that resource number `row` lacks; a text without characters is no value. */
export function missingAttribute(scanned: ScannedRequest, row: number, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  let keys = encoded.get(names);
  if (keys === undefined) {
    keys = names.map((name) => Buffer.from(name));
    encoded.set(names, keys);
  }
  return names[keys.findIndex((key) => !hasValue(scanned, row, key))];
}

function hasValue(scanned: ScannedRequest, row: number, key: Uint8Array): boolean {
  if (!findAttribute(scanned, row, key)) return false;
  if (FOUND.tag === STRING_VALUE) return FOUND.end > FOUND.start;
  return FOUND.tag !== 0;
}
