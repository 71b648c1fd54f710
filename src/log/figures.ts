/** What the streams of a list store: their records and bytes, and the times of the first and the last one. */

import { beginWork, goOnWithWork } from '../encoding/turns.ts';
import { YIELD_BYTES } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import { BLOCK_HEADER_BYTES_MAX, Block, readBlockHeader } from '../storage/block/block.ts';
import type { Engine } from '../storage/engine.ts';
import { blockRange, readBlockKey, streamStateKey } from '../storage/keys.ts';
import { decodeStreamState } from '../storage/values.ts';
import { scanPages } from './scan-pages.ts';
import type { StreamState } from './stream.ts';

/** As they are stored: what has expired counts until background work has removed it. */
export interface StreamFigures {
  /** The first record that is there; the tail when there is none. */
  readonly first: Position;
  readonly tail: Position;
  readonly records: number;
  readonly meteredBytes: number;
}

/** Streams that are looked at in one turn of the event loop, which takes about a millisecond. */
const AT_ONCE = 64;

/**
 * The figures of streams, by their numbers; of those that are open `durable` gives the state. A stream that is gone has
 * none.
 */
export async function streamFigures(
  engine: Engine,
  numbers: readonly number[],
  durable: (number: number) => StreamState | undefined,
): Promise<ReadonlyMap<number, StreamFigures>> {
  const figures = new Map<number, StreamFigures>();
  for (let at = 0; at < numbers.length; at += AT_ONCE) {
    if (at > 0) await goOnWithWork(YIELD_BYTES);
    for (const number of numbers.slice(at, at + AT_ONCE)) {
      const state = durable(number) ?? (await readState(engine, number));
      if (state !== undefined) figures.set(number, await figuresOf(engine, number, state));
    }
  }
  return figures;
}

async function figuresOf(engine: Engine, number: number, state: StreamState): Promise<StreamFigures> {
  const { nextSeq, lastTimestamp, trimPoint, meteredBytes } = state;
  const tail = { seqNum: nextSeq, timestamp: lastTimestamp };
  const records = nextSeq - trimPoint;
  if (records === 0) return { first: tail, tail, records, meteredBytes };
  const timestamp = (await timeOf(engine, number, trimPoint)) ?? lastTimestamp;
  return { first: { seqNum: trimPoint, timestamp }, tail, records, meteredBytes };
}

/** When a record came; undefined when it was trimmed meanwhile. */
async function timeOf(engine: Engine, number: number, seqNum: number): Promise<number | undefined> {
  const range = { ...blockRange(number, 0, seqNum + 1), limit: 1, reverse: true };
  const [head] = await engine.scan({ ...range, valueBytesMax: BLOCK_HEADER_BYTES_MAX });
  if (head === undefined) return undefined;
  const header = readBlockHeader(head.key, head.value);
  const i = seqNum - readBlockKey(head.key).firstSeq;
  if (i === 0 || i >= header.count) return i === 0 ? header.firstTimestamp : undefined;
  const work = beginWork(header.rawBytes);
  if (work !== undefined) await work;
  const [whole] = await engine.scan(range);
  return whole === undefined ? undefined : Block.open(whole.key, whole.value).timestamp(i);
}

async function readState(engine: Engine, number: number): Promise<StreamState | undefined> {
  const value = await engine.get(streamStateKey(number));
  if (value === undefined) return undefined;
  const state = decodeStreamState(value);
  return { ...state, meteredBytes: state.meteredBytes ?? (await countStoredBytes(engine, number)) };
}

/** What the blocks of a stream have together: a store of the first format did not count it. */
export async function countStoredBytes(engine: Engine, number: number): Promise<number> {
  let bytes = 0;
  const pages = scanPages(engine, blockRange(number), { valueBytesMax: BLOCK_HEADER_BYTES_MAX });
  for await (const page of pages) {
    for (const { key, value } of page) bytes += readBlockHeader(key, value).meteredBytes;
  }
  return bytes;
}
