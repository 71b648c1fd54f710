/**
 * Why a token of an outside issuer is refused. Its sender is told which check failed, the operator also what the token
 * says there: neither learns the token itself, and a sender learns nothing about basins.
 */

import { TailraceError } from '../model/error.ts';
import { unverifiedClaims, unverifiedHeader } from './jwt.ts';

/** What is checked, and the sentence for a token that fails there. */
const SENTENCES = {
  issuer: 'the issuer of the token ("iss") is not trusted here',
  basin: 'the issuer of the token is not trusted by the basin that the request is for',
  algorithm: 'the algorithm of the token ("alg") is not accepted: it must be signed with RS, PS, ES or Ed25519',
  key: 'the issuer of the token has no key for it: look at its "kid" and "alg"',
  signature: 'the signature of the token is not of a key of its issuer',
  audience: 'the audience of the token ("aud") is not the one that is trusted here',
  expired: 'the token has expired ("exp"): its issuer must make a new one',
  'not yet valid': 'the token is not valid yet ("nbf"): compare the clock of its issuer with that of this server',
  expiry: 'the token does not say when it expires ("exp")',
  subject: 'the subject of the token ("sub") is missing, empty, too long, or no valid text',
  form: 'the token is not a JWT as it should be',
} as const;

export type OutsideCheck = keyof typeof SENTENCES;

/** The claims and headers that a check is about. */
const FIELDS: Readonly<Record<OutsideCheck, readonly string[]>> = {
  issuer: ['iss'],
  basin: ['iss', 'aud'],
  algorithm: ['alg'],
  key: ['kid', 'alg'],
  signature: ['kid', 'alg'],
  audience: ['aud'],
  expired: ['exp'],
  'not yet valid': ['nbf'],
  expiry: ['exp'],
  subject: ['sub'],
  form: [],
};

/** Codes of the library (jose). */
const BY_CODE: ReadonlyMap<unknown, OutsideCheck> = new Map([
  ['ERR_JWT_EXPIRED', 'expired'],
  ['ERR_JOSE_ALG_NOT_ALLOWED', 'algorithm'],
  ['ERR_JOSE_NOT_SUPPORTED', 'algorithm'],
  ['ERR_JWKS_NO_MATCHING_KEY', 'key'],
  ['ERR_JWKS_MULTIPLE_MATCHING_KEYS', 'key'],
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'signature'],
]);
const BY_CLAIM: ReadonlyMap<unknown, OutsideCheck> = new Map([
  ['iss', 'issuer'],
  ['aud', 'audience'],
  ['nbf', 'not yet valid'],
  ['exp', 'expiry'],
  ['sub', 'subject'],
]);

/** The error for a subject that cannot be set as an attribute. */
export class SubjectError extends Error {
  readonly claim = 'sub';
}

/** The check that threw. */
export function checkThatThrew(error: unknown): OutsideCheck {
  const { code, claim } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  return BY_CODE.get(code) ?? BY_CLAIM.get(claim) ?? 'form';
}

/** Whether a token that fails there may be of anyone: its signature is not known to be good. */
export function isUnsigned(check: OutsideCheck): boolean {
  return ['issuer', 'algorithm', 'key', 'signature', 'form'].includes(check);
}

/** For the sender. */
export function refusedToken(check: OutsideCheck, cause?: unknown): TailraceError {
  return new TailraceError('authn', SENTENCES[check], cause === undefined ? {} : { cause });
}

/** For the operator: what the token says, which may be a lie. Without `trusted`, no basin's trust is at hand. */
export function refusalDetail(check: OutsideCheck, jwt: string, trusted?: { readonly audience: string }): string {
  const says: Readonly<Record<string, unknown>> = { ...unverifiedHeader(jwt), ...unverifiedClaims(jwt) };
  const fields = FIELDS[check].map((name) => `${name} ${textOf(says[name])}`).join(', ');
  const wanted = check === 'audience' && trusted !== undefined ? `, the basin trusts ${legible(trusted.audience)}` : '';
  return `${SENTENCES[check]}${fields === '' ? '' : ` (${fields}${wanted})`}`;
}

function textOf(value: unknown): string {
  if (value === undefined) return 'is missing';
  return legible(typeof value === 'string' ? value : JSON.stringify(value));
}

const CHARS_SHOWN = 64;

/** For messages and log lines: short, and without invisible characters or quotes that would end a name in a message. */
export function legible(text: string): string {
  const marks = [...text];
  const short = marks.length > CHARS_SHOWN ? [...marks.slice(0, CHARS_SHOWN), '…'] : marks;
  return short.map((mark) => (/[\p{C}\p{Zl}\p{Zp}`"\\]/u.test(mark) ? escaped(mark) : mark)).join('');
}

function escaped(mark: string): string {
  return `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`;
}
