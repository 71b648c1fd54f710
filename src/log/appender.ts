/**
 * Takes appends: checks conditions against the assigned state, assigns positions, passes the append to the commit
 * queue, and gives the records to followers when they are durable. Between the look at a stream and the commit queue
 * there is no `await`.
 */

import type { Clock } from '../model/clock.ts';
import { assert, TailraceError } from '../model/error.ts';
import { BLOCK_BYTES_MAX } from '../model/limits.ts';
import type { AppendAck } from '../model/position.ts';
import { meteredBytes } from '../model/record.ts';
import { Block } from '../storage/block/block.ts';
import { draftEncrypted, expectSeqNums } from '../storage/block/cipher.ts';
import { type BlockDraft, draftRecords, type SealedBlock } from '../storage/block/seal.ts';
import type { CommitOptions, Write } from '../storage/engine.ts';
import type { Answers, KeptAnswer } from './answers.ts';
import { type AssignedAppend, ackOf, assignPositions } from './assign-positions.ts';
import type { BasinTable } from './basins.ts';
import { type Command, checkBatch, commandType, type RecordsAppend } from './check-batch.ts';
import type { CommitQueue } from './commit-queue.ts';
import { encryptionOf } from './decrypt.ts';
import type { Feeds } from './many/feeds.ts';
import type { LogObserver } from './observer.ts';
import { hasSurplus } from './retention.ts';
import { type Cipher, Sealing } from './sealing.ts';
import { deletionPending, type OpenStream, opened, type Stream } from './stream.ts';
import type { StreamTable } from './streams.ts';
import type { RowWriter } from './summaries/row-writer.ts';
import { trimRow } from './trim.ts';
import type { WriteGate } from './write-gate.ts';

/** Records for one stream, as blocks without positions. */
export interface StreamAppend {
  readonly stream: Stream;
  readonly drafts: readonly BlockDraft[];
  /** For a stream with a cipher: what its items are encrypted with when they have positions. */
  readonly encryptionKey?: Uint8Array | undefined;
}

/** Whether a batch was accepted, which is known at once, and its result. */
export interface Acceptance {
  /** False: nothing of it is written, and `done` rejects. */
  readonly accepted: boolean;
  readonly done: Promise<AppendAck>;
}

export interface AppenderDeps {
  readonly streams: StreamTable;
  readonly basins: BasinTable;
  readonly commits: CommitQueue;
  readonly clock: Clock;
  readonly observer: LogObserver;
  readonly answers: Pick<Answers, 'rowsOf'>;
  readonly feeds: Feeds;
  readonly rows: Pick<RowWriter, 'appended'>;
  /** Throws when nothing can be written now with these options. */
  readonly expectWritable: WriteGate['expectOpen'];
  /** Called when there are trims to finish. */
  nudge(): void;
  /** Called when a stream holds more than it may. */
  checkSoon(stream: OpenStream): void;
  /** Reports an error that is our own fault. Returns the error. */
  onFault(error: unknown): unknown;
}

interface OpenAppend {
  readonly stream: OpenStream;
  readonly drafts: readonly BlockDraft[];
  readonly commands: readonly Command[];
  readonly cipher?: Cipher | undefined;
}

const NO_COMMANDS: readonly Command[] = [];
const RECORDS: CommitOptions = {};
/** A trim frees space, and a fence says who may do so. Both must go through while there is no space. */
const COMMANDS: CommitOptions = { mayUseReserve: 'most' };

export class Appender {
  readonly #deps: AppenderDeps;

  constructor(deps: AppenderDeps) {
    this.#deps = deps;
  }

  /**
   * Writes all appends of one request in one transaction, or none of them. Positions are assigned before this returns,
   * so requests take effect in the order of the calls. Resolves when they are durable, with one acknowledgement per
   * append. The timestamps of the drafts are overwritten; their payloads must not change until it has settled. `kept` is
   * written with them: all streams are of one basin then.
   * @throws TailraceError `draining`, `unavailable` while the basin moves, `stream_deletion_pending`; `bad_header`, `invalid`: no key of the cipher of a stream, or
   *   it takes no more positions; `storage_full`: nothing was written; `storage`: all of
   *   it was written or nothing
   */
  append(appends: readonly StreamAppend[], kept?: KeptAnswer): Promise<readonly AppendAck[]> {
    try {
      this.#deps.expectWritable();
      const open: OpenAppend[] = [];
      for (const { stream, drafts, encryptionKey } of appends) {
        const target = opened(stream);
        target.place.expectHere();
        if (target.deleting) return this.#deps.commits.refuse(deletionPending(target.name));
        open.push({ stream: target, drafts, commands: NO_COMMANDS, cipher: cipherOf(target, drafts, encryptionKey) });
      }
      return this.#accept(open, RECORDS, kept);
    } catch (error) {
      return Promise.reject(this.#deps.onFault(error));
    }
  }

  /**
   * Takes a batch of S2 records, all of it or nothing. One that has only commands may use the reserve. A refusal that shows
   * the state of the stream is held back until that state is durable.
   * @throws TailraceError (by `done`) `invalid`, `bad_header` for a missing key, `stream_deletion_pending`,
   *   `fencing_token_mismatch`, `seq_num_mismatch`, and what `append` throws
   */
  tryRecords(append: RecordsAppend): Acceptance {
    const stream = opened(append.stream);
    try {
      const options = optionsOf(stream, append);
      this.#deps.expectWritable(options);
      stream.place.expectHere();
      const commands = checkBatch(append);
      const encryption = encryptionOf(stream, append.encryptionKey);
      const refusal = refusalOf(stream, append);
      if (refusal !== undefined) return { accepted: false, done: this.#deps.commits.refuse(refusal) };
      expectTimestamps(stream, append);
      const drafts = draftsOf(append, stream, encryption);
      const done = this.#accept([{ stream, drafts, commands }], options).then(first);
      return { accepted: true, done };
    } catch (error) {
      return { accepted: false, done: Promise.reject(this.#deps.onFault(error)) };
    }
  }

  #accept(appends: readonly OpenAppend[], options: CommitOptions, kept?: KeptAnswer): Promise<readonly AppendAck[]> {
    const { clock, commits, observer, feeds } = this.#deps;
    const rows = this.#rowsFor(appends);
    const now = clock.now();
    const blocks = new Sealing();
    const assigned = appends.map((each) => {
      const { stream, drafts } = each;
      const isFollowed = stream.followers.size > 0 || feeds.of(stream) !== undefined;
      return assignPositions(stream, drafts, { now, blocks, isFollowed }, each);
    });
    for (const { stream, state } of assigned) {
      stream.inFlight++;
      if (state.trimPoint > stream.durable.trimPoint) rows.push(trimRow(stream));
    }
    const isWork = rows.length > 0;
    const home = appends[0]?.stream.basin.number;
    if (kept !== undefined && home !== undefined) rows.push(...this.#deps.answers.rowsOf(home, kept));
    const startedMs = clock.monotonicMs();
    return new Promise((resolve, reject) => {
      commits.push({
        sealing: assigned.flatMap((append) => append.sealing),
        states: assigned.map(({ stream, state }) => [stream, state]),
        rows,
        bytes: assigned.reduce((sum, append) => sum + append.bytes, 0),
        options,
        durable: (sealed) => {
          const telling = publish(assigned, sealed, feeds);
          observer.acked(clock.monotonicMs() - startedMs);
          this.#observe(appends, assigned, sealed);
          if (isWork) this.#deps.nudge();
          const acks = assigned.map(ackOf);
          if (telling === undefined) resolve(acks);
          else void telling.then(() => resolve(acks));
        },
        failed: (cause) => {
          for (const { stream } of assigned) stream.inFlight--;
          reject(this.#deps.onFault(cause));
        },
      });
    });
  }

  /** The rows of streams that are created by this append. When one of them cannot be created, nothing is changed. */
  #rowsFor(appends: readonly OpenAppend[]): Write[] {
    const { basins, streams } = this.#deps;
    for (const { stream } of appends) {
      if (stream.stale) {
        throw new TailraceError('storage', 'a write before this one failed; of this one nothing was written');
      }
      if (!stream.made) basins.expectLive(stream.basin);
    }
    const made: OpenStream[] = [];
    for (const { stream } of appends) {
      if (stream.made) continue;
      stream.made = true;
      made.push(stream);
    }
    return streams.rowsOf(made);
  }

  #observe(appends: readonly OpenAppend[], assigned: readonly AssignedAppend[], sealed: readonly SealedBlock[]): void {
    let at = 0;
    for (const [i, { stream, drafts }] of appends.entries()) {
      let records = 0;
      let bytes = 0;
      for (const { count, meteredBytes } of drafts) {
        records += count;
        bytes += meteredBytes;
      }
      // All blocks of one append have the same kind.
      if (drafts[0] !== undefined) this.#deps.observer.appended(stream, drafts[0].kind, records, bytes);
      this.#deps.rows.appended(stream, assigned[i]?.start.seqNum ?? 0, drafts, sealed, at);
      if (hasSurplus(stream)) this.#deps.checkSoon(stream);
      at += drafts.length;
    }
  }
}

/**
 * The refusal of a batch by the state of the stream. The order of the checks is that of S2: deletion, fencing token,
 * sequence number.
 */
function refusalOf(stream: OpenStream, { matchSeqNum, fencingToken }: RecordsAppend): TailraceError | undefined {
  if (stream.deleting) return deletionPending(stream.name);
  const { nextSeq } = stream.assigned;
  const inForce = stream.assigned.fencingToken ?? '';
  if (fencingToken !== undefined && fencingToken !== inForce) {
    return new TailraceError('fencing_token_mismatch', 'another fencing token is in force', {
      detail: { fencingToken: inForce },
    });
  }
  if (matchSeqNum !== undefined && matchSeqNum !== nextSeq) {
    return new TailraceError('seq_num_mismatch', `the next sequence number is ${nextSeq}`, {
      detail: { seqNum: nextSeq },
    });
  }
  return undefined;
}

/** What encrypts these items of a stream. @throws TailraceError `bad_header`, `invalid` */
function cipherOf(stream: OpenStream, drafts: readonly BlockDraft[], key: Uint8Array | undefined): Cipher | undefined {
  const encryption = encryptionOf(stream, key);
  if (encryption === undefined) return undefined;
  const count = drafts.reduce((sum, draft) => sum + draft.count, 0);
  expectSeqNums(encryption.cipher, stream.assigned.nextSeq + count);
  return { encryption, stream: stream.number };
}

/** Blocks of at most their usual size: one for a batch within S2's limits, several for a larger one. */
function draftsOf(
  { records, limits }: RecordsAppend,
  stream: OpenStream,
  encryption: ReturnType<typeof encryptionOf>,
): BlockDraft[] {
  const drafts: BlockDraft[] = [];
  let [from, bytes] = [0, 0];
  const take = (to: number): void => {
    const part = records.slice(from, to);
    const firstSeq = stream.assigned.nextSeq + from;
    drafts.push(
      encryption === undefined ? draftRecords(part) : draftEncrypted(part, encryption, stream.number, firstSeq),
    );
    [from, bytes] = [to, 0];
  };
  for (const [index, { headers, body }] of (limits === undefined ? [] : records).entries()) {
    const metered = meteredBytes(headers, body.length);
    if (index > from && bytes + metered > BLOCK_BYTES_MAX) take(index);
    bytes += metered;
  }
  take(records.length);
  return drafts;
}

/** Only for a stream that exists: creating one frees nothing. */
function optionsOf(stream: OpenStream, { records }: RecordsAppend): CommitOptions {
  return stream.made && records.every((record) => commandType(record) !== undefined) ? COMMANDS : RECORDS;
}

function expectTimestamps({ config }: OpenStream, { records }: RecordsAppend): void {
  if (config.timestampingMode !== 'client-require') return;
  if (records.every(({ timestamp }) => timestamp !== undefined)) return;
  throw new TailraceError('invalid', 'record timestamp was required but was missing');
}

/**
 * Gives the durable blocks to the followers of their streams, and to those who read many. Returns a promise where there is
 * so much to tell the latter that what is answered must wait.
 */
function publish(
  appends: readonly AssignedAppend[],
  blocks: readonly SealedBlock[],
  feeds: Feeds,
): Promise<void> | undefined {
  const telling = feeds.tellInTurns(appends);
  let at = 0;
  for (const { stream, sealing } of appends) {
    stream.inFlight--;
    const end = at + sealing.length;
    const feedsOfBasin = telling === undefined ? feeds.of(stream) : undefined;
    if (stream.followers.size > 0 || feedsOfBasin !== undefined) {
      const durable = blocks.slice(at, end).map(unpacked);
      for (const follower of stream.followers) follower.push(durable);
      for (const feed of feedsOfBasin ?? []) feed.push(stream, durable);
    }
    at = end;
  }
  return telling;
}

/** A block that had no followers when it was sealed is read back from a copy of its bytes. */
function unpacked({ key, value, block }: SealedBlock): Block {
  return block ?? Block.open(key, Buffer.from(value));
}

function first(acks: readonly AppendAck[]): AppendAck {
  const [ack] = acks;
  assert(ack !== undefined, 'an append is answered');
  return ack;
}
