/**
 * Small values: a version byte, then msgpack of one array whose fields stand in a fixed order.
 *
 * Whoever changes a form takes a new version byte and keeps the reader of the old one. Maps from outside are arrays
 * of pairs: `__proto__` does not survive as a key of a map. Every decoder checks the shape that it finds.
 */

import { Packr } from 'msgpackr';
import { TailraceError } from '../model/error.ts';
import type { BasinConfig, StorageClass, StreamConfig, TimestampingMode } from '../model/stream-config.ts';

/** The form of the whole store; a build refuses one that is newer than its own. */
export const FORMAT_VERSION = 1;

/** Numbers that are given out once: the next basin and the next stream. */
export interface CounterRow {
  readonly nextBasin: number;
  readonly nextStream: number;
}

export interface BasinRow {
  readonly number: number;
  readonly config: BasinConfig;
  /** Milliseconds. */
  readonly createdAt: number;
}

export interface StreamRow {
  readonly number: number;
  readonly config: StreamConfig;
  /** Milliseconds. */
  readonly createdAt: number;
}

/** What changes with each append. On disk the assigned tail and the durable tail are one. */
export interface StreamStateRow {
  /** The tail: sequence number of the next record. */
  readonly nextSeq: number;
  /** Timestamp of the last record, 0 for none; kept when the record is trimmed. */
  readonly lastTimestamp: number;
  /** When the last block came in; arrivals never decrease. */
  readonly lastArrival: number;
  readonly fencingToken: string | undefined;
  /** Records below this are gone. */
  readonly trimPoint: number;
}

/** A token, found by the hash of its secret. Scopes come with a later version of this row. */
export interface TokenRow {
  readonly id: string;
  readonly scope: 'root';
  readonly createdAt: number;
}

const VERSION = 1;
const packr = new Packr({ useRecords: false });

export function encodeFormat(version: number): Uint8Array {
  return encode([version]);
}

/** @throws TailraceError `corrupt`, as do all decoders here. */
export function decodeFormat(value: Uint8Array): number {
  return new Fields(value, 'format version').count();
}

export function encodeCounters(row: CounterRow): Uint8Array {
  return encode([row.nextBasin, row.nextStream]);
}

export function decodeCounters(value: Uint8Array): CounterRow {
  const fields = new Fields(value, 'counters');
  return { nextBasin: fields.count(), nextStream: fields.count() };
}

export function encodeBasin({ number, config, createdAt }: BasinRow): Uint8Array {
  const { createStreamOnAppend, createStreamOnRead, otlpDefaultStream, defaultStream } = config;
  return encode([
    number,
    createdAt,
    createStreamOnAppend,
    createStreamOnRead,
    otlpDefaultStream,
    leaves(defaultStream),
  ]);
}

export function decodeBasin(value: Uint8Array): BasinRow {
  const fields = new Fields(value, 'basin');
  return {
    number: fields.count(),
    createdAt: fields.count(),
    config: {
      createStreamOnAppend: fields.flag(),
      createStreamOnRead: fields.flag(),
      otlpDefaultStream: fields.text(),
      defaultStream: readLeaves(fields.pairs()),
    },
  };
}

export function encodeStream({ number, config, createdAt }: StreamRow): Uint8Array {
  return encode([number, createdAt, leaves(config)]);
}

export function decodeStream(value: Uint8Array): StreamRow {
  const fields = new Fields(value, 'stream');
  const number = fields.count();
  const createdAt = fields.count();
  const { retentionAgeSeconds, ...config } = readLeaves(fields.pairs());
  if (!isComplete(config)) throw damaged('stream');
  return { number, createdAt, config: { ...config, retentionAgeSeconds } };
}

export function encodeStreamState(row: StreamStateRow): Uint8Array {
  return encode([row.nextSeq, row.lastTimestamp, row.lastArrival, row.fencingToken ?? null, row.trimPoint]);
}

export function decodeStreamState(value: Uint8Array): StreamStateRow {
  const fields = new Fields(value, 'stream state');
  const row = {
    nextSeq: fields.count(),
    lastTimestamp: fields.count(),
    lastArrival: fields.count(),
    fencingToken: fields.optionalText(),
    trimPoint: fields.count(),
  };
  if (row.trimPoint > row.nextSeq) throw damaged('stream state');
  return row;
}

export function encodeToken({ id, scope, createdAt }: TokenRow): Uint8Array {
  return encode([id, scope, createdAt]);
}

export function decodeToken(value: Uint8Array): TokenRow {
  const fields = new Fields(value, 'token');
  const id = fields.text();
  if (fields.text() !== 'root') throw damaged('token');
  return { id, scope: 'root', createdAt: fields.count() };
}

type Pair = readonly [name: string, value: unknown];

/** Fields of a stream's configuration that were set, in pairs: a later field is one pair more. */
function leaves(config: Partial<StreamConfig>): Pair[] {
  const pairs: Pair[] = [];
  for (const [name, value] of Object.entries(config)) {
    // Undefined is a setting of its own here: records are kept for ever.
    pairs.push([name, value ?? null]);
  }
  return pairs;
}

function readLeaves(pairs: readonly Pair[]): Partial<StreamConfig> {
  let config: Partial<StreamConfig> = {};
  for (const [name, value] of pairs) config = { ...config, ...readLeaf(name, value) };
  return config;
}

const CLASSES: readonly StorageClass[] = ['standard', 'express'];
const MODES: readonly TimestampingMode[] = ['client-prefer', 'client-require', 'arrival'];

function readLeaf(name: string, value: unknown): Partial<StreamConfig> {
  switch (name) {
    case 'storageClass':
      return { storageClass: oneOf(CLASSES, value) };
    case 'timestampingMode':
      return { timestampingMode: oneOf(MODES, value) };
    case 'retentionAgeSeconds':
      return { retentionAgeSeconds: value === null ? undefined : countOf(value, 'configuration') };
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

function isComplete(config: Partial<StreamConfig>): config is Omit<StreamConfig, 'retentionAgeSeconds'> {
  return (
    config.storageClass !== undefined &&
    config.timestampingMode !== undefined &&
    config.timestampingUncapped !== undefined &&
    config.deleteOnEmptyMinAgeSeconds !== undefined
  );
}

function encode(fields: readonly unknown[]): Uint8Array {
  const packed = packr.pack(fields);
  const value = Buffer.allocUnsafe(1 + packed.length);
  value[0] = VERSION;
  value.set(packed, 1);
  return value;
}

/** The fields of a value in their order, each checked for what it must be. */
class Fields {
  readonly #what: string;
  readonly #fields: readonly unknown[];
  #at = 0;

  constructor(value: Uint8Array, what: string) {
    this.#what = what;
    if (value[0] !== VERSION) throw damaged(what);
    let fields: unknown;
    try {
      fields = packr.unpack(value.subarray(1));
    } catch (cause) {
      throw damaged(what, cause);
    }
    if (!Array.isArray(fields)) throw damaged(what);
    this.#fields = fields;
  }

  count(): number {
    return countOf(this.#next(), this.#what);
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

  pairs(): readonly Pair[] {
    const value = this.#next();
    if (!Array.isArray(value)) throw damaged(this.#what);
    return value.map((pair: unknown) => {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') throw damaged(this.#what);
      return [pair[0], pair[1]] as const;
    });
  }

  #next(): unknown {
    return this.#fields[this.#at++];
  }
}

function countOf(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw damaged(what);
  return value;
}

function damaged(what: string, cause?: unknown): TailraceError {
  return new TailraceError('corrupt', `a stored ${what} is damaged`, cause === undefined ? {} : { cause });
}
