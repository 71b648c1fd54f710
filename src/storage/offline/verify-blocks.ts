/**
 * Checks that the blocks of each stream follow each other up to its tail. States and blocks both come in the order of
 * stream numbers, so both are read in parallel.
 */

import { TailraceError } from '../../model/error.ts';
import { Block, type BlockHeader, readBlockHeader } from '../block/block.ts';
import type { Entry } from '../engine.ts';
import { readBlockKey } from '../keys.ts';
import type { StreamStateRow } from '../values.ts';
import type { FaultLog } from './fault-log.ts';
import type { SummaryVerifier } from './summary-verifier.ts';

/** What the rows say about a stream, before its blocks are read. */
export interface ExpectedStream {
  readonly number: number;
  /** For people, in the report. */
  readonly name: string;
  /** Its blocks are being deleted, starting with the first. */
  readonly deleting: boolean;
  /** It is of a basin that is not here: its blocks are coming from another partition of the cluster, or are being removed. */
  readonly isPartial: boolean;
  readonly state: StreamStateRow;
}

/** How far the blocks of a stream have been read. */
interface StreamProgress {
  readonly stream: ExpectedStream;
  /** The next block must begin here; undefined before the first one. */
  next: number | undefined;
  timestamp: number;
  arrival: number;
  meteredBytes: number;
  /** One of its blocks could not be read, so its bytes are not known. */
  incomplete: boolean;
}

/** Used for one verification: call `block` for each block in the order of keys, then `finish`. */
export class BlockVerifier {
  readonly #log: FaultLog;
  readonly #summaries: SummaryVerifier;
  /** In the order of their numbers. */
  readonly #expected: Iterator<ExpectedStream>;
  #current: StreamProgress | undefined;
  /** Numbers of streams that have blocks, and no row or no state. */
  readonly unknownStreams = new Set<number>();
  blocks = 0;
  records = 0;
  meteredBytes = 0;

  constructor(expected: Iterable<ExpectedStream>, log: FaultLog, summaries: SummaryVerifier) {
    this.#expected = expected[Symbol.iterator]();
    this.#log = log;
    this.#summaries = summaries;
    this.#advance();
  }

  block({ key, value }: Entry): void {
    this.blocks += 1;
    const { stream, firstSeq } = readBlockKey(key);
    while (this.#current !== undefined && this.#current.stream.number < stream) this.#end(this.#current);
    const progress = this.#current;
    if (progress === undefined || progress.stream.number !== stream) {
      this.unknownStreams.add(stream);
      return;
    }
    this.#join(progress, firstSeq);
    this.#summaries.note(stream, firstSeq, headerIn(key, value));
    try {
      this.#look(progress, Block.open(key, value));
    } catch (error) {
      this.#damaged(progress, key, value, error);
    }
  }

  /** Streams after the last block have no blocks. */
  finish(): void {
    while (this.#current !== undefined) this.#end(this.#current);
  }

  /** Checks that a block begins where the one before ended, or where the first one may. */
  #join({ stream, next, incomplete }: StreamProgress, firstSeq: number): void {
    const { trimPoint } = stream.state;
    if (next === undefined) {
      // After an unreadable block, the next one may begin anywhere.
      const mayMiss = stream.deleting || stream.isPartial || incomplete;
      if (firstSeq > trimPoint && !mayMiss) this.#missing(stream, trimPoint, firstSeq);
    } else if (firstSeq > next) {
      // Of those that were trimmed away, and are deleted later, some may never have come from another partition.
      if (firstSeq > trimPoint && !stream.isPartial) this.#missing(stream, next, firstSeq);
    } else if (firstSeq < next) {
      this.#log.fault(stream.name, `the block of record ${firstSeq} begins before ${next}, where the last one ended`);
    }
  }

  #look(progress: StreamProgress, block: Block): void {
    const { header, firstSeq } = block;
    const { stream } = progress;
    let bytes = 0;
    // This reads the whole index, and of an encrypted block all that can be read without its key.
    for (let i = 0; i < header.count; i++) bytes += block.wholeBytesOf(i);
    block.checkCuts();
    if (bytes !== header.meteredBytes) this.#odd(stream, firstSeq, 'its records have another size than it says');
    if (header.firstTimestamp < progress.timestamp)
      this.#odd(stream, firstSeq, 'its time is before that of the last one');
    if (header.arrival < progress.arrival) this.#odd(stream, firstSeq, 'it arrived before the last one');
    progress.next = firstSeq + header.count;
    progress.timestamp = header.lastTimestamp;
    progress.arrival = header.arrival;
    progress.meteredBytes += header.meteredBytes;
    this.meteredBytes += header.meteredBytes;
    this.records += Math.max(0, progress.next - Math.max(firstSeq, stream.state.trimPoint));
  }

  /** The end of a damaged block is known when its header is intact. */
  #damaged(progress: StreamProgress, key: Uint8Array, value: Uint8Array, error: unknown): void {
    const { firstSeq } = readBlockKey(key);
    const count = headerIn(key, value)?.count;
    this.#odd(progress.stream, firstSeq, error instanceof TailraceError ? error.message : String(error));
    progress.next = count === undefined ? undefined : firstSeq + count;
    progress.incomplete = true;
  }

  #end(progress: StreamProgress): void {
    const { stream, next, incomplete } = progress;
    const { nextSeq, trimPoint, lastTimestamp, lastArrival, meteredBytes } = stream.state;
    this.#advance();
    if (stream.deleting || stream.isPartial || (incomplete && next === undefined)) return;
    const end = next ?? trimPoint;
    if (end < nextSeq) this.#missing(stream, end, nextSeq);
    if (end > nextSeq) this.#log.fault(stream.name, `it has records up to ${end}, behind its tail at ${nextSeq}`);
    if (progress.timestamp > lastTimestamp || progress.arrival > lastArrival) {
      this.#log.fault(stream.name, 'its last record is later than its state says');
    }
    if (meteredBytes !== undefined && meteredBytes !== progress.meteredBytes && !incomplete) {
      this.#log.fault(stream.name, `its state counts ${meteredBytes} bytes, its blocks have ${progress.meteredBytes}`);
    }
  }

  #advance(): void {
    const { value, done } = this.#expected.next();
    const start = { next: undefined, timestamp: 0, arrival: 0, meteredBytes: 0, incomplete: false };
    this.#current = done === true ? undefined : { stream: value, ...start };
    if (done !== true) this.#summaries.noteStream(value.number, value.name, value.isPartial);
  }

  #missing({ name }: ExpectedStream, from: number, to: number): void {
    this.#log.fault(name, `records ${from} to ${to - 1} are missing`);
  }

  #odd({ name }: ExpectedStream, firstSeq: number, what: string): void {
    this.#log.fault(name, `the block of record ${firstSeq}: ${what}`);
  }
}

function headerIn(key: Uint8Array, value: Uint8Array): BlockHeader | undefined {
  try {
    return readBlockHeader(key, value);
  } catch {
    return undefined;
  }
}
