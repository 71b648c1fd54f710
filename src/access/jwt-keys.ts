/**
 * The keys that short-lived tokens are signed with: Ed25519, made in the data directory when the first one is needed. The
 * newest signs; the one before it still verifies, until what it signed has long expired.
 */

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import { SIGNING_KEY_LIFE_MS } from '../model/limits.ts';
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

const KEYS = settingsKey('jwt-keys');
const ID_BYTES = 9;
/** The one that signs, and the one before it. */
const KEPT = 2;

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
  #keys: readonly SigningKey[];
  #making: Promise<SigningKey> | undefined;

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
    return this.#keys.find((key) => key.id === id);
  }

  /** The key that signs now: durable, so that what it signs outlives a restart. A new one after a month. */
  async current(): Promise<SigningKey> {
    const newest = this.#keys.at(-1);
    if (newest !== undefined && this.#clock.now() - newest.createdAt < SIGNING_KEY_LIFE_MS) return newest;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #make(): Promise<SigningKey> {
    const pair = generateKeyPairSync('ed25519');
    const key = { ...pair, id: randomBytes(ID_BYTES).toString('base64url'), createdAt: this.#clock.now() };
    const keys = [...this.#keys, key].slice(-KEPT);
    await this.#store.save(keys.map(rowOf));
    this.#keys = keys;
    return key;
  }
}

function rowOf({ id, createdAt, privateKey }: SigningKey): SigningKeyRow {
  return { id, createdAt, pkcs8: privateKey.export({ format: 'der', type: 'pkcs8' }) };
}

function keyOf({ id, createdAt, pkcs8 }: SigningKeyRow): SigningKey {
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return { id, createdAt, privateKey, publicKey: createPublicKey(privateKey) };
}
