/**
 * Small values: a version byte, then msgpack of one array whose fields are in a fixed order.
 *
 * A change of a form needs a new version byte, and the reader of the old form stays. Maps with names from outside are
 * stored as arrays of pairs, because `__proto__` is lost as a key of a map. Every decoder checks the shape of what it
 * reads.
 */

import { Packr } from 'msgpackr';
import { TailraceError } from '../model/error.ts';
import {
  type BasinConfig,
  type OidcTrust,
  STORAGE_CLASSES,
  STREAM_CIPHERS,
  type StreamCipher,
  type StreamConfig,
  TIMESTAMPING_MODES,
} from '../model/stream-config.ts';
import { policyFields, readPolicyFields } from './policy-fields.ts';

/** The format version of the whole store. A build refuses a store that is newer. */
export const FORMAT_VERSION = 4;

/** Numbers that are assigned once: the next basin and the next stream. */
export interface CounterRow {
  readonly nextBasin: number;
  readonly nextStream: number;
}

export interface BasinRow {
  readonly number: number;
  readonly config: BasinConfig;
  /** Milliseconds. */
  readonly createdAt: number;
  /** When its deletion was requested, in milliseconds. Its streams are deleted first. */
  readonly deletedAt: number | undefined;
  /** Distinguishes a repeated create call from another one: see `requestKey` in `log/control-plane.ts`. */
  readonly requestKey: string | undefined;
}

export interface StreamRow {
  readonly number: number;
  readonly config: StreamConfig;
  /** Milliseconds. */
  readonly createdAt: number;
  /** When its deletion was requested, in milliseconds. Its records are deleted first. */
  readonly deletedAt: number | undefined;
  /** What its records are encrypted with; never changes. */
  readonly cipher: StreamCipher | undefined;
  readonly requestKey: string | undefined;
  /**
   * When retention and deletion on empty look at it next, in milliseconds. Only the row of the schedule with this time
   * counts.
   */
  readonly dueAt: number | undefined;
}

/** What changes with each append. On disk, the assigned tail and the durable tail are the same. */
export interface StreamStateRow {
  /** The tail: sequence number of the next record. */
  readonly nextSeq: number;
  /** Timestamp of the last record, 0 when there was none; kept when the record is trimmed. */
  readonly lastTimestamp: number;
  /** When the last block arrived; arrivals never decrease. */
  readonly lastArrival: number;
  readonly fencingToken: string | undefined;
  /** Records below this are gone. */
  readonly trimPoint: number;
  /** Metered bytes of all stored blocks; undefined in rows of the first format, which did not count them. */
  readonly meteredBytes: number | undefined;
}

/** The subject of a row of pending work. */
export interface PendingRow {
  /** Number of the basin. */
  readonly basin: number;
  /** Name of the stream, or of the basin when the row is about a basin. */
  readonly name: string;
}

const VERSION = 1;
/** Form of rows of streams and stream states since format 2. */
const VERSION_2 = 2;
/** Form of rows of basins since format 3, and of those with a policy since format 4. */
const VERSION_3 = 3;
const VERSION_4 = 4;
const packr = new Packr({ useRecords: false });

export function encodeFormat(version: number): Uint8Array {
  return encode([version]);
}

/** @throws TailraceError `corrupt`, as do all decoders here. */
export function decodeFormat(value: Uint8Array): number {
  return new FieldReader(value, 'format version').count();
}

export function encodeCounters(row: CounterRow): Uint8Array {
  return encode([row.nextBasin, row.nextStream]);
}

export function decodeCounters(value: Uint8Array): CounterRow {
  const fields = new FieldReader(value, 'counters');
  return { nextBasin: fields.count(), nextStream: fields.count() };
}

export function encodeBasin(row: BasinRow): Uint8Array {
  const { createStreamOnAppend, createStreamOnRead, otlpDefaultStream, defaultStream, streamCipher, oidc } = row.config;
  const fields = [
    row.number,
    row.createdAt,
    createStreamOnAppend,
    createStreamOnRead,
    otlpDefaultStream,
    leaves(defaultStream),
    streamCipher ?? null,
    row.deletedAt ?? null,
    row.requestKey ?? null,
    oidc === undefined ? null : trustFields(oidc),
  ];
  const { otlp } = row.config;
  return otlp === undefined ? encode(fields, VERSION_3) : encode([...fields, policyFields(otlp)], VERSION_4);
}

export function decodeBasin(value: Uint8Array): BasinRow {
  const fields = new FieldReader(value, 'basin', VERSION_4);
  const number = fields.count();
  const createdAt = fields.count();
  const config = {
    createStreamOnAppend: fields.flag(),
    createStreamOnRead: fields.flag(),
    otlpDefaultStream: fields.text(),
    defaultStream: readLeaves(fields.pairs()),
  };
  const streamCipher = readCipher(fields.added());
  const deletedAt = optional(fields.added(), countOf);
  const requestKey = optional(fields.added(), textOf);
  const oidc = optional(fields.added(VERSION_3), readTrust);
  const otlp = readPolicyFields(fields.added(VERSION_4));
  const full = { ...config, streamCipher, oidc, ...(otlp === undefined ? {} : { otlp }) };
  return { number, createdAt, config: full, deletedAt, requestKey };
}

export function encodeStream(row: StreamRow): Uint8Array {
  const fields = [
    row.number,
    row.createdAt,
    leaves(row.config),
    row.cipher ?? null,
    row.deletedAt ?? null,
    row.requestKey ?? null,
    row.dueAt ?? null,
  ];
  return encode(fields, VERSION_2);
}

export function decodeStream(value: Uint8Array): StreamRow {
  const fields = new FieldReader(value, 'stream', VERSION_2);
  const number = fields.count();
  const createdAt = fields.count();
  const { retentionAgeSeconds, retentionBytes, ...config } = readLeaves(fields.pairs());
  if (!isComplete(config)) throw damaged('stream');
  return {
    number,
    createdAt,
    config: { ...config, retentionAgeSeconds, retentionBytes },
    cipher: readCipher(fields.added()),
    deletedAt: optional(fields.added(), countOf),
    requestKey: optional(fields.added(), textOf),
    dueAt: optional(fields.added(), countOf),
  };
}

/** The fields that lists show of a stream. Its settings, which are most of the row, are skipped. */
export function decodeStreamListing(value: Uint8Array) {
  const fields = new FieldReader(value, 'stream', VERSION_2);
  const number = fields.count();
  const createdAt = fields.count();
  fields.skip();
  return { number, createdAt, cipher: readCipher(fields.added()), deletedAt: optional(fields.added(), countOf) };
}

export function encodeStreamState(row: StreamStateRow): Uint8Array {
  const { nextSeq, lastTimestamp, lastArrival, fencingToken, trimPoint, meteredBytes } = row;
  return encode(
    [nextSeq, lastTimestamp, lastArrival, fencingToken ?? null, trimPoint, meteredBytes ?? null],
    VERSION_2,
  );
}

export function decodeStreamState(value: Uint8Array): StreamStateRow {
  const fields = new FieldReader(value, 'stream state', VERSION_2);
  const row = {
    nextSeq: fields.count(),
    lastTimestamp: fields.count(),
    lastArrival: fields.count(),
    fencingToken: fields.optionalText(),
    trimPoint: fields.count(),
    meteredBytes: optional(fields.added(), countOf),
  };
  if (row.trimPoint > row.nextSeq) throw damaged('stream state');
  return row;
}

export function encodePending({ basin, name }: PendingRow): Uint8Array {
  return encode([basin, name]);
}

export function decodePending(value: Uint8Array): PendingRow {
  const fields = new FieldReader(value, 'pending work');
  return { basin: fields.count(), name: fields.text() };
}

/** The last time of the wall clock that this store saw, in milliseconds. */
export function encodeClock(lastSeen: number): Uint8Array {
  return encode([lastSeen]);
}

export function decodeClock(value: Uint8Array): number {
  return new FieldReader(value, 'clock').count();
}

type NamedValue = readonly [name: string, value: unknown];

/** The fields of a stream's configuration that were set, as pairs: a later field is one more pair. */
function leaves(config: Partial<StreamConfig>): NamedValue[] {
  const pairs: NamedValue[] = [];
  for (const [name, value] of Object.entries(config)) {
    // Undefined is a setting too: records are kept forever.
    pairs.push([name, value ?? null]);
  }
  return pairs;
}

function readLeaves(pairs: readonly NamedValue[]): Partial<StreamConfig> {
  let config: Partial<StreamConfig> = {};
  for (const [name, value] of pairs) config = { ...config, ...readLeaf(name, value) };
  return config;
}

function readLeaf(name: string, value: unknown): Partial<StreamConfig> {
  switch (name) {
    case 'storageClass':
      return { storageClass: oneOf(STORAGE_CLASSES, value) };
    case 'timestampingMode':
      return { timestampingMode: oneOf(TIMESTAMPING_MODES, value) };
    case 'retentionAgeSeconds':
      return { retentionAgeSeconds: value === null ? undefined : countOf(value, 'configuration') };
    case 'retentionBytes':
      return { retentionBytes: value === null ? undefined : countOf(value, 'configuration') };
    case 'deleteOnEmptyMinAgeSeconds':
      return { deleteOnEmptyMinAgeSeconds: countOf(value, 'configuration') };
    case 'timestampingUncapped':
      if (typeof value === 'boolean') return { timestampingUncapped: value };
      throw damaged('configuration');
    default:
      throw damaged('configuration');
  }
}

function oneOf<T>(allowed: readonly T[], value: unknown): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw damaged('configuration');
  return found;
}

/** Fields for which undefined is a setting are not required. */
function isComplete(
  config: Partial<StreamConfig>,
): config is Omit<StreamConfig, 'retentionAgeSeconds' | 'retentionBytes'> {
  return (
    config.storageClass !== undefined &&
    config.timestampingMode !== undefined &&
    config.timestampingUncapped !== undefined &&
    config.deleteOnEmptyMinAgeSeconds !== undefined
  );
}

function readCipher(value: unknown): StreamCipher | undefined {
  return value === null ? undefined : oneOf(STREAM_CIPHERS, value);
}

function trustFields({ issuer, audience, keys }: OidcTrust): readonly unknown[] {
  return [issuer, audience, 'uri' in keys ? keys.uri : null, 'jwks' in keys ? keys.jwks : null];
}

function readTrust(value: unknown): OidcTrust {
  const [issuer, audience, uri, jwks] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (typeof issuer !== 'string' || typeof audience !== 'string') throw damaged('basin');
  if (typeof uri === 'string' && jwks === null) return { issuer, audience, keys: { uri } };
  if (typeof jwks === 'string' && uri === null) return { issuer, audience, keys: { jwks } };
  throw damaged('basin');
}

function optional<T>(value: unknown, read: (value: unknown, what: string) => T): T | undefined {
  return value === null ? undefined : read(value, 'row');
}

/** Encodes a row of these fields. Exported for rows that have their own file. */
export function encode(fields: readonly unknown[], version = VERSION): Uint8Array {
  const packed = packr.pack(fields);
  const value = Buffer.allocUnsafe(1 + packed.length);
  value[0] = version;
  value.set(packed, 1);
  return value;
}

/** Reads the fields of a value in their order, and checks the type of each. */
export class FieldReader {
  readonly #what: string;
  readonly #version: number;
  readonly #fields: readonly unknown[];
  #at = 0;

  /** Accepts values of the first form, and later ones up to `newest`. */
  constructor(value: Uint8Array, what: string, newest = VERSION) {
    this.#what = what;
    this.#version = value[0] ?? 0;
    if (this.#version < VERSION || this.#version > newest) throw damaged(what);
    let fields: unknown;
    try {
      fields = packr.unpack(value.subarray(1));
    } catch (cause) {
      throw damaged(what, cause);
    }
    if (!Array.isArray(fields)) throw damaged(what);
    this.#fields = fields;
  }

  /** How many fields have not been read. */
  get left(): number {
    return this.#fields.length - this.#at;
  }

  count(): number {
    return countOf(this.#next(), this.#what);
  }

  skip(): void {
    this.#next();
  }

  flag(): boolean {
    const value = this.#next();
    if (typeof value !== 'boolean') throw damaged(this.#what);
    return value;
  }

  text(): string {
    const value = this.#next();
    if (typeof value !== 'string') throw damaged(this.#what);
    return value;
  }

  optionalText(): string | undefined {
    const value = this.#next();
    if (value === null) return undefined;
    if (typeof value !== 'string') throw damaged(this.#what);
    return value;
  }

  pairs(): readonly NamedValue[] {
    const value = this.#next();
    if (!Array.isArray(value)) throw damaged(this.#what);
    return value.map((pair: unknown) => {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') throw damaged(this.#what);
      return [pair[0], pair[1]] as const;
    });
  }

  /** A field that was added in form `since`; null in values of an older form. */
  added(since = VERSION_2): unknown {
    if (this.#version < since) return null;
    const value = this.#next();
    if (value === undefined) throw damaged(this.#what);
    return value;
  }

  #next(): unknown {
    return this.#fields[this.#at++];
  }
}

function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw damaged(what);
  return value;
}

/** A safe, non-negative integer, checked. */
export function countOf(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw damaged(what);
  return value;
}

/** The error for a row that does not have its form. */
export function damaged(what: string, cause?: unknown): TailraceError {
  return new TailraceError('corrupt', `a stored ${what} is damaged`, cause === undefined ? {} : { cause });
}
