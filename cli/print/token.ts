/** Access tokens as text: a table of several, or one line for each property of a token. */

import type { GroupJson, ResourceSetJson, TokenJson, WhoamiJson } from '../../src/client/tokens.ts';
import { alignedLines, type Colors, escapeControls, type LabelledText } from './format.ts';

/** A table of tokens with a header: what each may do, where, and until when. Empty without tokens. */
export function tokenTable(tokens: readonly TokenJson[], colors: Colors): string {
  if (tokens.length === 0) return '';
  const rows = tokens.map((token) => [
    escapeControls(token.id),
    escapeControls(grantsText(token)),
    escapeControls(setText(token.scope.basins)),
    escapeControls(setText(token.scope.streams)),
    escapeControls(token.expires_at ?? 'never'),
  ]);
  const widths = HEADER.map((title, i) =>
    rows.reduce((most, row) => Math.max(most, row[i]?.length ?? 0), title.length),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return [colors.dim(line(HEADER)), ...rows.map(line)].join('\n');
}

const HEADER = ['ID', 'MAY', 'BASINS', 'STREAMS', 'EXPIRES'];

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
  if (!me.root) return tokenLines(me);
  const may = me.id === 'root' ? 'everything (the root token)' : 'everything (this server needs no token)';
  return alignedLines([
    ['id', me.id],
    ['may', may],
  ]);
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
