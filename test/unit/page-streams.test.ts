/** What the page's Streams works out by itself: the policy of a basin as texts of a form, and back. */

import { expect, test } from '@jest/globals';
import { POLICY_LIMITS, POLICY_RATES, PROFILE_NAMES } from '../../src/model/limit-profiles.ts';
import { POLICY_FIELDS } from '../../src/s2/otlp-policy-json.ts';

// Texts of times ask the browser how they should look.
Object.assign(globalThis, { localStorage: { getItem: () => null } });
const { changedPolicy, LIMIT_FIELDS, PROFILES, policyFields, policySentences, RATE_FIELDS } = await import(
  '../../src/page/streams/policy-texts.ts'
);

test('the form has every limit, rate and profile, and every other rule that the server has', () => {
  expect(LIMIT_FIELDS.map(([name]) => name).sort()).toEqual([...POLICY_LIMITS].sort());
  expect(RATE_FIELDS.map(([name]) => name).sort()).toEqual([...POLICY_RATES].sort());
  expect([...PROFILES].sort()).toEqual([...PROFILE_NAMES].sort());
  const names = Object.keys(policyFields({})).map((name) => name.split('.')[0]);
  expect(new Set(names)).toEqual(new Set([...POLICY_FIELDS, 'stream_cipher', 'oidc']));
});

const SETTINGS = {
  stream_cipher: 'aegis-256',
  otlp_service_routing: true,
  otlp_required_resource_attributes: ['project.id', 'team'],
  otlp_drop_attributes: ['a', 'b*'],
  otlp_dedupe_window: 600,
  large_items_max: 8_388_608,
  otlp_limits: { profile: 'smll', wire_bytes_max: null, streams_max: 50, attribute_key_bytes_max: 1_001 },
  otlp_rates: { bytes_per_second: 2_000_000 },
  oidc: { issuer: 'https://i', audience: 'a', jwks: { keys: [] } },
};

test('settings are the same after they were texts, and what is not touched is not sent', () => {
  const fields = policyFields(SETTINGS);
  expect(changedPolicy(policyFields({}), fields)).toEqual(SETTINGS);
  expect(changedPolicy(fields, fields)).toEqual({});
  expect(changedPolicy(fields, { ...fields, 'otlp_limits.streams_max': ' 60 ' })).toEqual({
    otlp_limits: { ...SETTINGS.otlp_limits, streams_max: 60 },
  });
});

test('what is emptied is taken back', () => {
  expect(changedPolicy(policyFields(SETTINGS), policyFields({}))).toEqual({
    stream_cipher: null,
    otlp_service_routing: false,
    otlp_required_resource_attributes: [],
    otlp_drop_attributes: [],
    otlp_dedupe_window: null,
    large_items_max: null,
    otlp_limits: {},
    otlp_rates: {},
    oidc: null,
  });
});

test('what makes no sense is sent as it is, so that the server says what it expects', () => {
  const before = policyFields({});
  const typed = { 'otlp_limits.streams_max': 'many', 'otlp_rates.burst_bytes': '-5', otlp_dedupe_window: 'soon' };
  const keys = { 'oidc.issuer': 'i', 'oidc.jwks': '{' };
  expect(changedPolicy(before, { ...before, ...typed, ...keys, large_items_max: 'big' })).toEqual({
    otlp_limits: { streams_max: 'many' },
    otlp_rates: { burst_bytes: -5 },
    otlp_dedupe_window: 'soon',
    large_items_max: 'big',
    oidc: { issuer: 'i', audience: '', jwks: '{' },
  });
});

test('limits, rates and the issuer are said in words', () => {
  expect(policySentences(SETTINGS)).toEqual([
    ['Limits', 'those of the profile smll'],
    ['Size of a request, as it is sent', 'no limit'],
    ['Streams of the basin', 'at most 50'],
    ['Size of the key of an attribute', 'at most 1001B'],
    ['Data in a second', 'at most 2MB'],
    ['Outside issuer', 'https://i may send, to the audience a'],
  ]);
  expect(policySentences({})).toEqual([]);
});
