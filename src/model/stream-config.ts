/** Configuration of basins and streams (S2). */

import { changedPolicy, type OtlpPolicy, type OtlpPolicyRequest } from './otlp-policy.ts';

export type TimestampingMode = 'client-prefer' | 'client-require' | 'arrival';
export type StorageClass = 'standard' | 'express';
/** How the records of a stream are encrypted with the caller's key (S2). */
export type StreamCipher = 'aes-256-gcm' | 'aegis-256';

export const TIMESTAMPING_MODES: readonly TimestampingMode[] = ['client-prefer', 'client-require', 'arrival'];
export const STORAGE_CLASSES: readonly StorageClass[] = ['standard', 'express'];
export const STREAM_CIPHERS: readonly StreamCipher[] = ['aes-256-gcm', 'aegis-256'];

/** The configuration of a stream, resolved when the stream is created: every field is present. */
export interface StreamConfig {
  readonly storageClass: StorageClass;
  /** Seconds counted from a record's arrival; undefined keeps records forever. */
  readonly retentionAgeSeconds: number | undefined;
  /** The most metered bytes that are kept; the oldest go first. Undefined is no bound. Our own field. */
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
 * The fields ("leaves") of a stream's configuration that the caller set. A leaf that is present with the value
 * undefined means "forever" or "no bound". A leaf that is absent is not set, and the next level decides.
 */
export type StreamConfigRequest = Partial<StreamConfig>;

/** A change of leaves (S2): absent keeps, null unsets, any other value sets. */
export type StreamConfigPatch = { readonly [Leaf in keyof StreamConfig]?: StreamConfig[Leaf] | null };

/** An outside token issuer whose tokens may send OTLP data to a basin: see `src/access/README.md`. Our own field. */
export interface OidcTrust {
  /** What `iss` must be, character by character: a URL. */
  readonly issuer: string;
  /** What `aud` must contain. */
  readonly audience: string;
  /** Where its public keys are: at a URL, or in this field, as the JSON text of a key set. */
  readonly keys: { readonly uri: string } | { readonly jwks: string };
}

/** The configuration of a basin. `defaultStream` holds only the leaves that were set, and always the storage class. */
export interface BasinConfig {
  readonly createStreamOnAppend: boolean;
  readonly createStreamOnRead: boolean;
  readonly defaultStream: StreamConfigRequest;
  /** The cipher of streams that are created from now on. */
  readonly streamCipher: StreamCipher | undefined;
  /** OTLP policy: the template that names the stream of a resource without `s2.stream`; empty is off. Our own field. */
  readonly otlpDefaultStream: string;
  /** Whose tokens, beside our own, may append; undefined for no other. Our own field. */
  readonly oidc: OidcTrust | undefined;
  /** What it asks of OTLP data; absent when it asks nothing. Our own fields. */
  readonly otlp?: OtlpPolicy;
}

/**
 * The settings that a caller sends for a basin. An absent field gets its default; an absent field of our own keeps its
 * value. `oidc` that is present with the value undefined removes the trust.
 */
export interface BasinConfigRequest extends Partial<Omit<BasinConfig, 'otlp'>> {
  readonly otlp?: OtlpPolicyRequest;
}

/** A change of a basin (S2): absent keeps, null unsets. Flags cannot be unset: null keeps them too. */
export interface BasinConfigPatch {
  readonly createStreamOnAppend?: boolean;
  readonly createStreamOnRead?: boolean;
  readonly defaultStream?: StreamConfigPatch | null;
  readonly streamCipher?: StreamCipher | null;
  readonly otlpDefaultStream?: string;
  readonly oidc?: OidcTrust | null;
  readonly otlp?: OtlpPolicyRequest;
}

/**
 * The configuration of a stream. For each leaf the request wins over the basin's defaults, and those over the global
 * ones.
 */
export function resolveStreamConfig(basin: BasinConfig, request: StreamConfigRequest = {}): StreamConfig {
  return { ...DEFAULT_STREAM_CONFIG, ...basin.defaultStream, ...request };
}

/**
 * The configuration of a basin as it is stored. `before` is its former configuration; our own fields are kept from it.
 */
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
    // Streams have no bound by default, so a basin does not need to store that.
    defaultStream: retentionBytes === undefined ? leaves : { ...leaves, retentionBytes },
    streamCipher: request.streamCipher,
    otlpDefaultStream: request.otlpDefaultStream ?? before?.otlpDefaultStream ?? '',
    oidc: 'oidc' in request ? request.oidc : before?.oidc,
    ...policyPart(before, request.otlp),
  };
}

/** The leaves that S2 does not have. A client that does not know them must not erase them. */
export function ownLeaves(leaves: StreamConfigRequest): StreamConfigRequest {
  return 'retentionBytes' in leaves ? { retentionBytes: leaves.retentionBytes } : {};
}

/** The leaves after a change. */
export function patchLeaves(leaves: StreamConfigRequest, patch: StreamConfigPatch): StreamConfigRequest {
  const entries = new Map<string, unknown>(Object.entries(leaves));
  for (const [leaf, value] of Object.entries(patch)) {
    if (value === null) entries.delete(leaf);
    else entries.set(leaf, value);
  }
  return Object.fromEntries(entries);
}

/** The configuration of a basin after a change. */
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
    ...policyPart(before, patch.otlp),
  };
}

/** The policy after a change, as a part of the configuration: nothing where there is none. */
function policyPart(before: BasinConfig | undefined, request: OtlpPolicyRequest | undefined): { otlp?: OtlpPolicy } {
  const otlp = request === undefined ? before?.otlp : changedPolicy(before?.otlp, request);
  return otlp === undefined ? {} : { otlp };
}
