/** Blocks: records decode as they were encoded, in every odd shape, and damaged blocks are refused. */

import { expect, test } from '@jest/globals';
import { Lz4Unpacker } from '../../src/encoding/lz4/unpacker.ts';
import { meteredBytes, OTLP_HEADERS, SIGNALS } from '../../src/model/record.ts';
import { BLOCK_HEADER_BYTES_MAX, Block, readBlockHeader } from '../../src/storage/block/block.ts';
import { type BlockDraft, draftRecords, releaseBlock, sealBlock } from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import { type Built, buildMessage, field, type Message } from '../support/block-messages.ts';
import fc from '../support/fast-check.ts';
import { shareOf } from '../support/share-of.ts';

const ARRIVAL = 1_790_000_000_000;

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const head = bytes(40).map((value) => ({ head: field(0x1a, value) }));
const item = fc
  .oneof({ weight: 5, arbitrary: bytes(60) }, { weight: 1, arbitrary: bytes(400) })
  .map((value) => ({ item: value }));
const scope = fc.array(fc.oneof({ weight: 1, arbitrary: head }, { weight: 4, arbitrary: item }), { maxLength: 12 });
const resource = fc.array(
  fc.oneof({ weight: 1, arbitrary: head }, { weight: 3, arbitrary: scope.map((s) => ({ scope: s })) }),
  {
    maxLength: 6,
  },
);
const message: fc.Arbitrary<Message> = fc
  .array(resource, { minLength: 1, maxLength: 5 })
  .filter((all) => all.some((r) => r.some((f) => 'scope' in f && f.scope.some((s) => 'item' in s))));
const built: fc.Arbitrary<Built> = fc
  .tuple(fc.constantFrom(...SIGNALS), message, fc.nat(2 ** 45), fc.array(fc.nat(2 ** 30), { maxLength: 400 }))
  .map(([signal, shape, first, steps]) => buildMessage(signal, shape, ascending(first, steps)));

test('an OTLP block returns every body, the payload unchanged, and any part of it as one message', async () => {
  await fc.assert(
    fc.asyncProperty(built, fc.nat(2 ** 50), fc.nat(), fc.nat(), async ({ draft, payload, bodies }, seq, a, b) => {
      const sealed = await seal(draft, seq);
      for (const block of [sealed.block, Block.open(sealed.key, sealed.value)]) {
        expect(block.firstSeq).toBe(seq);
        expect(block.header).toMatchObject({ kind: draft.kind, count: bodies.length, arrival: ARRIVAL });
        for (const [i, body] of bodies.entries()) {
          const record = block.record(i);
          expect(Buffer.compare(record.body, body)).toBe(0);
          expect(record).toMatchObject({ seqNum: seq + i, timestamp: draft.timestamps[i] });
          expect(block.bodyBytesOf(i)).toBe(body.length);
          expect(block.meteredBytesOf(i)).toBe(meteredBytes(record.headers, body.length));
        }
        expect(Buffer.compare(block.otlpMessage(0, bodies.length), payload)).toBe(0);
        const from = a % bodies.length;
        const to = from + 1 + (b % (bodies.length - from));
        if (to - from < bodies.length) {
          expect(
            Buffer.compare(Buffer.concat(itemsOf(block.otlpMessage(from, to))), Buffer.concat(bodies.slice(from, to))),
          ).toBe(0);
        }
      }
    }),
    { numRuns: shareOf(100) },
  );
});

test('what is kept of a lent block stays as it was when its memory is used again, few records or many', async () => {
  const unpacker = new Lz4Unpacker(2 ** 20);
  const noise = await seal(text(600, 'other words '), 0);
  await fc.assert(
    fc.asyncProperty(built, fc.array(fc.nat(9), { maxLength: 40 }), async ({ draft }, picks) => {
      const { key, value } = await seal(draft, 3);
      const owned = Block.open(key, value);
      const memory = Buffer.from(value);
      const lent = Block.lend(key, memory, unpacker);
      const runs: number[] = [];
      for (let at = 0, p = 0; p + 1 < picks.length; p += 2) {
        const from = at + (picks[p] ?? 0);
        const to = from + 1 + (picks[p + 1] ?? 0);
        if (to > owned.header.count) break;
        runs.push(from, to);
        at = to + 1;
      }
      const kept = lent.keep(runs);
      Block.lend(noise.key, noise.value, unpacker);
      memory.fill(0xee);
      expect(kept.header).toMatchObject({ count: owned.header.count, meteredBytes: owned.header.meteredBytes });
      for (let r = 0; r < runs.length; r += 2) {
        const [from, to] = [runs[r] ?? 0, runs[r + 1] ?? 0];
        expect(kept.meteredBytesWithin(from, to)).toBe(owned.meteredBytesWithin(from, to));
        expect(Buffer.compare(kept.otlpMessage(from, to), owned.otlpMessage(from, to))).toBe(0);
        for (let i = from; i < to; i++) expect(kept.record(i)).toEqual(owned.record(i));
      }
    }),
    { numRuns: shareOf(100) },
  );
});

test('a lent block that is damaged is refused, as any other', async () => {
  const unpacker = new Lz4Unpacker(2 ** 20);
  const { key, value } = await seal(text(400, 'the same words again and again '), 0);
  for (const at of [0, 20, 60, value.length - 1]) {
    const damaged = Buffer.from(value);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(() => Block.lend(key, damaged, unpacker)).toThrow('a stored block is damaged');
  }
  const small = new Lz4Unpacker(value.length);
  const block = Block.lend(key, value, small);
  expect(block.keep([0, 1])).toBe(block);
  expect(block.record(399).body).toHaveLength(310);
});

test('an S2 block returns headers and bodies, and counts what S2 meters', async () => {
  const record = fc.record({
    timestamp: fc.nat(2 ** 45),
    headers: fc.array(fc.tuple(bytes(20), bytes(20)), { maxLength: 4 }),
    body: fc.oneof({ weight: 9, arbitrary: bytes(50) }, { weight: 1, arbitrary: bytes(9_000) }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 50 }), fc.nat(2 ** 50), async (records, seq) => {
      records.sort((x, y) => x.timestamp - y.timestamp);
      const draft = draftRecords(records);
      const sealed = await seal(draft, seq);
      const block = Block.open(sealed.key, sealed.value);
      let metered = 0;
      for (const [i, expected] of records.entries()) {
        const got = block.record(i);
        expect(got).toMatchObject({ seqNum: seq + i, timestamp: expected.timestamp });
        expect(Buffer.compare(got.body, expected.body)).toBe(0);
        expect(got.headers.map(plain)).toEqual(expected.headers.map(plain));
        const target = Buffer.alloc(block.bodyBytesOf(i) + 2, 7);
        expect(block.writeBody(i, target, 1)).toBe(target.length - 1);
        expect(Buffer.compare(target.subarray(1, -1), expected.body)).toBe(0);
        expect(block.meteredBytesOf(i)).toBe(meteredBytes(expected.headers, expected.body.length));
        metered += block.meteredBytesOf(i);
      }
      expect(block.header.meteredBytes).toBe(metered);
    }),
    { numRuns: shareOf(100) },
  );
});

test('the header alone gives the same facts as the whole block', async () => {
  await fc.assert(
    fc.asyncProperty(built, async ({ draft }) => {
      const { key, value, block } = await seal(draft, 7);
      const header = readBlockHeader(key, value.subarray(0, BLOCK_HEADER_BYTES_MAX));
      expect(header).toEqual(block.header);
      expect(header).toEqual(readBlockHeader(key, value.subarray(0, header.storedAt)));
      expect(() => readBlockHeader(key, value.subarray(0, header.storedAt - 1))).toThrow(/damaged/);
    }),
    { numRuns: 50 },
  );
});

test('a flipped bit anywhere, another key, and a cut or longer value are refused as corrupt', async () => {
  const place = fc.nat();
  await fc.assert(
    fc.asyncProperty(built, place, fc.nat(7), async ({ draft }, at, bit) => {
      const { key, value } = await seal(draft, 3);
      const flipped = Buffer.from(value);
      flipped.writeUInt8(flipped.readUInt8(at % value.length) ^ (1 << bit), at % value.length);
      expectCorrupt(() => Block.open(key, flipped));
      expectCorrupt(() => Block.open(blockKey(1, 4), value));
      expectCorrupt(() => Block.open(blockKey(2, 3), value));
      expectCorrupt(() => Block.open(key, value.subarray(0, at % value.length)));
      expectCorrupt(() => Block.open(key, Buffer.concat([value, Buffer.of(0)])));
    }),
    { numRuns: shareOf(100) },
  );
});

test('garbage is refused as corrupt', () => {
  fc.assert(
    fc.property(bytes(300), fc.constantFrom(0, 1, 2, 3), (garbage, kind) => {
      expectCorrupt(() => Block.open(blockKey(1, 0), garbage));
      expectCorrupt(() => Block.open(blockKey(1, 0), Buffer.concat([Buffer.of(1, kind, 0, 9, 0), garbage])));
    }),
    { numRuns: shareOf(500) },
  );
});

test('a large block is compressed, a small one is not, and both store the bodies unchanged', async () => {
  const large = await seal(text(400, 'the same words again and again '), 0);
  expect(large.value.length).toBeLessThan(large.block.header.rawBytes / 4);
  expect(large.block.header.codec).toBe(1);
  expect(Block.open(large.key, large.value).record(399).body).toHaveLength(310);
  const small = await seal(text(2, 'few '), 0);
  expect(small.block.header.codec).toBe(0);
  expect(Block.open(small.key, small.value).record(1).body).toHaveLength(40);
  const noise = draftRecords([{ timestamp: 1, headers: [], body: pseudoRandom(50_000) }]);
  expect((await seal(noise, 0)).block.header.codec).toBe(0);
});

test('a draft may be reused once sealing has begun', async () => {
  const body = Buffer.alloc(200_000, 'x');
  const draft = draftRecords([{ timestamp: 0, headers: [], body }]);
  const sealing = seal(draft, 0);
  body.fill('y');
  draft.timestamps[0] = 99;
  const { key, value, block } = await sealing;
  expect(block.record(0)).toMatchObject({ timestamp: 0 });
  expect(
    Block.open(key, value)
      .record(0)
      .body.every((byte) => byte === 0x78),
  ).toBe(true);
});

test('the bytes are the same with and without followers, also when buffers are reused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(built, { minLength: 1, maxLength: 4 }), fc.constantFrom(1, 40), async (all, times) => {
      for (const { draft } of all) {
        const repeated = repeat(draft, times);
        const key = blockKey(1, 9);
        const alone = await sealBlock(key, 9, repeated, ARRIVAL, false);
        const { value } = await seal(repeated, 9);
        expect(alone.block).toBeUndefined();
        expect(Buffer.compare(alone.value, value)).toBe(0);
        expect(Block.open(key, alone.value).header.count).toBe(repeated.count);
        releaseBlock(alone);
      }
    }),
    { numRuns: 30 },
  );
});

test('timestamps that decrease within a block are our own fault and throw', () => {
  const draft = draftRecords([
    { timestamp: 2, headers: [], body: Buffer.of(1) },
    { timestamp: 1, headers: [], body: Buffer.of(2) },
  ]);
  expect(() => sealBlock(blockKey(1, 0), 0, draft, ARRIVAL, false)).toThrow(/assertion/);
});

test('records outside a block and messages of S2 blocks are our own fault and throw', async () => {
  const { block } = await seal(text(3, 'a'), 0);
  for (const i of [-1, 3]) expect(() => block.record(i)).toThrow(/assertion/);
  expect(() => block.otlpMessage(0, 2)).toThrow(/assertion/);
  expect(() => block.otlpMessage(2, 4)).toThrow(/assertion/);
});

test('OTLP records have the two headers of their signal', async () => {
  const { draft } = buildMessage('metrics', [[{ scope: [{ item: Buffer.of(1) }] }]], [5]);
  expect((await seal(draft, 0)).block.headersOf(0)).toBe(OTLP_HEADERS.metrics);
});

/** The records of a partial message, each with its containers, found by walking it without the code under test. */
function itemsOf(partial: Uint8Array): Buffer[] {
  const bodies: Buffer[] = [];
  for (const outer of children(Buffer.from(partial))) {
    const inner = children(outer.bytes);
    const heads = inner.filter((one) => one.tag !== 0x12).map((one) => one.whole);
    for (const { bytes: scopeOf } of inner.filter((one) => one.tag === 0x12)) {
      const parts = children(scopeOf);
      const scopeHeads = parts.filter((one) => one.tag !== 0x12).map((one) => one.whole);
      for (const one of parts.filter((part) => part.tag === 0x12)) {
        bodies.push(field(0x0a, Buffer.concat([...heads, field(0x12, Buffer.concat([...scopeHeads, one.whole]))])));
      }
    }
  }
  return bodies;
}

function children(buffer: Buffer): { tag: number; bytes: Buffer; whole: Buffer }[] {
  const found: { tag: number; bytes: Buffer; whole: Buffer }[] = [];
  for (let at = 0; at < buffer.length; ) {
    const start = at;
    const tag = buffer.readUInt8(at++);
    let length = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = buffer.readUInt8(at++);
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    found.push({ tag, bytes: buffer.subarray(at, at + length), whole: buffer.subarray(start, at + length) });
    at += length;
  }
  return found;
}

/** The same records repeated, as S2 records: a block that is large enough to be compressed. */
function repeat(draft: BlockDraft, times: number): BlockDraft {
  const body = Buffer.concat(draft.payload);
  return draftRecords(Array.from({ length: times }, () => ({ timestamp: 5, headers: [], body })));
}

/** A block as followers receive it. */
async function seal(draft: BlockDraft, seq: number): Promise<{ key: Uint8Array; value: Uint8Array; block: Block }> {
  const { key, value, block } = await sealBlock(blockKey(1, seq), seq, draft, ARRIVAL, true);
  if (block === undefined) throw new Error('a block that is followed comes unpacked');
  return { key, value, block };
}

function text(count: number, words: string): BlockDraft {
  return draftRecords(
    Array.from({ length: count }, () => ({ timestamp: 1, headers: [], body: Buffer.from(words.repeat(10)) })),
  );
}

/** Bytes without a pattern that LZ4 could find. */
function pseudoRandom(length: number): Buffer {
  const noise = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (state * 48_271) % 0x7fff_ffff;
    noise[i] = state & 0xff;
  }
  return noise;
}

function ascending(first: number, steps: readonly number[]): number[] {
  let time = first;
  const times = [time];
  for (const step of steps) {
    if (step % 3 !== 0) time += step;
    times.push(time);
  }
  while (times.length < 400) times.push(time);
  return times;
}

function plain([name, value]: readonly [Uint8Array, Uint8Array]): string[] {
  return [Buffer.from(name).toString('hex'), Buffer.from(value).toString('hex')];
}

function expectCorrupt(call: () => unknown): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: 'corrupt' });
}
