/**
 * The keys that short-lived tokens are signed with: Ed25519, made in the data directory when the first one is needed. The
 * newest signs; those before it still verify for as long as what they signed may live, unless they were made void.
 *
 * Their public halves are not given out: a JWT is worth what its access token is worth at that moment, and whoever
 * verified its signature alone would let revoked ones in.
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

/** A key by which JWTs are good. */
export interface VerifyingKey {
  readonly id: string;
  /** Milliseconds since the epoch; undefined for the one that signs. */
  readonly until: number | undefined;
}

const KEYS = settingsKey('jwt-keys');
const ID_BYTES = 9;

/** The place of keys in a store. `commit` makes rows durable together. */
export function keyStore(engine: Engine, commit: (rows: readonly Write[]) => Promise<void>): KeyStore {
  return {
    load: async () => {
      const row = await engine.get(KEYS);
      return row === undefined ? [] : decodeSigningKeys(row);
    },
    save: (keys) => commit([{ type: 'put', key: KEYS, value: encodeSigningKeys(keys) }]),
  };
}

export class JwtKeys {
  readonly #store: KeyStore;
  readonly #clock: Clock;
  /** Oldest first. */
  #keys: readonly SigningKey[];
  /** The change under way, or the last one: each begins with what the one before it left. */
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

  /** A key by the id in a token's head; nothing when it is not ours, or not any more. */
  find(id: string | undefined): SigningKey | undefined {
    const now = this.#clock.now();
    return this.#keys.find((key, index) => key.id === id && isGood(this.#keys, index, now));
  }

  /** All by which JWTs are good now, the oldest first. */
  verifying(): readonly VerifyingKey[] {
    return goodOf(this.#keys, this.#clock.now()).map(({ id }, index, good) => ({ id, until: endOf(good, index) }));
  }

  /** The key that signs now: durable, so that what it signs outlives a restart. A new one after a month. */
  async current(): Promise<SigningKey> {
    return this.#fresh() ?? this.#change(async () => this.#fresh() ?? this.#make({ voidOld: false }));
  }

  /**
   * Makes a new key, durable when it is answered. With `voidOld` no other is left, in the store neither.
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

  #change(act: () => Promise<SigningKey>): Promise<SigningKey> {
    const changed = this.#changed.then(act);
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

/** A key is replaced when the next one is made, and needed until the last that it signed has expired. */
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
