/**
 * Creates or updates the access tokens that the init file declares, at each start, before the server listens. Their
 * secrets are in files of their own; the server writes those that are missing.
 */

import { createReadStream } from 'node:fs';
import { unlimited } from '../access/grant.ts';
import { writeSecret } from '../access/secret-file.ts';
import { hashToken, makeToken, ROOT_TOKEN_ID } from '../access/tokens/credential.ts';
import type { Ensured, TokenTable } from '../access/tokens/token-table.ts';
import { TailraceError } from '../model/error.ts';
import { GIVEN_SECRET_CHARS_MAX, GIVEN_SECRET_CHARS_MIN, SECRET_FILE_BYTES_MAX } from '../model/limits.ts';
import type { Audit, AuditAction } from '../observe/audit.ts';
import type { Logger } from '../observe/logger.ts';
import { type InitSpec, type InitToken, refusal } from './parse-init.ts';

/** What a header can carry as it is. */
const PRINTABLE = /^[\x21-\x7e]+$/;
const ROOT = unlimited(ROOT_TOKEN_ID);

/** How many there were of each outcome. */
export type TokensOutcome = Readonly<Record<Ensured, number>>;

/** What applying the tokens needs besides the file. */
export interface InitTokensContext {
  readonly table: TokenTable;
  /** Hashes of root tokens, whose secrets no other token may have. */
  readonly rootHashes: readonly (string | undefined)[];
  readonly audit: Pick<Audit, 'write'>;
  readonly logger: Logger;
}

/** A token with the hash of its secret, which is undefined when the secret's file is missing. */
interface Known {
  readonly declared: InitToken;
  readonly hash: string | undefined;
}

/**
 * Creates or updates every token that the file declares; durable when it resolves. Reads all files before it makes a
 * token.
 * @throws TailraceError `config` with the place in the file; `storage_full`, `storage`
 */
export async function applyInitTokens(
  { source, tokens }: InitSpec,
  context: InitTokensContext,
): Promise<TokensOutcome> {
  const faults: string[] = [];
  const known: Known[] = [];
  for (const declared of tokens) known.push(await knownOf(declared, faults));
  expectOwn(known, context.rootHashes, faults);
  if (faults.length > 0) throw refusal(source, faults);
  const count = { created: 0, replaced: 0, rotated: 0, unchanged: 0, expired: 0 };
  for (const { declared, hash } of known) {
    const ensured = await ensure(source, context.table, declared, hash);
    writeDown(context, declared, ensured);
    count[ensured] += 1;
  }
  if (known.length > 0) context.logger.info({ ...count }, 'applied the access tokens of the init file');
  return count;
}

/** Called instead when the server runs without authentication. */
export function skipInitTokens(spec: InitSpec | undefined, logger: Logger): void {
  if (spec === undefined || spec.tokens.length === 0) return;
  logger.warn({}, 'without authentication (--no-auth) the access tokens of the init file are not made');
}

const AUDIT_ACTIONS: Readonly<Record<Ensured, AuditAction | undefined>> = {
  created: 'issue-access-token',
  replaced: 'issue-access-token',
  rotated: 'rotate-access-token',
  unchanged: undefined,
  expired: undefined,
};

function writeDown({ audit, logger }: InitTokensContext, { place, request }: InitToken, ensured: Ensured): void {
  const action = AUDIT_ACTIONS[ensured];
  if (action !== undefined) audit.write({ action, protocol: 'start', principal: 'server', tokenId: request.id });
  if (ensured === 'expired') logger.warn({ place }, 'an access token of the init file has expired and is not valid');
}

async function ensure(source: string, table: TokenTable, declared: InitToken, hash: string | undefined) {
  const { place, request } = declared;
  try {
    // The file is written first: after a crash between the two, the next start makes the token. The other way round
    // there
    // could be a token whose secret is lost.
    return await table.ensure(ROOT, request, hash ?? (await makeSecret(declared)));
  } catch (error) {
    if (!(error instanceof TailraceError) || !REFUSED.includes(error.code)) throw error;
    throw refusal(source, [`${place}: ${error.message}`]);
  }
}

const REFUSED: readonly TailraceError['code'][] = ['invalid', 'resource_already_exists', 'quota_exhausted', 'config'];

async function knownOf(declared: InitToken, faults: string[]): Promise<Known> {
  const { place, secretFile } = declared;
  const nothing = { declared, hash: undefined };
  try {
    const secret = (await readStart(secretFile)).trim();
    const fault = secretFault(secret);
    if (fault === undefined) return { declared, hash: hashToken(secret) };
    faults.push(`${place}.secret_file: the secret in ${secretFile} ${fault}`);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOENT') faults.push(`${place}.secret_file: ${secretFile} cannot be read (${code})`);
  }
  return nothing;
}

/** Reads as much as a secret may have, and one byte more. */
async function readStart(file: string): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of createReadStream(file, { end: SECRET_FILE_BYTES_MAX })) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('latin1');
}

function secretFault(secret: string): string | undefined {
  if (secret.length < GIVEN_SECRET_CHARS_MIN) {
    return `has ${secret.length} characters, and needs at least ${GIVEN_SECRET_CHARS_MIN}: remove the file, and the server makes a good one`;
  }
  if (secret.length > GIVEN_SECRET_CHARS_MAX) return `has more than ${GIVEN_SECRET_CHARS_MAX} characters`;
  return PRINTABLE.test(secret) ? undefined : 'may hold printable ASCII characters alone, and no spaces';
}

async function makeSecret({ request, secretFile }: InitToken): Promise<string> {
  const secret = makeToken(request.prefix);
  await writeSecret(secretFile, secret).catch((cause: unknown) => {
    const why = `${secretFile} is missing, and cannot be written (${codeOf(cause)})`;
    throw new TailraceError('config', `secret_file: ${why}: put a secret there, or name a place for it`, { cause });
  });
  return hashToken(secret);
}

/** Finds secrets that two tokens share: each token must have its own. */
function expectOwn(known: readonly Known[], rootHashes: readonly (string | undefined)[], faults: string[]): void {
  const places = new Map<string, string>();
  for (const { declared, hash } of known) {
    if (hash === undefined) continue;
    const { place } = declared;
    const other = rootHashes.includes(hash) ? 'the root token' : places.get(hash);
    if (other !== undefined)
      faults.push(`${place}.secret_file: it holds the secret of ${other}: give it one of its own`);
    places.set(hash, place);
  }
}

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? code : String(error);
}
