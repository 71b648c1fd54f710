/** What a caller asks for who wants an access token issued. */

import type { Scope } from './scope.ts';

export interface TokenRequest {
  readonly id: string;
  /** Names in it are absolute. */
  readonly scope: Scope;
  /** Milliseconds since the epoch; undefined takes the issuer's. */
  readonly expiresAt: number | undefined;
  /** The digits of its second: see `Instant`. */
  readonly expiresFraction?: string | undefined;
  readonly autoPrefixStreams: boolean;
  readonly stream: string | undefined;
  readonly resourceAttributes: ReadonlyMap<string, string>;
  readonly limits: TokenLimits;
  readonly prefix: string | undefined;
}

/** Limits of one token; undefined is no limit. */
export interface TokenLimits {
  /** The named profile, whose values single ones replace. */
  readonly profile: string | undefined;
  readonly spansPerMinute: number | undefined;
  /** Decompressed bytes of OTLP requests, and how many may come at once: without a number, those of two seconds. */
  readonly bytesPerSecond?: number | undefined;
  readonly burstBytes?: number | undefined;
}
