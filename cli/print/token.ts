/** Access tokens as text: a table of several, or one line for each property of a token. */

import type { GroupJson, ResourceSetJson, TokenInfoJson, TokenJson, WhoamiJson } from '../../src/client/tokens.ts';
import { alignedLines, type LabelledText } from './format.ts';
import { agoText } from './sender.ts';
import type { TableColumn, TableRow } from './table.ts';

/** Rows of a table of tokens: what each may do, where, until when, and when it was last used. */
export function tokenRow(token: TokenInfoJson, now: number): TableRow {
  const { basins, streams } = token.scope;
  const where = [setText(basins), setText(streams)];
  return { cells: [token.id, grantsText(token), ...where, token.expires_at ?? 'never', lastUseText(token, now)] };
}

export const TOKEN_COLUMNS: readonly TableColumn[] = [
  { title: 'ID', cut: 'end' },
  { title: 'MAY', cut: 'end' },
  { title: 'BASINS', cut: 'end' },
  { title: 'STREAMS', cut: 'end' },
  { title: 'EXPIRES' },
  { title: 'LAST USED' },
];

/** Everything about a token, by the names of its flags. */
export function tokenLines(token: TokenInfoJson, now: number): string {
  return alignedLines([...tokenRows(token), ['last-used', lastUseText(token, now)]]);
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

/** A server that does not know says nothing. */
function lastUseText({ last_used_at: at }: TokenInfoJson, now: number): string {
  if (at === undefined) return '-';
  return at === null ? 'never' : agoText(at, now);
}

function modesText(group: GroupJson | null | undefined): string {
  return `${group?.read === true ? 'r' : ''}${group?.write === true ? 'w' : ''}`;
}

function setText(set: ResourceSetJson | null | undefined): string {
  if (set == null || ('exact' in set && set.exact === '')) return 'none';
  if ('exact' in set) return set.exact;
  return set.prefix === '' ? 'all' : `${set.prefix}…`;
}
