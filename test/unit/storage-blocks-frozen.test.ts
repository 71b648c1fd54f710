/**
 * Blocks as earlier builds wrote them, frozen: each must always be readable. New forms add files, existing files never
 * change.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import { STREAM_CIPHERS } from '../../src/model/stream-config.ts';
import { loadFilter } from '../../src/readers/filter/load-filter.ts';
import { Block, readBlockHeader } from '../../src/storage/block/block.ts';
import { decryptBlock } from '../../src/storage/block/cipher.ts';
import { cipherReady } from '../../src/storage/block/ciphers.ts';
import { summaryBytesIn } from '../../src/storage/block/format.ts';

interface Frozen {
  readonly key: string;
  readonly value: string;
  readonly firstSeq: number;
  readonly header: object;
  /** Of an encrypted block: the key, and the stream that its records are bound to. */
  readonly encryptionKey?: string;
  readonly stream?: number;
  readonly payload?: string;
  /** Of a block with a summary: filters by which it is passed over, and by which it is read. */
  readonly passedOver?: readonly string[];
  readonly read?: readonly string[];
  readonly records: readonly {
    readonly timestamp: number;
    readonly metered: number;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: string;
  }[];
}

const FOLDER = fileURLToPath(new URL('../fixtures/blocks/', import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

beforeAll(async () => {
  for (const cipher of STREAM_CIPHERS) await cipherReady(cipher);
});

test('every kind and every codec has a frozen block', () => {
  const seen = FILES.map((name) => name.replace('.json', '')).sort();
  const otlp = [
    'logs-bloom',
    'logs-lz4',
    'logs-plain',
    'logs-summary',
    'metrics-plain',
    'traces-ids-checked',
    'traces-plain',
  ];
  const cut = ['logs-cut', 'metrics-cut', 'traces-cut'];
  expect(seen).toEqual([...otlp, ...cut, 's2-aegis-256', 's2-aes-256-gcm', 's2-lz4', 's2-plain'].sort());
});

test.each(FILES)('%s is read as it was written', (name) => {
  const frozen: Frozen = JSON.parse(readFileSync(FOLDER + name, 'utf8'));
  const stored = Block.open(Buffer.from(frozen.key, 'hex'), Buffer.from(frozen.value, 'hex'));
  expect(stored.header.cipher).toBe(STREAM_CIPHERS.find((cipher) => name === `s2-${cipher}.json`));
  const block = decryptBlock(stored, Buffer.from(frozen.encryptionKey ?? '', 'hex'), frozen.stream ?? 0);
  expect(block.firstSeq).toBe(frozen.firstSeq);
  expect(block.header).toMatchObject(frozen.header);
  expect(block.header.count).toBe(frozen.records.length);
  for (const [i, expected] of frozen.records.entries()) {
    const { timestamp, headers, body } = block.record(i);
    expect({ timestamp, body: hex(body) }).toEqual({ timestamp: expected.timestamp, body: expected.body });
    expect(headers.map(([header, value]) => [hex(header), hex(value)])).toEqual(expected.headers);
    expect(block.meteredBytesOf(i)).toBe(expected.metered);
  }
  if (frozen.payload !== undefined) expect(hex(block.otlpMessage(0, frozen.records.length))).toBe(frozen.payload);
});

test.each(FILES)('%s is passed over by filters as it was written, and by no other', async (name) => {
  const frozen: Frozen = JSON.parse(readFileSync(FOLDER + name, 'utf8'));
  const value = Buffer.from(frozen.value, 'hex');
  const header = readBlockHeader(Buffer.from(frozen.key, 'hex'), value);
  const mayWant = async (filter: string) => (await loadFilter([filter]))?.mayWant?.(header.kind, summaryBytesIn(value));
  for (const filter of frozen.passedOver ?? []) expect([filter, await mayWant(filter)]).toEqual([filter, false]);
  const read =
    frozen.read ?? (header.kind === 'logs' ? ['level=debug', 'service=cart', `trace_id=${'0'.repeat(32)}`] : []);
  for (const filter of read) expect([filter, await mayWant(filter)]).toEqual([filter, true]);
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
