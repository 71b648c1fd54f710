/** A token store in memory, and a token table over it: for servers that a test builds by itself. */

import type { Token } from '../../src/access/grant.ts';
import { type HashedTokenRow, type TokenStore, TokenTable } from '../../src/access/tokens/token-table.ts';
import type { Clock } from '../../src/model/clock.ts';
import type { TokenRequest } from '../../src/model/token-request.ts';

export class MemoryTokenStore implements TokenStore {
  readonly rows = new Map<string, Token>();
  readonly usedAt = new Map<number, number>();
  nextNumber = 1;

  async load() {
    return { tokens: [...this.rows], nextNumber: this.nextNumber, usedAt: this.usedAt };
  }

  async put(hash: string, token: Token, nextNumber: number, before?: HashedTokenRow): Promise<void> {
    if (before !== undefined) this.rows.delete(before.hash);
    if (token.rotation === 0) this.usedAt.set(token.number, 0);
    this.rows.set(hash, token);
    this.nextNumber = nextNumber;
  }

  async putUses(usedAt: ReadonlyMap<number, number>): Promise<void> {
    for (const [number, at] of usedAt) this.usedAt.set(number, at);
  }

  async remove(hash: string): Promise<void> {
    this.rows.delete(hash);
  }
}

/** A table without tokens: only the root token is known, by its hash. */
export function noTokens(clock: Clock): Promise<TokenTable> {
  return TokenTable.load(new MemoryTokenStore(), clock, () => {});
}

const NONE = { read: false, write: false };

/** A token that may read all streams, unless more says something else. */
export function requestOf(id: string, more: Partial<TokenRequest> = {}): TokenRequest {
  const groups = { account: NONE, basin: NONE, stream: { read: true, write: false } };
  return {
    id,
    scope: { basins: { prefix: '' }, streams: { prefix: '' }, accessTokens: undefined, groups, operations: [] },
    expiresAt: undefined,
    autoPrefixStreams: false,
    stream: undefined,
    resourceAttributes: new Map(),
    limits: { profile: undefined, spansPerMinute: undefined },
    prefix: undefined,
    ...more,
  };
}
