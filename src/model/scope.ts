/** What a token reaches: sets of names, and operations on them (S2 API §7.1, §7.3). */

import { type GrantedOperation, type OperationGroups, operationsOf } from './operation.ts';

/** Names of one kind: one of them, or all with a prefix. The empty prefix is everything; the empty name is nothing. */
export type ResourceSet = { readonly exact: string } | { readonly prefix: string };

/** A scope as it was asked for; undefined sets match nothing. Names in it are absolute. */
export interface Scope {
  readonly basins: ResourceSet | undefined;
  readonly streams: ResourceSet | undefined;
  readonly accessTokens: ResourceSet | undefined;
  readonly groups: OperationGroups;
  readonly operations: readonly GrantedOperation[];
}

/** Groups and single operations together. */
export function effectiveOperations({ groups, operations }: Scope): ReadonlySet<GrantedOperation> {
  return new Set([...operationsOf(groups), ...operations]);
}

/** Whether a name is in a set. */
export function matches(set: ResourceSet | undefined, name: string): boolean {
  if (set === undefined) return false;
  if ('prefix' in set) return name.startsWith(set.prefix);
  return set.exact !== '' && set.exact === name;
}

/** Whether a set may hold a name with this prefix at all: for lists. */
export function mayHold(set: ResourceSet | undefined, prefix: string): boolean {
  if (set === undefined) return false;
  if ('prefix' in set) return set.prefix.startsWith(prefix) || prefix.startsWith(set.prefix);
  return set.exact !== '' && set.exact.startsWith(prefix);
}

/** Whether every name of `inner` is in `outer`; nothing is in anything. */
export function isWithin(inner: ResourceSet | undefined, outer: ResourceSet | undefined): boolean {
  if (inner === undefined || ('exact' in inner && inner.exact === '')) return true;
  if (outer === undefined) return false;
  if ('exact' in inner) return matches(outer, inner.exact);
  return 'prefix' in outer && inner.prefix.startsWith(outer.prefix);
}
