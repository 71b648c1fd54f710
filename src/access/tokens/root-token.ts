/**
 * The root token: made when the store has none, or set from outside. A token from outside takes precedence over the
 * stored one and writes nothing, so that the stored one is valid again once the setting is gone.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TailraceError } from '../../model/error.ts';
import { writeSecret } from '../secret-file.ts';
import { hashToken, makeToken } from './credential.ts';

/** In the data directory, where the token was made by the server. */
export const ROOT_TOKEN_FILE = 'root-token';
const CHARS_MIN = 32;

/** Keeps the hash of the root token. */
export interface RootTokenStore {
  rootTokenHash(): Promise<string | undefined>;
  /** Durable when it resolves. With `isReset` the time is kept too, for the server that starts next. */
  putRootTokenHash(hash: string, isReset: boolean): Promise<void>;
  /** When the root token was reset, in milliseconds since the epoch, until `forgetReset`. */
  resetAt(): Promise<number | undefined>;
  forgetReset(): Promise<void>;
}

export interface RootToken {
  readonly hash: string;
  /** The secret, only if it was made by this call: it is shown once. */
  readonly made: string | undefined;
  /** The file with the secret, if the server knows of one. */
  readonly file: string | undefined;
}

/** What was set from outside, if anything. */
export interface GivenRootToken {
  readonly secret?: string | undefined;
  readonly file?: string | undefined;
}

/**
 * Returns the root token in force. Makes one when there is none.
 * @throws TailraceError `config` when the given file cannot be read or its secret is too short
 */
export async function ensureRootToken(
  store: RootTokenStore,
  dataDir: string,
  given: GivenRootToken,
): Promise<RootToken> {
  const secret = await givenSecret(given);
  if (secret !== undefined) return { hash: hashToken(secret), made: undefined, file: given.file };
  const file = join(dataDir, ROOT_TOKEN_FILE);
  const stored = await store.rootTokenHash();
  if (stored !== undefined) return { hash: stored, made: undefined, file };
  return makeRootToken(store, dataDir, false);
}

/** The hash of what was set from outside. @throws TailraceError `config` */
export async function givenRootTokenHash(given: GivenRootToken): Promise<string | undefined> {
  const secret = await givenSecret(given);
  return secret === undefined ? undefined : hashToken(secret);
}

/** Makes a new root token and its file, while no server runs; the old one is void when it resolves. */
export async function resetRootToken(store: RootTokenStore, dataDir: string): Promise<{ readonly file: string }> {
  const { file } = await makeRootToken(store, dataDir, true);
  return { file };
}

async function makeRootToken(
  store: RootTokenStore,
  dataDir: string,
  isReset: boolean,
): Promise<RootToken & { readonly made: string; readonly file: string }> {
  const file = join(dataDir, ROOT_TOKEN_FILE);
  const made = makeToken();
  // The file goes first: a crash in between is fixed by another call, and never leaves a store whose token is unknown.
  await writeSecret(file, made);
  const hash = hashToken(made);
  await store.putRootTokenHash(hash, isReset);
  return { hash, made, file };
}

async function givenSecret({ secret, file }: GivenRootToken): Promise<string | undefined> {
  return file === undefined ? secret : readSecret(file);
}

async function readSecret(file: string): Promise<string> {
  const secret = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new TailraceError('config', `the root token file ${file} cannot be read`, { cause });
  });
  if (secret.trim().length < CHARS_MIN) {
    throw new TailraceError('config', `the root token in ${file} must have at least ${CHARS_MIN} characters`);
  }
  return secret.trim();
}
