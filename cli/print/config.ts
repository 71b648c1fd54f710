/** Configurations as text: one line for each leaf, by the name of its flag. */

import type { BasinConfigJson, OidcJson, StreamConfigJson } from '../../src/client/config-json.ts';
import { escapeControls, formatBytes, formatSpan } from './format.ts';

type Row = readonly [name: string, value: string];

/** What a stream is configured as. */
export function streamConfigLines(config: StreamConfigJson): string {
  return aligned(streamRows(config));
}

/** What a basin is configured as, with what its streams start from. */
export function basinConfigLines(config: BasinConfigJson): string {
  const template = config.otlp_default_stream;
  return aligned([
    ['create-stream-on-append', shown(config.create_stream_on_append)],
    ['create-stream-on-read', shown(config.create_stream_on_read)],
    ['stream-cipher', config.stream_cipher ?? 'none'],
    ...(typeof template === 'string' ? [['otlp-default-stream', template === '' ? 'none' : template] as const] : []),
    ...oidcRows(config.oidc),
    ...streamRows(config.default_stream_config ?? {}),
  ]);
}

const NOT_SET = 'not set';

/** Keys are shown by JSON alone. */
function oidcRows(oidc: OidcJson | null | undefined): readonly Row[] {
  if (oidc == null) return oidc === null ? [['oidc', 'none']] : [];
  return [
    ['oidc-issuer', oidc.issuer],
    ['oidc-audience', oidc.audience],
    ['oidc-jwks', oidc.jwks_uri ?? 'kept here'],
  ];
}

function streamRows(config: StreamConfigJson): readonly Row[] {
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

function aligned(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${escapeControls(value)}`).join('\n');
}
