/**
 * Whether the blocks of each stream follow each other up to its tail. States and blocks come in the order of stream
 * numbers, so one is walked along the other.
 */

import { TailraceError } from '../../model/error.ts';
import { Block, readBlockHeader } from '../block/block.ts';
import type { Entry } from '../engine.ts';
import { readBlockKey } from '../keys.ts';
import type { StreamStateRow } from '../values.ts';
import type { FaultLog } from './fault-log.ts';

/** What is known of a stream from its rows, before its blocks are looked at. */
export interface ExpectedStream {
  readonly number: number;
  /** In words, for the report. */
  readonly name: string;
  /** Its blocks are being deleted, from the first one on. */
  readonly deleting: boolean;
  readonly state: StreamStateRow;
}

/** Where the walk through a stream's blocks stands. */
interface Walk {
  readonly stream: ExpectedStream;
  /** The next block begins here; undefined before the first one. */
  next: number | undefined;
  timestamp: number;
  arrival: number;
  meteredBytes: number;
  /** A block of it could not be read, so its bytes are not known. */
  incomplete: boolean;
}

/** Lives through one verification: blocks in the order of their keys, then `finish`. */
export class BlockAudit {
  readonly #log: FaultLog;
  /** In the order of their numbers. */
  readonly #expected: Iterator<ExpectedStream>;
  #walk: Walk | undefined;
  #strangers = Number.NaN;
  blocks = 0;
  records = 0;
  meteredBytes = 0;

  constructor(expected: Iterable<ExpectedStream>, log: FaultLog) {
    this.#expected = expected[Symbol.iterator]();
    this.#log = log;
    this.#advance();
  }

  block({ key, value }: Entry): void {
    this.blocks += 1;
    const { stream, firstSeq } = readBlockKey(key);
    while (this.#walk !== undefined && this.#walk.stream.number < stream) this.#end(this.#walk);
    const walk = this.#walk;
    if (walk === undefined || walk.stream.number !== stream) {
      // Once for a stream, however many blocks it has.
      if (this.#strangers !== stream)
        this.#log.fault(`stream number ${stream}`, 'it has records, but its row or its state is missing');
      this.#strangers = stream;
      return;
    }
    this.#join(walk, firstSeq);
    try {
      this.#look(walk, Block.open(key, value));
    } catch (error) {
      this.#damaged(walk, key, value, error);
    }
  }

  /** Streams behind the last block have none. */
  finish(): void {
    while (this.#walk !== undefined) this.#end(this.#walk);
  }

  /** Whether a block begins where the one before ended, or where the first one may. */
  #join({ stream, next, incomplete }: Walk, firstSeq: number): void {
    const { trimPoint } = stream.state;
    if (next === undefined) {
      // Behind a block that nobody can read, the next one is taken as it comes.
      if (firstSeq > trimPoint && !stream.deleting && !incomplete) this.#missing(stream, trimPoint, firstSeq);
    } else if (firstSeq > next) {
      this.#missing(stream, next, firstSeq);
    } else if (firstSeq < next) {
      this.#log.fault(stream.name, `the block of record ${firstSeq} begins before ${next}, where the last one ended`);
    }
  }

  #look(walk: Walk, block: Block): void {
    const { header, firstSeq } = block;
    const { stream } = walk;
    let bytes = 0;
    // Reads the whole index, and of an encrypted block as much as can be read without its key.
    for (let i = 0; i < header.count; i++) bytes += block.meteredBytesOf(i);
    if (bytes !== header.meteredBytes) this.#odd(stream, firstSeq, 'its records have another size than it says');
    if (header.firstTimestamp < walk.timestamp) this.#odd(stream, firstSeq, 'its time is before that of the last one');
    if (header.arrival < walk.arrival) this.#odd(stream, firstSeq, 'it arrived before the last one');
    walk.next = firstSeq + header.count;
    walk.timestamp = header.lastTimestamp;
    walk.arrival = header.arrival;
    walk.meteredBytes += header.meteredBytes;
    this.meteredBytes += header.meteredBytes;
    this.records += Math.max(0, walk.next - Math.max(firstSeq, stream.state.trimPoint));
  }

  /** Where a damaged block ends is known when its header is sound. */
  #damaged(walk: Walk, key: Uint8Array, value: Uint8Array, error: unknown): void {
    const { firstSeq } = readBlockKey(key);
    const count = countIn(key, value);
    this.#odd(walk.stream, firstSeq, error instanceof TailraceError ? error.message : String(error));
    walk.next = count === undefined ? undefined : firstSeq + count;
    walk.incomplete = true;
  }

  #end(walk: Walk): void {
    const { stream, next, incomplete } = walk;
    const { nextSeq, trimPoint, lastTimestamp, lastArrival, meteredBytes } = stream.state;
    this.#advance();
    if (stream.deleting || (incomplete && next === undefined)) return;
    const end = next ?? trimPoint;
    if (end < nextSeq) this.#missing(stream, end, nextSeq);
    if (end > nextSeq) this.#log.fault(stream.name, `it has records up to ${end}, behind its tail at ${nextSeq}`);
    if (walk.timestamp > lastTimestamp || walk.arrival > lastArrival) {
      this.#log.fault(stream.name, 'its last record is later than its state says');
    }
    if (meteredBytes !== undefined && meteredBytes !== walk.meteredBytes && !incomplete) {
      this.#log.fault(stream.name, `its state counts ${meteredBytes} bytes, its blocks have ${walk.meteredBytes}`);
    }
  }

  #advance(): void {
    const { value, done } = this.#expected.next();
    const start = { next: undefined, timestamp: 0, arrival: 0, meteredBytes: 0, incomplete: false };
    this.#walk = done === true ? undefined : { stream: value, ...start };
  }

  #missing({ name }: ExpectedStream, from: number, to: number): void {
    this.#log.fault(name, `records ${from} to ${to - 1} are missing`);
  }

  #odd({ name }: ExpectedStream, firstSeq: number, what: string): void {
    this.#log.fault(name, `the block of record ${firstSeq}: ${what}`);
  }
}

function countIn(key: Uint8Array, value: Uint8Array): number | undefined {
  try {
    return readBlockHeader(key, value).count;
  } catch {
    return undefined;
  }
}
