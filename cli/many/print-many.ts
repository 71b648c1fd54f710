/** `tail` and `read` over many streams: one connection, each record with its stream's name, streams that join and leave. */

import { type BatchFrame, type ClientView, recordsIn } from '../../src/client/frames.ts';
import type { ManyFrame, StreamPoint } from '../../src/client/many-reader.ts';
import { nearest } from '../../src/encoding/nearest.ts';
import { TailraceError } from '../../src/model/error.ts';
import { formatStreamUri } from '../flags/names.ts';
import { type StreamSet, targetText } from '../flags/stream-target.ts';
import { lookedBackText } from '../look-back.ts';
import { Outage } from '../outage.ts';
import { counted } from '../print/format.ts';
import { nearestHint } from '../print/suggest.ts';
import type { RecordReading } from '../record-sink.ts';
import { listMatching, type ManyStartAt, type MatchingStream, pointsOfLast, pointsSince } from './start-points.ts';
import { ORDERED_RECORDS_MAX, TimeOrder } from './time-order.ts';

export interface ManyBounds {
  readonly start: ManyStartAt;
  /** Exclusive timestamp in ms; where it has passed, the read ends. */
  readonly until: number | undefined;
  /** How many records over all streams. */
  readonly count: number | undefined;
  /** Otherwise it ends at the tails. */
  readonly follows: boolean;
}

/** How far a read has come in each stream: what was printed, and not what was only received. */
export type ManyProgress = Map<string, { readonly streamId: string | undefined; seqNum: number }>;

/**
 * Reads until the bounds are reached or the signal aborts, and prints the records; `progress` says how far it came.
 * @throws TailraceError from the read
 */
export async function printMany(
  reading: RecordReading,
  set: StreamSet,
  bounds: ManyBounds,
  progress: ManyProgress,
): Promise<void> {
  const { start, until, count, follows } = bounds;
  const needsList = !follows || start.type === 'since' || (start.type === 'lines' && start.count > 0);
  const streams = needsList ? await listed(reading, set) : undefined;
  if (streams?.length === 0 && !follows) throw await nothingThere(reading, set);
  const options = await startOf(reading, set, bounds, streams);
  const many = new ManyPrint(reading, set, bounds, progress);
  many.begin(options.positions, streams ?? []);
  if (count === 0) return;
  const isOver = until !== undefined && until <= Date.now() && streams !== undefined;
  const frames = isOver
    ? framesBefore(reading, set, { streams, until, ...options })
    : reading.connection.client.readMany(set.selection, { ...options, ...readOptions(reading, set) });
  for await (const frame of frames) if (await many.take(frame)) break;
}

interface ManyStartOptions {
  readonly from?: 'tail' | 'start';
  readonly positions?: ReadonlyMap<string, StreamPoint>;
}

function readOptions({ sink, encryptionKey, filter, signal }: RecordReading, { basin }: StreamSet) {
  return { view: sink.view, basin, encryptionKey, filter, signal };
}

async function startOf(
  reading: RecordReading,
  set: StreamSet,
  { start, until }: ManyBounds,
  streams: readonly MatchingStream[] | undefined,
): Promise<ManyStartOptions> {
  if (start.type === 'positions') return { positions: start.positions };
  if (start.type === 'start') return { from: 'start' };
  if (start.type === 'tail' || streams === undefined || (start.type === 'lines' && start.count === 0)) {
    return { from: 'tail' };
  }
  if (start.type === 'since') return { positions: await pointsSince(reading, set, streams, start.timestamp) };
  const ends = until === undefined ? undefined : await pointsSince(reading, set, streams, until);
  const note = (stream: string, at: number) => reading.reporter.note(lookedBackText({ basin: set.basin, stream }, at));
  return { positions: await pointsOfLast(reading, set, streams, start.count, { ends, note }) };
}

/** What is there before a time, one stream after the other. */
async function* framesBefore(
  reading: RecordReading,
  set: StreamSet,
  { streams, until, from, positions }: ManyStartOptions & { streams: readonly MatchingStream[]; until: number },
): AsyncGenerator<ManyFrame<ClientView>> {
  for (const { name: stream } of from === 'tail' ? [] : streams) {
    const seqNum = positions?.get(stream)?.seqNum ?? 0;
    yield { type: 'joined', streams: [{ stream, streamId: '', seqNum }] };
    const bounds = { start: { seqNum }, clamp: true, until, waitSeconds: 0 };
    try {
      for await (const frame of reading.connection.client.read(stream, { ...bounds, ...readOptions(reading, set) })) {
        if (frame.type === 'reconnecting') yield frame;
        else if (frame.type !== 'hello' && frame.type !== 'heartbeat' && frame.type !== 'caught_up') {
          yield { ...frame, stream };
        }
      }
    } catch (error) {
      // S2 refuses a bounded read that starts at the tail.
      if (!(error instanceof TailraceError) || !EMPTY.has(error.code)) throw error;
    }
  }
  yield { type: 'caught_up', streams: streams.length };
}

const NEAREST_MAX = 3;
const NAMES_COMPARED_MAX = 1_000;

const EMPTY: ReadonlySet<string> = new Set(['range_not_satisfiable', 'stream_not_found', 'stream_deletion_pending']);

/** Undefined for one who may read the streams, but not list them. */
async function listed(reading: RecordReading, set: StreamSet): Promise<readonly MatchingStream[] | undefined> {
  try {
    return await listMatching(reading, set);
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'permission_denied') throw error;
    reading.reporter.note('this token may not list streams, so the read begins at their tails');
    return undefined;
  }
}

/** The streams whose names begin most like the pattern are named. */
async function nothingThere(
  { connection, signal }: RecordReading,
  { basin, selection }: StreamSet,
): Promise<TailraceError> {
  const pattern = 'prefix' in selection ? selection.prefix : 'glob' in selection ? selection.glob : '';
  const wanted = pattern.split('*').find((part) => part !== '') ?? '';
  const heads = new Map<string, string>();
  for await (const { name } of connection.client.listStreams({ basin, signal })) {
    if (heads.size < NAMES_COMPARED_MAX) heads.set(name.slice(0, wanted.length), name);
  }
  const near = wanted === '' ? [] : nearest(wanted, [...heads.keys()]).slice(0, NEAREST_MAX);
  const uris = near.map((head) => formatStreamUri({ basin, stream: heads.get(head) ?? head }));
  const hint = uris.length === 0 ? '' : ` (there is ${uris.join(', ')})`;
  return new TailraceError('stream_not_found', `no stream matches ${targetText({ basin, selection })}${hint}`);
}

class ManyPrint {
  readonly #progress: ManyProgress;
  readonly #reading: RecordReading;
  readonly #set: StreamSet;
  readonly #bounds: ManyBounds;
  readonly #outage: Outage;
  /** Ids of the streams that the user knows of. */
  readonly #members = new Map<string, string>();
  /** What was there already; undefined since it was printed. */
  #order: TimeOrder | undefined = new TimeOrder();
  /** Up to where nothing else is wanted, while records before it wait to be printed. */
  readonly #passed = new Map<string, number>();
  #left: number;

  constructor(reading: RecordReading, set: StreamSet, bounds: ManyBounds, progress: ManyProgress) {
    this.#reading = reading;
    this.#set = set;
    this.#bounds = bounds;
    this.#progress = progress;
    this.#left = bounds.count ?? Number.POSITIVE_INFINITY;
    this.#outage = new Outage(reading.reporter);
  }

  /** `streams` are those that were there before the read began. */
  begin(positions: ManyStartOptions['positions'], streams: readonly MatchingStream[]): void {
    for (const [stream, { seqNum, streamId }] of positions ?? []) this.#progress.set(stream, { seqNum, streamId });
    for (const { name, tail } of streams) if (tail !== undefined) this.#passed.set(name, tail);
  }

  /** Whether the read is over. */
  async take(frame: ManyFrame<ClientView>): Promise<boolean> {
    if (frame.type === 'reconnecting') this.#outage.begins(frame.cause);
    else this.#outage.ends();
    switch (frame.type) {
      case 'joined':
        this.#reading.printer.expectStreams?.(frame.streams.map(({ stream }) => stream));
        for (const one of frame.streams) this.#join(one);
        return false;
      case 'left':
        this.#leave(frame);
        return false;
      case 'batch':
        return this.#takeBatch(frame.stream, frame);
      case 'gap':
        this.#reading.reporter.warn(
          `records ${frame.from} to ${frame.to - 1} of ${this.#name(frame.stream)} are gone: they were trimmed or expired`,
        );
        this.#advance(frame.stream, frame.to);
        return false;
      case 'passed':
        // What waits to be printed comes before it.
        if (this.#order !== undefined) this.#notePassed(frame.stream, frame.next.seqNum);
        else await this.#pass(frame.stream, frame.next.seqNum);
        return false;
      case 'caught_up':
        return this.#catchUp(frame.streams);
      default:
        return false;
    }
  }

  async #catchUp(streams: number): Promise<boolean> {
    const isFirst = this.#order !== undefined;
    if (await this.#flush(true)) return true;
    for (const stream of this.#progress.keys()) await this.#passWhatIsThere(stream);
    if (isFirst) await this.#tellMissing(streams);
    return !this.#bounds.follows;
  }

  /** Streams that were named and are not there, or that nothing matches yet. */
  async #tellMissing(streams: number): Promise<void> {
    const { selection } = this.#set;
    const { reporter, connection } = this.#reading;
    if (!('streams' in selection)) {
      if (streams === 0 && this.#bounds.follows)
        reporter.note(`waiting for streams that match ${targetText(this.#set)}`);
      return;
    }
    const missing = selection.streams.filter((stream) => !this.#members.has(stream));
    for (const stream of missing) {
      const error = new TailraceError('stream_not_found', `there is no stream ${this.#name(stream)}`);
      const hint = await nearestHint(error, connection.client, this.#uri(stream));
      if (this.#bounds.follows) reporter.note(`waiting for ${this.#name(stream)}${hint}`);
      else if (missing.length < selection.streams.length) reporter.warn(`${error.message}${hint}`);
      else throw new TailraceError(error.code, error.message + hint);
    }
  }

  async #takeBatch(stream: string, frame: BatchFrame<ClientView>): Promise<boolean> {
    if (this.#order?.add(stream, frame) !== true) return this.#print(stream, frame);
    if (!this.#order.isFull) return false;
    if (await this.#flush(false)) return true;
    this.#reading.reporter.note(
      `more than ${counted(ORDERED_RECORDS_MAX, 'record')} are there: they come stream by stream, and not in order of time`,
    );
    return false;
  }

  /** Prints what was there already: all of it, or what came of it. */
  async #flush(isAll: boolean): Promise<boolean> {
    const order = this.#order;
    this.#order = undefined;
    for (const { stream, frame, isLast } of order?.take() ?? []) {
      if (this.#reading.signal.aborted) return true;
      if (await this.#print(stream, frame)) return true;
      if (isAll && isLast) await this.#passWhatIsThere(stream);
    }
    return false;
  }

  #notePassed(stream: string, next: number): void {
    this.#passed.set(stream, Math.max(next, this.#passed.get(stream) ?? 0));
  }

  /** Nothing else is wanted of what was there when the read began. */
  async #passWhatIsThere(stream: string): Promise<void> {
    const next = this.#passed.get(stream);
    if (next !== undefined) await this.#pass(stream, next);
    this.#passed.delete(stream);
    if (!this.#bounds.follows) await this.#reading.sink.pass(Number.MAX_SAFE_INTEGER, this.#uri(stream));
  }

  async #pass(stream: string, next: number): Promise<void> {
    await this.#reading.sink.pass(next, this.#uri(stream));
    this.#advance(stream, next);
  }

  async #print(stream: string, frame: BatchFrame<ClientView>): Promise<boolean> {
    const shown = this.#within(frame);
    await this.#reading.sink.take(shown, this.#uri(stream));
    this.#advance(stream, shown.next.seqNum);
    return this.#left <= 0;
  }

  /** No more records than are left. */
  #within(frame: BatchFrame<ClientView>): BatchFrame<ClientView> {
    const left = this.#left;
    const amount = recordsIn(frame);
    this.#left -= amount;
    if (amount <= left) return frame;
    const nextOf = (last: { readonly seqNum: number } | undefined) => ({
      seqNum: last === undefined ? frame.next.seqNum : last.seqNum + 1,
      timestamp: frame.next.timestamp,
    });
    if ('rows' in frame) {
      const rows = frame.rows.slice(0, left);
      return { ...frame, rows, next: nextOf(rows.at(-1)) };
    }
    if ('records' in frame) {
      const records = frame.records.slice(0, left);
      return { ...frame, records, next: nextOf(records.at(-1)) };
    }
    return 'lines' in frame ? { ...frame, lines: frame.lines.slice(0, left) } : frame;
  }

  #join({ stream, streamId, seqNum }: { readonly stream: string; readonly streamId: string; readonly seqNum: number }) {
    const isKnown = this.#members.get(stream) === streamId;
    this.#members.set(stream, streamId);
    const at = this.#progress.get(stream);
    // After a lost connection the server says again where it goes on.
    if (at === undefined || (at.streamId ?? streamId) !== streamId) this.#progress.set(stream, { seqNum, streamId });
    else this.#progress.set(stream, { seqNum: at.seqNum, streamId });
    if (!isKnown && this.#order === undefined) this.#reading.reporter.note(`+ ${this.#name(stream)} joined`);
  }

  #leave({ stream, error }: { readonly stream: string; readonly error: TailraceError }): void {
    const isGone = error.code === 'stream_deletion_pending' || error.code === 'stream_not_found';
    const wasMember = this.#members.delete(stream);
    if (isGone) this.#progress.delete(stream);
    // Another connection is told the same of a stream that cannot be read.
    if (!wasMember) return;
    const { reporter } = this.#reading;
    if (isGone) reporter.note(`- ${this.#name(stream)} deleted`);
    else reporter.warn(`- ${this.#name(stream)} left: ${error.message}`);
  }

  #advance(stream: string, next: number): void {
    const at = this.#progress.get(stream);
    if (at !== undefined && next > at.seqNum) at.seqNum = next;
  }

  #uri(stream: string) {
    return { basin: this.#set.basin, stream };
  }

  #name(stream: string): string {
    return formatStreamUri(this.#uri(stream));
  }
}
