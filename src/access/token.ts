/** Bearer tokens: how one is made, what the store keeps of it, and how it is found in a header (access.md, Tokens). */

import { hash, randomBytes } from 'node:crypto';

const TOKEN_PREFIX = 'trk';
const TOKEN_RANDOM_BYTES = 24;

/** A new secret: `trk_` and 48 hexadecimal digits. */
export function makeToken(): string {
  return `${TOKEN_PREFIX}_${randomBytes(TOKEN_RANDOM_BYTES).toString('hex')}`;
}

/** SHA-256 of a secret in hexadecimal: all that is kept, and what it is looked up by, so that no comparison leaks time. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex');
}

/** The credential in an `Authorization` header, or nothing when there is none of kind Bearer. */
export function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length <= BEARER.length) return undefined;
  if (header.slice(0, BEARER.length).toLowerCase() !== BEARER) return undefined;
  return header.slice(BEARER.length).trim();
}

const BEARER = 'bearer ';
