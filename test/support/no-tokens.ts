/** A store of tokens that keeps them in memory, and a table over it: for doors that a test builds by itself. */

import type { Token } from '../../src/access/grant.ts';
import { type TokenStore, TokenTable } from '../../src/access/tokens/token-table.ts';
import type { Clock } from '../../src/model/clock.ts';

export class MemoryTokenStore implements TokenStore {
  readonly rows = new Map<string, Token>();
  nextNumber = 1;

  async load() {
    return { tokens: [...this.rows], nextNumber: this.nextNumber };
  }

  async put(hash: string, token: Token, nextNumber: number, before?: string): Promise<void> {
    if (before !== undefined) this.rows.delete(before);
    this.rows.set(hash, token);
    this.nextNumber = nextNumber;
  }

  async remove(hash: string): Promise<void> {
    this.rows.delete(hash);
  }
}

/** A table without tokens: the root one is known by its hash alone. */
export function noTokens(clock: Clock): Promise<TokenTable> {
  return TokenTable.load(new MemoryTokenStore(), clock, () => {});
}
