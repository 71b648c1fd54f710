/** Puts what is already there in many streams in order of time: it comes stream by stream, and people read it by time. */

import type { BatchFrame, ClientView } from '../../src/client/frames.ts';
import type { MessageRow } from '../../src/model/message-row.ts';

/** Records of one stream that follow each other, and where a later read goes on behind them. */
export interface OrderedRun {
  readonly stream: string;
  readonly frame: BatchFrame<ClientView>;
  /** There is no other of this stream. */
  readonly isLast: boolean;
}

/** More would have to be kept in memory: what comes then is in order by stream only. */
export const ORDERED_RECORDS_MAX = 20_000;
const ORDERED_CHARS_MAX = 32 * 1024 * 1024;

interface Item {
  readonly stream: string;
  /** Microseconds since the epoch. Never before the item in front of it in its stream, whose order stays. */
  readonly time: number;
  readonly content: unknown;
  readonly next: BatchFrame<ClientView>['next'] | undefined;
}

type ContentKind = 'rows' | 'lines' | 'records';

export class TimeOrder {
  #items: Item[] = [];
  #chars = 0;
  #kind: ContentKind = 'rows';
  readonly #lastTimes = new Map<string, number>();

  get isFull(): boolean {
    return this.#items.length >= ORDERED_RECORDS_MAX || this.#chars >= ORDERED_CHARS_MAX;
  }

  /** @returns false for what has no time of its own: OTLP/JSON requests */
  add(stream: string, frame: BatchFrame<ClientView>): boolean {
    if ('rows' in frame) this.#addAll(stream, 'rows', frame.rows, rowTime, rowChars, frame.next);
    else if ('lines' in frame) this.#addAll(stream, 'lines', frame.lines, lineTime, (line) => line.length, frame.next);
    else if ('records' in frame) {
      const time = ({ timestamp }: { readonly timestamp: number }) => timestamp * 1_000;
      this.#addAll(stream, 'records', frame.records, time, ({ body }) => body.length, frame.next);
    } else return false;
    return true;
  }

  /** Everything that was added, in order. It is empty then. */
  *take(): Generator<OrderedRun, void, void> {
    const items = this.#items.sort((a, b) => a.time - b.time);
    this.#items = [];
    this.#chars = 0;
    const behind = nextOfSameStream(items);
    for (let i = 0; i < items.length; ) {
      const from = i;
      const stream = items[i]?.stream ?? '';
      while (i < items.length && items[i]?.stream === stream) i++;
      const last = items[i - 1];
      const follower = behind[i - 1];
      // Nothing is wanted between a record and the next one. A line has no number: one reads on behind its whole batch.
      const seqNum = seqNumOf(follower?.content) ?? (follower === undefined ? last?.next?.seqNum : undefined) ?? 0;
      const next = { seqNum, timestamp: last?.next?.timestamp ?? 0 };
      const frame = { type: 'batch', [this.#kind]: items.slice(from, i).map(({ content }) => content), next };
      yield { stream, frame: frame as unknown as BatchFrame<ClientView>, isLast: follower === undefined };
    }
  }

  #addAll<T>(
    stream: string,
    kind: ContentKind,
    contents: readonly T[],
    timeOf: (content: T) => number,
    charsOf: (content: T) => number,
    next: Item['next'],
  ): void {
    this.#kind = kind;
    let last = this.#lastTimes.get(stream) ?? Number.NEGATIVE_INFINITY;
    for (const [i, content] of contents.entries()) {
      const time = timeOf(content);
      if (time > last) last = time;
      this.#chars += charsOf(content);
      this.#items.push({ stream, time: last, content, next: i === contents.length - 1 ? next : undefined });
    }
    this.#lastTimes.set(stream, last);
  }
}

/** For each item the one that follows it in its stream. */
function nextOfSameStream(items: readonly Item[]): readonly (Item | undefined)[] {
  const later = new Map<string, Item>();
  return items
    .toReversed()
    .map((item) => {
      const follower = later.get(item.stream);
      later.set(item.stream, item);
      return follower;
    })
    .reverse();
}

function seqNumOf(content: unknown): number | undefined {
  return typeof content === 'object' && content !== null && 'seqNum' in content ? Number(content.seqNum) : undefined;
}

/** A span stands at its end, as it does on the screen. */
function rowTime(row: MessageRow): number {
  return microseconds(row.endTimestamp ?? row.timestamp);
}

function rowChars(row: MessageRow): number {
  return JSON.stringify(row).length;
}

function lineTime(line: string): number {
  const space = line.indexOf(' ');
  return microseconds(space < 0 ? line : line.slice(0, space));
}

/** NaN, which is after nothing, for what is no time. */
function microseconds(text: unknown): number {
  if (typeof text !== 'string') return Number.NaN;
  // After year 9999 the server writes milliseconds.
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  return Date.parse(text) * 1_000 + Number(/\.\d{3}(\d{3})/.exec(text)?.[1] ?? 0);
}
