/** Small values: frozen bytes of each, round trips, and the refusal of bytes in another shape. */

import { expect, test } from '@jest/globals';
import { Packr } from 'msgpackr';
import { basinPlaceKey } from '../../src/storage/keys.ts';
import { readPlace } from '../../src/storage/place-rows.ts';
import { decodeToken } from '../../src/storage/token-rows.ts';
import * as values from '../../src/storage/values.ts';
import fc from '../support/fast-check.ts';

const T = 1_789_999_999_000;

const placeOf = (name: string) => (value: Uint8Array) => readPlace({ key: basinPlaceKey(name), value });

const FROZEN: readonly { name: string; bytes: string; decode: (value: Uint8Array) => unknown; row: unknown }[] = [
  { name: 'format', bytes: '019101', decode: values.decodeFormat, row: 1 },
  {
    name: 'counters',
    bytes: '019203cb41f2a05f20000000',
    decode: values.decodeCounters,
    row: { nextBasin: 3, nextStream: 5_000_000_000 },
  },
  {
    name: 'basin',
    bytes:
      '019602cb427a0c4506818000c3c2ae7b736572766963652e6e616d657d9292b3726574656e74696f6e4167655365636f6e6473c092b0' +
      '74696d657374616d70696e674d6f6465a76172726976616c',
    decode: values.decodeBasin,
    row: {
      number: 2,
      createdAt: T,
      config: {
        createStreamOnAppend: true,
        createStreamOnRead: false,
        otlpDefaultStream: '{service.name}',
        defaultStream: { retentionAgeSeconds: undefined, timestampingMode: 'arrival' },
      },
    },
  },
  {
    name: 'stream',
    bytes:
      '019309cb427a0c45068180009592ac73746f72616765436c617373a76578707265737392b3726574656e74696f6e4167655365636f6e64' +
      '73c092b074696d657374616d70696e674d6f6465ae636c69656e742d7265717569726592b474696d657374616d70696e67556e63617070' +
      '6564c392ba64656c6574654f6e456d7074794d696e4167655365636f6e64733c',
    decode: values.decodeStream,
    row: {
      number: 9,
      createdAt: T,
      config: {
        storageClass: 'express',
        retentionAgeSeconds: undefined,
        timestampingMode: 'client-require',
        timestampingUncapped: true,
        deleteOnEmptyMinAgeSeconds: 60,
      },
    },
  },
  {
    name: 'stream state',
    bytes: '0195cb41f2a05f20000000cb427a0c4506818000cb427a0c4506819000a566656e636507',
    decode: values.decodeStreamState,
    row: { nextSeq: 5_000_000_000, lastTimestamp: T, lastArrival: T + 1, fencingToken: 'fence', trimPoint: 7 },
  },
  {
    name: 'basin of format 2',
    bytes:
      '029902cb427a0c4506818000c3c2ae7b736572766963652e6e616d657d9392ac73746f72616765436c617373a76578707265737392b372' +
      '6574656e74696f6e4167655365636f6e6473c092ae726574656e74696f6e427974657309ab6165732d3235362d67636dcb427a0c450681d0' +
      '00a36b6579',
    decode: values.decodeBasin,
    row: laterBasin(),
  },
  {
    name: 'stream of format 2',
    bytes:
      '029709cb427a0c45068180009692ac73746f72616765436c617373a76578707265737392b3726574656e74696f6e4167655365636f6e6473' +
      '3c92ae726574656e74696f6e4279746573cd03e892b074696d657374616d70696e674d6f6465ae636c69656e742d7265717569726592b474' +
      '696d657374616d70696e67556e636170706564c392ba64656c6574654f6e456d7074794d696e4167655365636f6e64733cab6165732d3235' +
      '362d67636dcb427a0c450681d000a36b6579cb427a0c4506854000',
    decode: values.decodeStream,
    row: {
      number: 9,
      createdAt: T,
      deletedAt: T + 5,
      cipher: 'aes-256-gcm',
      requestKey: 'key',
      dueAt: T + 60,
      config: {
        storageClass: 'express',
        retentionAgeSeconds: 60,
        retentionBytes: 1_000,
        timestampingMode: 'client-require',
        timestampingUncapped: true,
        deleteOnEmptyMinAgeSeconds: 60,
      },
    },
  },
  {
    name: 'stream state of format 2',
    bytes: '0296cb41f2a05f20000000cb427a0c4506818000cb427a0c4506819000a566656e6365074d',
    decode: values.decodeStreamState,
    row: {
      nextSeq: 5_000_000_000,
      lastTimestamp: T,
      lastArrival: T + 1,
      fencingToken: 'fence',
      trimPoint: 7,
      meteredBytes: 77,
    },
  },
  {
    name: 'basin of format 3 that trusts an issuer with keys at a URL',
    bytes:
      '039a02cb427a0c4506818000c3c2ae7b736572766963652e6e616d657d9392ac73746f72616765436c617373a76578707265737392b3726574' +
      '656e74696f6e4167655365636f6e6473c092ae726574656e74696f6e427974657309ab6165732d3235362d67636dcb427a0c450681d000a36b' +
      '657994b668747470733a2f2f6973737565722e6578616d706c65a87461696c72616365bb68747470733a2f2f6973737565722e6578616d706c' +
      '652f6b657973c0',
    decode: values.decodeBasin,
    row: basinOfFormat3({ uri: 'https://issuer.example/keys' }),
  },
  {
    name: 'basin of format 3 that trusts an issuer with keys in the row',
    bytes:
      '039a02cb427a0c4506818000c3c2ae7b736572766963652e6e616d657d9392ac73746f72616765436c617373a76578707265737392b3726574' +
      '656e74696f6e4167655365636f6e6473c092ae726574656e74696f6e427974657309ab6165732d3235362d67636dcb427a0c450681d000a36b' +
      '657994b668747470733a2f2f6973737565722e6578616d706c65a87461696c72616365c0ab7b226b657973223a5b5d7d',
    decode: values.decodeBasin,
    row: basinOfFormat3({ jwks: '{"keys":[]}' }),
  },
  {
    name: 'basin of format 4 with a policy',
    bytes:
      '049b02cb427a0c4506818000c3c2ae7b736572766963652e6e616d657d9392ac73746f72616765436c617373a76578707265737392b37265' +
      '74656e74696f6e4167655365636f6e6473c092ae726574656e74696f6e427974657309ab6165732d3235362d67636dcb427a0c450681d000' +
      'a36b6579c09792ae73657276696365526f7574696e67c392b272657175697265644174747269627574657391aa70726f6a6563742e696492' +
      'a770726f66696c65a4736d6c6c92a66c696d6974739292ab73747265616d735f6d61786492b57265636f72645f617474726962757465735f' +
      '6d6178c092a572617465739192b062797465735f7065725f7365636f6e64cb41f2a05f2000000092ad6465647570655365636f6e64733c92' +
      'ae64726f704174747269627574657392ad67656e5f61692e70726f6d7074a2612a',
    decode: values.decodeBasin,
    row: laterBasin({
      oidc: undefined,
      otlp: {
        serviceRouting: true,
        requiredAttributes: ['project.id'],
        profile: 'smll',
        limits: { streams_max: 100, record_attributes_max: null },
        rates: { bytes_per_second: 5_000_000_000 },
        dedupeSeconds: 60,
        dropAttributes: ['gen_ai.prompt', 'a*'],
      },
    }),
  },
  { name: 'pending work', bytes: '019203a3612f62', decode: values.decodePending, row: { basin: 3, name: 'a/b' } },
  {
    name: 'place',
    bytes: '019402c000c0',
    decode: placeOf('a'),
    row: { type: 'place', name: 'a', place: { partition: 2, move: undefined, lastMove: undefined } },
  },
  {
    name: 'place of a basin that moves',
    bytes:
      '019402d920303031313232333334343535363637373838393961616262636364646565666603' +
      'd9206666656564646363626261613939383837373636353534343333323231313030',
    decode: placeOf('a'),
    row: {
      ...{ type: 'place', name: 'a' },
      place: {
        partition: 2,
        move: { id: '00112233445566778899aabbccddeeff', to: 3 },
        lastMove: 'ffeeddccbbaa99887766554433221100',
      },
    },
  },
  { name: 'number of partitions', bytes: '019103', decode: placeOf(''), row: { type: 'partitions', count: 3 } },
  { name: 'clock', bytes: '0191cb427a0c4506818000', decode: values.decodeClock, row: T },
  {
    name: 'token',
    bytes: '0193a4726f6f74a4726f6f74cb427a0c4506818000',
    decode: decodeToken,
    row: 'root',
  },
];

test.each(FROZEN)('a $name is read with the meaning it had when it was written', ({ bytes, decode, row }) => {
  expect(decode(Buffer.from(bytes, 'hex'))).toEqual(row);
});

test.each(FROZEN)('a damaged $name is refused as corrupt, never read as something else', ({ bytes, decode }) => {
  const value = Buffer.from(bytes, 'hex');
  const packr = new Packr({ useRecords: false });
  const odd = [null, {}, [], ['x'], [-1, -1, -1, -1, -1, -1], [1.5, 1.5, 1.5], 'text', 7, [[], [], [], [], [], []]];
  const damaged = [Buffer.of(), Buffer.of(0), Buffer.of(9, ...value.subarray(1)), value.subarray(0, value.length - 1)];
  for (const bad of [...damaged, ...odd.map((one) => Buffer.concat([Buffer.of(1), packr.pack(one)]))]) {
    expect(codeOf(() => decode(bad))).toBe('corrupt');
  }
});

test.each(FROZEN)('garbage read as a $name is refused as corrupt or is a whole row', ({ decode }) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (garbage) => {
      const code = codeOf(() => decode(Buffer.concat([Buffer.of(1), garbage])));
      expect(['corrupt', 'nothing was thrown']).toContain(code);
    }),
    { numRuns: 300 },
  );
});

test('stream states are the same after a round trip', () => {
  const row = fc
    .record({
      nextSeq: fc.maxSafeNat(),
      lastTimestamp: fc.maxSafeNat(),
      lastArrival: fc.maxSafeNat(),
      fencingToken: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
      trimPoint: fc.maxSafeNat(),
      meteredBytes: fc.option(fc.maxSafeNat(), { nil: undefined }),
    })
    .filter((state) => state.trimPoint <= state.nextSeq);
  fc.assert(
    fc.property(row, (state) => {
      expect(values.decodeStreamState(values.encodeStreamState(state))).toEqual(state);
    }),
  );
});

test('basins are the same after a round trip', () => {
  const keys = fc.oneof(fc.record({ uri: fc.webUrl() }), fc.record({ jwks: fc.json() }));
  const config = fc.record({
    createStreamOnAppend: fc.boolean(),
    createStreamOnRead: fc.boolean(),
    otlpDefaultStream: fc.string(),
    defaultStream: fc.constantFrom({}, { retentionBytes: 9, retentionAgeSeconds: undefined }),
    streamCipher: fc.constantFrom('aes-256-gcm' as const, 'aegis-256' as const, undefined),
    oidc: fc.option(fc.record({ issuer: fc.webUrl(), audience: fc.string({ unit: 'grapheme' }), keys }), {
      nil: undefined,
    }),
    otlp: fc.record({
      serviceRouting: fc.boolean(),
      requiredAttributes: fc.array(fc.string()),
      profile: fc.option(fc.string(), { nil: undefined }),
      limits: fc.constantFrom({}, { streams_max: 5, span_links_max: null }),
      rates: fc.constantFrom({}, { bytes_per_second: 5_000_000_000 }),
      dedupeSeconds: fc.nat(),
      dropAttributes: fc.array(fc.string()),
      largeItemsMax: fc.option(fc.nat(), { nil: undefined }),
    }),
  });
  const row = fc.record({
    number: fc.maxSafeNat(),
    createdAt: fc.maxSafeNat(),
    config,
    deletedAt: fc.option(fc.maxSafeNat(), { nil: undefined }),
    requestKey: fc.option(fc.string(), { nil: undefined }),
  });
  fc.assert(
    fc.property(row, (basin) => {
      expect(values.decodeBasin(values.encodeBasin(basin))).toEqual(basin);
    }),
  );
});

test.each([
  ['text', 'issuer'],
  ['no key set', ['i', 'a', null, null]],
  ['two key sets', ['i', 'a', 'u', 'j']],
  ['an audience that is no text', ['i', 7, 'u', null]],
  ['without content', undefined],
])('a basin whose issuer is %s is corrupt', (_name, oidc) => {
  const fields = [1, 0, true, true, '', [], null, null, null];
  const packed = new Packr({ useRecords: false }).pack(oidc === undefined ? fields : [...fields, oidc]);
  expect(codeOf(() => values.decodeBasin(Buffer.concat([Buffer.of(3), packed])))).toBe('corrupt');
});

test.each([
  ['text', 'policy'],
  ['a pair without a value', [['profile']]],
  ['a field that is not known', [['later', 1]]],
  ['a profile that is no text', [['profile', 1]]],
  ['keys that are no texts', [['dropAttributes', [1]]]],
  ['a limit that is not known', [['limits', [['later', 1]]]]],
  ['a rate that is no count', [['rates', [['bytes_per_second', -1]]]]],
  ['without content', undefined],
])('a basin whose policy is %s is corrupt', (_name, policy) => {
  const fields = [1, 0, true, true, '', [], null, null, null, null];
  const packed = new Packr({ useRecords: false }).pack(policy === undefined ? fields : [...fields, policy]);
  expect(codeOf(() => values.decodeBasin(Buffer.concat([Buffer.of(4), packed])))).toBe('corrupt');
});

test('a basin distinguishes fields that were set from fields that were not', () => {
  const flags = { createStreamOnAppend: false, createStreamOnRead: true, otlpDefaultStream: '', defaultStream: {} };
  const config = { ...flags, streamCipher: undefined, oidc: undefined };
  const row = { number: 1, createdAt: 0, config, deletedAt: undefined, requestKey: undefined };
  expect(values.decodeBasin(values.encodeBasin(row))).toEqual(row);
});

test('a stream without a complete configuration is corrupt', () => {
  const packed = new Packr({ useRecords: false }).pack([1, 2, [['storageClass', 'express']]]);
  expect(codeOf(() => values.decodeStream(Buffer.concat([Buffer.of(1), packed])))).toBe('corrupt');
});

function codeOf(call: () => unknown): unknown {
  try {
    call();
    return 'nothing was thrown';
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error ? error.code : error;
  }
}

function basinOfFormat3(keys: object) {
  return laterBasin({ oidc: { issuer: 'https://issuer.example', audience: 'tailrace', keys } });
}

/** As formats 2 and later write it, with the fields added after 2. */
function laterBasin(added: object = {}) {
  return {
    number: 2,
    createdAt: T,
    deletedAt: T + 5,
    requestKey: 'key',
    config: {
      createStreamOnAppend: true,
      createStreamOnRead: false,
      otlpDefaultStream: '{service.name}',
      defaultStream: { storageClass: 'express', retentionAgeSeconds: undefined, retentionBytes: 9 },
      streamCipher: 'aes-256-gcm',
      ...added,
    },
  };
}
