/** Configurations as text: one line for each leaf, by the name of its flag. */

import type { BasinConfigJson, OidcJson, StreamConfigJson } from '../../src/client/config-json.ts';
import { alignedLines, formatBytes, formatSpan, type LabelledText } from './format.ts';

/** The configuration of a stream. */
export function streamConfigLines(config: StreamConfigJson): string {
  return alignedLines(streamConfigRows(config));
}

/** The configuration of a basin, with the defaults of its streams. */
export function basinConfigLines(config: BasinConfigJson): string {
  return alignedLines(basinConfigRows(config));
}

/** The same as labels and texts. */
export function basinConfigRows(config: BasinConfigJson): readonly LabelledText[] {
  const template = config.otlp_default_stream;
  return [
    ['create-stream-on-append', shown(config.create_stream_on_append)],
    ['create-stream-on-read', shown(config.create_stream_on_read)],
    ['stream-cipher', config.stream_cipher ?? 'none'],
    ...(typeof template === 'string' ? [['otlp-default-stream', template === '' ? 'none' : template] as const] : []),
    ...policyRows(config),
    ...oidcRows(config.oidc),
    ...streamConfigRows(config.default_stream_config ?? {}),
  ];
}

const NOT_SET = 'not set';

/** Keys are shown only with `--json`. */
function oidcRows(oidc: OidcJson | null | undefined): readonly LabelledText[] {
  if (oidc == null) return oidc === null ? [['oidc', 'none']] : [];
  return [
    ['oidc-issuer', oidc.issuer],
    ['oidc-audience', oidc.audience],
    ['oidc-jwks', oidc.jwks_uri ?? 'kept here'],
  ];
}

/** Only what is set: most basins have no policy. */
function policyRows(config: BasinConfigJson): readonly LabelledText[] {
  const { otlp_dedupe_window: window, large_items_max: large } = config;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['otlp-service-routing', config.otlp_service_routing == null ? undefined : String(config.otlp_service_routing)],
    ['otlp-required-attribute', config.otlp_required_resource_attributes?.join(', ')],
    ['otlp-limits', valuesText(config.otlp_limits)],
    ['otlp-rates', valuesText(config.otlp_rates)],
    ['otlp-dedupe-window', window == null ? undefined : formatSpan(window)],
    ['otlp-drop-attribute', config.otlp_drop_attributes?.join(', ')],
    ['large-items-max', large == null ? undefined : formatBytes(large)],
  ];
  return rows.flatMap(([label, text]) => (text === undefined ? [] : [[label, text] as const]));
}

function valuesText(values: Readonly<Record<string, string | number | null>> | null | undefined): string | undefined {
  if (values == null) return undefined;
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value ?? 'none'}`)
    .join(', ');
}

/** The configuration of a stream as labels and texts. */
export function streamConfigRows(config: StreamConfigJson): readonly LabelledText[] {
  const { retention_policy: policy, retention_bytes: bytes, timestamping, delete_on_empty: onEmpty } = config;
  const minAge = onEmpty?.min_age_secs;
  return [
    ['storage-class', shown(config.storage_class)],
    ['retention-policy', policy == null ? NOT_SET : 'age' in policy ? formatSpan(policy.age) : 'infinite'],
    ['retention-bytes', bytes == null ? 'no bound' : formatBytes(bytes)],
    ['timestamping-mode', shown(timestamping?.mode)],
    ['timestamping-uncapped', shown(timestamping?.uncapped)],
    ['delete-on-empty-min-age', minAge == null ? NOT_SET : minAge === 0 ? 'off' : formatSpan(minAge)],
  ];
}

function shown(value: string | boolean | null | undefined): string {
  return value == null ? NOT_SET : String(value);
}
