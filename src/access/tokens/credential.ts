/** Bearer tokens (RFC 6750): how one is made, what the store keeps of it, and how it is found in a header. */

import { hash, randomBytes } from 'node:crypto';

/** Secrets begin with this by default. */
export const TOKEN_PREFIX = 'trk';
/** The id of the root token; no other token may have it. */
export const ROOT_TOKEN_ID = 'root';
const TOKEN_RANDOM_BYTES = 24;

/** A new secret: a prefix, `_`, and 48 hexadecimal digits. */
export function makeToken(prefix: string = TOKEN_PREFIX): string {
  return `${prefix}_${randomBytes(TOKEN_RANDOM_BYTES).toString('hex')}`;
}

/** SHA-256 of a secret in hexadecimal: all that is kept. Secrets are looked up by it, so no comparison leaks time. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex');
}

/** A hashed credential: a server may keep it for the connection that showed it, but never the decision about it. */
export interface HashedToken {
  readonly hash: string;
  /** Whether the secret looks as if the sender did not decode it: a refusal then has a hint. */
  readonly isEncoded: boolean;
  readonly isQuoted: boolean;
}

export function hashCredential(credential: string): HashedToken {
  return { hash: hashToken(credential), isEncoded: credential.includes('%20'), isQuoted: /^["']/.test(credential) };
}

/** The credential in an `Authorization` header; undefined where there is none of the scheme Bearer. */
export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length <= BEARER.length) return undefined;
  if (header.slice(0, BEARER.length).toLowerCase() !== BEARER) return undefined;
  return header.slice(BEARER.length).trim();
}

/** What is wrong with a header that is there and holds no Bearer token; nothing of it is quoted but its scheme. */
export function headerFault(header: string): string {
  const wanted = 'send the header "Authorization: Bearer <token>"';
  const value = header.trim();
  if (/^["']/.test(value))
    return `the Authorization header is in quotes, which belong to the shell or the env file: ${wanted}`;
  if (/^bearer%20/i.test(value)) {
    return `the Authorization header holds "Bearer%20": this client does not decode it, so write a space; ${wanted}`;
  }
  if (/^bearer$/i.test(value))
    return `the Authorization header has no token after "Bearer" (an empty variable?): ${wanted}`;
  const [scheme = '', ...rest] = value.split(/\s+/);
  if (rest.length > 0 && /^[A-Za-z][\w-]{0,19}$/.test(scheme)) {
    return `the Authorization header has the scheme ${scheme}, and only Bearer is taken here: ${wanted}`;
  }
  return `the Authorization header does not begin with "Bearer ": ${wanted}`;
}

const BEARER = 'bearer ';

/** The header that a connection showed last. */
interface ShownHeader {
  readonly header: string;
  readonly hashed: HashedToken | undefined;
}

const shownBy = new WeakMap<object, ShownHeader>();

/**
 * The credential in an `Authorization` header, hashed once where a connection shows the same header with each request,
 * as exporters do. The header is compared only with what the same connection showed before, so the time that takes
 * reveals no secret of other callers.
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
