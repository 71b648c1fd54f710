/** The ciphers by themselves: what they compute is what their specifications say, and a costly one loads when needed. */

import { describe, expect, test } from '@jest/globals';
import type { StreamCipher } from '../../src/model/stream-config.ts';
import { aeadOf, cipherReady } from '../../src/storage/block/ciphers.ts';

interface Vector {
  readonly key: string;
  readonly nonce: string;
  readonly data: string;
  readonly plain: string;
  readonly sealed: string;
  readonly tag: string;
}

/** AES: McGrew and Viega's test case 16 for GCM. AEGIS: draft-irtf-cfrg-aegis-aead, vectors 2 and 3 of AEGIS-256. */
const VECTORS: readonly (readonly [StreamCipher, Vector])[] = [
  [
    'aes-256-gcm',
    {
      key: 'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
      nonce: 'cafebabefacedbaddecaf888',
      data: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
      plain:
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      sealed:
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
      tag: '76fc6ece0f4e1768cddf8853bb2d551b',
    },
  ],
  [
    'aegis-256',
    {
      key: '1001000000000000000000000000000000000000000000000000000000000000',
      nonce: '1000020000000000000000000000000000000000000000000000000000000000',
      data: '',
      plain: '00000000000000000000000000000000',
      sealed: '754fc3d8c973246dcc6d741412a4b236',
      tag: '1181a1d18091082bf0266f66297d167d2e68b845f61a3b0527d31fc7b7b89f13',
    },
  ],
  [
    'aegis-256',
    {
      key: '1001000000000000000000000000000000000000000000000000000000000000',
      nonce: '1000020000000000000000000000000000000000000000000000000000000000',
      data: '0001020304050607',
      plain: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
      sealed: 'f373079ed84b2709faee373584585d60accd191db310ef5d8b11833df9dec711',
      tag: 'b7d28d0c3c0ebd409fd22b44160503073a547412da0854bfb9723020dab8da1a',
    },
  ],
];

test('AES-256-GCM is ready at once; AEGIS-256 is loaded once, by the first call that needs it', async () => {
  expect([cipherReady(undefined), cipherReady('aes-256-gcm')]).toEqual([undefined, undefined]);
  expect(() => aeadOf('aegis-256')).toThrow(/ready/);
  const loading = cipherReady('aegis-256');
  expect(cipherReady('aegis-256')).toBe(loading);
  await loading;
  expect(cipherReady('aegis-256')).toBeUndefined();
});

describe.each(VECTORS)('%s', (cipher, { key, nonce, data, plain, sealed, tag }) => {
  const by = { key: hex(key), nonce: hex(nonce), additionalData: hex(data) };

  test('seals a published vector to the published bytes, and opens it', async () => {
    await cipherReady(cipher);
    const aead = aeadOf(cipher);
    expect([aead.nonceBytes, aead.tagBytes]).toEqual([by.nonce.length, tag.length / 2]);
    const target = Buffer.alloc(3 + aead.tagBytes + plain.length / 2);
    aead.seal([hex(plain).subarray(0, 5), hex(plain).subarray(5)], by, target, 3);
    expect(target.toString('hex')).toBe(`000000${tag}${sealed}`);
    expect(Buffer.from(aead.open(hex(sealed), hex(tag), by)).toString('hex')).toBe(plain);
  });

  test('opens nothing by another key, nonce, tag or data', async () => {
    await cipherReady(cipher);
    const open = (change: Partial<typeof by>, badTag = tag) =>
      aeadOf(cipher).open(hex(sealed), hex(badTag), { ...by, ...change });
    expect(() => open({ key: flipped(by.key) })).toThrow();
    expect(() => open({ nonce: flipped(by.nonce) })).toThrow();
    expect(() => open({ additionalData: Buffer.of(1) })).toThrow();
    expect(() => open({}, flipped(hex(tag)).toString('hex'))).toThrow();
  });
});

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

function flipped(bytes: Buffer): Buffer {
  const other = Buffer.from(bytes);
  other[0] = (other[0] ?? 0) ^ 1;
  return other;
}
