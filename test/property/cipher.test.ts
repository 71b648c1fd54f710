/** Encrypted blocks: any records decrypt as they were encrypted, at their position and with their key only. */

import { beforeAll, expect, test } from '@jest/globals';
import { type TailraceError, TailraceError as TailraceFailure } from '../../src/model/error.ts';
import { meteredBytes } from '../../src/model/record.ts';
import { STREAM_CIPHERS, type StreamCipher } from '../../src/model/stream-config.ts';
import { Block } from '../../src/storage/block/block.ts';
import { decryptBlock, draftEncrypted, expectSeqNums, type PlainRecord } from '../../src/storage/block/cipher.ts';
import { cipherReady } from '../../src/storage/block/ciphers.ts';
import { draftRecords, releaseBlock, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';

const bytes = fc.uint8Array({ maxLength: 40 });
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const header = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), bytes);
const command = fc
  .record({ value: fc.constantFrom('fence', 'trim'), body: bytes })
  .map(({ value, body }) => ({ headers: [[new Uint8Array(0), Buffer.from(value)] as const], body }));
const ordinary = fc.record({
  headers: fc.oneof({ weight: 3, arbitrary: fc.array(header, { maxLength: 4 }) }, fc.constant([])),
  // Now and then large enough that the block is compressed.
  body: fc.oneof({ weight: 5, arbitrary: bytes }, fc.uint8Array({ minLength: 3_000, maxLength: 5_000 })),
});
const records = fc.array(fc.oneof({ weight: 6, arbitrary: ordinary }, command), { minLength: 1, maxLength: 12 });
const stream = fc.integer({ min: 1, max: 2 ** 40 });
const firstSeq = fc.integer({ min: 0, max: 2 ** 32 - 20 });

beforeAll(async () => {
  for (const cipher of STREAM_CIPHERS) await cipherReady(cipher);
});

test.each(STREAM_CIPHERS)('a block encrypted with %s is read as it was written', async (cipher) => {
  await fc.assert(
    fc.asyncProperty(records, key, stream, firstSeq, async (written, secret, number, first) => {
      const { value } = await sealed(draftEncrypted(written, { cipher, key: secret }, number, first), number, first);
      const block = decryptBlock(Block.open(blockKey(number, first), value), secret, number);
      expect(block.firstSeq).toBe(first);
      expect(block.header).toMatchObject({ kind: 's2', cipher: undefined, count: written.length, arrival: 77 });
      expect(block.header.meteredBytes).toBe(total(written));
      const clear = await sealed(draftRecords(written), number, first);
      const plain = Block.open(blockKey(number, first), clear.value);
      for (let i = 0; i < written.length; i++) {
        expect(plainOf(block, i)).toEqual(plainOf(plain, i));
        expect(block.meteredBytesOf(i)).toBe(plain.meteredBytesOf(i));
      }
    }),
    { numRuns: shareOf(150) },
  );
});

test.each(STREAM_CIPHERS)(
  'a block encrypted with %s shows sizes and times before it is decrypted, and no record',
  async (cipher) => {
    await fc.assert(
      fc.asyncProperty(records, key, async (written, secret) => {
        const { value, block: followed } = await sealed(draftEncrypted(written, { cipher, key: secret }, 9, 5), 9, 5);
        for (const block of [Block.open(blockKey(9, 5), value), followed]) {
          expect(block?.header.meteredBytes).toBe(total(written));
          for (const [i, record] of written.entries()) {
            expect(block?.meteredBytesOf(i)).toBe(meteredBytes(record.headers, record.body.length));
            expect(block?.timestamp(i)).toBe(1_000 + i);
            for (const look of [
              () => block?.record(i),
              () => block?.headersOf(i),
              () => block?.bodyBytesOf(i),
              () => block?.writeBody(i, new Uint8Array(10_000), 0),
            ]) {
              expect(codeOf(look)).toBe('decryption_failed');
            }
          }
        }
      }),
      { numRuns: 50 },
    );
  },
);

test.each(STREAM_CIPHERS)(
  'a block encrypted with %s does not decrypt with another key, stream or position',
  async (cipher) => {
    await fc.assert(
      fc.asyncProperty(ordinary, key, key, async (record, secret, other) => {
        fc.pre(Buffer.compare(secret, other) !== 0);
        const { value } = await sealed(draftEncrypted([record], { cipher, key: secret }, 9, 5), 9, 5);
        const block = Block.open(blockKey(9, 5), value);
        expect(codeOf(() => decryptBlock(block, other, 9))).toBe('decryption_failed');
        expect(codeOf(() => decryptBlock(block, secret.subarray(1), 9))).toBe('decryption_failed');
        expect(codeOf(() => decryptBlock(block, secret, 10))).toBe('decryption_failed');
        const moved = await sealed(draftEncrypted([record], { cipher, key: secret }, 9, 6), 9, 5);
        expect(codeOf(() => decryptBlock(Block.open(blockKey(9, 5), moved.value), secret, 9))).toBe(
          'decryption_failed',
        );
      }),
      { numRuns: 60 },
    );
  },
);

test.each(STREAM_CIPHERS)('a flipped bit below all checksums is found by %s', async (cipher) => {
  await fc.assert(
    fc.asyncProperty(ordinary, key, fc.nat(), async (record, secret, where) => {
      const draft = draftEncrypted([record], { cipher, key: secret }, 9, 5);
      const body = draft.payload[0] ?? new Uint8Array(0);
      const at = where % (body.length * 8);
      body[at >> 3] = (body[at >> 3] ?? 0) ^ (1 << (at & 7));
      const { value } = await sealed(draft, 9, 5);
      const decrypt = (): Block => decryptBlock(Block.open(blockKey(9, 5), value), secret, 9);
      expect(['decryption_failed', 'corrupt']).toContain(codeOf(decrypt));
    }),
    { numRuns: shareOf(150) },
  );
});

test.each(STREAM_CIPHERS)('the same records are never encrypted by %s to the same bytes', (cipher) => {
  const record = { headers: [], body: Buffer.from('again') };
  const bodies = new Set<string>();
  for (let i = 0; i < 200; i++) {
    for (const part of draftEncrypted([record, record], { cipher, key: Buffer.alloc(32, 1) }, 9, 5).payload) {
      bodies.add(Buffer.from(part).toString('hex', 1, 13));
    }
  }
  expect(bodies.size).toBe(400);
});

test('sequence numbers from 2^32 on are refused by AES-256-GCM, except for commands', () => {
  const record = { headers: [], body: Buffer.from('too late') };
  const fence = { headers: [[Buffer.alloc(0), Buffer.from('fence')] as const], body: Buffer.from('token') };
  const key = Buffer.alloc(32, 1);
  const secret = { cipher: 'aes-256-gcm', key } as const;
  expect(draftEncrypted([record], secret, 9, 2 ** 32 - 1).count).toBe(1);
  expect(codeOf(() => draftEncrypted([record], secret, 9, 2 ** 32))).toBe('invalid');
  expect(codeOf(() => draftEncrypted([record, record], secret, 9, 2 ** 32 - 1))).toBe('invalid');
  expect(codeOf(() => expectSeqNums('aes-256-gcm', 2 ** 32))).toBeUndefined();
  expect(codeOf(() => expectSeqNums('aes-256-gcm', 2 ** 32 + 1))).toBe('invalid');
  expect(draftEncrypted([fence], secret, 9, 2 ** 32).count).toBe(1);
  expect(draftEncrypted([record], { cipher: 'aegis-256', key }, 9, 2 ** 32).count).toBe(1);
});

test('a block is decrypted with the cipher that it names', async () => {
  const record = { headers: [], body: Buffer.from('x') };
  const key = Buffer.alloc(32, 1);
  const shapes = [];
  for (const cipher of STREAM_CIPHERS) {
    const { value } = await sealed(draftEncrypted([record], { cipher, key }, 9, 5), 9, 5);
    const block = Block.open(blockKey(9, 5), value);
    expect(block.header.cipher).toBe(cipher);
    shapes.push([cipher, block.storedRecord(0).body.length]);
  }
  // Metered bytes, nonce, tag, header count, body.
  const expected: [StreamCipher, number][] = [
    ['aes-256-gcm', 1 + 12 + 16 + 1 + 1],
    ['aegis-256', 1 + 32 + 32 + 1 + 1],
  ];
  expect(shapes).toEqual(expected);
});

test('missing times are left to the log', () => {
  const body = Buffer.from('x');
  const draft = draftEncrypted(
    [
      { headers: [], body },
      { headers: [], body, timestamp: 0 },
    ],
    { cipher: 'aes-256-gcm', key: Buffer.alloc(32) },
    1,
    0,
  );
  expect([...draft.timestamps]).toEqual([-1, 0]);
});

test('a block without encryption is returned unchanged', async () => {
  const { value } = await sealed(draftRecords([{ headers: [], body: Buffer.from('x') }]), 9, 5);
  const block = Block.open(blockKey(9, 5), value);
  expect(decryptBlock(block, Buffer.alloc(32), 9)).toBe(block);
});

async function sealed(draft: ReturnType<typeof draftEncrypted>, number: number, first: number) {
  for (let i = 0; i < draft.count; i++) draft.timestamps[i] = 1_000 + i;
  const block = await sealBlock(blockKey(number, first), first, draft, 77, true);
  const value = Buffer.from(block.value);
  releaseBlock(block);
  return { value, block: block.block };
}

function plainOf(block: Block, i: number) {
  const { headers, body, ...position } = block.record(i);
  return { ...position, headers: headers.map((pair) => pair.map(hex)), body: hex(body), bytes: block.bodyBytesOf(i) };
}

function total(written: readonly PlainRecord[]): number {
  return written.reduce((sum, { headers, body }) => sum + meteredBytes(headers, body.length), 0);
}

function hex(part: Uint8Array): string {
  return Buffer.from(part).toString('hex');
}

function codeOf(call: () => unknown): TailraceError['code'] | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof TailraceFailure) return error.code;
    throw error;
  }
  return undefined;
}
