/** JSON Web Tokens before anything about them is known: what may be one, and what it says of itself. */

import { decodeJwt, type JWTPayload } from 'jose';
import { TailraceError } from '../model/error.ts';
import { EXCHANGED_TOKEN_CHARS_MAX } from '../model/limits.ts';

const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

/** Whether a credential may be a JWT: only then is it worth the longer way. */
export function looksLikeJwt(credential: string): boolean {
  return credential.length <= EXCHANGED_TOKEN_CHARS_MAX && JWT.test(credential);
}

/** The claims that nobody has looked at the signature of: good for choosing who does. Nothing where there are none. */
export function unverifiedClaims(jwt: string): JWTPayload | undefined {
  try {
    return decodeJwt(jwt);
  } catch {
    return undefined;
  }
}

/** One sentence for all that may be wrong with a token: a forger learns nothing. `cause` is for logs. */
export function unknownToken(cause?: unknown, hint = ''): TailraceError {
  const sentence = `the token is not known here, or has expired${hint}`;
  return new TailraceError('authn', sentence, cause === undefined ? {} : { cause });
}
