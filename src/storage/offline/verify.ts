/**
 * Reads a whole store or a whole backup and reports what is wrong: every checksum, whether blocks follow each other up
 * to the tail, and whether rows agree with each other. Rows come once, in the order of their keys.
 */

import { setImmediate as turn } from 'node:timers/promises';
import { TailraceError } from '../../model/error.ts';
import { partitionOfNumber } from '../../model/partition-numbers.ts';
import type { Entry } from '../engine.ts';
import { FAMILY, isPending, type PendingKind, readBasinKey, readStreamKey } from '../keys.ts';
import { readPendingWork } from '../move-rows.ts';
import { readPlace } from '../place-rows.ts';
import { decodeSigningKeys, decodeToken } from '../token-rows.ts';
import {
  type CounterRow,
  decodeBasin,
  decodeClock,
  decodeCounters,
  decodeFormat,
  decodeStream,
  decodeStreamState,
  FORMAT_VERSION,
  type StreamStateRow,
} from '../values.ts';
import { type Fault, FaultLog } from './fault-log.ts';
import { SummaryVerifier } from './summary-verifier.ts';
import { BlockVerifier, type ExpectedStream } from './verify-blocks.ts';

export type { Fault } from './fault-log.ts';

/** What is in a store or a backup. */
export interface StoreReport {
  /** Version of the store's format; 0 when its row is missing. */
  readonly format: number;
  /** How many stores it is about: those of the partitions of a cluster; missing when it is one. */
  readonly partitions?: number;
  readonly basins: number;
  readonly streams: number;
  readonly blocks: number;
  /** Stored records without trimmed ones. */
  readonly records: number;
  /** Metered bytes (S2) of all stored blocks. */
  readonly meteredBytes: number;
  readonly faultCount: number;
  /** The first hundred faults. */
  readonly faults: readonly Fault[];
}

/**
 * @throws TailraceError `format_too_new`; whatever reading the pages throws
 */
export async function verifyRows(pages: AsyncIterable<readonly Entry[]>): Promise<StoreReport> {
  const verifier = new StoreVerifier();
  for await (const page of pages) {
    for (const row of page) verifier.row(row);
    // During a long verification the process must still receive signals.
    await turn();
  }
  return verifier.finish();
}

/** Readers do without these rows, and they are made again. */
const MADE_AGAIN: ReadonlySet<number | undefined> = new Set([FAMILY.summaries, FAMILY.traces]);

/**
 * Passes the pages of a whole store on, and verifies them on the way. Rows of summaries do not count: readers do without
 * them, and they are made again.
 * @throws TailraceError `corrupt` after the last page, where there is a fault
 */
export async function* verifiedPages(pages: AsyncIterable<readonly Entry[]>): AsyncGenerator<readonly Entry[]> {
  const verifier = new StoreVerifier();
  for await (const page of pages) {
    for (const row of page) if (!MADE_AGAIN.has(row.key[0])) verifier.row(row);
    yield page;
    await turn();
  }
  const [fault] = verifier.finish().faults;
  if (fault !== undefined) throw new TailraceError('corrupt', `it is damaged: ${fault.where}: ${fault.what}`);
}

/** A stream as its rows describe it. */
interface KnownStream {
  readonly name: string;
  readonly deleting: boolean;
  readonly isPartial: boolean;
  state: StreamStateRow | undefined;
}

class StoreVerifier {
  readonly #log = new FaultLog();
  #format = 0;
  #counters: CounterRow = { nextBasin: 1, nextStream: 1 };
  readonly #basins = new Map<number, string>();
  /** Streams without a basin, by its number: those of a basin that is being deleted, or comes, are in order. */
  readonly #homeless = new Map<number, string[]>();
  readonly #streams = new Map<number, KnownStream>();
  readonly #tokens = new Set<string>();
  /** Streams whose blocks are being removed, or are coming from another partition. */
  readonly #ignored = new Set<number>();
  #blocks: BlockVerifier | undefined;
  readonly #summaries = new SummaryVerifier(this.#log);

  row(row: Entry): void {
    try {
      this.#read(row);
    } catch (error) {
      if (!(error instanceof TailraceError) || error.code === 'format_too_new') throw error;
      this.#log.fault(`the row with the key ${Buffer.from(row.key).toString('hex')}`, error.message);
    }
  }

  finish(): StoreReport {
    const blocks = this.#blockVerifier();
    blocks.finish();
    for (const where of [...this.#homeless.values()].flat()) this.#log.fault(where, 'its basin is missing');
    for (const number of blocks.unknownStreams) {
      if (this.#ignored.has(number)) continue;
      this.#log.fault(`stream number ${number}`, 'it has records, but its row or its state is missing');
    }
    if (this.#format === 0) this.#log.fault('the store', 'the row with its format is missing');
    return {
      format: this.#format,
      basins: this.#basins.size,
      streams: this.#streams.size,
      blocks: blocks.blocks,
      records: blocks.records,
      meteredBytes: blocks.meteredBytes,
      faultCount: this.#log.count,
      faults: this.#log.kept,
    };
  }

  #read(row: Entry): void {
    const reader = this.#readers.get(row.key[0] ?? 0);
    if (reader === undefined) this.#log.fault(`the row with the key ${hex(row.key)}`, 'its family is unknown');
    else reader(row);
  }

  readonly #readers: ReadonlyMap<number, (row: Entry) => void> = new Map([
    [FAMILY.settings, (row: Entry) => this.#setting(row)],
    [FAMILY.basins, (row) => this.#basin(row)],
    [FAMILY.streams, (row) => this.#stream(row)],
    [FAMILY.streamStates, (row) => this.#state(row)],
    [FAMILY.blocks, (row) => this.#blockVerifier().block(row)],
    [FAMILY.tokensByHash, (row) => this.#token(row)],
    [FAMILY.tokensById, (row) => this.#tokenId(row)],
    [FAMILY.pendingWork, (row) => this.#pending(row)],
    [FAMILY.usage, () => {}],
    [FAMILY.dedupe, () => {}],
    [FAMILY.summaries, (row) => this.#summaryRows().row(row)],
    [FAMILY.traces, (row) => this.#summaryRows().traceRow(row)],
    [FAMILY.places, (row) => void readPlace(row)],
    [FAMILY.engine, () => {}],
  ]);

  #setting({ key, value }: Entry): void {
    const name = text(key, 1);
    if (name === 'counters') this.#counters = decodeCounters(value);
    if (name === 'clock') decodeClock(value);
    if (name === 'jwt-keys') decodeSigningKeys(value);
    if (name !== 'format') return;
    this.#format = decodeFormat(value);
    expectKnownFormat(this.#format, 'the store');
  }

  #basin({ key, value }: Entry): void {
    const name = readBasinKey(key);
    const { number } = decodeBasin(value);
    const where = `basin \`${name}\``;
    if (!isGiven(number, this.#counters.nextBasin)) this.#log.fault(where, 'its number was not given out yet');
    if (this.#basins.has(number)) this.#log.fault(where, 'another basin has the same number');
    this.#basins.set(number, name);
  }

  #stream({ key, value }: Entry): void {
    const { basin, name } = readStreamKey(key);
    const { number, deletedAt } = decodeStream(value);
    const where = `stream \`${name}\` in basin \`${this.#basins.get(basin) ?? basin}\``;
    if (!this.#basins.has(basin)) this.#homelessIn(basin).push(where);
    if (!isGiven(number, this.#counters.nextStream)) this.#log.fault(where, 'its number was not given out yet');
    if (this.#streams.has(number)) this.#log.fault(where, 'another stream has the same number');
    const isPartial = !this.#basins.has(basin);
    this.#streams.set(number, { name: where, deleting: deletedAt !== undefined, isPartial, state: undefined });
  }

  #state({ key, value }: Entry): void {
    const number = Number(Buffer.from(key).readBigUInt64BE(1));
    const stream = this.#streams.get(number);
    if (stream === undefined) this.#log.fault(`stream number ${number}`, 'it has a state, but no row');
    else stream.state = decodeStreamState(value);
  }

  #token({ key, value }: Entry): void {
    decodeToken(value);
    this.#tokens.add(hex(key.subarray(1)));
  }

  #tokenId({ key, value }: Entry): void {
    if (!this.#tokens.has(hex(value))) this.#log.fault(`token ${text(key, 1)}`, 'its row is missing');
  }

  #pending(row: Entry): void {
    const { number, name } = readPendingWork(row);
    const is = (kind: PendingKind): boolean => isPending(row.key, kind);
    const basin = this.#basins.get(number);
    if (is('moveOut') && basin !== name) this.#log.fault(`basin \`${name}\``, 'it is sealed, and missing');
    if (is('moveIn') && basin !== undefined) this.#log.fault(`basin \`${name}\``, 'it is here, and still to come');
    if (is('basinDeletion') || is('basinRemoval') || is('moveIn')) this.#homeless.delete(number);
    if (is('streamRemoval')) this.#ignoreBlocks(number);
  }

  #ignoreBlocks(stream: number): void {
    this.#ignored.add(stream);
    this.#summaries.ignore(stream);
  }

  #summaryRows(): SummaryVerifier {
    // Streams without any block are known then too.
    this.#blockVerifier().finish();
    return this.#summaries;
  }

  #homelessIn(basin: number): string[] {
    const known = this.#homeless.get(basin) ?? [];
    this.#homeless.set(basin, known);
    return known;
  }

  /** Created when the first block comes: then all states are known. */
  #blockVerifier(): BlockVerifier {
    this.#blocks ??= new BlockVerifier(this.#expected(), this.#log, this.#summaries);
    return this.#blocks;
  }

  *#expected(): Generator<ExpectedStream> {
    const numbers = Float64Array.from(this.#streams.keys()).sort();
    for (const number of numbers) {
      const stream = this.#streams.get(number);
      if (stream === undefined) continue;
      const { name, deleting, isPartial, state } = stream;
      if (state !== undefined) yield { number, name, deleting, isPartial, state };
      else if (isPartial) this.#ignoreBlocks(number);
      else this.#log.fault(name, 'its state is missing');
    }
  }
}

/** @throws TailraceError `format_too_new` */
export function expectKnownFormat(format: number, what: string): void {
  if (format <= FORMAT_VERSION) return;
  throw new TailraceError(
    'format_too_new',
    `${what} has format ${format}, this Tailrace knows formats up to ${FORMAT_VERSION}: use the newer one`,
  );
}

/** What another partition of a cluster has given out is not known here. */
function isGiven(number: number, next: number): boolean {
  return number < next || partitionOfNumber(number) !== partitionOfNumber(next);
}

function text(bytes: Uint8Array, from: number): string {
  return Buffer.from(bytes.subarray(from)).toString();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
