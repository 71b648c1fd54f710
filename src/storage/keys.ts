/**
 * The key space: `[family][number u64][number u64 | name]`, big endian, so that byte order is the order we want.
 *
 * Family numbers are on disk, so they are never reused; those for later work are already reserved. Numbers of streams
 * and basins are assigned once and never again.
 */

import { TailraceError } from '../model/error.ts';

/** Families. Their numbers never change. */
export const FAMILY = {
  /** `[1][ASCII name]`: format version, number counters, JWT keys. */
  settings: 1,
  /** `[2][UTF-8 name]` → basin row. */
  basins: 2,
  /** `[3][basin u64][UTF-8 name]` → stream row. */
  streams: 3,
  /** `[4][stream u64]` → stream state. */
  streamStates: 4,
  /** `[5][stream u64][first seq u64]` → block. */
  blocks: 5,
  /** `[6][SHA-256 of the secret]` → token row. */
  tokensByHash: 6,
  /** `[7][UTF-8 id]` → hash. */
  tokensById: 7,
  /** `[8][kind u8]…`: usage metrics, and when tokens were last used. */
  usage: 8,
  /** `[9][…]`: deletions, trims and moves in progress. */
  pendingWork: 9,
  /** `[10][kind u8]…`: answers for repeats of requests, and when they end: see `answer-rows.ts`. */
  dedupe: 10,
  /** `[11][stream u64][first seq u64]` → what many blocks say of their records: see `summary-rows.ts`. */
  summaries: 11,
  /** `[12][stream u64][first seq u64]` → which trace ids long runs of blocks may have: see `trace-rows.ts`. */
  traces: 12,
  /** `[13][UTF-8 name]` → in which partition of a cluster the basin is: see `place-rows.ts`. */
  places: 13,
  /** `[255]`: the engine's own probe and filler rows, not data of the log. */
  engine: 255,
} as const;

const NUMBER_BYTES = 8;
const TWO_32 = 0x1_0000_0000;

/** Keys k with from <= k < to. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The key of a setting. */
export function settingsKey(name: string): Uint8Array {
  return nameKey(FAMILY.settings, name);
}

/** The key of a basin's row. */
export function basinKey(name: string): Uint8Array {
  return nameKey(FAMILY.basins, name);
}

/** All basins in order of their names. */
export function basinRange(): KeyRange {
  return familyRange(FAMILY.basins);
}

/** The name in a basin's key. */
export function readBasinKey(key: Uint8Array): string {
  expectFamily(key, FAMILY.basins, 2);
  return text(key, 1);
}

/** The key of a basin's place; of the empty name: how many partitions the cluster has. */
export function basinPlaceKey(name: string): Uint8Array {
  return nameKey(FAMILY.places, name);
}

/** The name in the key of a basin's place. */
export function readBasinPlaceKey(key: Uint8Array): string {
  expectFamily(key, FAMILY.places, 1);
  return text(key, 1);
}

/** The key of a stream's row. */
export function streamKey(basin: number, name: string): Uint8Array {
  const key = Buffer.allocUnsafe(1 + NUMBER_BYTES + Buffer.byteLength(name));
  key[0] = FAMILY.streams;
  writeNumber(key, 1, basin);
  key.write(name, 1 + NUMBER_BYTES);
  return key;
}

/** Streams of a basin whose name starts with `prefix` and, when given, is greater than `startAfter`; in name order. */
export function streamRange(basin: number, prefix = '', startAfter = ''): KeyRange {
  const first = streamKey(basin, prefix);
  const to = successor(first);
  if (startAfter === '') return { from: first, to };
  const after = Buffer.concat([streamKey(basin, startAfter), Buffer.of(0)]);
  return { from: Buffer.compare(after, first) > 0 ? after : first, to };
}

/** Basin number and name in a stream's key. */
export function readStreamKey(key: Uint8Array): { basin: number; name: string } {
  expectFamily(key, FAMILY.streams, 1 + NUMBER_BYTES);
  return { basin: readNumber(key, 1), name: text(key, 1 + NUMBER_BYTES) };
}

/** The key of a stream's state. */
export function streamStateKey(stream: number): Uint8Array {
  return numberKey(FAMILY.streamStates, stream);
}

/** The stream number in a state's key. */
export function readStateKey(key: Uint8Array): number {
  expectFamily(key, FAMILY.streamStates, 1 + NUMBER_BYTES);
  return readNumber(key, 1);
}

/** The key of the block of `stream` that starts with `firstSeq`. */
export function blockKey(stream: number, firstSeq: number): Uint8Array {
  return placeKey(FAMILY.blocks, stream, firstSeq);
}

/** Blocks of a stream whose first sequence number n has `fromSeq` <= n < `toSeq`; without bounds, all of them. */
export function blockRange(stream: number, fromSeq = 0, toSeq?: number): KeyRange {
  return {
    from: blockKey(stream, fromSeq),
    to: toSeq === undefined ? successor(numberKey(FAMILY.blocks, stream)) : blockKey(stream, toSeq),
  };
}

/** Stream number and first sequence number in a block's key. */
export function readBlockKey(key: Uint8Array): { stream: number; firstSeq: number } {
  return readPlaceKey(key, FAMILY.blocks);
}

/** The key of the row of summaries about the blocks of `stream` from the one that starts with `firstSeq` on. */
export function summaryRowKey(stream: number, firstSeq: number): Uint8Array {
  return placeKey(FAMILY.summaries, stream, firstSeq);
}

/** Rows of summaries of a stream whose first sequence number n has `fromSeq` <= n < `toSeq`; without bounds, all. */
export function summaryRowRange(stream: number, fromSeq = 0, toSeq?: number): KeyRange {
  return {
    from: summaryRowKey(stream, fromSeq),
    to: toSeq === undefined ? successor(numberKey(FAMILY.summaries, stream)) : summaryRowKey(stream, toSeq),
  };
}

/** Stream number and first sequence number in the key of a row of summaries. */
export function readSummaryRowKey(key: Uint8Array): { stream: number; firstSeq: number } {
  return readPlaceKey(key, FAMILY.summaries);
}

/** The key of the row of trace ids about the blocks of `stream` from the one that starts with `firstSeq` on. */
export function traceRowKey(stream: number, firstSeq: number): Uint8Array {
  return placeKey(FAMILY.traces, stream, firstSeq);
}

/** Rows of trace ids of a stream whose first sequence number n has `fromSeq` <= n < `toSeq`; without bounds, all. */
export function traceRowRange(stream: number, fromSeq = 0, toSeq?: number): KeyRange {
  return {
    from: traceRowKey(stream, fromSeq),
    to: toSeq === undefined ? successor(numberKey(FAMILY.traces, stream)) : traceRowKey(stream, toSeq),
  };
}

/** Stream number and first sequence number in the key of a row of trace ids. */
export function readTraceRowKey(key: Uint8Array): { stream: number; firstSeq: number } {
  return readPlaceKey(key, FAMILY.traces);
}

/**
 * Work that survives a restart: `[9][kind u8]…`. The key of a deletion, trim, move or removal begins with the basin or
 * stream that it is about. The key in the schedule of retention and deletion on empty begins with the time when it is due,
 * so that what is due comes first.
 */
const PENDING = {
  ...{ basinDeletion: 1, streamDeletion: 2, trim: 3, background: 4 },
  ...{ moveOut: 5, moveIn: 6, basinRemoval: 7, streamRemoval: 8 },
} as const;

export type PendingKind = Exclude<keyof typeof PENDING, 'background'>;

/** The key of pending work about the basin or stream of that number. */
export function pendingKey(kind: PendingKind, number: number): Uint8Array {
  return pendingNumbers(PENDING[kind], number);
}

/** All pending work of a kind. */
export function pendingRange(kind: PendingKind): KeyRange {
  const prefix = Buffer.of(FAMILY.pendingWork, PENDING[kind]);
  return { from: prefix, to: successor(prefix) };
}

/** Whether a key of pending work is of a kind. */
export function isPending(key: Uint8Array, kind: PendingKind): boolean {
  return key[1] === PENDING[kind];
}

/** The number in a key of pending work. */
export function readPendingKey(key: Uint8Array): number {
  expectFamily(key, FAMILY.pendingWork, 2 + NUMBER_BYTES);
  return readNumber(key, 2);
}

/** Whether a key of pending work is in the schedule. */
export function isDue(key: Uint8Array): boolean {
  return key[1] === PENDING.background;
}

/** The key in the schedule for a stream that is looked at again at `due`, in ms. */
export function dueKey(due: number, stream: number): Uint8Array {
  return pendingNumbers(PENDING.background, due, stream);
}

/** What is due before `until`, in ms; the whole schedule when it is missing. */
export function dueRange(until?: number): KeyRange {
  const prefix = Buffer.of(FAMILY.pendingWork, PENDING.background);
  return { from: prefix, to: until === undefined ? successor(prefix) : dueKey(until, 0) };
}

/** Time, in ms, and stream in a key of the schedule. */
export function readDueKey(key: Uint8Array): { due: number; stream: number } {
  expectFamily(key, FAMILY.pendingWork, 2 + 2 * NUMBER_BYTES);
  return { due: readNumber(key, 2), stream: readNumber(key, 2 + NUMBER_BYTES) };
}

/**
 * Usage metrics: `[8][kind u8][u64][u64]`. Counters and gauges of a basin: its number (0 is the account), then the
 * second in which their time begins. Gauges of streams: the hour first, so that old ones are removed in one range. When
 * tokens were last used: the number of the token, then 0.
 */
const USAGE = {
  ...{ minutes: 1, hours: 2, basinStorage: 3, streamStorage: 4, basinTotals: 5, shutdown: 6 },
  tokens: 7,
} as const;

export type UsageKind = keyof typeof USAGE;

/** The key of a row of usage metrics: basin and second, or for `streamStorage` hour and stream, for `tokens` number and 0. */
export function usageKey(kind: UsageKind, first: number, second: number): Uint8Array {
  const key = Buffer.allocUnsafe(2 + 2 * NUMBER_BYTES);
  key[0] = FAMILY.usage;
  key[1] = USAGE[kind];
  writeNumber(key, 2, first);
  writeNumber(key, 2 + NUMBER_BYTES, second);
  return key;
}

/** Rows of a kind from one pair of numbers up to another one, or to the last row. */
export function usageRange(
  kind: UsageKind,
  from: readonly [first: number, second: number] = [0, 0],
  to?: readonly [first: number, second: number],
): KeyRange {
  const end = to === undefined ? successor(Buffer.of(FAMILY.usage, USAGE[kind])) : usageKey(kind, ...to);
  return { from: usageKey(kind, ...from), to: end };
}

/** Whether a key of usage metrics is of a kind. */
export function isUsage(key: Uint8Array, kind: UsageKind): boolean {
  return key[1] === USAGE[kind];
}

/** Both numbers in a key of usage metrics. */
export function readUsageKey(key: Uint8Array): readonly [first: number, second: number] {
  expectFamily(key, FAMILY.usage, 2 + 2 * NUMBER_BYTES);
  return [readNumber(key, 2), readNumber(key, 2 + NUMBER_BYTES)];
}

/** The key of a token's row: SHA-256 of its secret. */
export function tokenHashKey(hash: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(FAMILY.tokensByHash), hash]);
}

/** The key for finding a token's hash by its id. */
export function tokenIdKey(id: string): Uint8Array {
  return nameKey(FAMILY.tokensById, id);
}

/** Every key of a family. */
export function familyRange(family: number): KeyRange {
  return { from: Buffer.of(family), to: successor(Buffer.of(family)) };
}

/** Every key that begins with these bytes. */
export function prefixRange(prefix: Uint8Array): KeyRange {
  return { from: prefix, to: successor(prefix) };
}

/** The smallest key that is greater than every key that starts with `prefix`. */
function successor(prefix: Uint8Array): Uint8Array {
  let last = prefix.length - 1;
  while (last > 0 && prefix[last] === 0xff) last -= 1;
  const key = Buffer.from(prefix.subarray(0, last + 1));
  const byte = key[last] ?? 0;
  // Only the last family has no successor; a key one byte longer than any that we write marks the end.
  if (byte === 0xff) return Buffer.of(0xff, 0xff);
  key[last] = byte + 1;
  return key;
}

function placeKey(family: number, stream: number, firstSeq: number): Uint8Array {
  const key = Buffer.allocUnsafe(1 + 2 * NUMBER_BYTES);
  key[0] = family;
  writeNumber(key, 1, stream);
  writeNumber(key, 1 + NUMBER_BYTES, firstSeq);
  return key;
}

function readPlaceKey(key: Uint8Array, family: number): { stream: number; firstSeq: number } {
  expectFamily(key, family, 1 + 2 * NUMBER_BYTES);
  if (key.length !== 1 + 2 * NUMBER_BYTES) throw damaged();
  return { stream: readNumber(key, 1), firstSeq: readNumber(key, 1 + NUMBER_BYTES) };
}

function nameKey(family: number, name: string): Uint8Array {
  const key = Buffer.allocUnsafe(1 + Buffer.byteLength(name));
  key[0] = family;
  key.write(name, 1);
  return key;
}

function numberKey(family: number, number: number): Uint8Array {
  const key = Buffer.allocUnsafe(1 + NUMBER_BYTES);
  key[0] = family;
  writeNumber(key, 1, number);
  return key;
}

function pendingNumbers(kind: number, ...numbers: readonly number[]): Uint8Array {
  const key = Buffer.allocUnsafe(2 + numbers.length * NUMBER_BYTES);
  key[0] = FAMILY.pendingWork;
  key[1] = kind;
  for (const [i, number] of numbers.entries()) writeNumber(key, 2 + i * NUMBER_BYTES, number);
  return key;
}

/** Writes an unsigned number of 64 bits. */
export function writeNumber(key: Buffer, at: number, number: number): void {
  key.writeUInt32BE(Math.floor(number / TWO_32), at);
  key.writeUInt32BE(number % TWO_32, at + 4);
}

/** @throws TailraceError `corrupt` when it is no safe integer */
export function readNumber(key: Uint8Array, at: number): number {
  let number = 0;
  for (let i = at; i < at + NUMBER_BYTES; i++) number = number * 0x100 + (key[i] ?? 0);
  if (number > Number.MAX_SAFE_INTEGER) throw damaged();
  return number;
}

function expectFamily(key: Uint8Array, family: number, bytesMin: number): void {
  if (key[0] !== family || key.length < bytesMin) throw damaged();
}

function text(key: Uint8Array, at: number): string {
  return Buffer.from(key.buffer, key.byteOffset + at, key.length - at).toString();
}

function damaged(): TailraceError {
  return new TailraceError('corrupt', 'a key in the store is not of the form that was expected there');
}
