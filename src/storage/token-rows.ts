/**
 * Rows of access tokens, found by the hash of their secrets. Encoded as in `values.ts`. A row never contains a secret.
 */

import { countOf, damaged, encode, FieldReader } from './values.ts';

/** Names of one kind: a single one, or all with a prefix. */
export type ResourceSetRow = { readonly exact: string } | { readonly prefix: string };

/** Whether reading and writing are allowed in one group of operations. */
export interface GroupRow {
  readonly read: boolean;
  readonly write: boolean;
}

/** A token other than the root token. Times are in milliseconds. */
export interface TokenRow {
  readonly id: string;
  readonly number: number;
  readonly rotation: number;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  /** Its digits after the second; undefined stands for those of the milliseconds. */
  readonly expiresFraction?: string | undefined;
  readonly scope: {
    readonly basins: ResourceSetRow | undefined;
    readonly streams: ResourceSetRow | undefined;
    readonly accessTokens: ResourceSetRow | undefined;
    readonly groups: { readonly account: GroupRow; readonly basin: GroupRow; readonly stream: GroupRow };
    readonly operations: readonly string[];
  };
  readonly autoPrefix: string;
  readonly stream: string | undefined;
  readonly resourceAttributes: readonly (readonly [key: string, value: string])[];
  readonly limits: {
    readonly profile: string | undefined;
    readonly spansPerMinute: number | undefined;
    readonly bytesPerSecond?: number | undefined;
    readonly burstBytes?: number | undefined;
  };
  readonly prefix: string;
}

/** A private key that signs short-lived tokens. */
export interface SigningKeyRow {
  readonly id: string;
  /** Milliseconds. */
  readonly createdAt: number;
  readonly pkcs8: Uint8Array;
}

/** The root token has the first form: `[id, 'root', createdAt]`. */
const VERSION_2 = 2;
/** Form of tokens whose expiry was not given in milliseconds. */
const VERSION_3 = 3;
/** Form of tokens that have a limit of bytes. */
const VERSION_4 = 4;
const ROOT_FIELDS = 3;

export function encodeRootToken(createdAt: number): Uint8Array {
  return encode(['root', 'root', createdAt]);
}

/** The next number of a counter. */
export function encodeNumber(number: number): Uint8Array {
  return encode([number]);
}

/** @throws TailraceError `corrupt`, as do all decoders here. */
export function decodeNumber(value: Uint8Array): number {
  return new FieldReader(value, 'counter').count();
}

export function encodeToken(row: TokenRow): Uint8Array {
  const { scope, limits } = row;
  const fields = [
    row.id,
    row.number,
    row.rotation,
    row.createdAt,
    row.expiresAt ?? null,
    [setRow(scope.basins), setRow(scope.streams), setRow(scope.accessTokens)],
    [scope.groups.account, scope.groups.basin, scope.groups.stream].flatMap(({ read, write }) => [read, write]),
    scope.operations,
    row.autoPrefix,
    row.stream ?? null,
    row.resourceAttributes,
    limitFields(limits),
    row.prefix,
  ];
  if (hasByteLimit(limits)) return encode([...fields, row.expiresFraction ?? null], VERSION_4);
  if (row.expiresFraction === undefined) return encode(fields, VERSION_2);
  return encode([...fields, row.expiresFraction], VERSION_3);
}

export function decodeToken(value: Uint8Array): TokenRow | 'root' {
  const fields = new FieldReader(value, 'token', VERSION_4);
  if (fields.left === ROOT_FIELDS) {
    if (fields.text() !== 'root' || fields.text() !== 'root') throw damaged('token');
    fields.count();
    return 'root';
  }
  const id = fields.text();
  const [number, rotation, createdAt] = [fields.count(), fields.count(), fields.count()];
  const expiresAt = optionalCount(fields.added());
  const [basins, streams, accessTokens] = listOf(fields.added(), 3).map(readSet);
  const flags = listOf(fields.added(), 6).map(flagOf);
  const group = (at: number): GroupRow => ({ read: flags[at] === true, write: flags[at + 1] === true });
  const groups = { account: group(0), basin: group(2), stream: group(4) };
  const operations = listOf(fields.added()).map(textOf);
  const [autoPrefix, stream] = [fields.text(), fields.optionalText()];
  const resourceAttributes = fields.pairs().map(([key, one]) => [key, textOf(one)] as const);
  const limits = readLimits(fields.added());
  return {
    id,
    number,
    rotation,
    createdAt,
    expiresAt,
    scope: { basins, streams, accessTokens, groups, operations },
    autoPrefix,
    stream,
    resourceAttributes,
    limits,
    prefix: fields.text(),
    expiresFraction: optionalFraction(fields.added(VERSION_3)),
  };
}

function hasByteLimit({ bytesPerSecond, burstBytes }: TokenRow['limits']): boolean {
  return bytesPerSecond !== undefined || burstBytes !== undefined;
}

function limitFields(limits: TokenRow['limits']): readonly unknown[] {
  const { profile, spansPerMinute, bytesPerSecond, burstBytes } = limits;
  const fields = [profile ?? null, spansPerMinute ?? null];
  return hasByteLimit(limits) ? [...fields, bytesPerSecond ?? null, burstBytes ?? null] : fields;
}

/** Two fields, or four since tokens have a limit of bytes. */
function readLimits(value: unknown): TokenRow['limits'] {
  const fields = listOf(value);
  if (fields.length !== 2 && fields.length !== 4) throw damaged('token');
  const [profile, spansPerMinute, bytesPerSecond, burstBytes] = fields;
  const before = {
    profile: profile === null ? undefined : textOf(profile),
    spansPerMinute: optionalCount(spansPerMinute),
  };
  if (fields.length === 2) return before;
  return { ...before, bytesPerSecond: optionalCount(bytesPerSecond), burstBytes: optionalCount(burstBytes) };
}

/** Oldest first. */
export function encodeSigningKeys(keys: readonly SigningKeyRow[]): Uint8Array {
  return encode([keys.map(({ id, createdAt, pkcs8 }) => [id, [createdAt, pkcs8]])]);
}

export function decodeSigningKeys(value: Uint8Array): readonly SigningKeyRow[] {
  return new FieldReader(value, 'signing keys').pairs().map(([id, rest]) => {
    const [createdAt, pkcs8] = listOf(rest, 2);
    if (!(pkcs8 instanceof Uint8Array)) throw damaged('signing keys');
    return { id, createdAt: countOf(createdAt, 'signing keys'), pkcs8 };
  });
}

function setRow(set: ResourceSetRow | undefined): unknown {
  if (set === undefined) return null;
  return 'exact' in set ? [0, set.exact] : [1, set.prefix];
}

function readSet(value: unknown): ResourceSetRow | undefined {
  if (value === null) return undefined;
  const [kind, name] = listOf(value, 2);
  if (kind !== 0 && kind !== 1) throw damaged('token');
  return kind === 0 ? { exact: textOf(name) } : { prefix: textOf(name) };
}

function listOf(value: unknown, length?: number): readonly unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw damaged('token');
  return value;
}

function flagOf(value: unknown): boolean {
  if (typeof value !== 'boolean') throw damaged('token');
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw damaged('token');
  return value;
}

function optionalFraction(value: unknown): string | undefined {
  if (value === null) return undefined;
  const fraction = textOf(value);
  if (!/^\d{0,9}$/.test(fraction)) throw damaged('token');
  return fraction;
}

function optionalCount(value: unknown): number | undefined {
  return value === null ? undefined : countOf(value, 'token');
}
