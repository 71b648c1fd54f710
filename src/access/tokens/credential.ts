/** Bearer tokens: how one is made, what the store keeps of it, and how it is found in a header (access.md, Tokens). */

import { hash, randomBytes } from 'node:crypto';

/** What secrets begin with where nobody asks for something else. */
export const TOKEN_PREFIX = 'trk';
/** The root token is kept under this id, so no other token may have it. */
export const ROOT_TOKEN_ID = 'root';
const TOKEN_RANDOM_BYTES = 24;

/** A new secret: a prefix, `_`, and 48 hexadecimal digits. */
export function makeToken(prefix: string = TOKEN_PREFIX): string {
  return `${prefix}_${randomBytes(TOKEN_RANDOM_BYTES).toString('hex')}`;
}

/** SHA-256 of a secret in hexadecimal: all that is kept, and what it is looked up by, so that no comparison leaks time. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex');
}

/** A credential that was hashed before: a door may keep this for the connection that showed it, never the decision. */
export interface HashedToken {
  readonly hash: string;
  /** The secret looks as if the sender had not decoded it: worth a hint when it is refused. */
  readonly isEncoded: boolean;
}

export function hashCredential(credential: string): HashedToken {
  return { hash: hashToken(credential), isEncoded: credential.includes('%20') };
}

/** The credential in an `Authorization` header, or nothing when there is none of kind Bearer. */
export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length <= BEARER.length) return undefined;
  if (header.slice(0, BEARER.length).toLowerCase() !== BEARER) return undefined;
  return header.slice(BEARER.length).trim();
}

const BEARER = 'bearer ';

/** What a connection showed last. */
interface ShownHeader {
  readonly header: string;
  readonly hashed: HashedToken | undefined;
}

const shownBy = new WeakMap<object, ShownHeader>();

/**
 * The credential in an `Authorization` header, hashed once where a connection shows the same header with each request, as
 * exporters do. The header is compared only with what the same connection showed before, so the time that takes tells
 * nobody a secret of others.
 */
export function credentialShown(header: string | undefined, connection: object): HashedToken | undefined {
  if (header === undefined) return undefined;
  const shown = shownBy.get(connection);
  if (shown !== undefined && shown.header === header) return shown.hashed;
  const token = bearerToken(header);
  const hashed = token === undefined ? undefined : hashCredential(token);
  shownBy.set(connection, { header, hashed });
  return hashed;
}
