/** What tokens may be allowed to do: S2's operations and their groups (S2 API §7.2), and our own. */

export const OPERATION_RESOURCES = ['account', 'basin', 'stream'] as const;
export type OperationResource = (typeof OPERATION_RESOURCES)[number];

/** The group of each operation. Those without one are ours and for the root token alone. */
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
/** `backup` gives out everything, `maintain` is what an operator does: both are the root token's. */
export type Operation = GrantedOperation | 'backup' | 'maintain';

export const GRANTED_OPERATIONS = Object.keys(GROUPS) as readonly GrantedOperation[];

/** What other receivers call the right to send OTLP data: taken for `append`, and shown as that (users.md 18). */
const OTHER_NAMES: ReadonlyMap<string, GrantedOperation> = new Map([['otel:write', 'append']]);

/** The operation that somebody means; what is no name of one comes back as it is. */
export function operationNamed(name: string): string {
  return OTHER_NAMES.get(name) ?? name;
}

/** Read and write of one group of operations. */
export interface GroupPermissions {
  readonly read: boolean;
  readonly write: boolean;
}
export type OperationGroups = Readonly<Record<OperationResource, GroupPermissions>>;

/** The operations that groups stand for, those added later included. */
export function operationsOf(groups: OperationGroups): readonly GrantedOperation[] {
  return GRANTED_OPERATIONS.filter((operation) => {
    const [resource, mode] = GROUPS[operation];
    return groups[resource][mode];
  });
}
