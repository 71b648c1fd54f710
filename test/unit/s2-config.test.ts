/** Configurations between JSON and the model: what is requested, what is changed, what is refused. */

import { describe, expect, test } from '@jest/globals';
import type { ErrorCode, TailraceError } from '../../src/model/error.ts';
import {
  type BasinConfig,
  DEFAULT_STREAM_CONFIG,
  patchBasinConfig,
  patchLeaves,
  resolveBasinConfig,
  resolveStreamConfig,
  type StreamConfig,
} from '../../src/model/stream-config.ts';
import {
  basinConfigJson,
  parseBasinConfigPatch,
  parseBasinConfigRequest,
  parseStreamConfigHeader,
  parseStreamConfigPatch,
  parseStreamConfigRequest,
  streamConfigJson,
} from '../../src/s2/config-json.ts';
import { parseJsonValue } from '../../src/s2/json-value.ts';
import fc from '../support/fast-check.ts';

const EMPTY_BASIN = resolveBasinConfig({});

function codeOf(call: () => unknown): ErrorCode | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as TailraceError).code;
  }
}

describe('the config of a new stream', () => {
  test.each([
    ['nothing', undefined, {}],
    ['null', null, {}],
    ['nulls', { storage_class: null, retention_policy: null, timestamping: null, delete_on_empty: null }, {}],
    ['null leaves', { timestamping: { mode: null, uncapped: null }, delete_on_empty: { min_age_secs: null } }, {}],
    ['unknown fields', { later: { age: 0 }, timestamping: { zone: 'utc' } }, {}],
    ['infinite retention', { retention_policy: { infinite: { later: 1 } } }, { retentionAgeSeconds: undefined }],
    ['no bound of ours', { retention_bytes: null }, { retentionBytes: undefined }],
    [
      'everything',
      {
        storage_class: 'standard',
        retention_policy: { age: 1 },
        timestamping: { mode: 'arrival', uncapped: false },
        delete_on_empty: { min_age_secs: 0 },
        retention_bytes: 1,
      },
      {
        storageClass: 'standard',
        retentionAgeSeconds: 1,
        timestampingMode: 'arrival',
        timestampingUncapped: false,
        deleteOnEmptyMinAgeSeconds: 0,
        retentionBytes: 1,
      },
    ],
    ['2^64 - 2048 seconds', { retention_policy: { age: 2 ** 64 - 2048 } }, { retentionAgeSeconds: 2 ** 53 - 1 }],
  ])('is read from %s', (_, json, leaves) => {
    expect(parseStreamConfigRequest(json)).toStrictEqual(leaves);
  });

  test.each([
    ['bad_json', 'text'],
    ['bad_json', []],
    ['bad_json', 7],
    ['bad_json', { storage_class: 7 }],
    ['bad_json', { retention_policy: 'infinite' }],
    ['bad_json', { retention_policy: {} }],
    ['bad_json', { retention_policy: { age: null } }],
    ['bad_json', { retention_policy: { age: '60' } }],
    ['bad_json', { retention_policy: { age: 2 ** 64 } }],
    ['bad_json', { retention_policy: { age: -1 } }],
    ['bad_json', { retention_policy: { age: 60, infinite: {} } }],
    ['bad_json', { retention_policy: { infinite: null } }],
    ['bad_json', { timestamping: [] }],
    ['bad_json', { timestamping: { mode: 'ARRIVAL' } }],
    ['bad_json', { timestamping: { uncapped: 1 } }],
    ['bad_json', { delete_on_empty: { min_age_secs: true } }],
    ['bad_json', { retention_bytes: 0.5 }],
    ['invalid', { storage_class: '' }],
    ['invalid', { storage_class: 'EXPRESS' }],
    ['invalid', { retention_policy: { age: 0 } }],
    ['invalid', { retention_bytes: 0 }],
    // An error of form comes before an error of meaning.
    ['bad_json', { retention_policy: { age: 0 }, timestamping: 7 }],
  ] as const)('is refused as %s: %j', (code, json) => {
    expect(codeOf(() => parseStreamConfigRequest(json))).toBe(code);
    expect(codeOf(() => parseStreamConfigPatch(json))).toBe(code);
    expect(codeOf(() => parseBasinConfigRequest({ default_stream_config: json }))).toBe(code);
    expect(codeOf(() => parseBasinConfigPatch({ default_stream_config: json }))).toBe(code);
    expect(codeOf(() => parseStreamConfigHeader(JSON.stringify(json)))).toBe('bad_header');
  });
});

describe('the config of a new basin', () => {
  test.each([
    ['bad_json', { create_stream_on_append: 'true' }],
    ['bad_json', { stream_cipher: 'AES-256-GCM' }],
    ['bad_json', { stream_cipher: {} }],
    ['bad_json', { otlp_default_stream: 1 }],
    ['bad_json', { otlp_default_stream: 'x'.repeat(513) }],
    ['bad_json', { otlp_default_stream: 'a\0' }],
    ['bad_json', { otlp_default_stream: '\ud800' }],
    ['bad_json', { stream_cipher: 'aegis-128l' }],
  ] as const)('is refused as %s: %j', (code, json) => {
    expect(codeOf(() => parseBasinConfigRequest(json))).toBe(code);
    expect(codeOf(() => parseBasinConfigPatch(json))).toBe(code);
  });

  test.each(['aes-256-gcm', 'aegis-256'])('takes the cipher %s', (cipher) => {
    expect(parseBasinConfigRequest({ stream_cipher: cipher })).toMatchObject({ streamCipher: cipher });
    expect(parseBasinConfigPatch({ stream_cipher: cipher })).toEqual({ streamCipher: cipher });
  });

  test('is refused with an unknown cipher, and the message names those that there are', () => {
    expect(() => parseBasinConfigRequest({ stream_cipher: 'rot13' })).toThrow(/aes-256-gcm.*aegis-256/);
  });

  test('keeps the defaults for what is absent or null', () => {
    for (const json of [undefined, null, {}, { default_stream_config: null, create_stream_on_read: null }]) {
      expect(resolveBasinConfig(parseBasinConfigRequest(json))).toStrictEqual(EMPTY_BASIN);
    }
  });
});

describe('the S2-Stream-Config header', () => {
  test.each([
    ['{}', {}],
    [' {"storage_class":"standard"} ', { storageClass: 'standard' }],
    ['{"later":1.5,"delete_on_empty":{"min_age_secs":60}}', { deleteOnEmptyMinAgeSeconds: 60 }],
  ])('accepts %s', (text, leaves) => {
    expect(parseStreamConfigHeader(text)).toStrictEqual(leaves);
  });

  test.each([
    ['', /s2-stream-config.*invalid JSON/],
    ['{', /s2-stream-config.*invalid JSON/],
    ['{"storage_class":"é"}', /s2-stream-config.*ASCII/],
    ['{"retention_policy":{"age":0}}', /s2-stream-config.*age must be greater than 0 seconds/],
    ['{"storage_class":"buffer"}', /s2-stream-config.*standard.*express/],
    ['{"retention_policy":{"age":60.0}}', /s2-stream-config.*retention_policy\.age/],
  ])('refuses %s with a reason', (text, reason) => {
    expect(() => parseStreamConfigHeader(text)).toThrow(reason);
    expect(codeOf(() => parseStreamConfigHeader(text))).toBe('bad_header');
  });
});

describe('the JSON parser of configs', () => {
  test.each(['1.0', '1e3', '1E0', '-0', '-1', '0.1e1', '1e400', '-1e-400'])(
    'does not take %s for a whole number',
    (number) => {
      const value = parseJsonValue(`{"age":${number},"text":"1.0 \\" ${number}"}`);
      expect(value).toStrictEqual({ age: -0.5, text: `1.0 " ${number}` });
      expect(codeOf(() => parseStreamConfigRequest({ retention_policy: value }))).toBe('bad_json');
    },
  );

  test.each(['', '01', '1.', '.5', '+1', '-', '--1', '1.e5', '0x10', 'NaN', '"a', '{"a":1.5,}', '\ufeff1'])(
    'refuses %j',
    (text) => {
      expect(() => parseJsonValue(text)).toThrow(SyntaxError);
    },
  );

  test('reads everything else as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(4), (value, indent) => {
        const expected = JSON.stringify(value, (_, inner: unknown) => (isPlainNumber(inner) ? inner : -0.5), 0);
        const wanted: unknown = JSON.parse(expected);
        expect(parseJsonValue(JSON.stringify(value, null, indent))).toStrictEqual(wanted);
      }),
    );
  });

  function isPlainNumber(value: unknown): boolean {
    return typeof value !== 'number' || /^\d+$/.test(JSON.stringify(value));
  }
});

const seconds = fc.oneof(fc.integer({ min: 1, max: 1_000_000 }), fc.constantFrom(1, 2 ** 53 - 1));

const streamConfigs: fc.Arbitrary<StreamConfig> = fc.record({
  storageClass: fc.constantFrom('standard' as const, 'express' as const),
  retentionAgeSeconds: fc.option(seconds, { nil: undefined }),
  retentionBytes: fc.option(seconds, { nil: undefined }),
  timestampingMode: fc.constantFrom('client-prefer' as const, 'client-require' as const, 'arrival' as const),
  timestampingUncapped: fc.boolean(),
  deleteOnEmptyMinAgeSeconds: fc.nat(),
});

/** Some fields of a whole configuration. */
const someLeaves = fc
  .tuple(streamConfigs, fc.subarray(Object.keys(DEFAULT_STREAM_CONFIG)))
  .map(([config, names]) => Object.fromEntries(Object.entries(config).filter(([name]) => names.includes(name))));

const basinConfigs: fc.Arbitrary<BasinConfig> = fc
  .record({
    createStreamOnAppend: fc.boolean(),
    createStreamOnRead: fc.boolean(),
    defaultStream: someLeaves,
    streamCipher: fc.constantFrom('aes-256-gcm' as const, 'aegis-256' as const, undefined),
    otlpDefaultStream: fc.constantFrom('', '{service.name}'),
  })
  .map((config) => resolveBasinConfig(config));

/** The values that a client sends after it received them as JSON. */
const overTheWire = (json: object): unknown => JSON.parse(JSON.stringify(json));

describe('a config that was read can be written back', () => {
  test('for a stream, whatever the basin has by then', () => {
    fc.assert(
      fc.property(streamConfigs, basinConfigs, (config, basin) => {
        const asked = parseStreamConfigRequest(overTheWire(streamConfigJson(config)));
        expect(resolveStreamConfig(basin, asked)).toStrictEqual({ ...config });
      }),
    );
  });

  test('for a basin', () => {
    fc.assert(
      fc.property(basinConfigs, (config) => {
        const shown = overTheWire(basinConfigJson(config));
        expect(resolveBasinConfig(parseBasinConfigRequest(shown), config)).toEqual(config);
        expect(resolveBasinConfig(parseBasinConfigRequest(shown), config)).toStrictEqual(
          resolveBasinConfig(parseBasinConfigRequest(shown)),
        );
      }),
    );
  });

  test('as a patch, which changes nothing, and neither does an empty patch', () => {
    fc.assert(
      fc.property(basinConfigs, (config) => {
        const patched = patchBasinConfig(config, parseBasinConfigPatch(overTheWire(basinConfigJson(config))));
        expect(basinConfigJson(patched)).toStrictEqual(basinConfigJson(config));
        expect(patchBasinConfig(config, parseBasinConfigPatch({}))).toStrictEqual(config);
      }),
    );
  });
});

describe('a patch of a config', () => {
  const all: StreamConfig = {
    storageClass: 'standard',
    retentionAgeSeconds: 60,
    retentionBytes: 1_000,
    timestampingMode: 'arrival',
    timestampingUncapped: true,
    deleteOnEmptyMinAgeSeconds: 5,
  };
  const { storageClass, retentionAgeSeconds, retentionBytes, ...timed } = all;
  const { timestampingMode, timestampingUncapped, deleteOnEmptyMinAgeSeconds } = timed;

  test.each([
    ['nothing', {}, all],
    ['null leaves', { storage_class: null, retention_policy: null, retention_bytes: null }, timed],
    [
      'null objects',
      { timestamping: null, delete_on_empty: null },
      { storageClass, retentionAgeSeconds, retentionBytes },
    ],
    [
      'a null inside of an object',
      { timestamping: { mode: null }, delete_on_empty: {} },
      { storageClass, retentionAgeSeconds, retentionBytes, timestampingUncapped, deleteOnEmptyMinAgeSeconds },
    ],
    [
      'values',
      { timestamping: { uncapped: false }, retention_policy: { infinite: {} }, retention_bytes: 5 },
      {
        storageClass,
        retentionAgeSeconds: undefined,
        retentionBytes: 5,
        timestampingMode,
        timestampingUncapped: false,
        deleteOnEmptyMinAgeSeconds,
      },
    ],
  ])('changes only what it names: %s', (_, json, leaves) => {
    expect(patchLeaves(all, parseStreamConfigPatch(json))).toStrictEqual(leaves);
  });

  test('with null leaves a flag unchanged, and unsets a cipher and the fallback template', () => {
    const before = { ...EMPTY_BASIN, createStreamOnAppend: true, streamCipher: 'aes-256-gcm' as const };
    const flags = { create_stream_on_append: null, create_stream_on_read: null };
    expect(patchBasinConfig(before, parseBasinConfigPatch(flags))).toStrictEqual(before);
    const routed = { ...before, otlpDefaultStream: 'all' };
    const unrouted = patchBasinConfig(routed, parseBasinConfigPatch({ otlp_default_stream: null }));
    expect(unrouted).toStrictEqual(before);
    const cleared = patchBasinConfig(before, parseBasinConfigPatch({ stream_cipher: null }));
    expect(cleared).toStrictEqual({ ...before, streamCipher: undefined });
  });

  test('with null for all stream defaults of a basin unsets each and keeps the storage class', () => {
    const before = { ...EMPTY_BASIN, defaultStream: all };
    expect(patchBasinConfig(before, parseBasinConfigPatch({ default_stream_config: null })).defaultStream).toEqual({
      storageClass: 'express',
    });
  });
});
