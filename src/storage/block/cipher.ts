/**
 * Encryption of S2 records with a key of the caller: AES-256-GCM, each record by itself.
 *
 * ```
 *  body of a stored, encrypted record; it has no headers
 *   metered bytes of the record in the clear, varint
 *   nonce, 12 bytes: random, because sequence numbers are reused after a failed commit and in a stream that is
 *                    created again
 *   tag, 16 bytes
 *   ciphertext of: header count, then for each header: bytes of its name, bytes of its value (all varints);
 *                  names and values in that order; the body
 *  additional data: stream number u64, sequence number u64, big endian
 * ```
 *
 * A record at another position than the one it was written for does not decrypt. Commands (one header, without a name)
 * stay in the clear because the server acts on them. So in an encrypted block a record without headers is encrypted,
 * and one with headers is not.
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { varint, varintBytes, writeVarint } from '../../encoding/varint.ts';
import { assert, TailraceError } from '../../model/error.ts';
import { type Header, meteredBytes } from '../../model/record.ts';
import type { Block } from './block.ts';
import { corrupt, VarintReader } from './format.ts';
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

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const AAD_BYTES = 16;
/** From this sequence number on, S2 does not encrypt records. */
const SEQ_END = 2 ** 32;
const TWO_32 = 2 ** 32;

/**
 * A draft of these records, encrypted for the positions from `firstSeq` on in the stream with the number `stream`.
 * Metered bytes are those of the records in the clear. The records are copied: they may change once it returns.
 * @throws TailraceError `invalid` when a record would get position 2^32 or higher
 */
export function draftEncrypted(
  records: readonly PlainRecord[],
  key: Uint8Array,
  stream: number,
  firstSeq: number,
): BlockDraft {
  assert(key.length === ENCRYPTION_KEY_BYTES, 'the length of a key was checked before');
  const sealer = new Sealer(key, stream, records.length);
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
    cipher: CIPHER,
    count: records.length,
    timestamps,
    meteredBytes: metered,
    layout: writeS2Index(stored),
    payload: stored.flatMap(({ headers, body }) => [...headers.flat(), body]),
  };
}

/**
 * Returns the block with its records in the clear, for every reader and encoder. A block that is not encrypted is
 * returned as it is.
 * @throws TailraceError `decryption_failed` for the wrong key, and for records that were changed or moved
 */
export function decryptBlock(block: Block, key: Uint8Array, stream: number): Block {
  if (block.header.cipher === undefined) return block;
  if (key.length !== ENCRYPTION_KEY_BYTES) throw undecipherable();
  const aad = additionalData(stream);
  const layout: Uint8Array[] = [];
  const payload: Uint8Array[] = [];
  for (let i = 0; i < block.header.count; i++) {
    const { headers, body } = block.storedRecord(i);
    if (headers.length > 0) {
      layout.push(writeS2Index([{ headers, body }]));
      payload.push(...headers.flat(), body);
    } else {
      const plain = unseal(body, key, at(aad, block.firstSeq + i));
      const { lengthsEnd, bodyBytes } = splitPlain(plain, block.meteredBytesOf(i));
      layout.push(plain.subarray(0, lengthsEnd), varint(bodyBytes));
      payload.push(plain.subarray(lengthsEnd));
    }
  }
  return block.withRecords(Buffer.concat(layout), payload);
}

interface StoredRecord {
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

/** Encrypts the records of one batch. The random bytes for all of them are drawn at once. */
class Sealer {
  readonly #key: Uint8Array;
  readonly #nonces: Buffer;
  readonly #aad: Buffer;
  #used = 0;

  constructor(key: Uint8Array, stream: number, count: number) {
    this.#key = key;
    this.#nonces = randomBytes(count * NONCE_BYTES);
    this.#aad = additionalData(stream);
  }

  seal({ headers, body }: PlainRecord, metered: number, seqNum: number): StoredRecord {
    if (seqNum >= SEQ_END) {
      throw new TailraceError('invalid', `a stream encrypted with ${CIPHER} takes sequence numbers below 2^32 only`);
    }
    const nonce = this.#nonces.subarray(this.#used, this.#used + NONCE_BYTES);
    this.#used += NONCE_BYTES;
    const cipher = createCipheriv(CIPHER, this.#key, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(at(this.#aad, seqNum));
    const head = headOf(headers);
    const headAt = varintBytes(metered) + NONCE_BYTES + TAG_BYTES;
    const stored = Buffer.allocUnsafe(headAt + head.length + body.length);
    stored.set(nonce, writeVarint(stored, 0, metered));
    stored.set(cipher.update(head), headAt);
    stored.set(cipher.update(body), headAt + head.length);
    cipher.final();
    stored.set(cipher.getAuthTag(), headAt - TAG_BYTES);
    return { headers: [], body: stored };
  }
}

function unseal(stored: Uint8Array, key: Uint8Array, aad: Uint8Array): Buffer {
  const metered = new VarintReader(stored, 0, stored.length);
  metered.next();
  const tagAt = metered.at + NONCE_BYTES;
  const headAt = tagAt + TAG_BYTES;
  if (headAt > stored.length) throw corrupt('an encrypted record is cut short');
  const decipher = createDecipheriv(CIPHER, key, stored.subarray(metered.at, tagAt), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(stored.subarray(tagAt, headAt));
  const plain = decipher.update(stored.subarray(headAt));
  try {
    // Nothing in it is used before this has verified the tag.
    decipher.final();
  } catch (cause) {
    throw undecipherable(cause);
  }
  return plain;
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
