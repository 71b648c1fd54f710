/** What the holder of a credential may do, and what the server does to what they send (access.md, Tokens). */

import type { Operation } from '../model/operation.ts';
import { effectiveOperations, matches, type Scope } from '../model/scope.ts';

/** What the ids of outside senders begin with, and no id of ours: see the issuers that basins trust. */
export const OUTSIDE_ID_PREFIX = 'oidc:';

/** Limits that are counted per token; undefined is none. */
export interface TokenLimits {
  /** The named profile that single values were taken over. */
  readonly profile: string | undefined;
  readonly spansPerMinute: number | undefined;
}

/** A token as it is kept: everything but its secret. */
export interface Token {
  readonly id: string;
  /** Never reused, so that a new token under an old id is another one. */
  readonly number: number;
  /** Counts its secrets: what was made of an older one is void. */
  readonly rotation: number;
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number;
  /** Undefined never expires. */
  readonly expiresAt: number | undefined;
  readonly scope: Scope;
  /** Stands before every stream name that the holder says or sees; empty is none. */
  readonly autoPrefix: string;
  /** Where OTLP data goes that names no stream; absolute. */
  readonly stream: string | undefined;
  /** Set on every OTLP resource, in place of what the sender wrote. */
  readonly resourceAttributes: ReadonlyMap<string, string>;
  readonly limits: TokenLimits;
  /** What its secrets begin with. */
  readonly prefix: string;
}

/** Whoever asks for something. Stream names are absolute: {@link Principal.absolute} makes them so. */
export interface Principal {
  /** For log lines; never the secret. */
  readonly id: string;
  /** Undefined for the root token, and where nobody is asked for one. */
  readonly token: Token | undefined;
  /** Whether an operation is allowed on a basin, and a stream or a token in it. */
  allows(operation: Operation, basin?: string, stream?: string, tokenId?: string): boolean;
  /** The stream that a name means when this caller says it. */
  absolute(stream: string): string;
  /** A stream's name as this caller knows it. */
  shown(stream: string): string;
}

/** The basin of a caller that names none: theirs, where their scope names exactly one (otlp.md, Which basin). */
export function onlyBasin({ token }: Principal): string | undefined {
  const basins = token?.scope.basins;
  return basins !== undefined && 'exact' in basins && basins.exact !== '' ? basins.exact : undefined;
}

/** May do everything. */
export function unlimited(id: string): Principal {
  const same = (stream: string): string => stream;
  return { id, token: undefined, allows: () => true, absolute: same, shown: same };
}

/** What a token may do. */
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
