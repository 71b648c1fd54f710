/**
 * Keeps a log that only follows level with its store: what the log of a cluster brings is written by others, and all that
 * is known of it here are its rows. Readers get the same events as where it was appended.
 *
 * What takes something away is known before its transaction is written: readers then expect a trimmed or deleted stream
 * while the store changes. What adds something is known after it, when it is durable.
 */

import { goOnWithWork } from '../../encoding/turns.ts';
import { FEED_TOLD_AT_ONCE_MAX, FOLLOWED_BYTES_MAX } from '../../model/limits.ts';
import { Block, readBlockHeader } from '../../storage/block/block.ts';
import type { Entry, Write } from '../../storage/engine.ts';
import { readBlockKey } from '../../storage/keys.ts';
import type { StreamRow, StreamStateRow } from '../../storage/values.ts';
import type { Basin, BasinTable } from '../basins.ts';
import type { FedStream, Feeds } from '../many/feeds.ts';
import { deletionPending, type OpenStream, type StreamState } from '../stream.ts';
import type { StreamTable } from '../streams.ts';
import { giveMoves, moveChangesIn, takeAwayMoved } from './applied-moves.ts';
import { changesIn, type LogChanges } from './log-changes.ts';
import type { MemberNames } from './member-names.ts';
import type { StoreTurns } from './store-turns.ts';

export interface AppliedWritesDeps {
  readonly basins: BasinTable;
  readonly streams: StreamTable;
  readonly feeds: Feeds;
  readonly names: MemberNames;
  readonly turns: StoreTurns;
}

/** What a transaction appends to a stream that is followed. */
interface Appended {
  readonly stream: FedStream;
  /** Undefined for a stream that is not in memory: its readers find it in the store. */
  readonly open: OpenStream | undefined;
  readonly start: { readonly seqNum: number };
  readonly sealing: readonly Entry[];
  /** Undefined where they were not unpacked. */
  readonly blocks: readonly Block[] | undefined;
}

/** A stream that begins with a transaction. */
interface MadeStream {
  readonly basin: Basin;
  readonly name: string;
  readonly row: StreamRow;
  readonly state: StreamState;
}

export class AppliedWrites {
  readonly #deps: AppliedWritesDeps;
  /** Streams whose deletion is being applied: their readers are told when it is durable. */
  readonly #deleted = new Set<OpenStream>();

  constructor(deps: AppliedWritesDeps) {
    this.#deps = deps;
  }

  /**
   * Has a transaction written by `commit`. When it resolves, readers were told. Call it in the order of the log, one after
   * the other; what failed comes again.
   */
  async apply(writes: readonly Write[], commit: () => Promise<void>): Promise<void> {
    const changes = changesIn(writes);
    await this.#loadDeleted(changes);
    await this.#loadAppended(changes);
    const made = this.#made(changes);
    const moves = moveChangesIn(writes);
    let told: Promise<unknown> | undefined;
    await this.#deps.turns.write(async () => {
      const unpacked = await this.#unpack(changes, made);
      this.#takeAway(changes);
      const left = takeAwayMoved(this.#deps, moves);
      await commit();
      giveMoves(this.#deps, moves, left);
      for (const stream of made.values()) this.#adopt(stream);
      told = this.#add(changes, unpacked);
      for (const stream of this.#deleted) this.#end(stream);
      this.#deleted.clear();
      this.#forget(changes);
    });
    await told;
  }

  /** Readers of many are told of a deletion only where there were records, which the stream itself knows. */
  async #loadDeleted({ rows }: LogChanges): Promise<void> {
    const { streams, names } = this.#deps;
    for (const { row } of rows) {
      const known = row?.deletedAt === undefined ? undefined : names.of(row.number);
      const stream = known === undefined ? undefined : await streams.find(known.basin, known.name);
      if (stream?.number === row?.number && stream?.deleting === false) this.#deleted.add(stream);
    }
  }

  /** What a reader of many has is in memory, as where it is appended: else its news would come behind those of others. */
  async #loadAppended({ blocks }: LogChanges): Promise<void> {
    const { streams, names } = this.#deps;
    if (blocks.size > FEED_TOLD_AT_ONCE_MAX) return;
    for (const number of blocks.keys()) {
      const known = streams.byNumber(number) === undefined ? names.of(number) : undefined;
      if (known !== undefined) await streams.find(known.basin, known.name);
    }
  }

  /** Streams that begin here and that a reader of many has: they are in memory from then on, as where they were made. */
  #made({ rows, states, blocks }: LogChanges): ReadonlyMap<number, MadeStream> {
    const { basins, streams, names } = this.#deps;
    const made = new Map<number, MadeStream>();
    for (const { basin: basinNumber, name, row } of rows) {
      const basin = basins.byNumber(basinNumber);
      if (row === undefined || basin === undefined) continue;
      const before = made.get(row.number);
      if (before !== undefined) made.set(row.number, { ...before, row });
      if (before !== undefined || row.deletedAt !== undefined) continue;
      names.add(basin, name, row.number);
      const state = states.get(row.number);
      const isWanted = names.of(row.number) !== undefined && blocks.has(row.number);
      if (!isWanted || streams.byNumber(row.number) !== undefined || state?.meteredBytes === undefined) continue;
      made.set(row.number, { basin, name, row, state: { ...state, meteredBytes: state.meteredBytes } });
    }
    return made;
  }

  /** It may be deleted by the end of the same transaction. */
  #adopt({ basin, name, row, state }: MadeStream): void {
    const { streams } = this.#deps;
    streams.adopt(basin, name, row, state);
    const stream = streams.byNumber(row.number);
    if (stream?.deleting === true) this.#deleted.add(stream);
  }

  /** The blocks that readers wait for. They are in memory of their own: a transaction is much larger than most of them. */
  async #unpack(
    { blocks }: LogChanges,
    made: ReadonlyMap<number, MadeStream>,
  ): Promise<ReadonlyMap<number, readonly Block[]>> {
    const { streams, feeds } = this.#deps;
    const unpacked = new Map<number, readonly Block[]>();
    let bytes = 0;
    for (const [number, entries] of blocks) {
      const stream = streams.byNumber(number);
      const isFollowed = stream !== undefined && (stream.followers.size > 0 || feeds.of(stream) !== undefined);
      if (!isFollowed && !made.has(number)) continue;
      bytes += rawBytesOf(entries);
      // After a pause much comes at once. Their readers find it in the store.
      if (bytes > FOLLOWED_BYTES_MAX) break;
      const own: Block[] = [];
      for (const { key, value } of entries) {
        await goOnWithWork(value.length);
        own.push(Block.open(key, Buffer.from(value)));
      }
      unpacked.set(number, own);
    }
    return unpacked;
  }

  /** Moves trim points, and marks streams as deleted. */
  #takeAway({ rows, states }: LogChanges): void {
    for (const { row } of rows) {
      const stream = row === undefined ? undefined : this.#deps.streams.byNumber(row.number);
      if (row === undefined || stream === undefined) continue;
      if (row.deletedAt !== undefined && !stream.deleting) this.#deleted.add(stream);
      stream.row = row;
      stream.floorUntil = 0;
    }
    for (const [number, state] of states) {
      const stream = this.#deps.streams.byNumber(number);
      if (state === undefined || stream === undefined) continue;
      const trimPoint = Math.min(state.trimPoint, stream.durable.nextSeq);
      if (trimPoint > stream.durable.trimPoint) stream.durable = { ...stream.durable, trimPoint };
    }
  }

  /** Resolves when readers of many streams were told, where that takes turns. */
  #add(changes: LogChanges, unpacked: ReadonlyMap<number, readonly Block[]>): Promise<unknown> {
    const { basins, streams, names } = this.#deps;
    for (const [name, basin] of changes.basins) {
      basins.assign(name, basin);
      basins.settle(name, basin);
    }
    for (const [number, state] of changes.states) {
      const stream = streams.byNumber(number);
      if (stream !== undefined && state !== undefined) settle(stream, state);
    }
    // Those of a basin that begins here have no name yet; see `#made` for the others.
    for (const { basin: number, name, row } of changes.basins.length === 0 ? [] : changes.rows) {
      const basin = basins.byNumber(number);
      if (row !== undefined && row.deletedAt === undefined && basin !== undefined) names.add(basin, name, row.number);
    }
    const byBasin = new Map<string, Appended[]>();
    for (const [number, entries] of changes.blocks) {
      // It is gone by the end of the transaction.
      if (changes.states.get(number) === undefined) continue;
      const appended = this.#appended(number, entries, unpacked.get(number));
      if (appended === undefined) continue;
      const { name } = appended.stream.basin;
      byBasin.set(name, [...(byBasin.get(name) ?? []), appended]);
    }
    return Promise.all([...byBasin.values()].map((ofBasin) => this.#tell(ofBasin, changes.order)));
  }

  /** What readers of many may be told of; those of one stream get it now. */
  #appended(number: number, entries: readonly Entry[], blocks: readonly Block[] | undefined): Appended | undefined {
    const { streams, names, feeds } = this.#deps;
    const open = streams.byNumber(number);
    const stream = open ?? names.of(number);
    const seqNum = firstSeqOf(entries);
    if (open !== undefined) {
      for (const follower of open.followers) {
        if (blocks === undefined) follower.miss();
        else follower.push(blocks);
      }
    }
    if (stream === undefined) {
      feeds.noteUnlisted(number, seqNum);
      return undefined;
    }
    return { stream, open, start: { seqNum }, sealing: entries, blocks };
  }

  /** One arrival order for all streams: that of the log. */
  #tell(appends: readonly Appended[], order: readonly number[]): Promise<void> | undefined {
    const { feeds } = this.#deps;
    const telling = feeds.tellInTurns(appends);
    if (telling !== undefined) return telling;
    const byNumber = new Map(appends.map((append) => [append.stream.number, { ...append, at: 0 }]));
    for (const number of order) {
      const append = byNumber.get(number);
      if (append === undefined) continue;
      const { stream, open, start, blocks } = append;
      const block = blocks?.[append.at++];
      for (const feed of feeds.of(stream) ?? []) {
        if (open !== undefined && block !== undefined) feed.push(open, [block]);
        else {
          feed.miss(stream, start.seqNum);
          feed.wake();
        }
      }
    }
    return undefined;
  }

  #end(stream: OpenStream): void {
    const { feeds, names } = this.#deps;
    for (const follower of stream.followers) follower.end(deletionPending(stream.name));
    for (const feed of feeds.of(stream) ?? []) feed.left(stream);
    names.delete(stream.number);
  }

  /** Names that are free now, or that another stream has. */
  #forget({ rows }: LogChanges): void {
    const { streams } = this.#deps;
    for (const { basin: number, name, row } of rows) {
      const stream = streams.byName({ number }, name);
      if (stream !== undefined && stream.number !== row?.number) streams.forget(stream);
    }
  }
}

function settle(stream: OpenStream, row: StreamStateRow): void {
  const state = { ...row, meteredBytes: row.meteredBytes ?? stream.durable.meteredBytes };
  stream.assigned = state;
  stream.settle(state);
}

function rawBytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { key, value }) => sum + readBlockHeader(key, value).rawBytes, 0);
}

function firstSeqOf([first]: readonly Entry[]): number {
  return first === undefined ? 0 : readBlockKey(first.key).firstSeq;
}
