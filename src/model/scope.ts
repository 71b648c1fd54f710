/** What a token gives access to (S2): sets of names, and operations on them. */

import { type GrantedOperation, type OperationGroups, operationsOf } from './operation.ts';

/**
 * Names of one kind: a single one, or all with a prefix. The empty prefix matches every name, the empty exact name
 * matches none.
 */
export type ResourceSet = { readonly exact: string } | { readonly prefix: string };

/** A scope as the caller requested it. An undefined set matches nothing. Names in it are absolute. */
export interface Scope {
  readonly basins: ResourceSet | undefined;
  readonly streams: ResourceSet | undefined;
  readonly accessTokens: ResourceSet | undefined;
  readonly groups: OperationGroups;
  readonly operations: readonly GrantedOperation[];
}

/** The operations of the groups and the single ones, together. */
export function effectiveOperations({ groups, operations }: Scope): ReadonlySet<GrantedOperation> {
  return new Set([...operationsOf(groups), ...operations]);
}

/** Whether a name is in a set. */
export function matches(set: ResourceSet | undefined, name: string): boolean {
  if (set === undefined) return false;
  if ('prefix' in set) return name.startsWith(set.prefix);
  return set.exact !== '' && set.exact === name;
}

/** Whether a set can contain any name with this prefix. Used for lists. */
export function mayHold(set: ResourceSet | undefined, prefix: string): boolean {
  if (set === undefined) return false;
  if ('prefix' in set) return set.prefix.startsWith(prefix) || prefix.startsWith(set.prefix);
  return set.exact !== '' && set.exact.startsWith(prefix);
}

/** Whether every name of `inner` is in `outer`. The empty set is within every set. */
export function isWithin(inner: ResourceSet | undefined, outer: ResourceSet | undefined): boolean {
  if (inner === undefined || ('exact' in inner && inner.exact === '')) return true;
  if (outer === undefined) return false;
  if ('exact' in inner) return matches(outer, inner.exact);
  return 'prefix' in outer && inner.prefix.startsWith(outer.prefix);
}
