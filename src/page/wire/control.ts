/** Settings of basins and streams, who reads a stream, and what is deleted: S2's control plane with our own fields. */

import { call, segment } from './call.ts';
import { streamPath } from './streams.ts';

/** In a change an absent field is kept, and null unsets it. */
export interface StreamSettings {
  readonly storage_class?: string | null;
  /** Seconds from a record's arrival. */
  readonly retention_policy?: { readonly age: number } | { readonly infinite: object } | null;
  readonly retention_bytes?: number | null;
  readonly timestamping?: { readonly mode?: string | null; readonly uncapped?: boolean | null } | null;
  readonly delete_on_empty?: { readonly min_age_secs?: number | null } | null;
}

export interface BasinSettings {
  readonly default_stream_config?: StreamSettings | null;
  readonly stream_cipher?: string | null;
  readonly create_stream_on_append?: boolean | null;
  readonly create_stream_on_read?: boolean | null;
  readonly otlp_default_stream?: string | null;
  readonly otlp_service_routing?: boolean | null;
  readonly otlp_required_resource_attributes?: readonly string[] | null;
  readonly otlp_dedupe_window?: number | null;
  readonly otlp_drop_attributes?: readonly string[] | null;
  readonly large_items_max?: number | null;
  /** A profile, and single values over it; null in it is no limit. Replaced as a whole. */
  readonly otlp_limits?: { readonly profile?: string | null; readonly [name: string]: unknown } | null;
  readonly otlp_rates?: Readonly<Record<string, unknown>> | null;
  readonly oidc?: IssuerSettings | null;
}

/** An outside issuer, whose tokens may send to a basin. */
export interface IssuerSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly jwks_uri?: string | null;
  readonly jwks?: unknown;
}

export interface StreamReader {
  readonly protocol: string;
  readonly view: string | null;
  readonly since: string;
  readonly next_seq_num: number;
  readonly lag_records: number;
  readonly waiting_bytes: number;
  /** Null for what the caller may not know. */
  readonly token: string | null;
  readonly address: string | null;
}

export interface ReadersPage {
  readonly tail: { readonly seq_num: number; readonly timestamp: number };
  /** The one that is farthest behind first. */
  readonly readers: readonly StreamReader[];
  readonly has_more: boolean;
}

const READERS_LIMIT = 200;

export function streamSettings(basin: string, stream: string, signal?: AbortSignal): Promise<StreamSettings> {
  return call(streamPath(stream), { basin, ...(signal === undefined ? {} : { signal }) });
}

export function createStream(basin: string, stream: string, config: StreamSettings): Promise<unknown> {
  return call('/v1/streams', { method: 'POST', basin, body: { stream, config } });
}

export function changeStream(basin: string, stream: string, config: StreamSettings): Promise<StreamSettings> {
  return call(streamPath(stream), { method: 'PATCH', basin, body: config });
}

/** Refused at once for all others; its records go in the background. */
export function deleteStream(basin: string, stream: string): Promise<unknown> {
  return call(streamPath(stream), { method: 'DELETE', basin });
}

export function streamReaders(basin: string, stream: string, signal: AbortSignal): Promise<ReadersPage> {
  return call(streamPath(stream, 'readers'), { basin, query: { limit: READERS_LIMIT }, signal });
}

export function basinSettings(basin: string, signal: AbortSignal): Promise<BasinSettings> {
  return call(basinPath(basin), { signal });
}

export function createBasin(basin: string, config: BasinSettings): Promise<unknown> {
  return call('/v1/basins', { method: 'POST', body: { basin, config } });
}

export function changeBasin(basin: string, config: BasinSettings): Promise<BasinSettings> {
  return call(basinPath(basin), { method: 'PATCH', body: config });
}

export function deleteBasin(basin: string): Promise<unknown> {
  return call(basinPath(basin), { method: 'DELETE' });
}

/** What a stream held, as [Unix seconds, metered bytes] of each minute; the newest last. */
export async function streamUsage(
  basin: string,
  stream: string,
  range: { readonly start: number; readonly end: number },
  signal: AbortSignal,
): Promise<readonly (readonly [number, number])[]> {
  const path = `/v1/metrics/${segment(basin)}/${segment(stream)}`;
  const answer = await call<{ values: readonly UsageValue[] }>(path, { query: { set: 'storage', ...range }, signal });
  for (const value of answer.values) {
    const points = value.gauge?.values;
    if (points !== undefined) return points;
  }
  return [];
}

interface UsageValue {
  readonly gauge?: { readonly values: readonly (readonly [number, number])[] };
}

function basinPath(basin: string): string {
  return `/v1/basins/${segment(basin)}`;
}
