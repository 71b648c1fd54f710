/**
 * Who may do what on a node, as partition 0 says it in the node's own store: for readers while the node does not lead, and
 * for the partitions that hold no tokens. Nothing is written here.
 */

import { Access } from '../access/access.ts';
import { JwtKeys, type KeyStore, keyStore, writesKeys } from '../access/jwt-keys.ts';
import { OutsideIssuers } from '../access/outside-issuers.ts';
import { givenRootTokenHash } from '../access/tokens/root-token.ts';
import { followTokens, rootTokenStore, tokenStore } from '../access/tokens/stores.ts';
import { TokenExchange } from '../access/tokens/token-exchange.ts';
import { TokenTable } from '../access/tokens/token-table.ts';
import { originsOf } from '../build-access.ts';
import type { Config } from '../config.ts';
import type { Basin } from '../log/basins.ts';
import type { Clock } from '../model/clock.ts';
import type { Warnings } from '../observe/warnings.ts';
import type { Engine, Write } from '../storage/engine.ts';

export interface NodeAccessDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly warnings: Pick<Warnings, 'warn'>;
  /** Durable basins of all partitions. Returns the same list while nothing has changed. */
  basins(): readonly Basin[];
  /** Tells the node that leads partition 0 when tokens were used here. */
  putUses(usedAt: ReadonlyMap<number, number>): Promise<void>;
}

/** What partition 0 holds of access, in memory. */
interface FollowedStore {
  readonly tokens: TokenTable;
  readonly keys: JwtKeys;
  readonly noteRoot: (hash: string | undefined) => void;
}

export class NodeAccess {
  /** The same one while the node runs. */
  readonly access: Access;
  readonly #followed: FollowedStore | undefined;
  #engine: Engine;

  private constructor(access: Access, engine: Engine, followed: FollowedStore | undefined) {
    this.access = access;
    this.#engine = engine;
    this.#followed = followed;
  }

  /** Nothing may be written to the store until it resolves. @throws TailraceError `config`, `corrupt` */
  static async load(engine: Engine, deps: NodeAccessDeps): Promise<NodeAccess> {
    const { config, clock, warnings } = deps;
    if (config.noAuth) {
      return new NodeAccess(new Access({ type: 'open', origins: originsOf(config) }, clock), engine, undefined);
    }
    const given = await givenRootTokenHash({ secret: config.rootToken, file: config.rootTokenFile });
    let stored = await rootTokenStore(engine, clock).rootTokenHash();
    const store = { ...tokenStore(engine, async () => {}), putUses: deps.putUses };
    const tokens = await TokenTable.load(store, clock, (token) => access.ended(token));
    const keys = await JwtKeys.load(keysIn(engine), clock);
    const { exchangeTtl: ttlMs, defaultBasin } = config;
    const warn = (issuer: string, message: string, reason: string): void => warnings.warn(issuer, reason, {}, message);
    const mode = {
      type: 'tokens' as const,
      tokens,
      exchange: new TokenExchange({ tokens, keys, clock, ttlMs, defaultBasin }),
      outside: new OutsideIssuers({ basins: deps.basins, clock, warn }),
      // The first node that leads makes it, perhaps later.
      get rootTokenHash() {
        return given ?? stored;
      },
    };
    const access: Access = new Access(mode, clock);
    const noteRoot = (hash: string | undefined): void => {
      stored = hash;
    };
    return new NodeAccess(access, engine, { tokens, keys, noteRoot });
  }

  /** What was written to the store: what a token has opened ends with it. @throws TailraceError `corrupt` */
  async follow(writes: readonly Write[]): Promise<void> {
    if (this.#followed === undefined) return;
    const { tokens, keys, noteRoot } = this.#followed;
    followTokens(writes, tokens, noteRoot);
    if (writes.some(writesKeys)) await keys.reload(keysIn(this.#engine));
  }

  /** Another store has taken the place of the one before. @throws TailraceError `corrupt` */
  async replace(engine: Engine, clock: Clock): Promise<void> {
    this.#engine = engine;
    if (this.#followed === undefined) return;
    const { tokens, keys, noteRoot } = this.#followed;
    noteRoot(await rootTokenStore(engine, clock).rootTokenHash());
    tokens.replace((await tokenStore(engine, async () => {}).load()).tokens);
    await keys.reload(keysIn(engine));
  }

  close(): Promise<void> {
    return this.access.close();
  }
}

/** To load, not to change. */
function keysIn(engine: Engine): KeyStore {
  return keyStore(engine, async () => {});
}
