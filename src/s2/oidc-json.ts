/**
 * An outside issuer in the configuration of a basin: JSON ↔ ours (`src/access/README.md`). `oidcShape` finds a wrong
 * shape; a value that makes no sense is `invalid`. All of it is shown to every caller who may see the configuration, so
 * secrets are refused.
 */

import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { z } from 'zod';
import { TailraceError } from '../model/error.ts';
import {
  OIDC_AUDIENCE_BYTES_MAX,
  OIDC_KEYS_MAX,
  OIDC_RSA_BITS_MIN,
  OIDC_STATIC_JWKS_BYTES_MAX,
  OIDC_URL_CHARS_MAX,
} from '../model/limits.ts';
import type { OidcTrust } from '../model/stream-config.ts';

/** Unknown members are kept: issuers add their own. */
const keyShape = z.looseObject({
  kty: z.string(),
  use: z.string().optional(),
  crv: z.string().optional(),
});

/** Strict: a field that was meant to narrow what is trusted must not be ignored. */
export const oidcShape = z.strictObject({
  issuer: z.string(),
  audience: z.string(),
  jwks_uri: z.string().nullish(),
  jwks: z.looseObject({ keys: z.array(keyShape) }).nullish(),
});

type OidcShape = z.output<typeof oidcShape>;
type Key = z.output<typeof keyShape>;

/** @throws TailraceError `invalid` that names the field and says what it must be */
export function trustOf({ issuer, audience, jwks_uri: uri, jwks }: OidcShape): OidcTrust {
  expectUrl('issuer', issuer);
  if (/[?#]/.test(issuer))
    throw invalid('issuer', '`oidc.issuer` must be a URL without query and fragment, as in `iss`');
  expectAudience(audience);
  if (typeof uri === 'string' && jwks == null) {
    expectUrl('jwks_uri', uri);
    return { issuer, audience, keys: { uri } };
  }
  if (jwks == null || uri != null) {
    throw invalid(
      'jwks_uri',
      '`oidc` must have either `jwks_uri`, the URL of the key set of the issuer, or `jwks`, the set itself',
    );
  }
  return { issuer, audience, keys: { jwks: keySetText(jwks) } };
}

/** The JSON of an issuer, as it was given. */
export function oidcJson({ issuer, audience, keys }: OidcTrust): Record<string, unknown> {
  const found = 'uri' in keys ? { jwks_uri: keys.uri } : { jwks: JSON.parse(keys.jwks) as unknown };
  return { issuer, ...found, audience };
}

/** Matches a host as the URL parser returns it, which turns all forms of an IPv4 address into four numbers. */
const THIS_MACHINE = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

function expectUrl(field: string, text: string): void {
  const must = `\`oidc.${field}\` must be`;
  if (text.length > OIDC_URL_CHARS_MAX) throw invalid(field, `${must} at most ${OIDC_URL_CHARS_MAX} characters long`);
  // The parser would drop blanks and line breaks, but the text itself is compared and logged.
  const url = /^[\x21-\x7e]+$/.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === 'https:' || (url?.protocol === 'http:' && THIS_MACHINE.test(url.hostname));
  if (url === undefined || !isWeb) throw invalid(field, `${must} an https URL, or an http one on this machine`);
  if (url.username !== '' || url.password !== '') {
    throw invalid(field, `${must} a URL without user and password: configurations keep no secrets`);
  }
}

function expectAudience(audience: string): void {
  const bytes = Buffer.byteLength(audience);
  if (bytes > 0 && bytes <= OIDC_AUDIENCE_BYTES_MAX && !/\p{Surrogate}/u.test(audience)) return;
  throw invalid('audience', `\`oidc.audience\` must be text of 1 to ${OIDC_AUDIENCE_BYTES_MAX} bytes`);
}

/**
 * Secret members of RSA, EC and OKP keys (RFC 7518, 6.2.2 and 6.3.2; RFC 8037, 2), symmetric ones (RFC 7518, 6.4), and
 * new kinds.
 */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];
/** Curves of the signatures that are accepted. */
const CURVES = ['P-256', 'P-384', 'P-521', 'Ed25519'];

function keySetText(jwks: NonNullable<OidcShape['jwks']>): string {
  const { keys } = jwks;
  for (const [i, key] of keys.entries()) {
    const secret = SECRET_MEMBERS.find((member) => member in key);
    if (secret === undefined && key.kty !== 'oct') continue;
    const why = secret === undefined ? 'is symmetric' : `has the member \`${secret}\``;
    throw invalid(
      'jwks',
      `\`oidc.jwks.keys.${i}\` ${why}, which is secret: give public keys alone, secrets are never kept here`,
    );
  }
  if (keys.length > OIDC_KEYS_MAX) throw invalid('jwks', `\`oidc.jwks\` must have at most ${OIDC_KEYS_MAX} keys`);
  const text = JSON.stringify(jwks);
  const bytes = Buffer.byteLength(text);
  if (bytes > OIDC_STATIC_JWKS_BYTES_MAX) {
    throw invalid('jwks', `\`oidc.jwks\` must be at most ${OIDC_STATIC_JWKS_BYTES_MAX} bytes long, it has ${bytes}`);
  }
  if (!keys.map(canVerify).includes(true)) {
    const fits = `RSA of ${OIDC_RSA_BITS_MIN} bits or more, EC (${CURVES.slice(0, 3).join(', ')}) or Ed25519`;
    throw invalid('jwks', `\`oidc.jwks\` must have a key that signatures can be verified with: ${fits}`);
  }
  return text;
}

/** Whether signatures can be verified with a key. Keys of unknown kinds are ignored (RFC 7517, section 5). */
function canVerify(key: Key, i: number): boolean {
  if (key.use !== undefined && key.use !== 'sig') return false;
  const isKnown = key.kty === 'RSA' || ((key.kty === 'EC' || key.kty === 'OKP') && CURVES.includes(key.crv ?? ''));
  if (!isKnown) return false;
  try {
    const { asymmetricKeyDetails: details } = createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    return key.kty !== 'RSA' || (details?.modulusLength ?? 0) >= OIDC_RSA_BITS_MIN;
  } catch (cause) {
    throw invalid('jwks', `\`oidc.jwks.keys.${i}\` cannot be read as a public key`, cause);
  }
}

/** `field`: the member of `oidc` that has to change. */
function invalid(field: string, message: string, cause?: unknown): TailraceError {
  return new TailraceError('invalid', message, { detail: { field: `oidc.${field}` }, cause });
}
