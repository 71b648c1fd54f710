/** Collects what a unary read responds with, from the events of a read. */

import type { RecordsEvent } from '../../log/events.ts';
import type { LogRead } from '../../log/open-reads.ts';
import type { Position } from '../../model/position.ts';

export interface Collecting {
  /** Called when it begins to wait for records. */
  onWait(): void;
  /** Asked for memory as records come: a read that waits for records holds none. */
  reserve(bytes: number): void;
  /** Whether it has taken too long to look for records. */
  isLate(): boolean;
}

/** What a unary read found. */
export interface Collected {
  readonly parts: readonly RecordsEvent[];
  /** The tail, when everything up to it was read. */
  readonly tail: Position | undefined;
  /** Where the next read goes on; undefined when nothing was looked at. */
  readonly next: Position | undefined;
  /** Of a read that went backwards: headers that say where older records are, names and values in turn. */
  readonly older?: readonly string[];
}

/** Tells a client where to go on. */
export const NEXT_SEQ_NUM = 'Tailrace-Next-Seq-Num';

/** Everything up to a bound, the tail, or the moment when it would wait with records in hand. */
export async function collect(read: LogRead, { onWait, reserve, isLate }: Collecting): Promise<Collected> {
  const collected: RecordsEvent[] = [];
  let bytes = 0;
  let isWaiting = false;
  let tail: Position | undefined;
  let next: Position | undefined;
  for await (const event of read) {
    if (event.type === 'records') {
      bytes += event.block.meteredBytesWithin(event.from, event.to);
      // What is cut is whole in memory.
      if (event.block.header.hasCuts) bytes += event.block.header.rawBytes;
      reserve(bytes);
      collected.push(event);
      tail = event.tail;
      next = { seqNum: event.block.firstSeq + event.to, timestamp: event.block.timestamp(event.to - 1) };
    }
    if (event.type === 'passed') {
      tail = event.tail;
      next = event.to;
      if (isLate()) break;
    }
    if (event.type === 'caught_up' && !isWaiting && collected.length === 0) {
      next = event.tail;
      isWaiting = true;
      onWait();
    }
    const isLevel = event.type === 'caught_up' || ('isLive' in event && event.tail !== undefined);
    if (collected.length > 0 && (isWaiting || isLevel)) break;
  }
  return { parts: collected, tail, next };
}
