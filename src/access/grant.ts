/** What the holder of a credential may do, and what the server does to the data they send. */

import type { Operation } from '../model/operation.ts';
import { effectiveOperations, matches, type Scope } from '../model/scope.ts';
import type { TokenLimits } from '../model/token-request.ts';

/** The ids of outside senders begin with this, and no id of ours does: see `outside-issuers.ts`. */
export const OUTSIDE_ID_PREFIX = 'oidc:';

/** A token as it is kept: everything except its secret. */
export interface Token {
  readonly id: string;
  /** Never reused: a new token with an old id has another number. */
  readonly number: number;
  /** Counts its secrets: what was derived from an older one is void. */
  readonly rotation: number;
  /** All times in milliseconds since the epoch. */
  readonly createdAt: number;
  /** Undefined never expires. */
  readonly expiresAt: number | undefined;
  /** The digits of its second, as the issuer wrote them: see `Instant`. */
  readonly expiresFraction?: string | undefined;
  readonly scope: Scope;
  /** Put before every stream name that the holder uses, and removed where they see one. May be empty. */
  readonly autoPrefix: string;
  /** The stream for OTLP data that names none; absolute. */
  readonly stream: string | undefined;
  /** Set on every OTLP resource, in place of what the sender wrote. */
  readonly resourceAttributes: ReadonlyMap<string, string>;
  readonly limits: TokenLimits;
  /** What its secrets begin with. */
  readonly prefix: string;
}

/** A session of the web page: its holder may do what the token of the caller may. */
export interface PageSession {
  /** Of its secret. */
  readonly hash: string;
  /** Unless it is used before: milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The caller of a request. Stream names are absolute: see {@link Principal.absolute}. */
export interface Principal {
  /** For log lines; never the secret. */
  readonly id: string;
  /** Undefined for the root token, and where callers need none. */
  readonly token: Token | undefined;
  /** Undefined for a caller who shows a token itself. */
  readonly session?: PageSession | undefined;
  /** Whether an operation is allowed on a basin, and a stream or a token in it. */
  allows(operation: Operation, basin?: string, stream?: string, tokenId?: string): boolean;
  /** The full name of the stream that this caller means by a name. */
  absolute(stream: string): string;
  /** A stream's name as this caller knows it. */
  shown(stream: string): string;
}

/** The basin of a request that names none: that of the caller's scope, if the scope names exactly one. */
export function onlyBasin({ token }: Principal): string | undefined {
  const basins = token?.scope.basins;
  return basins !== undefined && 'exact' in basins && basins.exact !== '' ? basins.exact : undefined;
}

/** A caller who may do everything. */
export function unlimited(id: string): Principal {
  const same = (stream: string): string => stream;
  return { id, token: undefined, allows: () => true, absolute: same, shown: same };
}

/** Who calls where no token is needed. */
export const ANYONE: Principal = unlimited('anyone');

/** The holder of a token. */
export function principalOf(token: Token): Principal {
  const { scope, autoPrefix } = token;
  const operations: ReadonlySet<Operation> = effectiveOperations(scope);
  return {
    id: token.id,
    token,
    allows: (operation, basin, stream, tokenId) =>
      operations.has(operation) &&
      (basin === undefined || matches(scope.basins, basin)) &&
      (stream === undefined || matches(scope.streams, stream)) &&
      (tokenId === undefined || matches(scope.accessTokens, tokenId)),
    absolute: (stream) => autoPrefix + stream,
    shown: (stream) => (stream.startsWith(autoPrefix) ? stream.slice(autoPrefix.length) : stream),
  };
}
