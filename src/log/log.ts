/** The log: basins of streams, appended to in order and read back. The entry point of this folder. */

import { assert, isDamage, TailraceError } from '../model/error.ts';
import type { AppendAck, Position } from '../model/position.ts';
import type { ReadRange } from '../model/read-range.ts';
import type {
  BasinConfigPatch,
  BasinConfigRequest,
  StreamConfigPatch,
  StreamConfigRequest,
} from '../model/stream-config.ts';
import type { CommitOptions, Engine, EngineState, Write } from '../storage/engine.ts';
import { Answers, type KeptAnswer } from './answers.ts';
import { type Acceptance, Appender, type StreamAppend } from './appender.ts';
import { Background, readLastSeen } from './background.ts';
import { type Basin, BasinTable } from './basins.ts';
import type { RecordsAppend } from './check-batch.ts';
import { CommitQueue } from './commit-queue.ts';
import { commitRows } from './commit-rows.ts';
import { ControlPlane, type ProvisionResult } from './control-plane.ts';
import { withCipher } from './decrypt.ts';
import type { ReadEvent } from './events.ts';
import { ExpiryClock } from './expiry-clock.ts';
import { AppliedWrites } from './follow/applied-writes.ts';
import { type CatchUp, catchUpFirst, lookAgain } from './follow/look-again.ts';
import { MemberNames } from './follow/member-names.ts';
import { StoreTurns } from './follow/store-turns.ts';
import { Feeds } from './many/feeds.ts';
import type { ManyRange } from './many/read-many.ts';
import { BasinMoves } from './move/basin-moves.ts';
import { NO_OBSERVER } from './observer.ts';
import type { LogRead, StreamRead } from './open-reads.ts';
import type { LogBeginning, LogOptions, LogReadOptions, LogStat } from './options.ts';
import type { BackPage, BackRange, BackWatch } from './read-back.ts';
import { Reads } from './reads.ts';
import { deletionPending, type OpenStream, opened, type Stream, streamNotFound } from './stream.ts';
import { StreamBound, type StreamMaker } from './stream-bound.ts';
import { type StreamListOptions, type StreamPage, StreamTable } from './streams.ts';
import type { WantRows } from './summaries/row-finder.ts';
import { RowWriter } from './summaries/row-writer.ts';
import { moveTrimPoint, removeTrimmed } from './trim.ts';
import { WriteGate } from './write-gate.ts';

/** Uses an engine, which it does not close. Data flows in one direction: append, commit, durable, followers. */
export class Log {
  readonly #engine: Engine;
  readonly #options: LogOptions;
  readonly #basins: BasinTable;
  readonly #streams: StreamTable;
  readonly #commits: CommitQueue;
  readonly #control: ControlPlane;
  readonly #appender: Appender;
  readonly #background: Background;
  readonly #expiry: ExpiryClock;
  readonly #reads: Reads;
  readonly #answers: Answers;
  readonly #bound: StreamBound;
  readonly #gate = new WriteGate();
  /** Basins that go to another partition of a cluster, or come from one. */
  readonly moves: BasinMoves;
  /** Of a log that only follows. */
  readonly #applied: AppliedWrites | undefined;
  readonly #catchUp: CatchUp | undefined;

  private constructor(engine: Engine, options: LogOptions, { basins, lastSeen, catchUp }: LogBeginning) {
    const { clock } = options;
    this.#catchUp = catchUp;
    const observer = options.observer ?? NO_OBSERVER;
    this.#engine = engine;
    this.#options = options;
    this.#basins = basins;
    this.#expiry = new ExpiryClock(clock, lastSeen, (pause) => options.onClockPause?.(pause));
    const commits = new CommitQueue(engine, { clock, observer, onFailure: () => this.#distrust() });
    this.#commits = commits;
    const turns = catchUp === undefined ? undefined : new StoreTurns();
    const undisturbed = <T>(read: () => Promise<T>): Promise<T> => turns?.look(read) ?? read();
    const recovered = (): Promise<void> => commits.settled();
    const streams = new StreamTable({ engine, basins, now: () => clock.now(), recovered, undisturbed });
    this.#streams = streams;
    this.#bound = new StreamBound(streams, clock);
    const expectWritable = this.#gate.expectOpen;
    const nudge = (): void => this.#background.nudge();
    this.#answers = new Answers({ engine, commits, clock, nudge });
    const feeds = new Feeds(options.toldAtOnceMax);
    const names = new MemberNames(feeds);
    if (turns !== undefined) this.#applied = new AppliedWrites({ basins, streams, feeds, names, turns });
    const rows = new RowWriter({ engine, commits, isWritable: () => this.#gate.engineState === 'open', nudge });
    this.#control = new ControlPlane({ basins, streams, commits, clock, feeds, expectWritable, nudge });
    this.#background = new Background({
      ...{ engine, commits, basins, streams, clock, observer, rows, expiry: this.#expiry, answers: this.#answers },
      markDeleted: (stream) => this.#control.markDeleted(stream).then(nudge),
      onDropped: () => options.onDropped?.(),
      onError: (error) => options.onBackgroundError?.(this.#noteFault(error)),
    });
    const onFault = (error: unknown): unknown => this.#noteFault(error);
    const expiryNow = (): number => this.#expiry.now();
    // Where the log only follows, rows come from where it is written.
    const wantRows: WantRows = (...wanted) => (turns === undefined ? rows.wanted(...wanted) : undefined);
    const onListed: MemberNames['add'] = (...found) => (turns === undefined ? undefined : names.add(...found));
    const following = { undisturbed, catchUp, onListed };
    this.#reads = new Reads({ engine, clock, streams, feeds, observer, expiryNow, wantRows, onFault, ...following });
    const checkSoon = (stream: OpenStream): void => this.#background.checkSoon(stream);
    const shared = { streams, basins, commits, clock, observer, feeds, answers: this.#answers, rows };
    this.#appender = new Appender({ ...shared, expectWritable, nudge, checkSoon, onFault });
    this.moves = new BasinMoves({ ...shared, engine, expectWritable, nudge });
    if (turns === undefined) engine.onState((state) => this.#setEngineState(state));
  }

  /** Reads what the log keeps in memory, and continues the background work. @throws TailraceError `corrupt` */
  static async open(engine: Engine, options: LogOptions): Promise<Log> {
    const basins = await BasinTable.load(engine, options);
    const log = new Log(engine, options, { basins, lastSeen: await readLastSeen(engine) });
    log.#setEngineState((await engine.stat()).state);
    await log.#answers.load();
    log.#background.nudge();
    return log;
  }

  /**
   * A log that only follows: its engine refuses commits, and its store is written by {@link applying}. It reads, and does
   * no background work; whatever would change something is refused with `unavailable`. @throws TailraceError `corrupt`
   */
  static async follow(engine: Engine, options: LogOptions, catchUp: CatchUp): Promise<Log> {
    const basins = await BasinTable.load(engine, { ...options, keptBasin: undefined });
    const log = new Log(engine, options, { basins, lastSeen: await readLastSeen(engine), catchUp });
    log.#setEngineState('superseded');
    await log.#background.close();
    return log;
  }

  /** Has `commit` write what comes next to the store of a log that follows; see {@link AppliedWrites.apply}. */
  applying(writes: readonly Write[], commit: () => Promise<void>): Promise<void> {
    assert(this.#applied !== undefined, 'a log that follows is written from outside');
    return this.#applied.apply(writes, commit);
  }

  /** The last accepted version, also of a basin that is being deleted. */
  basin(name: string): Basin | undefined {
    return this.#basins.get(name);
  }

  /** Durable basins in the order of their names. The same array until one of them changes. */
  listBasins(): readonly Basin[] {
    return this.#basins.list();
  }

  /**
   * Creates a basin. A repeated call with the same request token and settings returns what the first one created.
   * @throws TailraceError `resource_already_exists`, `basin_deletion_pending`; as all calls of the control plane
   *   `draining`, `storage_full`, `storage`
   */
  createBasin(name: string, request: BasinConfigRequest, requestToken?: string): Promise<ProvisionResult<Basin>> {
    return this.#control.createBasin(name, request, requestToken);
  }

  /** Creates a basin, or gives it this configuration. @throws TailraceError `basin_deletion_pending` */
  ensureBasin(name: string, request: BasinConfigRequest): Promise<ProvisionResult<Basin>> {
    return this.#control.ensureBasin(name, request);
  }

  /** Changes the fields that the patch contains. @throws TailraceError `basin_not_found`, `basin_deletion_pending` */
  reconfigureBasin(name: string, patch: BasinConfigPatch): Promise<Basin> {
    return this.#control.reconfigureBasin(name, patch);
  }

  /** Deletes its streams in the background, then its name is free; see `keptBasin`. @throws TailraceError `basin_not_found` */
  deleteBasin(name: string): Promise<void> {
    return this.#control.deleteBasin(name);
  }

  /** As `createBasin`. @throws TailraceError also `basin_not_found`, `stream_deletion_pending` */
  createStream(
    basin: Basin,
    name: string,
    request: StreamConfigRequest,
    requestToken?: string,
  ): Promise<ProvisionResult<Stream>> {
    return this.#control.createStream(basin, name, request, requestToken);
  }

  /** As `ensureBasin`. @throws TailraceError also `basin_not_found`, `stream_deletion_pending` */
  ensureStream(basin: Basin, name: string, request: StreamConfigRequest): Promise<ProvisionResult<Stream>> {
    return this.#control.ensureStream(basin, name, request);
  }

  /** As `reconfigureBasin`. @throws TailraceError also `stream_not_found`, `stream_deletion_pending` */
  reconfigureStream(basin: Basin, name: string, patch: StreamConfigPatch): Promise<Stream> {
    return this.#control.reconfigureStream(basin, name, patch);
  }

  /**
   * Calls are refused from now on; its records are deleted in the background. @throws TailraceError `stream_not_found`
   */
  deleteStream(basin: Basin, name: string): Promise<void> {
    return this.#control.deleteStream(basin, name);
  }

  /**
   * Returns an existing stream; never creates one. @throws TailraceError `stream_not_found`, `stream_deletion_pending`
   */
  getStream(basin: Basin, name: string): Promise<Stream> {
    return this.#control.getStream(basin, name);
  }

  async listStreams(basin: Basin, options: StreamListOptions): Promise<StreamPage> {
    this.#basins.moves.expectHere(basin);
    return this.#streams.list(basin, options);
  }

  /**
   * Returns the stream of that name, without a promise when it is open. A missing stream is created when the
   * configuration of the basin allows it, with `overrides` over the basin's defaults. For `append` its rows are written
   * with its first append, so a stream whose first append fails does not exist.
   * @throws TailraceError `stream_not_found`, `stream_deletion_pending`, `basin_not_found`, `basin_deletion_pending`,
   *   `corrupt`, `overloaded` when there is no memory for its cipher
   */
  openStream(
    basin: Basin,
    name: string,
    purpose: 'append' | 'read',
    overrides: StreamConfigRequest = {},
  ): Stream | Promise<Stream> {
    const home = this.#basins.homeOf(basin);
    const open = this.#streams.peek(home, name);
    if (open !== undefined && !open.deleting && (open.exists || purpose === 'append')) return withCipher(open);
    const find = (): Promise<OpenStream> =>
      this.#streams.withFresh(home, name, (found) => this.#control.openStream(found, home, name, purpose, overrides));
    return lookAgain(find, this.#catchUp).then(withCipher);
  }

  /** Whether a stream exists, or will with an append that was accepted; without a promise when it is in memory. */
  hasStream(basin: Basin, name: string): boolean | Promise<boolean> {
    return this.#streams.has(this.#basins.homeOf(basin), name);
  }

  /** Whether a stream exists, or may be made where a basin has at most so many; see {@link StreamBound.has}. */
  mayHold(basin: Basin, name: string, most: number, maker: StreamMaker): boolean | Promise<boolean> {
    return this.#bound.has(this.#basins.homeOf(basin), name, most, maker);
  }

  /** Appends blocks, all of one request in one transaction; see {@link Appender.append}. */
  append(appends: readonly StreamAppend[], kept?: KeptAnswer): Promise<readonly AppendAck[]> {
    return this.#appender.append(appends, kept);
  }

  /** What `act` returns, or the answer that was kept for a request with this digest; see {@link Answers.once}. */
  once(basin: Basin, digest: Uint8Array, act: () => Promise<Uint8Array>): Promise<Uint8Array> {
    return this.#answers.once(this.#basins.homeOf(basin), digest, act);
  }

  /** Appends a batch of S2 records; see {@link Appender.tryRecords}. A stale stream is read again first. */
  async appendRecords(append: RecordsAppend): Promise<AppendAck> {
    const ready = withCipher(opened(append.stream));
    const stream = ready instanceof Promise ? await ready : ready;
    while (stream.stale) await this.#reread(stream);
    return this.#appender.tryRecords(append).done;
  }

  /** The same for sessions, on a stream from `openStream`: they know at once, before the next one, if it was accepted. */
  tryAppendRecords(append: RecordsAppend): Acceptance {
    return this.#appender.tryRecords(append);
  }

  /**
   * Reads and follows; see {@link readFrom}. The start is checked when the first event is requested.
   * @throws TailraceError as `startRead`
   */
  async *read(stream: Stream, range: ReadRange, signal: AbortSignal, by?: LogReadOptions): AsyncGenerator<ReadEvent> {
    yield* await this.startRead(stream, range, signal, by);
  }

  /**
   * Checks the start, then reads and follows.
   * @throws TailraceError `range_not_satisfiable`, `stream_deletion_pending`, `bad_header` for a missing key,
   *   `corrupt`; from the generator also `decryption_failed`, and `stream_deletion_pending` after the records from
   *   before it
   */
  async startRead(stream: Stream, range: ReadRange, signal: AbortSignal, by: LogReadOptions = {}): Promise<StreamRead> {
    const open = await withCipher(opened(stream));
    await this.#expectPresent(open);
    return this.#reads.start(open, range, signal, by);
  }

  /**
   * Reads and follows many streams of a basin, also those that are made later. When it resolves, all that was acknowledged
   * before the call is here, and from then on nothing is missed; what is wrong with a position is told by the first events.
   * @throws TailraceError `range_not_satisfiable`, `invalid` for too many streams; and as `startRead`
   */
  async startMany(basin: Basin, range: ManyRange, signal: AbortSignal, by: LogReadOptions = {}): Promise<LogRead> {
    // A read that has begun would take what comes meanwhile for news.
    await catchUpFirst(this.#catchUp, true);
    return this.#reads.startMany(this.#basins.homeOf(basin), range, signal, by);
  }

  /** The last wanted records before a position; see {@link readBack}. @throws TailraceError also as `startRead` */
  async readBack(stream: Stream, range: BackRange, watch: BackWatch, by: LogReadOptions = {}): Promise<BackPage> {
    const open = await withCipher(opened(stream));
    await this.#expectPresent(open);
    return this.#reads.back(open, range, watch, by);
  }

  /** The durable tail. @throws TailraceError `stream_deletion_pending` */
  async checkTail(stream: Stream): Promise<Position> {
    const open = opened(stream);
    await this.#expectPresent(open);
    return open.tail;
  }

  /** Makes `seqNum` the first record; at most the tail, never backwards. The space is free then, or soon after. */
  async trim(stream: Stream, seqNum: number): Promise<void> {
    const open = opened(stream);
    await this.#expectPresent(open);
    while (open.stale) await this.#reread(open);
    const context = { engine: this.#engine, commits: this.#commits };
    await moveTrimPoint(context, open, seqNum);
    await removeTrimmed(context, open);
    // It may be empty now and have deletion on empty; or another write failed, and space remains to be freed.
    if (open.stale || open.config.deleteOnEmptyMinAgeSeconds > 0) this.#background.checkSoon(open);
  }

  async stat(): Promise<LogStat> {
    return { engine: await this.#engine.stat(), openStreams: this.#streams.size, reads: this.#reads.stat() };
  }

  /** Reports what the streams of a basin store, a page of names at a time; see {@link StreamTable.visitStored}. */
  visitStored(basin: Basin, startAfter: string, visit: (name: string, meteredBytes: number) => void) {
    return this.#streams.visitStored(basin, startAfter, visit);
  }

  /** Counts the durable streams of all basins, up to `most`. Reads their names: for a banner, not for every request. */
  countStreams(most = Number.POSITIVE_INFINITY): Promise<number> {
    return this.#streams.countAll(most);
  }

  /** Commits rows of other modules, such as counters. Resolves when they are durable. Never waits for space. */
  async commitRows(rows: readonly Write[], options: CommitOptions = {}): Promise<void> {
    this.#gate.expectStore(options);
    await commitRows(this.#commits, rows, { options });
  }

  /** The time by which data expires, in ms; never ahead of a time that can be trusted. */
  expiryNow(): number {
    return this.#expiry.now();
  }

  /** An operator confirms the wall clock: records expire by it again. Returns whether expiry was paused. */
  confirmClock(): boolean {
    const { paused } = this.#expiry;
    this.#expiry.confirm();
    this.#background.nudge();
    return paused;
  }

  /** Resolves when no background work is due. */
  backgroundSettled(): Promise<void> {
    return this.#background.settled();
  }

  /** Refuses new appends with `draining`. Resolves when the accepted ones have settled. */
  async drain(): Promise<void> {
    this.#gate.draining = true;
    await this.#commits.settled();
  }

  /** Drains, and stops background work between two steps. The owner of the engine closes it. May be called twice. */
  async close(): Promise<void> {
    await this.drain();
    await this.#background.close();
    await this.#commits.settled();
  }

  /** Reads a stale state again. When the caller continues, another write may have failed: check again. */
  async #reread(stream: OpenStream): Promise<void> {
    const found = await this.#streams.load(stream.basin, stream.name);
    if (found !== stream) throw streamNotFound(stream.basin.name, stream.name);
  }

  /** A caller may be told about a deletion only when that is durable. */
  async #expectPresent(stream: OpenStream): Promise<void> {
    stream.place.expectHere();
    if (stream.deleting) await this.#commits.refuse(deletionPending(stream.name));
  }

  #setEngineState(state: EngineState): void {
    this.#gate.engineState = state;
    if (state === 'full' && this.#options.whenFull === 'drop-oldest') this.#background.freeUp();
  }

  #distrust(): void {
    this.#streams.distrust();
    this.#basins.distrust();
  }

  #noteFault(error: unknown): unknown {
    if (!(error instanceof TailraceError)) return error;
    if (error.code === 'fatal') this.#options.onFatal(error);
    if (isDamage(error)) this.#options.onDamaged?.(error);
    return error;
  }
}
