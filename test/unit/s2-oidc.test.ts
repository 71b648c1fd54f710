/** Outside issuers in configurations: what is accepted and returned, and that no secret gets in. */

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { TailraceError } from '../../src/model/error.ts';
import { OIDC_AUDIENCE_BYTES_MAX, OIDC_STATIC_JWKS_BYTES_MAX, OIDC_URL_CHARS_MAX } from '../../src/model/limits.ts';
import { patchBasinConfig, resolveBasinConfig } from '../../src/model/stream-config.ts';
import { basinConfigJson, parseBasinConfigPatch, parseBasinConfigRequest } from '../../src/s2/config-json.ts';

const ISSUER = 'https://issuer.example';
const URI = { issuer: ISSUER, audience: 'tailrace', jwks_uri: 'https://issuer.example/keys' };
const ED = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const jwkOf = (key: { export(options: { format: 'jwk' }): object }) => key.export({ format: 'jwk' });
const given = (...keys: readonly object[]) => ({ issuer: ISSUER, audience: 'tailrace', jwks: { keys } });

const shown = (oidc: unknown) => basinConfigJson(resolveBasinConfig(parseBasinConfigRequest({ oidc }))).oidc;

/** How each way to write it is refused. */
function refusal(oidc: unknown): readonly [code: string, message: string] {
  const codes = [parseBasinConfigRequest, parseBasinConfigPatch].map((parse) => {
    try {
      parse({ oidc });
      return ['taken', ''] as const;
    } catch (error) {
      const { code, message } = error as TailraceError;
      return [code, message] as const;
    }
  });
  expect(codes[0]).toEqual(codes[1]);
  return codes[0] ?? ['taken', ''];
}

describe('an issuer is accepted, and returned as given', () => {
  test.each([
    ['keys at a URL', URI],
    ['a path, a port and a query', { ...URI, issuer: `${ISSUER}:8443/realms/a`, jwks_uri: `${ISSUER}/keys?p=b2c` }],
    ['http on 127.0.0.1', { ...URI, issuer: 'http://127.0.0.1:9', jwks_uri: 'http://127.9.9.9:1/keys' }],
    ['http on localhost', { ...URI, issuer: 'http://localhost:9', jwks_uri: 'http://a.localhost/keys' }],
    ['http on ::1', { ...URI, issuer: 'http://[::1]:9', jwks_uri: 'http://[::1]:9/keys' }],
    ['an Ed25519 key', given({ ...ED, kid: 'a', use: 'sig', 'x-own': { deep: [1] } })],
    ['EC and RSA keys', given(jwkOf(EC.publicKey), jwkOf(RSA.publicKey))],
    ['unknown kinds of keys next to a known one', given({ kty: 'AKP', pub: 'AA' }, { kty: 'OKP', crv: 'X25519' }, ED)],
    ['a long URL', { ...URI, issuer: `${ISSUER}/${'a'.repeat(OIDC_URL_CHARS_MAX - ISSUER.length - 1)}` }],
    ['a long audience', { ...URI, audience: 'é'.repeat(OIDC_AUDIENCE_BYTES_MAX / 2) }],
  ])('with %s', (_name, oidc) => {
    expect(shown(oidc)).toEqual(oidc);
  });

  test('with 64 keys, and with a key set of the largest size', () => {
    const many = given(...Array.from({ length: 64 }, (_, i) => ({ ...ED, kid: `k${i}` })));
    expect(shown(many)).toEqual(many);
    const bytes = JSON.stringify({ keys: [{ ...ED, x5c: '' }] }).length;
    const full = given({ ...ED, x5c: 'A'.repeat(OIDC_STATIC_JWKS_BYTES_MAX - bytes) });
    expect(shown(full)).toEqual(full);
    expect(refusal(given({ ...ED, x5c: 'A'.repeat(OIDC_STATIC_JWKS_BYTES_MAX - bytes + 1) }))[0]).toBe('invalid');
    expect(refusal(given(...Array.from({ length: 65 }, () => ED)))[0]).toBe('invalid');
  });
});

describe('an issuer is refused', () => {
  test.each([
    ['text', 'https://issuer.example', /oidc/],
    ['a list', [], /oidc/],
    ['no issuer', { ...URI, issuer: undefined }, /oidc\.issuer/],
    ['no audience', { ...URI, audience: undefined }, /oidc\.audience/],
    ['an audience of several', { ...URI, audience: ['a'] }, /oidc\.audience/],
    ['a URL that is no text', { ...URI, jwks_uri: 7 }, /oidc\.jwks_uri/],
    ['a field that is not supported', { ...URI, algorithms: ['RS256'] }, /algorithms/],
    ['keys that are no list', { ...given(), jwks: { keys: {} } }, /oidc\.jwks\.keys/],
    ['a key that is not a key', given('text' as never), /oidc\.jwks\.keys\.0/],
    ['a key without a kind', given({ ...ED, kty: undefined }), /oidc\.jwks\.keys\.0\.kty/],
  ])('for its shape: %s', (_name, oidc, message) => {
    expect(refusal(oidc)).toEqual(['bad_json', expect.stringMatching(message)]);
  });

  test.each([
    ['no URL', { ...URI, issuer: 'tailrace' }, /issuer.*https/],
    ['http elsewhere', { ...URI, issuer: 'http://issuer.example' }, /issuer.*https/],
    ['http to what looks like this machine', { ...URI, jwks_uri: 'http://127.0.0.1.example/' }, /jwks_uri.*https/],
    ['a file', { ...URI, jwks_uri: 'file:///etc/passwd' }, /jwks_uri.*https/],
    ['a blank', { ...URI, issuer: ' https://issuer.example' }, /issuer/],
    ['a line break', { ...URI, issuer: 'https://issuer\n.example' }, /issuer/],
    ['a query in the issuer', { ...URI, issuer: `${ISSUER}?a=b` }, /query/],
    ['a fragment in the issuer', { ...URI, issuer: `${ISSUER}#a` }, /fragment/],
    ['credentials', { ...URI, issuer: 'https://me:hunter2@issuer.example' }, /issuer.*secrets/],
    ['a user', { ...URI, jwks_uri: 'https://hunter2@issuer.example/keys' }, /jwks_uri.*secrets/],
    ['a URL that is too long', { ...URI, issuer: `${ISSUER}/${'a'.repeat(OIDC_URL_CHARS_MAX)}` }, /issuer.*2048/],
    ['an empty audience', { ...URI, audience: '' }, /audience/],
    ['half a character', { ...URI, audience: '\ud800' }, /audience/],
    ['a long audience', { ...URI, audience: 'a'.repeat(OIDC_AUDIENCE_BYTES_MAX + 1) }, /audience/],
    ['neither kind of keys', { issuer: ISSUER, audience: 'a' }, /jwks_uri.*jwks/],
    ['both kinds of keys', { ...URI, ...given(ED) }, /jwks_uri.*jwks/],
    ['no key', given(), /verified/],
    ['only keys for something else', given({ ...ED, use: 'enc' }, { kty: 'OKP', crv: 'X25519', x: 'AA' }), /verified/],
    ['a small RSA key', given(jwkOf(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey)), /2048/],
    ['half a key', given({ ...ED, x: 'AA' }), /keys\.0/],
    ['a private EC key', given(ED, jwkOf(EC.privateKey)), /keys\.1.*secret/],
    ['a private RSA key', given(jwkOf(RSA.privateKey)), /keys\.0.*secret/],
    ['a symmetric key', given({ kty: 'oct', k: 'aHVudGVyMg' }), /keys\.0.*secret/],
    ['a symmetric key without its value', given(ED, { kty: 'oct' }), /keys\.1.*secret/],
    ['a secret in a key of another kind', given(ED, { kty: 'AKP', priv: 'hunter2' }), /keys\.1.*secret/],
  ])('for its meaning: %s', (_name, oidc, message) => {
    const [code, text] = refusal(oidc);
    expect([code, text]).toEqual(['invalid', expect.stringMatching(message)]);
    expect(text).not.toMatch(/hunter2|aHVudGVyMg/);
  });
});

test('an absent issuer keeps the current one, null removes it, and another one replaces it whole', () => {
  const before = resolveBasinConfig(parseBasinConfigRequest({ oidc: URI }));
  expect(resolveBasinConfig(parseBasinConfigRequest({}), before).oidc).toEqual(before.oidc);
  expect(patchBasinConfig(before, parseBasinConfigPatch({ create_stream_on_read: true })).oidc).toEqual(before.oidc);
  expect(resolveBasinConfig(parseBasinConfigRequest({ oidc: null }), before).oidc).toBeUndefined();
  expect(patchBasinConfig(before, parseBasinConfigPatch({ oidc: null })).oidc).toBeUndefined();
  const other = given(ED);
  expect(basinConfigJson(resolveBasinConfig(parseBasinConfigRequest({ oidc: other }), before)).oidc).toEqual(other);
  expect(basinConfigJson(patchBasinConfig(before, parseBasinConfigPatch({ oidc: other }))).oidc).toEqual(other);
  expect(basinConfigJson(resolveBasinConfig({})).oidc).toBeNull();
});
