/**
 * A read that goes on for as long as its client listens, on any protocol: asks the log for more only while its sink takes
 * more, sends signs of life while there is nothing new, and a last frame. How frames look is the Wire's matter, where they
 * go the Sink's. It has no timers: its ReaderSet calls `sweep`.
 */

import { goOnWithWork, noteWork } from '../encoding/turns.ts';
import type { ReadEvent, RecordsEvent } from '../log/events.ts';
import { isLate } from '../log/next-turn.ts';
import type { LogRead, Unsent } from '../log/open-reads.ts';
import { asTailraceError, TailraceError } from '../model/error.ts';
import { READER_EVENT_BYTES, READER_TURN_BLOCK_BYTES, READER_TURN_BYTES } from '../model/limits.ts';
import type { Position } from '../model/position.ts';
import { S2_BATCH } from '../s2/batch/batch-end.ts';
import { Gathering } from './gathering.ts';
import { PassedOver } from './passed-over.ts';
import { ReaderClaim } from './reader-memory.ts';
import type { Holder, LiveSession, ReaderSet, Stalled } from './reader-set.ts';
import { SignsOfLife } from './signs-of-life.ts';
import type { Sink, SinkListener } from './sink.ts';
import type { Encoded, Frame, Wire } from './wire.ts';

export interface ReaderParts {
  readonly wire: Wire;
  readonly sink: Sink;
  readonly readers: ReaderSet;
  /** Whose share of the memory it takes. */
  readonly holder: string;
  /** Called once when the read ends with an error, before the client is told. */
  onFailure(error: TailraceError): void;
}

const NO_MEMORY = 'there is no memory left for the positions of so many streams: go on later, or read fewer';

export class LiveReader implements LiveSession, SinkListener, Holder {
  readonly #parts: ReaderParts;
  readonly #abort = new AbortController();
  readonly #gathering = new Gathering();
  #read: LogRead | undefined;
  /** Of the last event. */
  #rest: RecordsEvent | undefined;
  /** No more frames are sent: the last one was, or the sink is closed. */
  #isOver = false;
  #isClosed = false;
  #leave = (): void => {};
  readonly #passed = new PassedOver();
  /** Where the reader is while it is level with the tail. */
  #level: Position | undefined;
  #hasCaughtUp = false;
  #turnBytes = 0;
  /** All readers together had their events of this turn. */
  #isTurnUsed = false;
  /** Of its sink, as its set knows them. */
  #bufferedBytes = 0;
  /** Set while it waits until its sink has at most so many bytes. */
  #stall: { readonly below: number; readonly wake: () => void; sweeps: number } | undefined;
  /** Memory for the batch that is being made. */
  readonly #claim: ReaderClaim;
  /** The next event comes from the store, not from the tail. */
  #isFresh = true;
  /** The read is letting go of what it holds; never rejects. */
  #parking: Promise<void> | undefined;
  readonly #life: SignsOfLife;
  /** When its client had last taken something, or had something to take. */
  #tookAt = 0;

  constructor(parts: ReaderParts) {
    this.#parts = parts;
    this.#claim = new ReaderClaim(parts.readers.memory, parts.holder);
    this.#life = new SignsOfLife(parts.readers.clock.monotonicMs());
  }

  /**
   * Serves the client until the read or the client ends; resolves when the sink is closed. Never rejects: the client is
   * told. `open` begins the read; the signal ends it.
   */
  async run(open: (signal: AbortSignal) => Promise<LogRead>): Promise<void> {
    const { sink, readers } = this.#parts;
    this.#leave = readers.add(this);
    sink.connect(this);
    try {
      this.#read = await open(this.#abort.signal);
      while (!this.#isOver && (await this.#step())) {
        if (this.#mustPause()) await this.#pause();
      }
      this.#close(undefined);
    } catch (thrown) {
      this.end(asTailraceError(thrown));
    }
    this.#rest = undefined;
    this.#gathering.clear();
    this.#claim.giveBack();
    await this.#read?.return();
    this.#claim.hold(0);
    await sink.closed;
    this.#leave();
  }

  /** Sends a frame of the protocol's own, if it has one for this, in its turn. */
  say(frame: Frame | undefined): void {
    if (frame !== undefined) this.#write([frame]);
  }

  /** Ends the read from outside, and tells the client why. The first call counts. */
  end(error: TailraceError): void {
    if (this.#isOver) return;
    this.#parts.onFailure(error);
    this.#close(error);
  }

  drain(): void {
    if (this.#level === undefined || this.#stall !== undefined) return;
    this.say(this.#parts.wire.advice(this.#level));
  }

  finish(error: TailraceError): Promise<void> {
    this.end(error);
    return this.#parts.sink.closed;
  }

  cut(): Promise<void> {
    this.#stop();
    this.#parts.sink.cut();
    return this.#parts.sink.closed;
  }

  /** What time asks for: a heartbeat, a ping, or the end of a reader that is gone. */
  sweep(now: number): void {
    const { sink, wire } = this.#parts;
    const buffered = sink.bufferedBytes;
    if (this.#life.isGone(now, buffered, sink.ping !== undefined)) {
      this.letGo();
      return;
    }
    if (this.#isOver) return;
    // It may be a moment's matter once, and not twice.
    if (this.#stall !== undefined && this.#stall.sweeps++ > 0) this.park();
    if (this.#stall === undefined) this.#tellPassed();
    if (this.#level !== undefined && this.#stall === undefined && this.#life.takeHeartbeat(now)) {
      this.say(wire.heartbeat(this.#level, this.#read?.members));
    }
    if (buffered === 0 && sink.ping !== undefined && this.#life.takePing(now)) sink.ping();
    this.#expectHeld();
  }

  get stalled(): Stalled | undefined {
    const bytes = this.#bufferedBytes + this.#claim.heldBytes;
    return this.#bufferedBytes > 0 ? { bytes, since: this.#tookAt } : undefined;
  }

  letGo(): void {
    this.end(new TailraceError('request_timeout', 'the reader takes nothing and gives no sign of life'));
    void this.cut();
  }

  /** While it waits for its peer it holds nothing but its position, and reads again from there when it goes on. */
  park(): void {
    if (this.#stall === undefined || this.#read === undefined || this.#parking !== undefined) return;
    this.#parts.readers.release(this);
    this.#parking = this.#letGoOfBlocks(this.#read);
  }

  #letGoOfBlocks(read: LogRead): Promise<void> {
    const unsent: Unsent[] = [this.#gathering.first, this.#rest].flatMap((first) =>
      first === undefined ? [] : [{ ...first, seqNum: first.block.firstSeq + first.from }],
    );
    this.#rest = undefined;
    this.#gathering.clear();
    // What was passed over after a record that has not gone out is passed over again.
    this.#passed.clear();
    this.#isFresh = true;
    return read.park(unsent);
  }

  onTaken(): void {
    this.onHeard();
    this.#tookAt = this.#life.heardAt;
    this.#noteBuffered();
    if (this.#stall !== undefined && this.#parts.sink.bufferedBytes <= this.#stall.below) this.#stall.wake();
  }

  onHeard(): void {
    this.#life.heardAt = this.#parts.readers.clock.monotonicMs();
  }

  onClosed(): void {
    this.#stop();
    this.#isClosed = true;
    this.#leave();
    this.#parts.readers.memory.noteBuffered(-this.#bufferedBytes, this.#parts.holder);
    this.#bufferedBytes = 0;
  }

  /** Takes the next event, or what is left of it; false at the end. A thousand do it in one turn: no await without need. */
  async #step(): Promise<boolean> {
    if (this.#rest === undefined) {
      const isFromStore = this.#isFresh || this.#read?.isScanning === true;
      const claiming = isFromStore ? this.#claim.take() : undefined;
      if (claiming !== undefined) await this.#standInLine(claiming);
      if (this.#isOver) return false;
      this.#isFresh = false;
      const result = await this.#next();
      if (this.#isOver) return false;
      if (result === undefined || result.done === true) {
        await this.#flush(undefined);
        return false;
      }
      const taking = this.#take(result.value);
      if (taking !== undefined) await taking;
    }
    const claiming = this.#rest === undefined || this.#isOver ? undefined : this.#claimFor(this.#rest);
    if (claiming !== undefined) {
      await claiming;
      if (this.#rest === undefined) return true;
    }
    while (this.#rest !== undefined && !this.#isOver) {
      const sending = this.#deliver(this.#rest);
      if (sending !== undefined) await sending;
      if (this.#mustPause()) break;
    }
    if (this.#isBetweenBlocks && (this.#read?.isScanning !== true || this.#claim.isLarge)) this.#claim.giveBack();
    return true;
  }

  get #isBetweenBlocks(): boolean {
    return this.#rest === undefined && this.#gathering.isEmpty;
  }

  /** Those that wait for memory hold nothing of the store: there may be a thousand of them. */
  async #standInLine(claiming: Promise<void>): Promise<void> {
    if (this.#read !== undefined && !this.#isFresh) await this.#letGoOfBlocks(this.#read);
    await claiming;
  }

  /** Where others wait for memory it stands in line behind them, once it is between two blocks. */
  async #letOthersRead(): Promise<void> {
    if (!this.#claim.isWanted || !this.#isBetweenBlocks || this.#read === undefined) return;
    await this.#letGoOfBlocks(this.#read);
    this.#claim.giveWay();
  }

  /** Undefined where there is memory for batches of this; otherwise what is in the store is let go meanwhile, and read again. */
  #claimFor({ block: { header }, isLive }: RecordsEvent): Promise<void> | undefined {
    const claiming = this.#claim.takeFor(header);
    return claiming === undefined || (isLive && !header.hasCuts) ? claiming : this.#standInLine(claiming);
  }

  /** The next event. What is gathered waits for it a turn of the event loop at most. */
  #next(): Promise<IteratorResult<ReadEvent, undefined>> | undefined {
    const next = this.#read?.next();
    return next === undefined || this.#gathering.isEmpty ? next : this.#orFlush(next);
  }

  async #orFlush<T>(next: Promise<T>): Promise<T> {
    if (await isLate(next)) await this.#flush(undefined);
    return next;
  }

  #take(event: ReadEvent): Promise<void> | undefined {
    this.#turnBytes += READER_TURN_BLOCK_BYTES;
    this.#isTurnUsed = noteWork(READER_EVENT_BYTES);
    if (event.type !== 'records') return this.#takeWord(event);
    this.#level = undefined;
    this.#passed.forget(event.of);
    this.#rest = event;
    return undefined;
  }

  async #takeWord(event: Exclude<ReadEvent, RecordsEvent>): Promise<void> {
    if (event.type === 'passed') {
      // Each block may be passed over: the client is told from time to time, not for each.
      this.#passed.note({ of: event.of, next: event.to });
      if (event.tail === undefined) return;
      await this.#flush(undefined);
      this.#level = event.tail;
      return;
    }
    await this.#flush(undefined);
    this.say(this.#controlFrame(event, this.#parts.wire));
  }

  #controlFrame(event: Exclude<ReadEvent, { readonly type: 'records' | 'passed' }>, wire: Wire): Frame | undefined {
    if (event.type === 'gap') return wire.gap(event.from, event.to, event.of);
    if (event.type === 'joined') {
      this.#expectHeld();
      return wire.joined?.(event.members);
    }
    if (event.type === 'left') {
      this.#passed.forget(event.of);
      return wire.left?.(event.of, event.error);
    }
    this.#level = event.tail;
    const frame = wire.caughtUp(event.tail, !this.#hasCaughtUp, this.#read?.members);
    this.#hasCaughtUp = true;
    return frame;
  }

  /** Puts a part of the rest of the event into a batch, and sends the batch where it waits for nothing more. */
  #deliver(rest: RecordsEvent): Promise<void> | undefined {
    const { wire, readers } = this.#parts;
    const { block, from, to, tail, isShared, isLive, hasMore, of } = rest;
    // What all followers get at the same moment is in memory once, so it is not cut where space is short.
    const limits = isLive && isShared ? S2_BATCH : readers.batchLimits;
    const end = wire.batchEnd(block, from, to, limits);
    const part = { block, from, to: end, of };
    const isWhole = end === to;
    const goesOut = !hasMore && (!wire.gathers || isLive || !isWhole || tail !== undefined);
    const bytes = goesOut && this.#gathering.isEmpty ? 0 : block.meteredBytesWithin(from, end);
    if (!this.#gathering.fits(part, bytes, limits)) return this.#flush(undefined);
    this.#gathering.add(part, bytes, isShared);
    this.#rest = isWhole ? undefined : { ...rest, from: end };
    return goesOut || this.#gathering.isFull(limits) ? this.#flush(isWhole ? tail : undefined) : undefined;
  }

  /** Sends what is gathered; returns a promise only where frames are made elsewhere. */
  #flush(tail: Position | undefined): Promise<void> | undefined {
    if (this.#gathering.isEmpty) return undefined;
    const made = this.#parts.wire.batch(this.#gathering.take(tail));
    const send = ({ frames, failure }: Encoded): void => {
      this.#write(frames);
      this.#level = tail;
      if (failure !== undefined) throw failure;
    };
    return made instanceof Promise ? made.then(send) : void send(made);
  }

  #tellPassed(): void {
    // What is gathered comes before it.
    const frames = this.#gathering.isEmpty ? this.#passed.takeFrames(this.#parts.wire) : [];
    if (frames.length > 0) this.#write(frames);
  }

  #expectHeld(): void {
    if (!this.#claim.hold(this.#read?.positions ?? 0)) this.end(new TailraceError('overloaded', NO_MEMORY));
  }

  #mustPause(): boolean {
    const { sink, readers } = this.#parts;
    if (this.#isTurnUsed || this.#turnBytes >= READER_TURN_BYTES) return true;
    return sink.bufferedBytes > readers.bufferedBytesMax;
  }

  /**
   * Back-pressure: not asking for more is all it takes. A reader that takes all lets others have their turn; what it does
   * next counts event by event, unless it had a whole share. Nothing that waits here holds a block: see `park`.
   */
  async #pause(): Promise<void> {
    if (this.#isOver) return;
    const { sink, readers } = this.#parts;
    const max = readers.bufferedBytesMax;
    const work = this.#isTurnUsed ? READER_TURN_BLOCK_BYTES : this.#turnBytes;
    [this.#turnBytes, this.#isTurnUsed] = [0, false];
    if (sink.bufferedBytes <= max) return this.#letOthersRead().then(() => goOnWithWork(work));
    this.#claim.giveBack();
    await new Promise<void>((wake) => {
      this.#stall = { below: max / 2, wake, sweeps: 0 };
      if (this.#read?.isScanning === true) readers.hold(this);
    });
    this.#stall = undefined;
    readers.release(this);
    await this.#parking;
    this.#parking = undefined;
    // Many may wake at the same moment, and each has much to do now.
    if (!this.#isOver) await goOnWithWork(READER_TURN_BYTES);
  }

  #write(frames: readonly Frame[]): void {
    if (this.#isOver) return;
    this.#life.spokeAt = this.#parts.readers.clock.monotonicMs();
    for (const { bytes } of frames) this.#turnBytes += bytes.length;
    this.#parts.sink.write(frames);
    this.#noteBuffered();
  }

  #noteBuffered(): void {
    if (this.#isClosed) return;
    const { sink, readers, holder } = this.#parts;
    const bytes = sink.bufferedBytes;
    if (this.#bufferedBytes === 0) this.#tookAt = readers.clock.monotonicMs();
    readers.memory.noteBuffered(bytes - this.#bufferedBytes, holder);
    this.#bufferedBytes = bytes;
  }

  #close(error: TailraceError | undefined): void {
    if (this.#isOver) return;
    this.#tellPassed();
    this.say(this.#parts.wire.lastFrame(error));
    this.#stop();
    this.#parts.sink.end(error);
  }

  #stop(): void {
    this.#isOver = true;
    this.#abort.abort();
    this.#stall?.wake();
    this.#claim.takeBack();
  }
}
