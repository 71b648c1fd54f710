/** What a token may do, in words: from its groups of operations, its single operations and what it reaches. */

import { GROUP_NAMES, type GroupName, type NameSet, type TokenScope } from '../wire/tokens.ts';

interface OperationWords {
  readonly group: GroupName;
  readonly mode: 'read' | 'write';
  readonly words: string;
}

/** S2's operations, in the order in which they are offered. */
export const OPERATIONS: Readonly<Record<string, OperationWords>> = {
  append: { group: 'stream', mode: 'write', words: 'append records' },
  read: { group: 'stream', mode: 'read', words: 'read records' },
  'check-tail': { group: 'stream', mode: 'read', words: 'see where streams end' },
  'get-stream-config': { group: 'stream', mode: 'read', words: 'see settings of streams' },
  'stream-metrics': { group: 'stream', mode: 'read', words: 'see usage of streams' },
  trim: { group: 'stream', mode: 'write', words: 'trim streams' },
  fence: { group: 'stream', mode: 'write', words: 'fence streams' },
  'list-streams': { group: 'basin', mode: 'read', words: 'list streams' },
  'get-basin-config': { group: 'basin', mode: 'read', words: 'see settings of basins' },
  'basin-metrics': { group: 'basin', mode: 'read', words: 'see usage and senders of basins' },
  'create-stream': { group: 'basin', mode: 'write', words: 'create streams' },
  'delete-stream': { group: 'basin', mode: 'write', words: 'delete streams' },
  'reconfigure-stream': { group: 'basin', mode: 'write', words: 'change settings of streams' },
  'list-basins': { group: 'account', mode: 'read', words: 'list basins' },
  'list-access-tokens': { group: 'account', mode: 'read', words: 'list tokens' },
  'account-metrics': { group: 'account', mode: 'read', words: 'see the metrics and senders of the server' },
  'list-locations': { group: 'account', mode: 'read', words: 'list locations' },
  'get-default-location': { group: 'account', mode: 'read', words: 'see the default location' },
  'create-basin': { group: 'account', mode: 'write', words: 'create basins' },
  'delete-basin': { group: 'account', mode: 'write', words: 'delete basins' },
  'reconfigure-basin': { group: 'account', mode: 'write', words: 'change settings of basins' },
  'issue-access-token': { group: 'account', mode: 'write', words: 'issue tokens' },
  'revoke-access-token': { group: 'account', mode: 'write', words: 'revoke tokens' },
  'set-default-location': { group: 'account', mode: 'write', words: 'set the default location' },
};

/** What a whole group allows, shorter than all of its operations. */
export const GROUP_WORDS: Readonly<Record<GroupName, Readonly<Record<'read' | 'write', string>>>> = {
  stream: { read: 'read records', write: 'append, trim and fence' },
  basin: { read: 'list streams and see their usage', write: 'create, change and delete streams' },
  account: {
    read: 'list basins and tokens, and see how the server does',
    write: 'create, change and delete basins, and issue and revoke tokens',
  },
};

/** All operations that it holds, by a group or by itself. */
export function operationsHeld({ op_groups, ops }: Pick<TokenScope, 'op_groups' | 'ops'>): readonly string[] {
  return Object.entries(OPERATIONS)
    .filter(([name, { group, mode }]) => op_groups[group][mode] || ops.includes(name))
    .map(([name]) => name);
}

/** Such as `read records, and append records`; `do nothing` for nothing. */
export function mayText({ op_groups, ops }: Pick<TokenScope, 'op_groups' | 'ops'>): string {
  if (GROUP_NAMES.every((name) => op_groups[name].read && op_groups[name].write)) return 'do everything';
  const phrases: string[] = [];
  for (const group of [...GROUP_NAMES].reverse()) {
    for (const mode of ['read', 'write'] as const) {
      const own = Object.entries(OPERATIONS).filter(([, entry]) => entry.group === group && entry.mode === mode);
      if (op_groups[group][mode]) phrases.push(GROUP_WORDS[group][mode]);
      else phrases.push(...own.filter(([name]) => ops.includes(name)).map(([, { words }]) => words));
    }
  }
  return phrases.length === 0 ? 'do nothing' : phrases.join('; ');
}

/** Such as `streams that begin with shop/ in the basin telemetry`. */
export function whereText({ basins, streams }: Pick<TokenScope, 'basins' | 'streams'>): string {
  return `${setText(streams, 'stream', 'streams')} in ${setText(basins, 'basin', 'basins')}`;
}

export interface TokenPlan {
  readonly scope: TokenScope;
  readonly auto_prefix_streams: boolean;
  /** Undefined for never. */
  readonly expires: string | undefined;
}

/** The whole of it as sentences, with what would make it useless. */
export function summaryOf({ scope, auto_prefix_streams, expires }: TokenPlan): readonly string[] {
  const held = operationsHeld(scope);
  const sentences = [
    held.length === 0
      ? 'It may do nothing: choose what it may do.'
      : `It may ${mayText(scope)}${held.length === Object.keys(OPERATIONS).length ? '' : ', and nothing else'}.`,
    `It reaches ${whereText(scope)}.`,
  ];
  const needs = (group: GroupName): boolean => held.some((name) => OPERATIONS[name]?.group === group);
  const { streams, basins } = scope;
  if (needs('stream') && (streams === null || basins === null)) {
    sentences.push('That is no stream at all: say which basins and streams.');
  }
  if (auto_prefix_streams && streams !== null && 'prefix' in streams) {
    sentences.push(
      `Where it says orders, it gets ${streams.prefix}orders: the beginning is put before every name, and hidden from it.`,
    );
  }
  if (held.includes('issue-access-token') || held.includes('revoke-access-token')) {
    sentences.push(
      `Of tokens it reaches ${setText(scope.access_tokens, 'token', 'tokens')}, and it issues none that may do more than itself.`,
    );
  }
  sentences.push(expires === undefined ? 'It never expires.' : `It expires ${expires}.`);
  return sentences;
}

function setText(set: NameSet | null, one: string, many: string): string {
  if (set === null) return `no ${many}`;
  if ('exact' in set) return set.exact === '' ? `no ${many}` : `the ${one} ${set.exact}`;
  return set.prefix === '' ? `all ${many}` : `${many} that begin with ${set.prefix}`;
}
