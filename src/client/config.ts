/** Configurations as S2's JSON has them (§4.1): what a client sends is what it gets back. */

/** Of a stream. A leaf that is absent is not set, or kept; null unsets it where that is asked for. */
export interface StreamConfigJson {
  readonly storage_class?: string | null;
  /** Seconds from a record's arrival. */
  readonly retention_policy?: { readonly age: number } | { readonly infinite: object } | null;
  /** Metered bytes that are kept at most. Our own field. */
  readonly retention_bytes?: number | null;
  readonly timestamping?: { readonly mode?: string | null; readonly uncapped?: boolean | null } | null;
  readonly delete_on_empty?: { readonly min_age_secs?: number | null } | null;
}

/** Of a basin, with what its streams start from. */
export interface BasinConfigJson {
  readonly default_stream_config?: StreamConfigJson | null;
  /** Of streams that are made from now on. */
  readonly stream_cipher?: string | null;
  readonly create_stream_on_append?: boolean | null;
  readonly create_stream_on_read?: boolean | null;
  /** The template that names the stream of OTLP data without `s2.stream`. Our own field. */
  readonly otlp_default_stream?: string | null;
  /** The outside issuer whose tokens may send OTLP data to the basin. Our own field. */
  readonly oidc?: OidcJson | null;
}

/** An outside issuer: its keys are at a URL, or in a key set. */
export interface OidcJson {
  readonly issuer: string;
  readonly audience: string;
  readonly jwks_uri?: string;
  readonly jwks?: unknown;
}
