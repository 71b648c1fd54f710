/** How the passing of time affects short-lived tokens and the keys that sign them. */

import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import type { Principal } from '../../src/access/grant.ts';
import { looksLikeJwt } from '../../src/access/jwt.ts';
import { JwtKeys, type KeyStore } from '../../src/access/jwt-keys.ts';
import { TokenExchange } from '../../src/access/tokens/token-exchange.ts';
import { TokenTable } from '../../src/access/tokens/token-table.ts';
import { parseConfig } from '../../src/config.ts';
import { EXCHANGE_TTL_MS_MAX, EXCHANGED_TOKEN_CHARS_MAX, SIGNING_KEYS_MAX } from '../../src/model/limits.ts';
import type { Scope } from '../../src/model/scope.ts';
import { decodeSigningKeys, encodeSigningKeys, type SigningKeyRow } from '../../src/storage/token-rows.ts';
import { MemoryTokenStore } from '../support/no-tokens.ts';
import { ManualClock } from '../support/socket-clock.ts';

const MINUTE = 60_000;
const NONE = { read: false, write: false };
const SCOPE: Scope = {
  basins: { exact: 'telemetry' },
  streams: { prefix: '' },
  accessTokens: undefined,
  groups: { account: NONE, basin: NONE, stream: NONE },
  operations: ['append', 'read'],
};
const ROOT: Principal = {
  id: 'root',
  token: undefined,
  allows: () => true,
  absolute: (stream) => stream,
  shown: (stream) => stream,
};

class MemoryKeys implements KeyStore {
  saved: readonly SigningKeyRow[] = [];

  async load() {
    return decodeSigningKeys(encodeSigningKeys(this.saved));
  }

  /** The next write fails with this error. */
  fault: Error | undefined;

  async save(keys: readonly SigningKeyRow[]): Promise<void> {
    const { fault } = this;
    this.fault = undefined;
    if (fault !== undefined) throw fault;
    this.saved = keys;
  }
}

async function setup(ttlMs = 15 * MINUTE) {
  const clock = new ManualClock();
  const tokens = await TokenTable.load(new MemoryTokenStore(), clock, () => {});
  const store = new MemoryKeys();
  const open = async () =>
    new TokenExchange({ tokens, keys: await JwtKeys.load(store, clock), clock, ttlMs, defaultBasin: 'telemetry' });
  const issue = async (id: string, expiresAt?: number) => {
    const { token } = await tokens.issue(ROOT, {
      id,
      scope: SCOPE,
      expiresAt,
      autoPrefixStreams: false,
      stream: undefined,
      resourceAttributes: new Map(),
      limits: { profile: undefined, spansPerMinute: undefined },
      prefix: undefined,
    });
    return tokens.byNumber(token.number, token.rotation, token.id) as Principal;
  };
  return { clock, tokens, store, open, issue, exchange: await open() };
}

test('a JWT ends after its lifetime, also when its signature was verified before', async () => {
  const { clock, exchange, issue } = await setup(MINUTE);
  const { jwt, expiresAt } = await exchange.exchange(await issue('a'));
  expect(expiresAt).toBe(Math.floor((clock.now() + MINUTE) / 1_000) * 1_000);
  expect((await exchange.identify(jwt, 'hash')).id).toBe('a');
  clock.advance(expiresAt - clock.now() - 1);
  expect((await exchange.identify(jwt, 'hash')).id).toBe('a');
  clock.advance(1);
  await expect(exchange.identify(jwt, 'hash')).rejects.toMatchObject({ code: 'authn' });
  await expect(exchange.identify(jwt, 'seen for the first time')).rejects.toMatchObject({ code: 'authn' });
});

test('a JWT that has expired says so each time, and of whom it is, also after a restart and without its key', async () => {
  const { clock, exchange, issue, open, store } = await setup(MINUTE);
  const { jwt, expiresAt } = await exchange.exchange(await issue('shop'));
  await exchange.identify(jwt, 'hash');
  clock.advance(expiresAt - clock.now());
  const message = 'the short-lived token of access token `shop` has expired: exchange the access token again';
  for (const hash of ['hash', 'hash', 'seen for the first time']) {
    await expect(exchange.identify(jwt, hash)).rejects.toMatchObject({ code: 'authn', message });
  }
  await expect((await open()).identify(jwt, 'hash')).rejects.toMatchObject({ code: 'authn', message });
  store.saved = [];
  const unsigned = 'the short-lived token has expired: exchange the access token again';
  await expect((await open()).identify(jwt, 'hash')).rejects.toMatchObject({ code: 'authn', message: unsigned });
});

test('a JWT may only append, as its project', async () => {
  const { exchange, issue } = await setup();
  const { jwt } = await exchange.exchange(await issue('a'));
  const sender = await exchange.identify(jwt, 'hash');
  expect(sender.allows('append', 'telemetry', 'x')).toBe(true);
  expect(sender.allows('append', 'elsewhere', 'x')).toBe(false);
  expect(sender.allows('read', 'telemetry', 'x')).toBe(false);
  expect(sender.token?.resourceAttributes).toEqual(new Map([['project.id', 'telemetry']]));
  expect(await exchange.identify(jwt, 'hash')).toBe(sender);
});

test('a JWT ends when its token is revoked, rotated or expires', async () => {
  const { clock, exchange, issue, tokens } = await setup();
  const jwts: string[] = [];
  for (const id of ['revoked', 'rotated']) jwts.push((await exchange.exchange(await issue(id))).jwt);
  jwts.push((await exchange.exchange(await issue('expired', clock.now() + 5_000))).jwt);
  for (const jwt of jwts) await exchange.identify(jwt, jwt);
  await tokens.revoke('revoked');
  await tokens.rotate(ROOT, 'rotated', () => true);
  clock.advance(5_000);
  await issue('revoked');
  for (const jwt of jwts) await expect(exchange.identify(jwt, jwt)).rejects.toMatchObject({ code: 'authn' });
});

test('keys are created once, stored, and replaced after a month; the previous key still verifies', async () => {
  const { clock, exchange, issue, open, store } = await setup();
  expect(store.saved).toEqual([]);
  const principal = await issue('a');
  const [one, two] = await Promise.all([exchange.exchange(principal), exchange.exchange(principal)]);
  expect(kidOf(one.jwt)).toBe(kidOf(two.jwt));
  clock.advance(30 * 24 * 60 * MINUTE - MINUTE);
  const again = await open();
  const old = await again.exchange(principal);
  expect(kidOf(old.jwt)).toBe(kidOf(one.jwt));
  clock.advance(MINUTE);
  const fresh = await again.exchange(principal);
  expect(kidOf(fresh.jwt)).not.toBe(kidOf(old.jwt));
  for (const { jwt } of [old, fresh]) expect((await again.identify(jwt, jwt)).id).toBe('a');
  clock.advance(30 * 24 * 60 * MINUTE);
  await again.exchange(principal);
  expect(store.saved).toHaveLength(2);
});

const kidOf = (jwt: string) => decodeProtectedHeader(jwt).kid;
const REFUSED = { code: 'authn', message: 'the token is not known here, or has expired' };

describe('rotated signing keys', () => {
  test('stay valid for as long as the JWTs they signed may live, however many rotations follow', async () => {
    const { clock, exchange, issue, store } = await setup(EXCHANGE_TTL_MS_MAX);
    const { jwt } = await exchange.exchange(await issue('a'));
    for (let i = 0; i < 3; i++) await exchange.keys.rotate({ voidOld: false });
    expect(exchange.keys.verifying().map(({ until }) => until)).toEqual([
      ...Array(3).fill(clock.now() + EXCHANGE_TTL_MS_MAX),
      undefined,
    ]);
    const fresh = await exchange.exchange(await issue('b'));
    expect(kidOf(fresh.jwt)).toBe(store.saved.at(-1)?.id);
    clock.advance(EXCHANGE_TTL_MS_MAX - 1_001);
    expect((await exchange.identify(jwt, 'hash')).id).toBe('a');
    clock.advance(1_001);
    expect(exchange.keys.find(kidOf(jwt))).toBeUndefined();
    await exchange.keys.rotate({ voidOld: false });
    expect(store.saved).toHaveLength(2);
  });

  test('are limited in number, unless the old ones are voided', async () => {
    const { clock, exchange, issue, store } = await setup();
    const { keys } = exchange;
    for (let i = 0; i < SIGNING_KEYS_MAX; i++) await keys.rotate({ voidOld: false });
    await expect(keys.rotate({ voidOld: false })).rejects.toMatchObject({
      code: 'rate_limited',
      detail: { retryAfterSeconds: EXCHANGE_TTL_MS_MAX / 1_000 },
    });
    // The JWT of the last key still works.
    await exchange.exchange(await issue('a'));
    clock.advance(EXCHANGE_TTL_MS_MAX);
    await keys.rotate({ voidOld: false });
    await keys.rotate({ voidOld: true });
    expect(store.saved).toHaveLength(1);
  });

  test('are voided at once on request, also for JWTs verified before, and their row is deleted', async () => {
    const { exchange, issue, open, store } = await setup();
    const principal = await issue('a');
    const [seen, unseen] = [await exchange.exchange(principal), await exchange.exchange(principal)];
    await exchange.identify(seen.jwt, 'seen');
    const [before] = store.saved;
    const { id } = await exchange.keys.rotate({ voidOld: true });
    expect(store.saved.map((row) => row.id)).toEqual([id]);
    expect(Buffer.from(encodeSigningKeys(store.saved)).includes(Buffer.from(before?.pkcs8 ?? []))).toBe(false);
    for (const one of [exchange, await open()]) {
      await expect(one.identify(seen.jwt, 'seen')).rejects.toMatchObject(REFUSED);
      await expect(one.identify(unseen.jwt, 'unseen')).rejects.toMatchObject(REFUSED);
      const { jwt } = await one.exchange(principal);
      expect([kidOf(jwt), (await one.identify(jwt, jwt)).id]).toEqual([id, 'a']);
    }
  });
});

describe('signing keys', () => {
  test('stay unchanged when they cannot be written', async () => {
    const { exchange, issue, store } = await setup();
    const { jwt } = await exchange.exchange(await issue('a'));
    store.fault = new Error('no space');
    await expect(exchange.keys.rotate({ voidOld: true })).rejects.toThrow('no space');
    expect((await exchange.identify(jwt, jwt)).id).toBe('a');
    expect(exchange.keys.verifying()).toHaveLength(1);
    await exchange.keys.rotate({ voidOld: false });
    expect(store.saved).toHaveLength(2);
  });

  test('survive concurrent rotations and exchanges without a loss', async () => {
    const { exchange, issue, store } = await setup();
    const principal = await issue('a');
    const rotations = Array.from({ length: 5 }, () => exchange.keys.rotate({ voidOld: false }));
    const jwts = await Promise.all(Array.from({ length: 5 }, () => exchange.exchange(principal)));
    const made = await Promise.all(rotations);
    expect(store.saved.map(({ id }) => id)).toEqual(expect.arrayContaining(made.map(({ id }) => id)));
    for (const { jwt } of jwts) expect((await exchange.identify(jwt, jwt)).id).toBe('a');
  });

  test('that are voided during a signature make the exchange sign again', async () => {
    const { clock, exchange, issue, tokens } = await setup();
    const { keys } = exchange;
    let races = 2;
    const racing = {
      find: (id: string | undefined) => keys.find(id),
      current: async () => {
        const key = await keys.current();
        if (races-- > 0) await keys.rotate({ voidOld: true });
        return key;
      },
    };
    const deps = { tokens, keys: racing as JwtKeys, clock, ttlMs: MINUTE, defaultBasin: 'telemetry' };
    const { jwt } = await new TokenExchange(deps).exchange(await issue('a'));
    expect((await exchange.identify(jwt, jwt)).id).toBe('a');
    expect(races).toBe(-1);
  });

  test('cannot be used as secrets of another algorithm', async () => {
    const { exchange, issue } = await setup();
    const { jwt } = await exchange.exchange(await issue('a'));
    const publicKey = exchange.keys.find(kidOf(jwt))?.publicKey;
    const forms = [
      publicKey?.export({ format: 'der', type: 'spki' }),
      publicKey?.export({ format: 'pem', type: 'spki' }),
      Buffer.from(publicKey?.export({ format: 'jwk' }).x ?? '', 'base64url'),
    ];
    for (const form of forms) {
      const forged = await new SignJWT(decodeJwt(jwt))
        .setProtectedHeader({ alg: 'HS256', kid: kidOf(jwt) ?? '' })
        .sign(Buffer.from(form ?? ''));
      await expect(exchange.identify(forged, forged)).rejects.toMatchObject(REFUSED);
    }
  });
});

test('a JWT with another directory, issuer or audience, or without a claim, is refused', async () => {
  const { exchange, issue, store } = await setup();
  const other = await setup();
  const { jwt } = await exchange.exchange(await issue('a'));
  const foreign = await other.exchange.exchange(await other.issue('a'));
  await expect(exchange.identify(foreign.jwt, 'foreign')).rejects.toMatchObject({ code: 'authn' });
  const [row] = store.saved;
  const key = (await JwtKeys.load(store, new ManualClock())).find(row?.id);
  for (const change of [
    { iss: 'me' },
    { aud: 'all' },
    { tid: 7 },
    { tno: '1' },
    { sub: undefined },
    { exp: undefined },
  ]) {
    const claims = { ...decodeJwt(jwt), ...change } as Record<string, unknown>;
    for (const [name, value] of Object.entries(claims)) if (value === undefined) delete claims[name];
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA', kid: row?.id ?? '' })
      .sign(key?.privateKey ?? generateKeyPairSync('ed25519').privateKey);
    await expect(exchange.identify(forged, forged)).rejects.toMatchObject({ code: 'authn' });
  }
});

test('only a token shaped like a JWT is verified as a JWT', () => {
  expect(looksLikeJwt('eyJh.eyJz.c2ln')).toBe(true);
  for (const text of ['', 'trk_00', 'eyJh.eyJz.', 'eyJh.eyJz', 'eyJh.eyJz.c2ln.x', `eyJh.eyJz.${'A'.repeat(9_000)}`]) {
    expect(looksLikeJwt(text)).toBe(false);
  }
  const longest = `eyJh.eyJz.${'A'.repeat(EXCHANGED_TOKEN_CHARS_MAX - 10)}`;
  expect([looksLikeJwt(longest), looksLikeJwt(`${longest}A`)]).toEqual([true, false]);
});

test.each(['59s', '61m', '0'])('a lifetime of %s is refused', (exchangeTtl) => {
  expect(() => parseConfig({ exchangeTtl })).toThrow(/--exchange-ttl/);
  expect(parseConfig({ exchangeTtl: '1m' }).exchangeTtl).toBe(MINUTE);
  expect(parseConfig({ exchangeTtl: '60m' }).exchangeTtl).toBe(EXCHANGE_TTL_MS_MAX);
});
