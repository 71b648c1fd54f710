/** Blocks as readers see them: only the header, or the whole block with its records. */

import { uncompressSync } from 'lz4-napi';
import type { Lz4Unpacker } from '../../encoding/lz4/unpacker.ts';
import { assert, TailraceError } from '../../model/error.ts';
import { type Header, meteredBytes, OTLP_HEADERS, type StreamRecord, TRUNCATED_BYTES } from '../../model/record.ts';
import { readBlockKey } from '../keys.ts';
import { cutBodyBytes, type RecordCut, readCuts, truncatedBytes, writeCutBody } from './cuts.ts';
import {
  type BlockHeader,
  CODEC_LZ4,
  CODEC_NONE,
  corrupt,
  readBlockHeader,
  readU32,
  VarintReader,
  verifyStored,
} from './format.ts';
import { keepItems } from './keep-items.ts';
import { OtlpBodies } from './otlp-bodies.ts';
import { type OtlpIndex, otlpBodyBytes, otlpMessage, readOtlpIndex, writeOtlpBody } from './otlp-index.ts';
import {
  eachS2Header,
  type HeaderVisit,
  readS2Index,
  type S2Index,
  s2Body,
  s2BodyBytes,
  s2Headers,
  s2MeteredBytes,
} from './s2-index.ts';

export { BLOCK_HEADER_BYTES_MAX, type BlockHeader, readBlockHeader } from './format.ts';

/** LZ4 compresses 255 to 1 at most: we never wrote a block that claims more. */
const LZ4_RATIO_MAX = 255;

interface Index {
  /** Where the time column ends in the index. */
  readonly timesEnd: number;
  readonly times: Float64Array | undefined;
  readonly otlp: OtlpIndex | undefined;
  readonly s2: S2Index | undefined;
  /** The OTLP records that S2 readers get cut. */
  readonly cuts: ReadonlyMap<number, RecordCut> | undefined;
}

/**
 * A block, unpacked. Its records are numbered from 0. It returns views of itself unless said otherwise. A block of
 * encrypted records knows their positions, times and sizes, but does not return a record (it throws
 * `decryption_failed`) until `decryptBlock` has made a block in the clear of it, so that no caller takes ciphertext for
 * a body. An OTLP record that is larger than S2 allows is cut wherever a record is returned, and whole in `otlpMessage`.
 */
export class Block {
  readonly firstSeq: number;
  readonly header: BlockHeader;
  readonly #index: Uint8Array;
  readonly #payload: Uint8Array;
  #parsed: Index | undefined;
  /** Its bytes are in memory that is used again. */
  #isLent = false;
  /** Whether it has all of its records: see `keep`. */
  #isWhole = true;

  private constructor(firstSeq: number, header: BlockHeader, raw: Uint8Array) {
    this.firstSeq = firstSeq;
    this.header = header;
    this.#index = raw.subarray(0, header.indexBytes);
    this.#payload = raw.subarray(header.indexBytes);
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  /**
   * Verifies both checksums and unpacks. The index is read on the first access to a single record: a caller that passes
   * on the payload as it is does not need it.
   * @throws TailraceError `corrupt`
   */
  static open(key: Uint8Array, value: Uint8Array): Block {
    const header = checkedHeader(key, value);
    const stored = value.subarray(header.storedAt);
    return new Block(
      readBlockKey(key).firstSeq,
      header,
      header.codec === CODEC_LZ4 ? unpackNow(header, stored) : stored,
    );
  }

  /**
   * As `open`, but in memory of the unpacker, and of the value where that is not packed: the block is good until one of
   * them is used again. One that is larger than the unpacker takes gets its own.
   * @throws TailraceError `corrupt`
   */
  static lend(key: Uint8Array, value: Uint8Array, unpacker: Lz4Unpacker): Block {
    const header = checkedHeader(key, value);
    const stored = value.subarray(header.storedAt);
    const isLarge = Math.max(header.rawBytes, stored.length) > unpacker.bytesMax;
    if (isLarge && header.codec === CODEC_LZ4)
      return new Block(readBlockKey(key).firstSeq, header, unpackNow(header, stored));
    const raw = header.codec === CODEC_LZ4 ? unpacker.unpack(stored.subarray(4), header.rawBytes) : stored;
    if (raw === undefined) throw corrupt('it cannot be unpacked');
    const block = new Block(readBlockKey(key).firstSeq, header, raw);
    block.#isLent = true;
    return block;
  }

  /**
   * The same block in memory of its own. Where the records of the runs (from and to of each) are a small part of it, it has
   * only these, and must not be asked for others.
   */
  keep(runs: readonly number[]): Block {
    if (!this.#isLent) return this;
    const parsed = this.#at(0);
    const part =
      parsed.otlp === undefined || parsed.cuts !== undefined ? undefined : keepItems(parsed.otlp, this.#payload, runs);
    if (part === undefined) {
      return new Block(this.firstSeq, this.header, Buffer.concat([this.#index, this.#payload]));
    }
    const kept = new Block(this.firstSeq, { ...this.header, indexBytes: 0 }, part.payload);
    kept.#parsed = { ...parsed, otlp: part.index };
    kept.#isWhole = false;
    return kept;
  }

  /** The block that was just sealed. `raw` is its index and payload; the block owns it from now on. */
  static ofSealed(firstSeq: number, header: BlockHeader, raw: Uint8Array): Block {
    return new Block(firstSeq, header, raw);
  }

  /** Milliseconds. */
  timestamp(i: number): number {
    // Every batch needs the first and the last, also where nothing else of the index is needed.
    if (i === this.header.count - 1) return this.header.lastTimestamp;
    if (i === 0) return this.header.firstTimestamp;
    return this.#at(i).times?.[i] ?? this.header.firstTimestamp;
  }

  /** Metered bytes of record i as the raw view returns it; of an encrypted one, what it had in the clear. */
  meteredBytesOf(i: number): number {
    const { otlp, cuts } = this.#at(i);
    const cut = cuts?.get(i);
    if (otlp === undefined || cut === undefined) return this.wholeBytesOf(i);
    return meteredBytes(this.#otlpHeaders(cut), cutBodyBytes(otlp, i, cut));
  }

  /** The same, but of a record that S2 readers get cut, what it has in the other views. */
  wholeBytesOf(i: number): number {
    const { otlp, s2 } = this.#at(i);
    if (otlp !== undefined) return meteredBytes(this.#otlpHeaders(undefined), otlpBodyBytes(otlp, i));
    if (s2 === undefined) return 0;
    if (this.header.cipher === undefined || s2.headerCount[i] !== 0) return s2MeteredBytes(s2, i);
    const body = s2Body(s2, this.#payload, i);
    return new VarintReader(body, 0, body.length).next();
  }

  /** Metered bytes of the records [from, to). Of the whole block the header knows them. */
  meteredBytesWithin(from: number, to: number): number {
    if (from === 0 && to === this.header.count && !this.header.hasCuts) return this.header.meteredBytes;
    let bytes = 0;
    for (let i = from; i < to; i++) bytes += this.meteredBytesOf(i);
    return bytes;
  }

  /** The same of whole records. */
  wholeBytesWithin(from: number, to: number): number {
    if (from === 0 && to === this.header.count) return this.header.meteredBytes;
    let bytes = 0;
    for (let i = from; i < to; i++) bytes += this.wholeBytesOf(i);
    return bytes;
  }

  headersOf(i: number): readonly Header[] {
    const { s2, cuts } = this.#clear(i);
    return s2 === undefined ? this.#otlpHeaders(cuts?.get(i)) : s2Headers(s2, this.#index, this.#payload, i);
  }

  /** S2 blocks only: visits the headers of record i without creating a view of each. */
  eachHeader(i: number, visit: HeaderVisit): void {
    const { s2 } = this.#clear(i);
    assert(s2 !== undefined, 'an OTLP block has headers of its own making');
    eachS2Header(s2, this.#index, this.#payload, i, visit);
  }

  /** Bytes of the body of record i; for OTLP, of the self-contained body. */
  bodyBytesOf(i: number): number {
    const { otlp, s2, cuts } = this.#clear(i);
    const cut = cuts?.get(i);
    if (otlp !== undefined) return cut === undefined ? otlpBodyBytes(otlp, i) : cutBodyBytes(otlp, i, cut);
    return s2 === undefined ? 0 : s2BodyBytes(s2, i);
  }

  /** Writes the body of record i at `at`, where `bodyBytesOf(i)` bytes must be free. Returns where it ends. */
  writeBody(i: number, target: Uint8Array, at: number): number {
    const { otlp, s2, cuts } = this.#clear(i);
    const cut = cuts?.get(i);
    if (otlp !== undefined && cut !== undefined) return writeCutBody(otlp, this.#payload, i, cut, target, at);
    if (otlp !== undefined) return writeOtlpBody(otlp, this.#payload, i, target, at);
    if (s2 === undefined) return at;
    target.set(s2Body(s2, this.#payload, i), at);
    return at + s2BodyBytes(s2, i);
  }

  /** All of its records, one behind the other, in place. */
  payloadBytes(): Uint8Array {
    this.#expectClear();
    return this.#payload;
  }

  /** OTLP blocks only: where the parts of its records are, in place. */
  otlpParts(): { readonly index: OtlpIndex; readonly payload: Uint8Array } {
    const { otlp } = this.#clear(0);
    assert(otlp !== undefined, 'an S2 block has no OTLP message');
    return { index: otlp, payload: this.#payload };
  }

  /** OTLP blocks without cuts only: for writing the bodies of many records, each after `lead` and its length. */
  otlpBodies(lead: Uint8Array): OtlpBodies {
    const { otlp, cuts } = this.#clear(0);
    assert(otlp !== undefined && cuts === undefined, 'all records of the block are whole OTLP messages');
    return new OtlpBodies(otlp, this.#payload, lead);
  }

  /** Record i as S2 readers get it. The body of an OTLP record is a copy, everything else a view. */
  record(i: number): StreamRecord {
    const { s2 } = this.#clear(i);
    let body: Uint8Array;
    if (s2 === undefined) {
      body = Buffer.allocUnsafe(this.bodyBytesOf(i));
      this.writeBody(i, body, 0);
    } else {
      body = s2Body(s2, this.#payload, i);
    }
    return { seqNum: this.firstSeq + i, timestamp: this.timestamp(i), headers: this.headersOf(i), body };
  }

  /** Makes each cut once. @throws TailraceError `corrupt` when one does not match its record */
  checkCuts(): void {
    const seen = new Set<unknown>();
    for (const [i, { heads, item }] of this.#at(0).cuts ?? []) {
      if (item === undefined && seen.has(heads)) continue;
      seen.add(heads);
      this.record(i);
    }
  }

  /**
   * OTLP blocks only: one LogsData, TracesData or MetricsData message with the whole records [from, to), each resource and
   * scope once. For the whole block it is a view of the payload; for a part it is built.
   */
  otlpMessage(from: number, to: number): Uint8Array {
    assert(from >= 0 && from < to && to <= this.header.count, 'a run of records lies within its block');
    if (from === 0 && to === this.header.count) return this.#payload;
    const { otlp } = this.#at(from);
    assert(otlp !== undefined, 'an S2 block has no OTLP message');
    return otlpMessage(otlp, this.#payload, from, to);
  }

  /** Record i of an S2 block as it is stored, for the cipher: the body of an encrypted one is its ciphertext. */
  storedRecord(i: number): { readonly headers: readonly Header[]; readonly body: Uint8Array } {
    const { s2 } = this.#at(i);
    assert(s2 !== undefined, 'only S2 records are encrypted');
    return { headers: s2Headers(s2, this.#index, this.#payload, i), body: s2Body(s2, this.#payload, i) };
  }

  /**
   * A block in the clear with the positions and times of this one and other records: their index without times, and
   * their payload.
   */
  withRecords(layout: Uint8Array, payload: readonly Uint8Array[]): Block {
    const times = this.#index.subarray(0, this.#at(0).timesEnd);
    const raw = Buffer.concat([times, layout, ...payload]);
    const indexBytes = times.length + layout.length;
    const header = { ...this.header, cipher: undefined, codec: CODEC_NONE, rawBytes: raw.length, indexBytes };
    return new Block(this.firstSeq, header, raw);
  }

  #clear(i: number): Index {
    this.#expectClear();
    return this.#at(i);
  }

  #expectClear(): void {
    if (this.header.cipher === undefined) return;
    throw new TailraceError('decryption_failed', 'the records of this stream are encrypted: reading needs their key');
  }

  #at(i: number): Index {
    assert(i >= 0 && i < this.header.count, 'a record lies within its block');
    // Parsed on the first access: the records of a block that was just sealed are often never accessed.
    this.#parsed ??= this.#parse();
    return this.#parsed;
  }

  #parse(): Index {
    const { count, kind, hasCuts, firstTimestamp, lastTimestamp } = this.header;
    const reader = new VarintReader(this.#index, 0, this.#index.length);
    const times = firstTimestamp === lastTimestamp ? undefined : readTimes(reader, this.header);
    const timesEnd = reader.at;
    if (kind === 's2') {
      const s2 = readS2Index(this.#index, timesEnd, this.#payload, count);
      return { timesEnd, times, otlp: undefined, s2, cuts: undefined };
    }
    const cuts = hasCuts ? readCuts(reader, this.#index, count) : undefined;
    return { timesEnd, times, otlp: readOtlpIndex(this.#index, reader.at, this.#payload, count), s2: undefined, cuts };
  }

  #otlpHeaders(cut: RecordCut | undefined): readonly Header[] {
    const { kind } = this.header;
    if (kind === 's2') return [];
    if (cut === undefined) return OTLP_HEADERS[kind];
    return [...OTLP_HEADERS[kind], [TRUNCATED_BYTES, Buffer.from(String(truncatedBytes(cut)))]];
  }
}

function readTimes(reader: VarintReader, header: BlockHeader): Float64Array {
  const times = new Float64Array(header.count);
  let time = header.firstTimestamp;
  times[0] = time;
  for (let i = 1; i < header.count; i++) {
    time += reader.next();
    times[i] = time;
  }
  if (time !== header.lastTimestamp) throw corrupt('its timestamps do not match its header');
  return times;
}

/** The header of a complete value whose checksums and sizes were verified. */
function checkedHeader(key: Uint8Array, value: Uint8Array): BlockHeader {
  const header = readBlockHeader(key, value);
  verifyStored(key, value, header);
  const stored = value.subarray(header.storedAt);
  if (header.codec !== CODEC_LZ4) {
    sized(header, stored);
    return header;
  }
  // The unpacker allocates the size that the data declares, so that size is checked first.
  const declared = stored.length < 4 ? -1 : readU32(stored, 0);
  if (declared !== header.rawBytes || declared > stored.length * LZ4_RATIO_MAX) {
    throw corrupt('its size does not match its header');
  }
  return header;
}

function unpackNow(header: BlockHeader, stored: Uint8Array): Uint8Array {
  let raw: Uint8Array;
  try {
    raw = uncompressSync(stored);
  } catch (cause) {
    throw corrupt('it cannot be unpacked', cause);
  }
  return sized(header, raw);
}

function sized(header: BlockHeader, raw: Uint8Array): Uint8Array {
  if (raw.length !== header.rawBytes) throw corrupt('its size does not match its header');
  return raw;
}
