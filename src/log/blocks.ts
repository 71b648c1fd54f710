/** Finds and loads stored blocks of a stream: by sequence number, by time, page by page. */

import { TailraceError } from '../model/error.ts';
import { READ_CACHE_BYTES_MAX } from '../model/limits.ts';
import { BLOCK_HEADER_BYTES_MAX, Block, type BlockHeader, readBlockHeader } from '../storage/block/block.ts';
import type { Engine, Entry } from '../storage/engine.ts';
import { blockRange, readBlockKey } from '../storage/keys.ts';
import type { OpenStream } from './stream.ts';

const PAGE_BLOCKS_MAX = 256;
/** What a block in memory takes besides its bytes. */
const BLOCK_COST_BYTES = 512;

/** Where a block is and what its header says. */
export interface FoundBlock {
  readonly firstSeq: number;
  readonly header: BlockHeader;
}

/** Blocks that were unpacked lately: readers close after one another unpack each block once. */
export class BlockCache {
  readonly #blocks = new Map<string, Block>();
  #bytes = 0;

  /** The unpacked block of an entry, kept when others are likely to want it. @throws TailraceError `corrupt` */
  open(entry: Entry, shared: boolean): Block {
    // A reader that is alone would only fill the cache with what is not asked for again.
    if (!shared) return Block.open(entry.key, entry.value);
    const name = Buffer.from(entry.key).toString('latin1');
    const known = this.#blocks.get(name);
    if (known !== undefined) {
      this.#blocks.delete(name);
      this.#blocks.set(name, known);
      return known;
    }
    const block = Block.open(entry.key, entry.value);
    this.#blocks.set(name, block);
    this.#bytes += costOf(block);
    for (const [oldest, old] of this.#blocks) {
      if (this.#bytes <= READ_CACHE_BYTES_MAX) break;
      this.#blocks.delete(oldest);
      this.#bytes -= costOf(old);
    }
    return block;
  }
}

/** The stored block that holds `seqNum`, or undefined when no block begins at or before it. */
async function findBlock(engine: Engine, stream: OpenStream, seqNum: number): Promise<FoundBlock | undefined> {
  const range = blockRange(stream.number, 0, seqNum + 1);
  const [entry] = await engine.scan({ ...range, limit: 1, reverse: true, valueBytesMax: BLOCK_HEADER_BYTES_MAX });
  return entry === undefined ? undefined : headerOf(entry);
}

/**
 * Whole blocks from the one that holds `seqNum` on, up to the one that begins at `toSeq`; empty when it is not stored. With `bytesMax` 0 that block alone: it is
 * found without taking those after it, wherever in it the position lies. Values are put into `into`, as `Engine.scan` does.
 */
export async function loadBlocks(
  engine: Engine,
  stream: OpenStream,
  seqNum: number,
  bytesMax: number,
  toSeq?: number,
  into?: Uint8Array,
): Promise<readonly Entry[]> {
  const place = into === undefined ? {} : { into };
  if (bytesMax > 0) {
    const entries = await engine.scan({
      ...blockRange(stream.number, seqNum, toSeq),
      limit: PAGE_BLOCKS_MAX,
      bytesMax,
      ...place,
    });
    const [first] = entries;
    if (first !== undefined && readBlockKey(first.key).firstSeq === seqNum) return entries;
    // The position is inside a block, or a block is missing: only the block before tells.
  }
  return engine.scan({ ...blockRange(stream.number, 0, seqNum + 1), limit: 1, reverse: true });
}

/**
 * Whole blocks from the one that holds the record before `seqNum` down to the one that begins at `fromSeq`, as many as
 * have `bytesMax`, at least one.
 */
export function loadBlocksBefore(
  engine: Engine,
  stream: OpenStream,
  seqNum: number,
  bytesMax: number,
  fromSeq: number,
): Promise<readonly Entry[]> {
  const range = blockRange(stream.number, fromSeq, seqNum);
  return engine.scan({ ...range, limit: PAGE_BLOCKS_MAX, bytesMax, reverse: true });
}

/**
 * The first sequence number at or after `fromSeq` whose record has a timestamp of at least `timestamp`, or `toSeq`
 * when none before it has. Timestamps never decrease, so blocks are found by binary search over their headers.
 */
export async function findTime(
  engine: Engine,
  stream: OpenStream,
  timestamp: number,
  fromSeq: number,
  toSeq: number,
): Promise<number> {
  let low = fromSeq;
  let high = toSeq;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const found = await blockAt(engine, stream, middle);
    const end = found.firstSeq + found.header.count;
    if (found.header.lastTimestamp < timestamp) low = end;
    else if (found.header.firstTimestamp >= timestamp) high = Math.min(high, Math.max(low, found.firstSeq));
    else return Math.max(low, await findInBlock(engine, stream, found.firstSeq, timestamp));
  }
  return Math.min(low, toSeq);
}

/** The first record of the first block in [fromSeq, toSeq) that came in after `arrival`, or `toSeq` when none did. */
export async function findArrival(
  engine: Engine,
  stream: OpenStream,
  arrival: number,
  fromSeq: number,
  toSeq: number,
): Promise<number> {
  let low = fromSeq;
  let high = toSeq;
  // Most often nothing has expired: the oldest block says so at once.
  for (let middle = low; low < high; middle = Math.floor((low + high) / 2)) {
    const found = await blockAt(engine, stream, middle);
    if (found.header.arrival <= arrival) low = found.firstSeq + found.header.count;
    else high = Math.max(low, Math.min(high, found.firstSeq));
  }
  return Math.min(low, toSeq);
}

/**
 * Looks for something among the records that live, once more when some were trimmed away meanwhile.
 * @throws TailraceError `stream_deletion_pending` when they went because the stream is being deleted, `unavailable` when its
 *   basin moved away
 */
export async function amongLiving<T>(stream: OpenStream, look: (trimPoint: number) => Promise<T>): Promise<T> {
  for (;;) {
    const { trimPoint } = stream.durable;
    try {
      return await look(trimPoint);
    } catch (error) {
      if (stream.readEnd !== undefined) throw stream.readEnd;
      if (stream.durable.trimPoint === trimPoint) throw error;
    }
  }
}

/** @throws TailraceError `corrupt` when the record is not stored */
async function blockAt(engine: Engine, stream: OpenStream, seqNum: number): Promise<FoundBlock> {
  const found = await findBlock(engine, stream, seqNum);
  if (found === undefined || found.firstSeq + found.header.count <= seqNum) throw missing(stream, seqNum);
  return found;
}

async function findInBlock(engine: Engine, stream: OpenStream, firstSeq: number, timestamp: number): Promise<number> {
  const [entry] = await engine.scan({ ...blockRange(stream.number, firstSeq, firstSeq + 1), limit: 1 });
  if (entry === undefined) throw missing(stream, firstSeq);
  const block = Block.open(entry.key, entry.value);
  let i = 0;
  while (i < block.header.count && block.timestamp(i) < timestamp) i++;
  return firstSeq + i;
}

/** The error for records that should be there and are not: never a silent gap. */
export function missing(stream: OpenStream, seqNum: number): TailraceError {
  return new TailraceError(
    'corrupt',
    `a block of stream ${JSON.stringify(stream.name)} is missing: no record ${seqNum} below its tail ${stream.tail.seqNum}`,
  );
}

function headerOf(entry: Entry): FoundBlock {
  return { firstSeq: readBlockKey(entry.key).firstSeq, header: readBlockHeader(entry.key, entry.value) };
}

function costOf({ header }: Block): number {
  return header.rawBytes + BLOCK_COST_BYTES;
}
