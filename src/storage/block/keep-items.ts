/** The part of an OTLP block that some of its records need, in memory of its own: a reader with a filter wants few of many. */

import { assert } from '../../model/error.ts';
import type { OtlpIndex, ScopeHeads } from './otlp-index.ts';

/** A part that is not this much smaller than all of it is not worth making. */
const SMALLER = 4;
/** Where an item is that is not there: whoever reads it fails. */
const NOWHERE = 0xffff_ffff;
const NOTHING = new Uint8Array(0);
const NO_HEADS: ScopeHeads = { head: NOTHING, resource: 0, resourceHead: NOTHING };

export interface KeptItems {
  readonly index: OtlpIndex;
  readonly payload: Uint8Array;
}

/** The records of the runs, by the same numbers; undefined when they are most of the payload, or none. */
export function keepItems(index: OtlpIndex, payload: Uint8Array, runs: readonly number[]): KeptItems | undefined {
  const items = itemsIn(runs);
  const heads = headsOf(index, items);
  let bytes = 0;
  for (const i of items) bytes += index.itemBytes[i] ?? 0;
  for (const { head, resourceHead } of heads.values()) bytes += head.length + resourceHead.length;
  if (items.length === 0 || bytes * SMALLER > payload.length) return undefined;
  const target = Buffer.allocUnsafe(bytes);
  const itemAt = new Uint32Array(index.itemAt.length).fill(NOWHERE);
  let end = 0;
  const put = (part: Uint8Array): Uint8Array => {
    target.set(part, end);
    end += part.length;
    return target.subarray(end - part.length, end);
  };
  for (const i of items) {
    const start = index.itemAt[i] ?? 0;
    itemAt[i] = end;
    put(payload.subarray(start, start + (index.itemBytes[i] ?? 0)));
  }
  const scopes = new Array<ScopeHeads>(index.scopes.length).fill(NO_HEADS);
  for (const [scope, { head, resource, resourceHead }] of heads) {
    scopes[scope] = { head: put(head), resource, resourceHead: put(resourceHead) };
  }
  return { index: { ...index, itemAt, scopes }, payload: target };
}

function itemsIn(runs: readonly number[]): readonly number[] {
  const items: number[] = [];
  for (let r = 0; r < runs.length; r += 2) {
    for (let i = runs[r] ?? 0; i < (runs[r + 1] ?? 0); i++) items.push(i);
  }
  return items;
}

/** The heads that they need, by the number of the scope. */
function headsOf(index: OtlpIndex, items: readonly number[]): ReadonlyMap<number, ScopeHeads> {
  const heads = new Map<number, ScopeHeads>();
  for (const i of items) {
    const scope = index.scopeOf[i] ?? 0;
    const found = index.scopes[scope];
    assert(found !== undefined, 'each record has a scope');
    heads.set(scope, found);
  }
  return heads;
}
