/** Configurations as S2's JSON has them, in requests and in responses. */

/** The configuration of a stream. In a change, an absent leaf is kept and null unsets it. */
export interface StreamConfigJson {
  readonly storage_class?: string | null;
  /** Seconds from a record's arrival. */
  readonly retention_policy?: { readonly age: number } | { readonly infinite: object } | null;
  /** Most metered bytes that are kept. Our own field. */
  readonly retention_bytes?: number | null;
  readonly timestamping?: { readonly mode?: string | null; readonly uncapped?: boolean | null } | null;
  readonly delete_on_empty?: { readonly min_age_secs?: number | null } | null;
}

/** The configuration of a basin, with the defaults of its streams. */
export interface BasinConfigJson {
  readonly default_stream_config?: StreamConfigJson | null;
  /** The cipher of streams that are made from now on. */
  readonly stream_cipher?: string | null;
  readonly create_stream_on_append?: boolean | null;
  readonly create_stream_on_read?: boolean | null;
  /** The template that names the stream of OTLP data without `s2.stream`. Our own field. */
  readonly otlp_default_stream?: string | null;
  /** Whether `service.name` names an existing stream. This and the following are the OTLP policy, our own fields. */
  readonly otlp_service_routing?: boolean | null;
  readonly otlp_required_resource_attributes?: readonly string[] | null;
  /** A limit profile, and single values over it; null in it is no limit. */
  readonly otlp_limits?: Readonly<Record<string, string | number | null>> | null;
  readonly otlp_rates?: Readonly<Record<string, string | number | null>> | null;
  /** Seconds. */
  readonly otlp_dedupe_window?: number | null;
  readonly otlp_drop_attributes?: readonly string[] | null;
  /** Metered bytes up to which OTLP items are stored whole that are larger than an S2 record. */
  readonly large_items_max?: number | null;
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
