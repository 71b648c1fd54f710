/** What time does to short-lived tokens and to the keys that sign them (access.md, Exchange). */

import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { looksLikeJwt, TokenExchange } from '../../src/access/exchange.ts';
import type { Principal } from '../../src/access/grant.ts';
import { JwtKeys, type KeyStore } from '../../src/access/jwt-keys.ts';
import { TokenTable } from '../../src/access/token-table.ts';
import { parseConfig } from '../../src/config.ts';
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

  async save(keys: readonly SigningKeyRow[]): Promise<void> {
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

test('a JWT ends after its time, also when its signature was looked at before', async () => {
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

test('a JWT may append alone, as its project', async () => {
  const { exchange, issue } = await setup();
  const { jwt } = await exchange.exchange(await issue('a'));
  const sender = await exchange.identify(jwt, 'hash');
  expect(sender.allows('append', 'telemetry', 'x')).toBe(true);
  expect(sender.allows('append', 'elsewhere', 'x')).toBe(false);
  expect(sender.allows('read', 'telemetry', 'x')).toBe(false);
  expect(sender.token?.resourceAttributes).toEqual(new Map([['project.id', 'telemetry']]));
  expect(await exchange.identify(jwt, 'hash')).toBe(sender);
});

test('a revoked, rotated or expired token ends its JWT', async () => {
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

test('keys are made once, kept, and changed after a month; the one before goes on verifying', async () => {
  const { clock, exchange, issue, open, store } = await setup();
  const kidOf = (jwt: string) => decodeProtectedHeader(jwt).kid;
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

test('another directory, issuer or audience, and missing claims are refused', async () => {
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

test('only what has the shape of a JWT goes the longer way', () => {
  expect(looksLikeJwt('eyJh.eyJz.c2ln')).toBe(true);
  for (const text of ['', 'trk_00', 'eyJh.eyJz.', 'eyJh.eyJz', 'eyJh.eyJz.c2ln.x', `eyJh.eyJz.${'A'.repeat(9_000)}`]) {
    expect(looksLikeJwt(text)).toBe(false);
  }
});

test.each(['59s', '61m', '0'])('a life of %s is refused', (exchangeTtl) => {
  expect(() => parseConfig({ exchangeTtl })).toThrow(/--exchange-ttl/);
  expect(parseConfig({ exchangeTtl: '1m' }).exchangeTtl).toBe(MINUTE);
});
