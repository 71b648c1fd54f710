/** Tokens in the store: the hash of a secret leads to its row, an id leads to the hash. No secret is stored. */

import type { Clock } from '../../model/clock.ts';
import { GRANTED_OPERATIONS } from '../../model/operation.ts';
import type { CommitOptions, Engine, Entry, Write } from '../../storage/engine.ts';
import {
  FAMILY,
  familyRange,
  type KeyRange,
  readUsageKey,
  settingsKey,
  tokenHashKey,
  tokenIdKey,
  usageKey,
  usageRange,
} from '../../storage/keys.ts';
import {
  decodeNumber,
  decodeToken,
  encodeNumber,
  encodeRootToken,
  encodeToken,
  type TokenRow,
} from '../../storage/token-rows.ts';
import type { Token } from '../grant.ts';
import { ROOT_TOKEN_ID } from './credential.ts';
import { UNUSED } from './last-uses.ts';
import type { RootTokenStore } from './root-token.ts';
import type { TokenStore, TokenTable } from './token-table.ts';

const NEXT_NUMBER = settingsKey('next-token');
const RESET = settingsKey('root-token-reset');
const PAGE = 1_000;
/** Removing a secret works when the store is full too: otherwise the secret would be valid again after a restart. */
const RESERVE: CommitOptions = { mayUseReserve: true };

/** The root token in a store. */
export function rootTokenStore(engine: Engine, clock: Clock): RootTokenStore {
  return {
    rootTokenHash: async () => {
      const hash = await engine.get(tokenIdKey(ROOT_TOKEN_ID));
      const row = hash === undefined ? undefined : await engine.get(tokenHashKey(hash));
      // Only a row that says so is the root token's, whatever its id leads to.
      const isRoot = row !== undefined && decodeToken(row) === 'root';
      return hash === undefined || !isRoot ? undefined : Buffer.from(hash).toString('hex');
    },
    putRootTokenHash: async (hex, isReset) => {
      const before = await engine.get(tokenIdKey(ROOT_TOKEN_ID));
      const hash = Buffer.from(hex, 'hex');
      const rows: Write[] = [
        { type: 'put', key: tokenHashKey(hash), value: encodeRootToken(clock.now()) },
        { type: 'put', key: tokenIdKey(ROOT_TOKEN_ID), value: hash },
      ];
      if (before !== undefined) rows.unshift({ type: 'delete', key: tokenHashKey(before) });
      if (isReset) rows.push({ type: 'put', key: RESET, value: encodeNumber(clock.now()) });
      await engine.commit(rows, isReset ? RESERVE : {});
    },
    resetAt: async () => {
      const row = await engine.get(RESET);
      return row === undefined ? undefined : decodeNumber(row);
    },
    forgetReset: () => engine.commit([{ type: 'delete', key: RESET }], RESERVE),
  };
}

/** Makes rows durable together. */
export type CommitRows = (rows: readonly Write[], options?: CommitOptions) => Promise<void>;

/** All other tokens in a store. */
export function tokenStore(engine: Engine, commit: CommitRows): TokenStore {
  return {
    load: async () => {
      const next = await engine.get(NEXT_NUMBER);
      const tokens: (readonly [string, Token])[] = [];
      for await (const { key, value } of rowsIn(engine, familyRange(FAMILY.tokensByHash))) {
        const row = decodeToken(value);
        if (row !== 'root') tokens.push([Buffer.from(key.subarray(1)).toString('hex'), tokenOf(row)]);
      }
      const usedAt = new Map<number, number>();
      for await (const { key, value } of rowsIn(engine, usageRange('tokens'))) {
        usedAt.set(readUsageKey(key)[0], decodeNumber(value));
      }
      return { tokens, nextNumber: next === undefined ? 1 : decodeNumber(next), usedAt };
    },
    put: (hex, token, nextNumber, before) => {
      const hash = Buffer.from(hex, 'hex');
      const rows: Write[] = before === undefined ? [] : [deleteOf(before.hash)];
      if (before !== undefined && before.token.number !== token.number) rows.push(deleteUse(before.token));
      if (token.rotation === 0) rows.push(putUse(token.number, UNUSED));
      rows.push({ type: 'put', key: NEXT_NUMBER, value: encodeNumber(nextNumber) });
      rows.push({ type: 'put', key: tokenHashKey(hash), value: encodeToken(rowOf(token)) });
      rows.push({ type: 'put', key: tokenIdKey(token.id), value: hash });
      return commit(rows, before === undefined ? {} : RESERVE);
    },
    putUses: (usedAt) => commit([...usedAt].map(([number, at]) => putUse(number, at))),
    remove: (hex, token) =>
      commit([deleteOf(hex), { type: 'delete', key: tokenIdKey(token.id) }, deleteUse(token)], RESERVE),
  };
}

/** Tells of what the log of a cluster brings of tokens. */
export function followTokens(
  writes: readonly Write[],
  table: Pick<TokenTable, 'follow'>,
  onRootToken: (hash: string) => void,
): void {
  for (const write of writes) {
    if (write.key[0] !== FAMILY.tokensByHash) continue;
    const hash = Buffer.from(write.key.subarray(1)).toString('hex');
    const row = write.type === 'put' ? decodeToken(write.value) : undefined;
    if (row === 'root') onRootToken(hash);
    else table.follow(hash, row === undefined ? undefined : tokenOf(row));
  }
}

async function* rowsIn(engine: Engine, { from: first, to }: KeyRange): AsyncGenerator<Entry> {
  for (let from = first; ; ) {
    const page = await engine.scan({ from, to, limit: PAGE });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}

function putUse(number: number, usedAt: number): Write {
  return { type: 'put', key: usageKey('tokens', number, 0), value: encodeNumber(usedAt) };
}

function deleteUse({ number }: Token): Write {
  return { type: 'delete', key: usageKey('tokens', number, 0) };
}

function deleteOf(hex: string): Write {
  return { type: 'delete', key: tokenHashKey(Buffer.from(hex, 'hex')) };
}

function rowOf({ resourceAttributes, limits, ...token }: Token): TokenRow {
  return { ...token, resourceAttributes: [...resourceAttributes], limits };
}

/** Operations of a later build are dropped: this build cannot do them. */
function tokenOf({ resourceAttributes, scope, ...row }: TokenRow): Token {
  const operations = GRANTED_OPERATIONS.filter((operation) => scope.operations.includes(operation));
  return { ...row, scope: { ...scope, operations }, resourceAttributes: new Map(resourceAttributes) };
}
