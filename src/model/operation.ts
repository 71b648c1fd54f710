/** What a token may be allowed to do: S2's operations and their groups, and our own operations. */

export const OPERATION_RESOURCES = ['account', 'basin', 'stream'] as const;
export type OperationResource = (typeof OPERATION_RESOURCES)[number];

/** The group of each operation of S2. */
const GROUPS = {
  'list-basins': ['account', 'read'],
  'list-access-tokens': ['account', 'read'],
  'account-metrics': ['account', 'read'],
  'list-locations': ['account', 'read'],
  'get-default-location': ['account', 'read'],
  'create-basin': ['account', 'write'],
  'delete-basin': ['account', 'write'],
  'reconfigure-basin': ['account', 'write'],
  'issue-access-token': ['account', 'write'],
  'revoke-access-token': ['account', 'write'],
  'set-default-location': ['account', 'write'],
  'get-basin-config': ['basin', 'read'],
  'list-streams': ['basin', 'read'],
  'basin-metrics': ['basin', 'read'],
  'create-stream': ['basin', 'write'],
  'delete-stream': ['basin', 'write'],
  'reconfigure-stream': ['basin', 'write'],
  'get-stream-config': ['stream', 'read'],
  'check-tail': ['stream', 'read'],
  read: ['stream', 'read'],
  'stream-metrics': ['stream', 'read'],
  append: ['stream', 'write'],
  trim: ['stream', 'write'],
  fence: ['stream', 'write'],
} as const satisfies Record<string, readonly [OperationResource, 'read' | 'write']>;

/** An operation that a token can hold. OTLP ingest is `append` on every stream it touches. */
export type GrantedOperation = keyof typeof GROUPS;
/**
 * `backup` and `maintain` are ours and only for the root token: one returns all data, the other is the operator's work.
 */
export type Operation = GrantedOperation | 'backup' | 'maintain';

export const GRANTED_OPERATIONS = Object.keys(GROUPS) as readonly GrantedOperation[];

/** Other receivers' name for the right to send OTLP data. It is accepted for `append` and shown as `append`. */
const OTHER_NAMES: ReadonlyMap<string, GrantedOperation> = new Map([['otel:write', 'append']]);

/** Replaces another receiver's name of an operation by ours; every other name is returned unchanged. */
export function operationNamed(name: string): string {
  return OTHER_NAMES.get(name) ?? name;
}

/** Whether reading and writing are allowed in one group of operations. */
export interface GroupPermissions {
  readonly read: boolean;
  readonly write: boolean;
}
export type OperationGroups = Readonly<Record<OperationResource, GroupPermissions>>;

/** All operations in the allowed groups, including those that a later version adds. */
export function operationsOf(groups: OperationGroups): readonly GrantedOperation[] {
  return GRANTED_OPERATIONS.filter((operation) => {
    const [resource, mode] = GROUPS[operation];
    return groups[resource][mode];
  });
}
