/**
 * Encryption of S2 records with a key of the caller, each record by itself, by the cipher of the stream.
 *
 * ```
 *  body of a stored, encrypted record; it has no headers
 *   metered bytes of the record in the clear, varint
 *   nonce, 12 bytes with AES-256-GCM, 32 with AEGIS-256: random, because sequence numbers are reused after a failed
 *          commit and in a stream that is created again
 *   tag, 16 bytes with AES-256-GCM, 32 with AEGIS-256
 *   ciphertext of: header count, then for each header: bytes of its name, bytes of its value (all varints);
 *                  names and values in that order; the body
 *  additional data: stream number u64, sequence number u64, big endian
 * ```
 *
 * A record at another position than the one it was written for does not decrypt. Commands (one header, without a name)
 * stay in the clear because the server acts on them. So in an encrypted block a record without headers is encrypted,
 * and one with headers is not.
 */

import { randomBytes } from 'node:crypto';
import { varint, varintBytes, writeVarint } from '../../encoding/varint.ts';
import { assert, TailraceError } from '../../model/error.ts';
import { type Header, meteredBytes, OTLP_HEADERS } from '../../model/record.ts';
import type { StreamCipher } from '../../model/stream-config.ts';
import type { Aead } from './aead.ts';
import type { Block } from './block.ts';
import { aeadOf } from './ciphers.ts';
import { corrupt, VarintReader } from './format.ts';
import { otlpBodyBytes, readOtlpIndex, writeOtlpBody } from './otlp-index.ts';
import { writeS2Index } from './s2-index.ts';
import type { BlockDraft } from './seal.ts';

/** Bytes of a key. */
export const ENCRYPTION_KEY_BYTES = 32;

/** A record before it has a position. */
export interface PlainRecord {
  /** Milliseconds; undefined: the log sets it. */
  readonly timestamp?: number | undefined;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

/** What records are encrypted with. The cipher must be ready, see `cipherReady`. */
export interface Encryption {
  readonly cipher: StreamCipher;
  readonly key: Uint8Array;
}

const AAD_BYTES = 16;
/** From this sequence number on, S2 does not encrypt records with a cipher: random nonces of 12 bytes would repeat. */
const SEQ_END: Record<StreamCipher, number> = { 'aes-256-gcm': 2 ** 32, 'aegis-256': Number.POSITIVE_INFINITY };
const TWO_32 = 2 ** 32;

/**
 * A draft of these records, encrypted for the positions from `firstSeq` on in the stream with the number `stream`.
 * Metered bytes are those of the records in the clear. The records are copied: they may change once it returns.
 * @throws TailraceError `invalid` when a record would get position 2^32 or higher, with AES-256-GCM
 */
export function draftEncrypted(
  records: readonly PlainRecord[],
  encryption: Encryption,
  stream: number,
  firstSeq: number,
): BlockDraft {
  assert(encryption.key.length === ENCRYPTION_KEY_BYTES, 'the length of a key was checked before');
  const sealer = new Sealer(encryption, stream, records.length);
  const timestamps = new Float64Array(records.length);
  const stored: StoredRecord[] = [];
  let metered = 0;
  for (const [i, record] of records.entries()) {
    const bytes = meteredBytes(record.headers, record.body.length);
    timestamps[i] = record.timestamp ?? -1;
    metered += bytes;
    stored.push(isCommand(record.headers) ? copyOf(record) : sealer.seal(record, bytes, firstSeq + i));
  }
  return {
    kind: 's2',
    cipher: encryption.cipher,
    count: records.length,
    timestamps,
    meteredBytes: metered,
    layout: writeS2Index(stored),
    payload: stored.flatMap(({ headers, body }) => [...headers.flat(), body]),
  };
}

/**
 * Returns the block with its records in the clear, for every reader and encoder. A block that is not encrypted is
 * returned as it is; the cipher of any other must be ready.
 * @throws TailraceError `decryption_failed` for the wrong key, and for records that were changed or moved
 */
export function decryptBlock(block: Block, key: Uint8Array, stream: number): Block {
  const { cipher } = block.header;
  if (cipher === undefined) return block;
  if (key.length !== ENCRYPTION_KEY_BYTES) throw undecipherable();
  const aead = aeadOf(cipher);
  const aad = additionalData(stream);
  const layout: Uint8Array[] = [];
  const payload: Uint8Array[] = [];
  for (let i = 0; i < block.header.count; i++) {
    const { headers, body } = block.storedRecord(i);
    if (headers.length > 0) {
      layout.push(writeS2Index([{ headers, body }]));
      payload.push(...headers.flat(), body);
    } else {
      const plain = unseal(aead, body, key, at(aad, block.firstSeq + i));
      const { lengthsEnd, bodyBytes } = splitPlain(plain, block.meteredBytesOf(i));
      layout.push(plain.subarray(0, lengthsEnd), varint(bodyBytes));
      payload.push(plain.subarray(lengthsEnd));
    }
  }
  return block.withRecords(Buffer.concat(layout), payload);
}

/**
 * The draft of OTLP items as records of S2, each with its self-contained body, encrypted for the positions from `firstSeq`
 * on. Its times are those of the draft.
 */
export function encryptOtlp(draft: BlockDraft, encryption: Encryption, stream: number, firstSeq: number): BlockDraft {
  const { kind, count, layout, payload, timestamps } = draft;
  assert(kind !== 's2' && draft.hasCuts !== true, 'only whole OTLP items become encrypted records');
  const whole = Buffer.concat(payload);
  const index = readOtlpIndex(layout, 0, whole, count);
  const headers = OTLP_HEADERS[kind];
  const records = Array.from({ length: count }, (_, i) => {
    const body = Buffer.allocUnsafe(otlpBodyBytes(index, i));
    writeOtlpBody(index, whole, i, body, 0);
    return { headers, body };
  });
  return { ...draftEncrypted(records, encryption, stream, firstSeq), timestamps };
}

/** @throws TailraceError `invalid` when records would get positions that the cipher does not take */
export function expectSeqNums(cipher: StreamCipher, end: number): void {
  if (end > SEQ_END[cipher]) {
    throw new TailraceError('invalid', `a stream encrypted with ${cipher} takes sequence numbers below 2^32 only`);
  }
}

/** What is wrong with a key; undefined for one of the right length. Nothing of it is repeated; one without bytes was no base64. */
export function keyFault(key: Uint8Array): string | undefined {
  if (key.length === ENCRYPTION_KEY_BYTES) return undefined;
  return key.length === 0 ? 'is not base64' : `has ${key.length} bytes`;
}

interface StoredRecord {
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

/** Encrypts the records of one batch. The random bytes for all of them are drawn at once. */
class Sealer {
  readonly #encryption: Encryption;
  readonly #aead: Aead;
  readonly #nonces: Buffer;
  readonly #aad: Buffer;
  #used = 0;

  constructor(encryption: Encryption, stream: number, count: number) {
    this.#encryption = encryption;
    this.#aead = aeadOf(encryption.cipher);
    this.#nonces = randomBytes(count * this.#aead.nonceBytes);
    this.#aad = additionalData(stream);
  }

  seal({ headers, body }: PlainRecord, metered: number, seqNum: number): StoredRecord {
    const { cipher, key } = this.#encryption;
    expectSeqNums(cipher, seqNum + 1);
    const { nonceBytes, tagBytes } = this.#aead;
    const nonce = this.#nonces.subarray(this.#used, this.#used + nonceBytes);
    this.#used += nonceBytes;
    const head = headOf(headers);
    const tagAt = varintBytes(metered) + nonceBytes;
    const stored = Buffer.allocUnsafe(tagAt + tagBytes + head.length + body.length);
    stored.set(nonce, writeVarint(stored, 0, metered));
    this.#aead.seal([head, body], { key, nonce, additionalData: at(this.#aad, seqNum) }, stored, tagAt);
    return { headers: [], body: stored };
  }
}

function unseal(aead: Aead, stored: Uint8Array, key: Uint8Array, additionalData: Uint8Array): Uint8Array {
  const metered = new VarintReader(stored, 0, stored.length);
  metered.next();
  const tagAt = metered.at + aead.nonceBytes;
  const headAt = tagAt + aead.tagBytes;
  if (headAt > stored.length) throw corrupt('an encrypted record is cut short');
  const nonce = stored.subarray(metered.at, tagAt);
  try {
    return aead.open(stored.subarray(headAt), stored.subarray(tagAt, headAt), { key, nonce, additionalData });
  } catch (cause) {
    throw undecipherable(cause);
  }
}

/** Where the lengths of a decrypted record's headers end, and how many bytes of the rest are its body. */
function splitPlain(plain: Uint8Array, metered: number): { readonly lengthsEnd: number; readonly bodyBytes: number } {
  const reader = new VarintReader(plain, 0, plain.length);
  const headers = reader.next();
  let headerBytes = 0;
  for (let i = 0; i < 2 * headers; i++) headerBytes += reader.next();
  const bodyBytes = plain.length - reader.at - headerBytes;
  if (bodyBytes < 0 || 8 + 2 * headers + headerBytes + bodyBytes !== metered) {
    throw corrupt('the size of an encrypted record is not what it says');
  }
  return { lengthsEnd: reader.at, bodyBytes };
}

/** The part that is encrypted before the body: the lengths of the headers, and their bytes. */
function headOf(headers: readonly Header[]): Uint8Array {
  if (headers.length === 0) return NO_HEADERS;
  // The index entry of a record is these lengths and that of its body, which is a single byte for an empty body.
  const lengths = writeS2Index([{ headers, body: NO_BODY }]).subarray(0, -1);
  return Buffer.concat([lengths, ...headers.flat()]);
}

const NO_BODY = new Uint8Array(0);
const NO_HEADERS = Uint8Array.of(0);

function isCommand(headers: readonly Header[]): boolean {
  return headers.length === 1 && headers[0]?.[0].length === 0;
}

/** A copy, because the caller may reuse its buffers. */
function copyOf({ headers, body }: PlainRecord): StoredRecord {
  return { headers: headers.map(([name, value]) => [Buffer.from(name), Buffer.from(value)]), body: Buffer.from(body) };
}

function additionalData(stream: number): Buffer {
  return at(Buffer.alloc(AAD_BYTES), stream, 0);
}

/** Writes a number as u64 into additional data: by default at the place of the sequence number. */
function at(data: Buffer, number: number, offset = 8): Buffer {
  data.writeUInt32BE(Math.floor(number / TWO_32), offset);
  data.writeUInt32BE(number % TWO_32, offset + 4);
  return data;
}

function undecipherable(cause?: unknown): TailraceError {
  return new TailraceError(
    'decryption_failed',
    'a record could not be decrypted: this is not the key it was appended with, or it was changed',
    cause === undefined ? {} : { cause },
  );
}
