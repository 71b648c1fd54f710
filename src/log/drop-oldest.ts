/**
 * What a full store drops with `--when-full drop-oldest`: the oldest records of all streams by arrival, a share of the
 * store at a time. Whole blocks are dropped, and readers see a gap, as after a trim.
 */

import { DROP_SHARE, DROP_STEP_BYTES, DROP_STREAMS_MAX } from '../model/limits.ts';
import { BLOCK_HEADER_BYTES_MAX, readBlockHeader } from '../storage/block/block.ts';
import { blockRange, readBlockKey, readStreamKey, streamRange } from '../storage/keys.ts';
import { decodeStream } from '../storage/values.ts';
import type { BasinTable } from './basins.ts';
import { scanPages } from './scan-pages.ts';
import type { StreamTable } from './streams.ts';
import { moveTrimPoint, removeTrimmed, type TrimContext } from './trim.ts';

export interface OldestContext extends TrimContext {
  readonly basins: BasinTable;
  readonly streams: StreamTable;
}

/** A block that could be dropped. */
interface Candidate {
  readonly basin: number;
  readonly name: string;
  readonly arrival: number;
  /** The sequence number after its last record. */
  readonly end: number;
  /** Size unpacked: the compressed size is not in the header. */
  readonly bytes: number;
}

/** Drops the oldest records until a share of the used space is free. Returns whether anything was dropped. */
export async function dropOldest(context: OldestContext): Promise<boolean> {
  const { engine } = context;
  const target = (await engine.stat()).usedBytes * (1 - DROP_SHARE);
  let dropped = false;
  while ((await engine.stat()).usedBytes > target) {
    const oldest = await oldestBlocks(context, DROP_STEP_BYTES);
    let any = false;
    for (const candidate of oldest) if (await drop(context, candidate)) any = true;
    if (!any) break;
    dropped = true;
  }
  return dropped;
}

/**
 * The first blocks of streams, the oldest first, up to this many bytes. A stream's next block may be older than the
 * first block of another stream.
 */
async function oldestBlocks(context: OldestContext, bytes: number): Promise<readonly Candidate[]> {
  const candidates: Candidate[] = [];
  for (const basin of context.basins.list()) {
    if (context.basins.moves.isMoving(basin.number)) continue;
    for await (const page of scanPages(context.engine, streamRange(basin.number))) {
      for (const { key, value } of page) {
        const first = await firstBlock(context, decodeStream(value).number);
        if (first !== undefined) candidates.push({ basin: basin.number, name: readStreamKey(key).name, ...first });
      }
      // Of very many streams only some are searched: a full store must get free space soon.
      if (candidates.length >= DROP_STREAMS_MAX) break;
    }
  }
  candidates.sort((a, b) => a.arrival - b.arrival);
  const next = candidates[1]?.arrival;
  let sum = 0;
  const taken = candidates.filter((candidate) => {
    sum += candidate.bytes;
    return sum - candidate.bytes < bytes;
  });
  const [alone] = taken;
  // Usually there is one large stream: of it, everything is dropped that is older than the next stream's first block.
  return taken.length > 1 || alone === undefined ? taken : [await longer(context, alone, bytes, next)];
}

/** Extends a candidate by the following blocks that are older than `until`, up to this many bytes. */
async function longer(
  context: OldestContext,
  candidate: Candidate,
  bytes: number,
  until = Number.POSITIVE_INFINITY,
): Promise<Candidate> {
  const basin = context.basins.byNumber(candidate.basin);
  const stream = basin === undefined ? undefined : await context.streams.find(basin, candidate.name);
  if (stream === undefined) return candidate;
  let { end, bytes: sum } = candidate;
  const header = { limit: 1_000, valueBytesMax: BLOCK_HEADER_BYTES_MAX };
  const page = await context.engine.scan({ ...blockRange(stream.number, end, stream.durable.nextSeq), ...header });
  for (const { key, value } of page) {
    const block = readBlockHeader(key, value);
    if (sum >= bytes || block.arrival >= until) break;
    sum += block.rawBytes;
    end = readBlockKey(key).firstSeq + block.count;
  }
  return { ...candidate, end, bytes: sum };
}

async function firstBlock(
  { engine }: OldestContext,
  number: number,
): Promise<Pick<Candidate, 'arrival' | 'end' | 'bytes'> | undefined> {
  const header = { limit: 1, valueBytesMax: BLOCK_HEADER_BYTES_MAX };
  const [entry] = await engine.scan({ ...blockRange(number), ...header });
  if (entry === undefined) return undefined;
  const block = readBlockHeader(entry.key, entry.value);
  const end = readBlockKey(entry.key).firstSeq + block.count;
  return { arrival: block.arrival, end, bytes: block.rawBytes };
}

async function drop(context: OldestContext, { basin, name, end }: Candidate): Promise<boolean> {
  const home = context.basins.byNumber(basin);
  if (home === undefined) return false;
  return context.streams.withFresh(home, name, async (stream) => {
    if (stream === undefined || !stream.exists || stream.deleting || stream.isAway) return false;
    await moveTrimPoint(context, stream, end);
    await removeTrimmed(context, stream);
    return true;
  });
}
