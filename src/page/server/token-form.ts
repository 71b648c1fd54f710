/** What the form of a new token holds, its beginnings for common uses, and the request that it makes. */

import {
  GROUP_NAMES,
  type GroupName,
  type GroupRights,
  type NameSet,
  type NewToken,
  type TokenScope,
} from '../wire/tokens.ts';

export type ReachKind = 'all' | 'exact' | 'prefix' | 'none';

export interface Reach {
  readonly kind: ReachKind;
  readonly name: string;
}

export interface TokenForm {
  readonly id: string;
  readonly basins: Reach;
  readonly streams: Reach;
  readonly tokens: Reach;
  readonly groups: Readonly<Record<GroupName, GroupRights>>;
  readonly ops: readonly string[];
  readonly isPrefixed: boolean;
  /** Days, `never`, or a time of the field for one. */
  readonly expiry: string;
  readonly expiresAt: string;
}

export const EXPIRIES: readonly (readonly [value: string, text: string])[] = [
  ['never', 'Never'],
  ['1', 'In a day'],
  ['7', 'In a week'],
  ['30', 'In 30 days'],
  ['90', 'In 90 days'],
  ['365', 'In a year'],
  ['at', 'At a time'],
];

const DAY_MS = 86_400_000;
const NONE: Reach = { kind: 'none', name: '' };
const ALL: Reach = { kind: 'all', name: '' };
const NO_GROUPS: TokenForm['groups'] = {
  account: { read: false, write: false },
  basin: { read: false, write: false },
  stream: { read: false, write: false },
};

export interface Preset {
  readonly id: string;
  readonly title: string;
  readonly groups: TokenForm['groups'];
  readonly ops: readonly string[];
  readonly isAccount?: boolean;
}

const BOTH: GroupRights = { read: true, write: true };
const READ: GroupRights = { read: true, write: false };

export const PRESETS: readonly Preset[] = [
  { id: 'sender', title: 'Sender', groups: NO_GROUPS, ops: ['append'] },
  { id: 'reader', title: 'Reader', groups: { ...NO_GROUPS, stream: READ, basin: READ }, ops: [] },
  { id: 'both', title: 'Sender and reader', groups: { ...NO_GROUPS, stream: READ, basin: READ }, ops: ['append'] },
  { id: 'owner', title: 'Owner of the basin', groups: { ...NO_GROUPS, stream: BOTH, basin: BOTH }, ops: [] },
  { id: 'all', title: 'Administrator', groups: { account: BOTH, basin: BOTH, stream: BOTH }, ops: [], isAccount: true },
];

export function emptyForm(basin: string): TokenForm {
  return applyPreset(
    {
      ...{ id: '', basins: { kind: 'exact', name: basin }, streams: ALL, tokens: NONE },
      ...{ groups: NO_GROUPS, ops: [], isPrefixed: false, expiry: 'never', expiresAt: '' },
    },
    PRESETS[0],
    basin,
  );
}

export function applyPreset(form: TokenForm, preset: Preset | undefined, basin: string): TokenForm {
  if (preset === undefined) return form;
  const { groups, ops, isAccount = false } = preset;
  const basins: Reach = isAccount ? ALL : { kind: 'exact', name: basin };
  return { ...form, groups, ops, basins, streams: isAccount ? ALL : form.streams, tokens: isAccount ? ALL : NONE };
}

export function scopeOf(form: TokenForm): TokenScope {
  return {
    basins: setOf(form.basins),
    streams: setOf(form.streams),
    access_tokens: setOf(form.tokens),
    op_groups: form.groups,
    ops: form.ops,
  };
}

/** When it expires; undefined for never, or where no time is given yet. */
export function expiryOf({ expiry, expiresAt }: TokenForm, now: number): Date | undefined {
  if (expiry === 'never') return undefined;
  const date = new Date(expiry === 'at' ? expiresAt : now + Number(expiry) * DAY_MS);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

export function requestOf(form: TokenForm, now: number): NewToken {
  const expires = expiryOf(form, now);
  return {
    id: form.id.trim(),
    scope: scopeOf(form),
    ...(expires === undefined ? {} : { expires_at: expires.toISOString() }),
    ...(form.isPrefixed && form.streams.kind === 'prefix' ? { auto_prefix_streams: true } : {}),
  };
}

/** Why it cannot be issued as it is; undefined for nothing. */
export function formFault(form: TokenForm): string | undefined {
  if (form.id.trim() === '') return 'Give it an id: it names the token in lists and in the log.';
  if (form.expiry === 'at' && expiryOf(form, 0) === undefined) return 'Say when it expires.';
  for (const [what, { kind, name }] of [
    ['basin', form.basins],
    ['stream', form.streams],
    ['token', form.tokens],
  ] as const) {
    if ((kind === 'exact' || kind === 'prefix') && name === '') return `Say which ${what}, or choose all.`;
  }
  const isNothing =
    form.ops.length === 0 && GROUP_NAMES.every((name) => !form.groups[name].read && !form.groups[name].write);
  return isNothing ? 'Choose what it may do.' : undefined;
}

function setOf({ kind, name }: Reach): NameSet | null {
  if (kind === 'none') return null;
  if (kind === 'all') return { prefix: '' };
  return kind === 'exact' ? { exact: name } : { prefix: name };
}
