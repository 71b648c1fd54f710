/** Access tokens as text: a table of several, or one line for each property of a token. */

import type { GroupJson, ResourceSetJson, TokenJson, WhoamiJson } from '../../src/client/tokens.ts';
import { alignedLines, type LabelledText } from './format.ts';
import type { TableColumn, TableRow } from './table.ts';

/** Rows of a table of tokens: what each may do, where, and until when. */
export function tokenRow(token: TokenJson): TableRow {
  const { basins, streams } = token.scope;
  return { cells: [token.id, grantsText(token), setText(basins), setText(streams), token.expires_at ?? 'never'] };
}

export const TOKEN_COLUMNS: readonly TableColumn[] = [
  { title: 'ID', cut: 'end' },
  { title: 'MAY', cut: 'end' },
  { title: 'BASINS', cut: 'end' },
  { title: 'STREAMS', cut: 'end' },
  { title: 'EXPIRES' },
];

/** Everything about a token, by the names of its flags. */
export function tokenLines(token: TokenJson): string {
  return alignedLines(tokenRows(token));
}

/** The same as labels and texts. */
export function tokenRows(token: TokenJson): readonly LabelledText[] {
  const { scope, limits } = token;
  const attributes = Object.entries(token.resource_attributes ?? {});
  return [
    ['id', token.id],
    ['expires', token.expires_at ?? 'never'],
    ['basins', setText(scope.basins)],
    ['streams', setText(scope.streams)],
    ['access-tokens', setText(scope.access_tokens)],
    ['may', grantsText(token)],
    ...(token.auto_prefix_streams === true ? [['auto-prefix', 'yes'] as const] : []),
    ...(token.stream == null ? [] : [['stream', token.stream] as const]),
    ...attributes.map(([key, value]) => ['attribute', `${key}=${value}`] as const),
    ...(limits?.profile == null ? [] : [['limits', limits.profile] as const]),
    ...(limits?.spans_per_minute == null ? [] : [['spans-per-minute', String(limits.spans_per_minute)] as const]),
    ...(limits?.bytes_per_second == null ? [] : [['bytes-per-second', String(limits.bytes_per_second)] as const]),
    ...(limits?.burst_bytes == null ? [] : [['burst-bytes', String(limits.burst_bytes)] as const]),
    ['prefix', token.prefix ?? ''],
  ];
}

/** Who the caller is. */
export function whoamiLines(me: WhoamiJson): string {
  const session = me.session === true ? [['session until', me.session_expires_at ?? ''] as const] : [];
  if (!me.root) return alignedLines([...tokenRows(me), ...session]);
  const may = me.id === 'root' ? 'everything (the root token)' : 'everything (this server needs no token)';
  return alignedLines([['id', me.id], ['may', may], ...session]);
}

/** `basin=r stream=rw append`: groups, then single operations. */
export function grantsText({ scope: { op_groups: groups, ops } }: TokenJson): string {
  const texts = Object.entries(groups ?? {}).flatMap(([name, group]) => {
    const modes = modesText(group);
    return modes === '' ? [] : [`${name}=${modes}`];
  });
  return [...texts, ...(ops ?? [])].join(' ') || 'nothing';
}

function modesText(group: GroupJson | null | undefined): string {
  return `${group?.read === true ? 'r' : ''}${group?.write === true ? 'w' : ''}`;
}

function setText(set: ResourceSetJson | null | undefined): string {
  if (set == null || ('exact' in set && set.exact === '')) return 'none';
  if ('exact' in set) return set.exact;
  return set.prefix === '' ? 'all' : `${set.prefix}…`;
}
