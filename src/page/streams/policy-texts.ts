/** What a basin asks of OTLP data, and whom it trusts, as the texts of a form. What makes sense is for the server to say. */

import type { BasinSettings, IssuerSettings } from '../wire/control.ts';
import { parseSize, parseSpan, sizeInput, spanInput } from './setting-texts.ts';

/** Its name in the API, what it is called here, and whether it is a size. */
export type ValueField = readonly [name: string, label: string, kind: 'size' | 'count'];

export const LIMIT_FIELDS: readonly ValueField[] = [
  ['wire_bytes_max', 'Size of a request, as it is sent', 'size'],
  ['streams_max', 'Streams of the basin', 'count'],
  ['log_body_bytes_max', 'Size of a text in the body of a log record', 'size'],
  ['attribute_value_bytes_max', 'Size of the value of an attribute', 'size'],
  ['attribute_key_bytes_max', 'Size of the key of an attribute', 'size'],
  ['resource_attributes_max', 'Attributes of a resource', 'count'],
  ['record_attributes_max', 'Attributes of a log record or span', 'count'],
  ['span_events_max', 'Events of a span', 'count'],
  ['span_links_max', 'Links of a span', 'count'],
];

export const RATE_FIELDS: readonly ValueField[] = [
  ['bytes_per_second', 'Data in a second', 'size'],
  ['burst_bytes', 'Data at once', 'size'],
  ['stream_bytes_per_second', 'Data in a second, of each stream', 'size'],
  ['stream_burst_bytes', 'Data at once, of each stream', 'size'],
  ['spans_per_minute', 'Spans in a minute', 'count'],
];

/** The sets of limits that the server has by name, with what they are. */
export const PROFILES: readonly string[] = [
  'smll',
  'activitylog-free',
  'activitylog-pro',
  'activitylog-enterprise',
  'frametail-standard',
  'frametail-pro',
];

/** By the name of the field in the API; a text that is empty sets nothing. */
export type PolicyFields = Readonly<Record<string, string>>;

const LISTS = ['otlp_required_resource_attributes', 'otlp_drop_attributes'] as const;
const ISSUER = ['issuer', 'audience', 'jwks_uri', 'jwks'] as const;
/** The text for a value that takes a limit of a profile away. */
const NONE = 'none';

export function policyFields(settings: BasinSettings): PolicyFields {
  const { otlp_limits: limits, otlp_rates: rates, oidc, otlp_dedupe_window: window, large_items_max: large } = settings;
  const { jwks, ...issuer } = oidc ?? {};
  return {
    stream_cipher: settings.stream_cipher ?? '',
    otlp_service_routing: settings.otlp_service_routing === true ? 'true' : '',
    ...Object.fromEntries(LISTS.map((name) => [name, (settings[name] ?? []).join(', ')])),
    otlp_dedupe_window: window ? spanInput(window) : '',
    large_items_max: large ? sizeInput(large) : '',
    'otlp_limits.profile': limits?.profile ?? '',
    ...Object.fromEntries(LIMIT_FIELDS.map((field) => [`otlp_limits.${field[0]}`, valueText(limits ?? {}, field)])),
    ...Object.fromEntries(RATE_FIELDS.map((field) => [`otlp_rates.${field[0]}`, valueText(rates ?? {}, field)])),
    ...Object.fromEntries(ISSUER.map((name) => [`oidc.${name}`, ''])),
    ...Object.fromEntries(Object.entries(issuer).map(([name, text]) => [`oidc.${name}`, text ?? ''])),
    ...(jwks ? { 'oidc.jwks': JSON.stringify(jwks) } : {}),
  };
}

function valueText(values: Readonly<Record<string, unknown>>, [name, , kind]: ValueField): string {
  const value = values[name];
  if (value === undefined) return '';
  if (typeof value !== 'number') return NONE;
  return kind === 'size' ? sizeInput(value) : String(value);
}

/** Only what differs; limits, rates and the issuer are each replaced as a whole. */
export function changedPolicy(before: PolicyFields, after: PolicyFields): BasinSettings {
  const differs = (name: string): boolean => before[name]?.trim() !== after[name]?.trim();
  const differsIn = (prefix: string): boolean =>
    Object.keys(after).some((name) => name.startsWith(prefix) && differs(name));
  const text = (name: string): string => after[name]?.trim() ?? '';
  const values = (prefix: string, fields: readonly ValueField[]): Record<string, unknown> =>
    Object.fromEntries(
      fields
        .filter(([name]) => text(prefix + name) !== '')
        .map((field) => [field[0], sentValue(text(prefix + field[0]), field)]),
    );
  const profile = text('otlp_limits.profile');
  return {
    ...(differs('stream_cipher') ? { stream_cipher: text('stream_cipher') || null } : {}),
    ...(differs('otlp_service_routing') ? { otlp_service_routing: text('otlp_service_routing') === 'true' } : {}),
    ...Object.fromEntries(LISTS.filter(differs).map((name) => [name, listOf(text(name))])),
    ...(differs('otlp_dedupe_window') ? { otlp_dedupe_window: spanOf(text('otlp_dedupe_window')) } : {}),
    ...(differs('large_items_max') ? { large_items_max: orNull(text('large_items_max')) } : {}),
    ...(differsIn('otlp_limits.')
      ? { otlp_limits: { ...(profile === '' ? {} : { profile }), ...values('otlp_limits.', LIMIT_FIELDS) } }
      : {}),
    ...(differsIn('otlp_rates.') ? { otlp_rates: values('otlp_rates.', RATE_FIELDS) } : {}),
    ...(differsIn('oidc.') ? { oidc: issuerOf(text) } : {}),
  } as BasinSettings;
}

/** What is no number goes to the server as it is: it says what it expects. */
function sentValue(text: string, [, , kind]: ValueField): unknown {
  if (text.toLowerCase() === NONE) return null;
  return (kind === 'size' ? parseSize(text) : undefined) ?? plainNumber(text) ?? text;
}

function orNull(text: string): unknown {
  return text === '' ? null : (parseSize(text) ?? plainNumber(text) ?? text);
}

function spanOf(text: string): unknown {
  if (text === '' || text === 'off') return null;
  return parseSpan(text) ?? plainNumber(text) ?? text;
}

function plainNumber(text: string): number | undefined {
  return /^-?\d+(\.\d+)?$/.test(text.replaceAll(',', '')) ? Number(text.replaceAll(',', '')) : undefined;
}

function listOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '');
}

/** Null takes the trust back. Keys come from the issuer, or stand here. */
function issuerOf(text: (name: string) => string): IssuerSettings | null {
  if (ISSUER.every((name) => text(`oidc.${name}`) === '')) return null;
  const [uri, keys] = [text('oidc.jwks_uri'), text('oidc.jwks')];
  return {
    issuer: text('oidc.issuer'),
    audience: text('oidc.audience'),
    ...(uri === '' ? {} : { jwks_uri: uri }),
    ...(keys === '' ? {} : { jwks: parsedKeys(keys) }),
  };
}

function parsedKeys(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Of the settings that `basinSentences` leaves out: limits, rates and the issuer. */
export function policySentences({
  otlp_limits: limits,
  otlp_rates: rates,
  oidc,
}: BasinSettings): readonly (readonly [string, string])[] {
  const { profile, ...single } = limits ?? {};
  return [
    ...(profile ? [['Limits', `those of the profile ${profile}`] as const] : []),
    ...sentencesOf(LIMIT_FIELDS, single, 'at most '),
    ...sentencesOf(RATE_FIELDS, rates ?? {}, 'at most '),
    ...(oidc ? [['Outside issuer', `${oidc.issuer} may send, to the audience ${oidc.audience}`] as const] : []),
  ];
}

function sentencesOf(
  fields: readonly ValueField[],
  values: Readonly<Record<string, unknown>>,
  before: string,
): readonly (readonly [string, string])[] {
  return fields
    .filter(([name]) => values[name] !== undefined)
    .map((field) => {
      const text = valueText(values, field);
      return [field[1], text === NONE ? 'no limit' : `${before}${text}`] as const;
    });
}
