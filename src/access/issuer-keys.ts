/**
 * The public keys of an outside issuer: a set in the configuration, or the set that the issuer publishes. The library
 * (jose) can fetch sets too, but it asks an issuer that is down once for every token, and drops the keys it has as soon
 * as they are due. So fetching is ours, and the use of a set is the library's.
 */

import type { JSONWebKeySet, JWTVerifyGetKey, LocalJWKSet } from 'jose';
import type { Clock } from '../model/clock.ts';
import { TailraceError } from '../model/error.ts';
import {
  OIDC_ASK_AGAIN_MS,
  OIDC_FETCH_TIMEOUT_MS,
  OIDC_FRESH_MS,
  OIDC_JWKS_BYTES_MAX,
  OIDC_KEYS_MAX,
  OIDC_RETRY_MS,
  OIDC_STALE_MS,
  OIDC_WAITING_MAX,
} from '../model/limits.ts';
import type { OidcTrust } from '../model/stream-config.ts';

/** Finds the key of a token. Each set is its own function. */
export type KeySet = JWTVerifyGetKey;

export interface IssuerKeys {
  /** The keys in force. @throws TailraceError `unavailable` when they are missing and cannot be fetched */
  current(): KeySet | Promise<KeySet>;
  /**
   * Newer keys than `known`, for a token that fits none of those; undefined where the issuer was asked a moment ago.
   * @throws TailraceError `unavailable` when the keys cannot be fetched
   */
  renewed(known: KeySet): Promise<KeySet | undefined>;
}

/** Fetches a URL until the signal aborts. Must not follow redirects. */
export type FetchKeys = (uri: string, signal: AbortSignal) => Promise<Response>;

export interface KeyDeps {
  readonly clock: Clock;
  /** Called with the reason when the keys could not be fetched. */
  readonly onFailure: (reason: string) => void;
  readonly fetchKeys?: FetchKeys | undefined;
}

/** The keys of an issuer as a basin trusts it. */
export function keysOf({ issuer, keys }: OidcTrust, deps: KeyDeps): IssuerKeys {
  if ('uri' in keys) return new RemoteKeys(issuer, keys.uri, deps);
  let set: Promise<KeySet> | undefined;
  const current = (): Promise<KeySet> => {
    set ??= keySetOf(JSON.parse(keys.jwks));
    return set;
  };
  return { current, renewed: async () => undefined };
}

/**
 * Fetches when the first token comes, when the keys are due, and for a token that fits no key: one request at a time,
 * and not again for a while. While fetching fails, the keys at hand are used until they are too old.
 */
class RemoteKeys implements IssuerKeys {
  readonly #issuer: string;
  readonly #uri: string;
  readonly #deps: KeyDeps;
  #set: KeySet | undefined;
  /** Times of the monotonic clock. */
  #fetchedAt = 0;
  #fetchableAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #fetching: Promise<void> | undefined;
  #waiting = 0;

  constructor(issuer: string, uri: string, deps: KeyDeps) {
    this.#issuer = issuer;
    this.#uri = uri;
    this.#deps = deps;
  }

  current(): KeySet | Promise<KeySet> {
    return this.#youngerThan(OIDC_FRESH_MS) ?? this.#current();
  }

  async renewed(known: KeySet): Promise<KeySet | undefined> {
    if (this.#set === known) await this.#fetch();
    if (this.#set !== known) return this.#set;
    if (this.#failed) throw this.#unavailable();
    return undefined;
  }

  async #current(): Promise<KeySet> {
    await this.#fetch();
    const set = this.#youngerThan(OIDC_STALE_MS);
    if (set === undefined) throw this.#unavailable();
    return set;
  }

  #youngerThan(ageMs: number): KeySet | undefined {
    return this.#deps.clock.monotonicMs() - this.#fetchedAt < ageMs ? this.#set : undefined;
  }

  /** Never rejects because of the issuer: the outcome is in the fields. */
  async #fetch(): Promise<void> {
    if (this.#fetching === undefined) {
      if (this.#deps.clock.monotonicMs() < this.#fetchableAt) return;
      this.#fetching = this.#download().finally(() => {
        this.#fetching = undefined;
      });
    }
    if (this.#waiting >= OIDC_WAITING_MAX) throw this.#unavailable();
    this.#waiting++;
    try {
      await this.#fetching;
    } finally {
      this.#waiting--;
    }
  }

  async #download(): Promise<void> {
    const { clock, fetchKeys = fetchOverHttp, onFailure } = this.#deps;
    const controller = new AbortController();
    const cancel = clock.timer(OIDC_FETCH_TIMEOUT_MS, () => controller.abort(tookTooLong()));
    try {
      this.#set = await keySetIn(await textAt(this.#uri, controller.signal, fetchKeys));
      this.#fetchedAt = clock.monotonicMs();
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      onFailure(reasonOf(error));
    } finally {
      cancel();
      this.#fetchableAt = clock.monotonicMs() + (this.#failed ? OIDC_RETRY_MS : OIDC_ASK_AGAIN_MS);
    }
  }

  #unavailable(): TailraceError {
    const waitMs = Math.max(0, this.#fetchableAt - this.#deps.clock.monotonicMs());
    const message = `the issuer ${this.#issuer} cannot be asked for its keys now: send again in a moment`;
    return new TailraceError('unavailable', message, { detail: { retryAfterSeconds: Math.ceil(waitMs / 1_000) } });
  }
}

/** A redirect could lead anywhere, also to addresses that the configuration does not allow. */
function fetchOverHttp(uri: string, signal: AbortSignal): Promise<Response> {
  return fetch(uri, { signal, redirect: 'manual', headers: { accept: 'application/json, application/jwk-set+json' } });
}

async function textAt(uri: string, signal: AbortSignal, fetchKeys: FetchKeys): Promise<string> {
  const { status, body } = await fetchKeys(uri, signal);
  if (status !== 200) {
    await body?.cancel();
    throw failure(`it answered ${status}${status >= 300 && status < 400 ? ', and redirects are not followed' : ''}`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.length;
    if (bytes > OIDC_JWKS_BYTES_MAX) throw failure(`its key set has more than ${OIDC_JWKS_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function keySetIn(text: string): Promise<KeySet> {
  const found = await keySetOf(parsed(text));
  const { length } = found.jwks().keys;
  if (length > OIDC_KEYS_MAX) throw failure(`its key set has ${length} keys, and may have ${OIDC_KEYS_MAX}`);
  return found;
}

/** Throws for a value that is no key set. */
async function keySetOf(value: unknown): Promise<LocalJWKSet> {
  const { createLocalJWKSet } = await import('jose');
  return createLocalJWKSet(value as JSONWebKeySet);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TailraceError('unavailable', 'what it answered is no JSON', { cause });
  }
}

function tookTooLong(): TailraceError {
  return failure(`it took longer than ${OIDC_FETCH_TIMEOUT_MS / 1_000} s`);
}

function failure(reason: string): TailraceError {
  return new TailraceError('unavailable', reason);
}

/** From our own error, from the library's about the set, or from the network's, whose cause has a code. */
function reasonOf(error: unknown): string {
  if (error instanceof TailraceError) return error.message;
  if (codeOf(error)?.startsWith('ERR_JWKS') === true) return 'what it answered is no JSON Web Key Set';
  const code = codeOf(typeof error === 'object' && error !== null && 'cause' in error ? error.cause : error);
  return `it cannot be reached${code === undefined ? '' : ` (${code})`}`;
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
