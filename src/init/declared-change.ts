/**
 * What becomes of a basin, a stream or a token when it is ensured as declared: the same functions as on the server, so that a
 * plan says what an act would do. Everything is JSON as the API shows it.
 */

import { unlimited } from '../access/grant.ts';
import { ROOT_TOKEN_ID } from '../access/tokens/credential.ts';
import { tokenFor } from '../access/tokens/issue.ts';
import { ownLeaves, resolveBasinConfig, resolveStreamConfig } from '../model/stream-config.ts';
import type { TokenRequest } from '../model/token-request.ts';
import {
  basinConfigJson,
  parseBasinConfigRequest,
  parseStreamConfigRequest,
  streamConfigJson,
} from '../s2/config-json.ts';
import { parseTokenRequest, tokenInfoJson } from '../s2/token-json.ts';
import type { DeclaredToken, InitBasin, InitStream } from './parse-init.ts';

/** Settings as the API shows them. */
export type ShownJson = Readonly<Record<string, unknown>>;

/** Before and after; before a creation there is what a creation without settings makes. */
export interface DeclaredChange {
  readonly before: ShownJson;
  readonly after: ShownJson;
}

/** `current` is what the server shows; undefined when it has no such basin. @throws TailraceError for no configuration */
export function basinChange({ config }: InitBasin, current: unknown): DeclaredChange {
  const known = current === undefined ? undefined : resolveBasinConfig(parseBasinConfigRequest(current));
  return {
    before: basinConfigJson(known ?? resolveBasinConfig({})),
    after: basinConfigJson(resolveBasinConfig(config, known)),
  };
}

/** `basin` is the configuration of its basin after the change of that. @throws TailraceError for no configuration */
export function streamChange({ config }: InitStream, basin: ShownJson, current: unknown): DeclaredChange {
  const around = resolveBasinConfig(parseBasinConfigRequest(basin));
  const known = current === undefined ? undefined : resolveStreamConfig(around, parseStreamConfigRequest(current));
  const wanted = { ...(known === undefined ? {} : ownLeaves(known)), ...config };
  return {
    before: streamConfigJson(known ?? resolveStreamConfig(around)),
    after: streamConfigJson(resolveStreamConfig(around, wanted)),
  };
}

/**
 * Whoever is bound issues tokens that are bound too: what they did not declare then counts as the server shows it.
 * `isRoot` says that the caller is bound to nothing.
 */
export function tokenChange(declared: DeclaredToken, current: unknown, isRoot: boolean): DeclaredChange {
  const after = issuedJson(declared.request);
  if (current === undefined) return { before: {}, after };
  const before = issuedJson(parseTokenRequest(current));
  if (isRoot) return { before, after };
  const kept = Object.entries(before).filter(([field]) => declared.json[field] === undefined);
  return { before, after: { ...after, ...Object.fromEntries(kept) } };
}

/** A basin as a server shows it, with all settings. @throws TailraceError for no configuration, as all of these */
export function shownBasin(current: unknown): ShownJson {
  return basinConfigJson(resolveBasinConfig(parseBasinConfigRequest(current)));
}

/** The same of a stream; `basin` is what {@link shownBasin} returns of its basin. */
export function shownStream(basin: ShownJson, current: unknown): ShownJson {
  const around = resolveBasinConfig(parseBasinConfigRequest(basin));
  return streamConfigJson(resolveStreamConfig(around, parseStreamConfigRequest(current)));
}

/** The same of a token, whose last use is no part of its definition. */
export function shownToken(current: unknown): ShownJson {
  return issuedJson(parseTokenRequest(current));
}

/** In one order, because the order of operations means nothing. */
function issuedJson(request: TokenRequest): ShownJson {
  const scope = { ...request.scope, operations: [...request.scope.operations].sort() };
  const token = tokenFor(unlimited(ROOT_TOKEN_ID), { ...request, scope }, { number: 0, rotation: 0, createdAt: 0 });
  return tokenInfoJson(token);
}
