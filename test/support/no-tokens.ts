/** A token store in memory, and a token table over it: for servers that a test builds by itself. */

import type { Token } from '../../src/access/grant.ts';
import { type HashedTokenRow, type TokenStore, TokenTable } from '../../src/access/tokens/token-table.ts';
import type { Clock } from '../../src/model/clock.ts';

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
