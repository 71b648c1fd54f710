/** Who may call a server: its root token, and what decides on callers. */

import { Access } from './access/access.ts';
import { JwtKeys, keyStore } from './access/jwt-keys.ts';
import { Origins } from './access/origins.ts';
import { OutsideIssuers } from './access/outside-issuers.ts';
import { ensureRootToken, type RootToken } from './access/tokens/root-token.ts';
import { type CommitRows, rootTokenStore, tokenStore } from './access/tokens/stores.ts';
import { TokenExchange } from './access/tokens/token-exchange.ts';
import { TokenTable } from './access/tokens/token-table.ts';
import type { Config } from './config.ts';
import { applyInitTokens, skipInitTokens } from './init/init-tokens.ts';
import type { Warnings } from './observe/warnings.ts';
import { byOurselves, type OpenStore } from './open-store.ts';

/** Undefined when pages of other sites may not call the server. */
export function originsOf({ corsOrigin }: Config): Origins | undefined {
  return corsOrigin === undefined ? undefined : new Origins(corsOrigin);
}

/** Builds what decides on callers, with the tokens of the store and of the init file. */
export async function buildAccess(
  opened: OpenStore,
  rootToken: RootToken | undefined,
  warnings: Warnings,
): Promise<Access> {
  const { config, engine, log, clock, init, audit, logger } = opened;
  if (rootToken === undefined) {
    skipInitTokens(init, logger);
    return new Access({ type: 'open', origins: originsOf(config) }, clock);
  }
  const commit: CommitRows = (rows, options) => log.commitRows(rows, options);
  const tokens = await TokenTable.load(
    tokenStore(engine, commit),
    clock,
    (token) => access.ended(token),
    (err) => logger.warn({ err }, 'it could not be written when tokens were last used: it is tried again'),
  );
  const keys = await JwtKeys.load(keyStore(engine, commit), clock);
  const { exchangeTtl: ttlMs, defaultBasin } = config;
  const exchange = new TokenExchange({ tokens, keys, clock, ttlMs, defaultBasin });
  const warn = (issuer: string, message: string, reason: string): void => warnings.warn(issuer, reason, {}, message);
  const isElsewhere = (basin: string): boolean => log.moves.isElsewhere(basin);
  const outside = new OutsideIssuers({ basins: () => log.listBasins(), isElsewhere, clock, warn });
  const mode = { type: 'tokens', rootTokenHash: rootToken.hash, tokens, exchange, outside } as const;
  const access: Access = new Access(mode, clock);
  // A root token from the settings replaces the stored one, whose secret is valid again when it is no longer set.
  const rootHashes = [rootToken.hash, await rootTokenStore(engine, clock).rootTokenHash()];
  if (init !== undefined) await applyInitTokens(init, { table: tokens, rootHashes, audit, logger });
  return access;
}

/** Writes a reset of the root token to the audit log: when it happened, no server was running. */
async function auditReset({ audit, engine, clock, logger }: OpenStore): Promise<void> {
  const store = rootTokenStore(engine, clock);
  const doneAt = await store.resetAt();
  if (doneAt === undefined) return;
  audit.write({ ...byOurselves('reset-root-token'), principal: 'operator', doneAt });
  try {
    await store.forgetReset();
  } catch (err) {
    // A second audit line is better than no start.
    logger.warn({ err }, 'it could not be noted that the reset of the root token is in the audit log');
  }
}

/** Makes the root token where there is none yet. Undefined without tokens. */
export async function rootTokenOf(opened: OpenStore): Promise<RootToken | undefined> {
  const { config, engine, clock, dataDir, audit } = opened;
  if (config.noAuth) return undefined;
  const wanted = { secret: config.rootToken, file: config.rootTokenFile };
  const rootToken = await ensureRootToken(rootTokenStore(engine, clock), dataDir, wanted);
  if (rootToken.made !== undefined) audit.write(byOurselves('make-root-token'));
  await auditReset(opened);
  return rootToken;
}
