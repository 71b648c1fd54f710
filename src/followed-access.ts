/**
 * Who may read on a node that follows, as its store says. Nothing is written here: when a token was last used is known of
 * the node that leads alone.
 */

import { Access } from './access/access.ts';
import { givenRootTokenHash } from './access/tokens/root-token.ts';
import { followTokens, rootTokenStore, tokenStore } from './access/tokens/stores.ts';
import { TokenTable } from './access/tokens/token-table.ts';
import { originsOf } from './build-access.ts';
import type { Config } from './config.ts';
import type { Clock } from './model/clock.ts';
import type { Engine, Write } from './storage/engine.ts';

export class FollowedAccess {
  readonly access: Access;
  readonly #follow: (writes: readonly Write[]) => void;

  private constructor(access: Access, follow: (writes: readonly Write[]) => void) {
    this.access = access;
    this.#follow = follow;
  }

  /** Nothing may be written to the store until it resolves. @throws TailraceError `config`, `corrupt` */
  static async load(engine: Engine, config: Config, clock: Clock): Promise<FollowedAccess> {
    if (config.noAuth)
      return new FollowedAccess(new Access({ type: 'open', origins: originsOf(config) }, clock), () => {});
    const given = await givenRootTokenHash({ secret: config.rootToken, file: config.rootTokenFile });
    let stored = await rootTokenStore(engine, clock).rootTokenHash();
    const store = tokenStore(engine, async () => {});
    const tokens = await TokenTable.load(store, clock, (token) => access.ended(token));
    const mode = {
      ...{ type: 'tokens' as const, tokens },
      // The first node that leads makes it, perhaps later.
      get rootTokenHash() {
        return given ?? stored;
      },
    };
    const access: Access = new Access(mode, clock);
    const noteRoot = (hash: string): void => {
      stored = hash;
    };
    return new FollowedAccess(access, (writes) => followTokens(writes, tokens, noteRoot));
  }

  /** What was written to the store: what a token has opened ends with it. @throws TailraceError `corrupt` */
  follow(writes: readonly Write[]): void {
    this.#follow(writes);
  }
}
