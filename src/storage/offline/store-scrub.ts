/**
 * Verifies a store that is in use, a part at a time: the form of rows, the checksums of blocks, and whether the blocks of
 * each stream follow each other up to its tail. Each part has a snapshot of its own, which is released with it, so that
 * freed pages are used again. Rows of summaries are passed over: readers do without them, and they are made again.
 */

import { TailraceError } from '../../model/error.ts';
import { SCRUB_PART_BYTES, SCRUB_PART_ROWS_MAX } from '../../model/limits.ts';
import { readBlockHeader } from '../block/block.ts';
import type { Engine, Entry, Snapshot } from '../engine.ts';
import {
  blockRange,
  FAMILY,
  familyRange,
  pendingKey,
  prefixRange,
  readBasinKey,
  readBlockKey,
  readNumber,
  readStreamKey,
  streamStateKey,
} from '../keys.ts';
import { readPendingWork } from '../move-rows.ts';
import { readPlace } from '../place-rows.ts';
import { decodeToken } from '../token-rows.ts';
import { decodeBasin, decodeStream, decodeStreamState, type StreamStateRow } from '../values.ts';
import { FaultLog } from './fault-log.ts';
import { SummaryVerifier } from './summary-verifier.ts';
import { BlockVerifier } from './verify-blocks.ts';

/** Small rows whose form can be verified one by one. */
const ROWS: ReadonlyMap<number, (row: Entry) => void> = new Map([
  [FAMILY.basins, ({ key, value }: Entry) => void [readBasinKey(key), decodeBasin(value)]],
  [FAMILY.streams, ({ key, value }) => void [readStreamKey(key), decodeStream(value)]],
  [FAMILY.tokensByHash, ({ value }) => void decodeToken(value)],
  [FAMILY.pendingWork, (row) => void readPendingWork(row)],
  [FAMILY.places, (row) => void readPlace(row)],
]);

/** One pass over a store: call `next` until there is no more. */
export class StoreScrub {
  readonly #engine: Engine;
  /** Families of small rows that are left, and the first key of the next part. */
  readonly #families = [...ROWS.keys()];
  #from: Uint8Array | undefined;
  /** The stream that is next, and its record. */
  #stream = 0;
  #seq = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Verifies the next part. Returns how many bytes it read, undefined when there is no more.
   * @throws TailraceError `corrupt` for what is damaged, `storage` when it cannot be read, `closed`
   */
  async next(): Promise<number | undefined> {
    const snapshot = await this.#engine.snapshot();
    try {
      const [family] = this.#families;
      return family === undefined ? await this.#streams(snapshot) : await this.#rows(snapshot, family);
    } finally {
      snapshot.release();
    }
  }

  async #rows(snapshot: Snapshot, family: number): Promise<number> {
    const range = familyRange(family);
    const page = { ...range, from: this.#from ?? range.from, limit: SCRUB_PART_ROWS_MAX, bytesMax: SCRUB_PART_BYTES };
    const rows = await snapshot.scan(page);
    for (const row of rows) ROWS.get(family)?.(row);
    const last = rows.at(-1);
    this.#from = last === undefined ? undefined : Buffer.concat([last.key, Buffer.of(0)]);
    if (last === undefined) this.#families.shift();
    return rows.reduce((bytes, { key, value }) => bytes + key.length + value.length, 0);
  }

  /** As many streams as fit into a part. */
  async #streams(snapshot: Snapshot): Promise<number | undefined> {
    const from = streamStateKey(this.#stream);
    const states = await snapshot.scan({ ...familyRange(FAMILY.streamStates), from, limit: SCRUB_PART_ROWS_MAX });
    if (states.length === 0) return undefined;
    let bytes = 0;
    for (const { key, value } of states) {
      const number = readNumber(key, 1);
      if (number !== this.#stream) this.#goTo(number);
      bytes += await this.#blocks(snapshot, number, decodeStreamState(value), Math.max(1, SCRUB_PART_BYTES - bytes));
      if (bytes >= SCRUB_PART_BYTES || this.#stream === number) break;
    }
    return bytes;
  }

  /** The next blocks of a stream. Goes to the stream behind it at its end. */
  async #blocks(snapshot: Snapshot, number: number, state: StreamStateRow, bytesMax: number): Promise<number> {
    const range = blockRange(number, this.#seq);
    const entries = await snapshot.scan({ ...range, limit: SCRUB_PART_ROWS_MAX, bytesMax });
    const deletion = await snapshot.scan({ ...prefixRange(pendingKey('streamDeletion', number)), limit: 1 });
    const end = endOf(entries);
    const isEnd = end === undefined || end >= state.nextSeq;
    const seen = {
      ...state,
      trimPoint: Math.max(state.trimPoint, this.#seq),
      nextSeq: isEnd ? state.nextSeq : end,
      // They are known of all blocks together.
      meteredBytes: isEnd && this.#seq === 0 ? state.meteredBytes : undefined,
    };
    const log = new FaultLog();
    // Of a basin that comes from another partition, or is removed, a stream has a state only while all of its blocks are there.
    const known = { name: `stream number ${number}`, deleting: deletion.length > 0, isPartial: false };
    const stream = { number, ...known, state: seen };
    const verifier = new BlockVerifier([stream], log, new SummaryVerifier(log));
    for (const entry of entries) verifier.block(entry);
    verifier.finish();
    const [fault] = log.kept;
    if (fault !== undefined) throw new TailraceError('corrupt', `${fault.where}: ${fault.what}`);
    if (isEnd) this.#goTo(number + 1);
    else this.#seq = end;
    return entries.reduce((bytes, { key, value }) => bytes + key.length + value.length, 0);
  }

  #goTo(stream: number): void {
    this.#stream = stream;
    this.#seq = 0;
  }
}

/** The record behind the last one of these blocks. @throws TailraceError `corrupt` */
function endOf(entries: readonly Entry[]): number | undefined {
  const last = entries.at(-1);
  if (last === undefined) return undefined;
  return readBlockKey(last.key).firstSeq + readBlockHeader(last.key, last.value).count;
}
