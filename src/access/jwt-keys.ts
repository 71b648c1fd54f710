/**
 * The keys that sign short-lived tokens: Ed25519, made when the first one is needed and kept in the store. The newest
 * one signs; older ones verify for as long as a token that they signed may live, unless they were made void.
 *
 * The public keys are not published: a JWT is valid only while its access token is, and a service that checked only the
 * signature would accept revoked ones.
 */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import { EXCHANGE_TTL_MS_MAX, SIGNING_KEY_LIFE_MS, SIGNING_KEYS_MAX } from '../model/limits.ts';
import type { Engine, Write } from '../storage/engine.ts';
import { settingsKey } from '../storage/keys.ts';
import { decodeSigningKeys, encodeSigningKeys, type SigningKeyRow } from '../storage/token-rows.ts';

/** Where keys are kept; durable when `save` resolves. */
export interface KeyStore {
  /** Oldest first. */
  load(): Promise<readonly SigningKeyRow[]>;
  save(keys: readonly SigningKeyRow[]): Promise<void>;
}

export interface SigningKey {
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** A key that verifies JWTs. */
export interface VerifyingKey {
  readonly id: string;
  /** Milliseconds since the epoch; undefined for the one that signs. */
  readonly until: number | undefined;
}

const KEYS = settingsKey('jwt-keys');
const ID_BYTES = 9;

/** Keys in the store. `commit` makes rows durable together. */
export function keyStore(engine: Engine, commit: (rows: readonly Write[]) => Promise<void>): KeyStore {
  return {
    load: async () => {
      const row = await engine.get(KEYS);
      return row === undefined ? [] : decodeSigningKeys(row);
    },
    save: (keys) => commit([{ type: 'put', key: KEYS, value: encodeSigningKeys(keys) }]),
  };
}

/** Whether a write changes the keys in a store. */
export function writesKeys({ key }: Write): boolean {
  return Buffer.compare(key, KEYS) === 0;
}

export class JwtKeys {
  readonly #store: KeyStore;
  readonly #clock: Clock;
  /** Oldest first. */
  #keys: readonly SigningKey[];
  /** The running change, or the last one: each begins with the result of the one before it. */
  #changed: Promise<unknown> = Promise.resolve();

  private constructor(store: KeyStore, clock: Clock, keys: readonly SigningKey[]) {
    this.#store = store;
    this.#clock = clock;
    this.#keys = keys;
  }

  /** @throws TailraceError `corrupt` */
  static async load(store: KeyStore, clock: Clock): Promise<JwtKeys> {
    return new JwtKeys(store, clock, (await store.load()).map(keyOf));
  }

  /** Takes what another server has stored. @throws TailraceError `corrupt` */
  async reload(store: Pick<KeyStore, 'load'>): Promise<void> {
    this.#keys = (await store.load()).map(keyOf);
  }

  /** A key by the id in the header of a token; undefined when it is not ours, or no longer verifies. */
  find(id: string | undefined): SigningKey | undefined {
    const now = this.#clock.now();
    return this.#keys.find((key, index) => key.id === id && isGood(this.#keys, index, now));
  }

  /** All keys that verify JWTs now, oldest first. */
  verifying(): readonly VerifyingKey[] {
    return goodOf(this.#keys, this.#clock.now()).map(({ id }, index, good) => ({ id, until: endOf(good, index) }));
  }

  /** The key that signs now, a new one after a month. It is durable, so what it signs stays valid after a restart. */
  async current(): Promise<SigningKey> {
    return this.#fresh() ?? this.#change(async () => this.#fresh() ?? this.#make({ voidOld: false }));
  }

  /**
   * Makes a new key; durable when it resolves. With `voidOld` no other key is left, not even in the store.
   * @throws TailraceError `rate_limited` when too many are still needed, `storage`, `storage_full`
   */
  rotate({ voidOld }: { readonly voidOld: boolean }): Promise<SigningKey> {
    return this.#change(() => this.#make({ voidOld }));
  }

  #fresh(): SigningKey | undefined {
    const newest = this.#keys.at(-1);
    const isFresh = newest !== undefined && this.#clock.now() - newest.createdAt < SIGNING_KEY_LIFE_MS;
    return isFresh ? newest : undefined;
  }

  #change(make: () => Promise<SigningKey>): Promise<SigningKey> {
    const changed = this.#changed.then(make);
    this.#changed = changed.catch(() => {});
    return changed;
  }

  async #make({ voidOld }: { readonly voidOld: boolean }): Promise<SigningKey> {
    const now = this.#clock.now();
    const kept = voidOld ? [] : goodOf(this.#keys, now);
    if (kept.length >= SIGNING_KEYS_MAX) throw tooMany(endOf(kept, 0), now);
    const key = { ...generateKeyPairSync('ed25519'), id: randomBytes(ID_BYTES).toString('base64url'), createdAt: now };
    const keys = [...kept, key];
    await this.#store.save(keys.map(rowOf));
    this.#keys = keys;
    return key;
  }
}

/** A key is needed until the last token that it signed has expired: it stops signing when the next key is made. */
function endOf(keys: readonly SigningKey[], index: number): number | undefined {
  const next = keys[index + 1];
  return next === undefined ? undefined : next.createdAt + EXCHANGE_TTL_MS_MAX;
}

function isGood(keys: readonly SigningKey[], index: number, now: number): boolean {
  return now < (endOf(keys, index) ?? Number.POSITIVE_INFINITY);
}

function goodOf(keys: readonly SigningKey[], now: number): readonly SigningKey[] {
  return keys.filter((_key, index) => isGood(keys, index, now));
}

function tooMany(until: number | undefined, now: number): TailraceError {
  const sentence = `${SIGNING_KEYS_MAX} signing keys are still needed: wait until one is not, or make the old ones void`;
  const retryAfterSeconds = Math.max(1, Math.ceil(((until ?? now) - now) / 1_000));
  return new TailraceError('rate_limited', sentence, { detail: { retryAfterSeconds } });
}

function rowOf({ id, createdAt, privateKey }: SigningKey): SigningKeyRow {
  return { id, createdAt, pkcs8: privateKey.export({ format: 'der', type: 'pkcs8' }) };
}

function keyOf({ id, createdAt, pkcs8 }: SigningKeyRow): SigningKey {
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return { id, createdAt, privateKey, publicKey: createPublicKey(privateKey) };
}
