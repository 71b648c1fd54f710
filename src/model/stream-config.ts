/** Configuration of basins and streams (S2 API §4.1). */

export type TimestampingMode = 'client-prefer' | 'client-require' | 'arrival';
export type StorageClass = 'standard' | 'express';
/** How the records of a stream are encrypted with the caller's key (S2 API §4.7). */
export type StreamCipher = 'aes-256-gcm';

export const TIMESTAMPING_MODES: readonly TimestampingMode[] = ['client-prefer', 'client-require', 'arrival'];
export const STORAGE_CLASSES: readonly StorageClass[] = ['standard', 'express'];
export const STREAM_CIPHERS: readonly StreamCipher[] = ['aes-256-gcm'];

/** A stream's configuration, resolved when the stream is created: every field is there. */
export interface StreamConfig {
  readonly storageClass: StorageClass;
  /** Seconds counted from a record's arrival; undefined keeps records for ever. */
  readonly retentionAgeSeconds: number | undefined;
  /** Metered bytes that are kept at most, the oldest go first; undefined is no bound. Our own field. */
  readonly retentionBytes: number | undefined;
  readonly timestampingMode: TimestampingMode;
  /** Whether client timestamps ahead of the server's clock are kept. */
  readonly timestampingUncapped: boolean;
  /** 0 turns deletion of empty streams off. */
  readonly deleteOnEmptyMinAgeSeconds: number;
}

export const DEFAULT_STREAM_CONFIG: StreamConfig = {
  storageClass: 'express',
  retentionAgeSeconds: 604_800,
  retentionBytes: undefined,
  timestampingMode: 'client-prefer',
  timestampingUncapped: false,
  deleteOnEmptyMinAgeSeconds: 0,
};

/**
 * Leaves of a stream's configuration that somebody asked for. A leaf that is there with the value undefined says "for
 * ever" or "no bound"; one that is not there is not set, and the next level decides.
 */
export type StreamConfigRequest = Partial<StreamConfig>;

/** A change of leaves: absent keeps, null unsets, anything else sets (S2 API §3.6). */
export type StreamConfigPatch = { readonly [Leaf in keyof StreamConfig]?: StreamConfig[Leaf] | null };

/** An outside issuer of tokens that a basin trusts to send OTLP data (access.md, Exchange). Our own field. */
export interface OidcTrust {
  /** What `iss` must be, letter by letter: a URL. */
  readonly issuer: string;
  /** What `aud` must hold. */
  readonly audience: string;
  /** Where its public keys are: at a URL, or here, as the JSON text of a key set. */
  readonly keys: { readonly uri: string } | { readonly jwks: string };
}

/** A basin's configuration; `defaultStream` holds only the leaves that were set, the storage class always. */
export interface BasinConfig {
  readonly createStreamOnAppend: boolean;
  readonly createStreamOnRead: boolean;
  readonly defaultStream: StreamConfigRequest;
  /** The cipher of streams that are made from now on. */
  readonly streamCipher: StreamCipher | undefined;
  /** OTLP policy: the template that names the stream of a resource without `s2.stream`; empty is off. Our own field. */
  readonly otlpDefaultStream: string;
  /** Whose tokens may append here beside our own; undefined for nobody's. Our own field. */
  readonly oidc: OidcTrust | undefined;
}

/**
 * What a caller asks of a basin: fields that are not there get their default, our own ones keep what they were. `oidc` that
 * is there with the value undefined takes the trust away.
 */
export type BasinConfigRequest = Partial<BasinConfig>;

/** A change of a basin: absent keeps, null unsets (S2 API §3.6). Flags cannot be unset: null keeps them too. */
export interface BasinConfigPatch {
  readonly createStreamOnAppend?: boolean;
  readonly createStreamOnRead?: boolean;
  readonly defaultStream?: StreamConfigPatch | null;
  readonly streamCipher?: StreamCipher | null;
  readonly otlpDefaultStream?: string;
  readonly oidc?: OidcTrust | null;
}

/** The configuration of a stream: what was asked for over the basin's defaults over the global ones, leaf by leaf. */
export function resolveStreamConfig(basin: BasinConfig, request: StreamConfigRequest = {}): StreamConfig {
  return { ...DEFAULT_STREAM_CONFIG, ...basin.defaultStream, ...request };
}

/** The configuration of a basin as it is stored. `before` is what it had: our own fields are kept from it. */
export function resolveBasinConfig(request: BasinConfigRequest, before?: BasinConfig): BasinConfig {
  const { storageClass } = DEFAULT_STREAM_CONFIG;
  const { retentionBytes, ...leaves } = {
    storageClass,
    ...ownLeaves(before?.defaultStream ?? {}),
    ...request.defaultStream,
  };
  return {
    createStreamOnAppend: request.createStreamOnAppend ?? false,
    createStreamOnRead: request.createStreamOnRead ?? false,
    // No bound is what streams have anyway: a basin that says so says nothing.
    defaultStream: retentionBytes === undefined ? leaves : { ...leaves, retentionBytes },
    streamCipher: request.streamCipher,
    otlpDefaultStream: request.otlpDefaultStream ?? before?.otlpDefaultStream ?? '',
    oidc: 'oidc' in request ? request.oidc : before?.oidc,
  };
}

/** The leaves that S2 does not know: clients that don't know them must not erase them (S2 API §12). */
export function ownLeaves(leaves: StreamConfigRequest): StreamConfigRequest {
  return 'retentionBytes' in leaves ? { retentionBytes: leaves.retentionBytes } : {};
}

/** Leaves after a change. */
export function patchLeaves(leaves: StreamConfigRequest, patch: StreamConfigPatch): StreamConfigRequest {
  const entries = new Map<string, unknown>(Object.entries(leaves));
  for (const [leaf, value] of Object.entries(patch)) {
    if (value === null) entries.delete(leaf);
    else entries.set(leaf, value);
  }
  return Object.fromEntries(entries);
}

/** A basin's configuration after a change. */
export function patchBasinConfig(before: BasinConfig, patch: BasinConfigPatch): BasinConfig {
  const { defaultStream, streamCipher, oidc } = patch;
  const leaves = defaultStream === null ? {} : patchLeaves(before.defaultStream, defaultStream ?? {});
  return {
    createStreamOnAppend: patch.createStreamOnAppend ?? before.createStreamOnAppend,
    createStreamOnRead: patch.createStreamOnRead ?? before.createStreamOnRead,
    defaultStream: { storageClass: DEFAULT_STREAM_CONFIG.storageClass, ...leaves },
    streamCipher: streamCipher === undefined ? before.streamCipher : (streamCipher ?? undefined),
    otlpDefaultStream: patch.otlpDefaultStream ?? before.otlpDefaultStream,
    oidc: oidc === undefined ? before.oidc : (oidc ?? undefined),
  };
}
