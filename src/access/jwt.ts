/** JSON Web Tokens before they are verified: what may be one, and what it claims. */

import type { JWTPayload } from 'jose';
import { TailraceError } from '../model/error.ts';
import { EXCHANGED_TOKEN_CHARS_MAX } from '../model/limits.ts';

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;

/** Loads the library that verifies and signs, so that the first token need not wait for it. */
export async function loadJose(): Promise<void> {
  await import('jose');
}

/** Whether a credential may be a JWT: only then is it worth verifying. */
export function looksLikeJwt(credential: string): boolean {
  return credential.length <= EXCHANGED_TOKEN_CHARS_MAX && JWT.test(credential);
}

/**
 * The claims, whose signature is not verified: use them only to choose who verifies it. Undefined where there are none.
 */
export function unverifiedClaims(jwt: string): JWTPayload | undefined {
  return objectIn(jwt.split('.')[1]);
}

/** The header, whose signature is not verified. Undefined where there is none. */
export function unverifiedHeader(jwt: string): Readonly<Record<string, unknown>> | undefined {
  return objectIn(jwt.split('.')[0]);
}

/** The same sentence whatever is wrong with a token, so that a forger learns nothing. `cause` is for logs. */
export function unknownToken(cause?: unknown, hint = ''): TailraceError {
  const sentence = `the token is not known here, or has expired${hint}`;
  return new TailraceError('authn', sentence, cause === undefined ? {} : { cause });
}

/** Read without the library (jose), which is loaded only to verify and to sign. */
function objectIn(part = ''): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(STRICT_UTF8.decode(Buffer.from(part, 'base64url')));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
