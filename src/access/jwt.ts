/** JSON Web Tokens before they are verified: what may be one, and what it claims. */

import { decodeJwt, type JWTPayload } from 'jose';
import { TailraceError } from '../model/error.ts';
import { EXCHANGED_TOKEN_CHARS_MAX } from '../model/limits.ts';

const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether a credential may be a JWT: only then is it worth verifying. */
export function looksLikeJwt(credential: string): boolean {
  return credential.length <= EXCHANGED_TOKEN_CHARS_MAX && JWT.test(credential);
}

/**
 * The claims, whose signature is not verified: use them only to choose who verifies it. Undefined where there are none.
 */
export function unverifiedClaims(jwt: string): JWTPayload | undefined {
  try {
    return decodeJwt(jwt);
  } catch {
    return undefined;
  }
}

/** The same sentence whatever is wrong with a token, so that a forger learns nothing. `cause` is for logs. */
export function unknownToken(cause?: unknown, hint = ''): TailraceError {
  const sentence = `the token is not known here, or has expired${hint}`;
  return new TailraceError('authn', sentence, cause === undefined ? {} : { cause });
}
