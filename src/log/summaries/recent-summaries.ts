/**
 * Remembers what the headers of the newest blocks say until rows of summaries are made of it: to read the blocks again for
 * that took a twentieth of the time of ingest. It is bounded: what was forgotten is read from the store.
 */

import { RECENT_SUMMARIES_BYTES_MAX, SUMMARY_ROWS_DUE_BLOCKS } from '../../model/limits.ts';
import type { BlockDraft, SealedBlock } from '../../storage/block/seal.ts';
import type { SummarizedBlock } from '../../storage/summary-rows.ts';
import type { OpenStream } from '../stream.ts';

/** Blocks of one stream, each with the sequence number of its first record. */
interface NewestBlocks {
  readonly starts: number[];
  readonly blocks: SummarizedBlock[];
  /** Where the last one ends. */
  end: number;
  bytes: number;
}

/** What one takes beside its summary. */
const BLOCK_BYTES = 160;
/** Rows are due before a stream has more, unless so few of them have a summary that a row would hide nothing. */
const BLOCKS_MAX = 4 * SUMMARY_ROWS_DUE_BLOCKS;
const NO_SUMMARY = new Uint8Array(0);
const NONE: readonly SummarizedBlock[] = [];

export class RecentSummaries {
  readonly #bytesMax: number;
  /** The one that began first comes first. */
  readonly #streams = new Map<OpenStream, NewestBlocks>();
  #bytes = 0;

  constructor(bytesMax: number = RECENT_SUMMARIES_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** About how much memory it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * These drafts are durable from a sequence number on, as the blocks from `at` on. A stream is remembered from its first
   * block with a summary on.
   */
  add(
    stream: OpenStream,
    firstSeq: number,
    drafts: readonly BlockDraft[],
    sealed: readonly SealedBlock[],
    at: number,
  ): void {
    let newest = this.#streams.get(stream);
    // Others came in between: those of a write that failed, of which it was not known whether it was done.
    if (newest !== undefined && newest.end !== firstSeq) newest = this.#forgetAll(stream, newest);
    let start = firstSeq;
    for (const [i, draft] of drafts.entries()) {
      if (newest === undefined && draft.summary !== undefined) {
        newest = { starts: [], blocks: [], end: start, bytes: 0 };
        this.#streams.set(stream, newest);
      }
      if (newest !== undefined) this.#push(newest, draft, sealed[at + i]?.value.length ?? 0);
      start += draft.count;
    }
    if (newest !== undefined && newest.blocks.length > BLOCKS_MAX) this.#forgetAll(stream, newest);
    for (const [oldest, its] of this.#streams) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#forgetAll(oldest, its);
    }
  }

  /** The blocks from one that begins at a position on, so many at most; none when that one is not remembered. */
  from(stream: OpenStream, position: number, limit: number): readonly SummarizedBlock[] {
    const newest = this.#streams.get(stream);
    const first = newest?.starts.indexOf(position) ?? -1;
    return newest === undefined || first < 0 ? NONE : newest.blocks.slice(first, first + limit);
  }

  /** Forgets the blocks that begin before a position: it is known what rows say of them. */
  forgetBefore(stream: OpenStream, position: number): void {
    const newest = this.#streams.get(stream);
    if (newest === undefined) return;
    const kept = newest.starts.findIndex((start) => start >= position);
    if (kept < 0) {
      this.#forgetAll(stream, newest);
      return;
    }
    newest.starts.splice(0, kept);
    for (const block of newest.blocks.splice(0, kept)) this.#count(newest, -bytesOf(block));
  }

  #push(newest: NewestBlocks, draft: BlockDraft, storedBytes: number): void {
    const { kind, count, timestamps, summary, traceHashes } = draft;
    const block = {
      kind,
      count,
      lastTimestamp: timestamps[count - 1] ?? 0,
      summary: summary ?? NO_SUMMARY,
      storedBytes,
      traceHashes,
    };
    newest.starts.push(newest.end);
    newest.blocks.push(block);
    newest.end += count;
    this.#count(newest, bytesOf(block));
  }

  #forgetAll(stream: OpenStream, newest: NewestBlocks): undefined {
    this.#streams.delete(stream);
    this.#bytes -= newest.bytes;
  }

  #count(newest: NewestBlocks, bytes: number): void {
    newest.bytes += bytes;
    this.#bytes += bytes;
  }
}

function bytesOf({ summary, traceHashes }: SummarizedBlock): number {
  return BLOCK_BYTES + summary.length + (traceHashes?.byteLength ?? 0);
}
