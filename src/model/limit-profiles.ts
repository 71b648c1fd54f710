/** Named sets of limits for basins and tokens, as data. A basin or token that names one may override single values. */

/** Limits beyond which the rest of a message is stored: values are cut, attributes, events and links left out. */
export const TRIMMING_LIMITS = [
  'attribute_value_bytes_max',
  'log_body_bytes_max',
  'resource_attributes_max',
  'record_attributes_max',
  'span_events_max',
  'span_links_max',
] as const;
export type TrimmingLimit = (typeof TRIMMING_LIMITS)[number];

/** Limits by the name that they have in the API. Absent is what the profile says, null is no limit. */
export const POLICY_LIMITS = ['wire_bytes_max', 'streams_max', 'attribute_key_bytes_max', ...TRIMMING_LIMITS] as const;
export type PolicyLimit = (typeof POLICY_LIMITS)[number];

/** Rates by the name that they have in the API: of the basin, of each of its streams, and of spans in the basin. */
export const POLICY_RATES = [
  'bytes_per_second',
  'burst_bytes',
  'stream_bytes_per_second',
  'stream_burst_bytes',
  'spans_per_minute',
] as const;
export type PolicyRate = (typeof POLICY_RATES)[number];

export interface LimitProfile {
  readonly limits: { readonly [Name in PolicyLimit]?: number };
  /** Of a basin that names it. Of a token: what it may send, in all basins together. */
  readonly rates: { readonly [Name in PolicyRate]?: number };
}

const KiB = 1024;
const MiB = 1024 * KiB;
const MB = 1_000_000;

/** The attribute limits of all `activitylog-*` profiles, which differ in the longest body of a log record. */
const ACTIVITYLOG = {
  attribute_key_bytes_max: 256,
  attribute_value_bytes_max: 64 * KiB,
  resource_attributes_max: 256,
  record_attributes_max: 128,
  span_events_max: 128,
  span_links_max: 32,
};

const PROFILES = {
  smll: {
    limits: { wire_bytes_max: 4 * MiB, streams_max: 5_000 },
    rates: {
      bytes_per_second: 8 * MiB,
      burst_bytes: 16 * MiB,
      stream_bytes_per_second: 4 * MB,
      stream_burst_bytes: 8 * MB,
    },
  },
  'activitylog-free': { limits: { ...ACTIVITYLOG, log_body_bytes_max: 16 * KiB }, rates: {} },
  'activitylog-pro': { limits: { ...ACTIVITYLOG, log_body_bytes_max: 256 * KiB }, rates: {} },
  'activitylog-enterprise': { limits: { ...ACTIVITYLOG, log_body_bytes_max: 16 * MiB }, rates: {} },
  'frametail-standard': { limits: {}, rates: { spans_per_minute: 1_000 } },
  'frametail-pro': { limits: {}, rates: { spans_per_minute: 10_000 } },
} as const satisfies Readonly<Record<string, LimitProfile>>;

export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES);

/** Undefined for a name that there is not. */
export function profileNamed(name: string | undefined): LimitProfile | undefined {
  return name !== undefined && Object.hasOwn(PROFILES, name) ? PROFILES[name as keyof typeof PROFILES] : undefined;
}
