/**
 * Reads the records of a trace in all streams that the token may read, and goes on while it is shown, so that spans that
 * end later come in. A second one, with a filter, says which of them it wants: the server judges, so a filter means here
 * what it means everywhere.
 */

import { signal } from '@preact/signals';
import type { WireError } from '../wire/call.ts';
import { ManySocket } from '../wire/many-socket.ts';
import { addressText } from '../wire/rows.ts';
import { markCriticalPath } from './critical-path.ts';
import { nodeOf } from './span-node.ts';
import { type SpanNode, type SpanTree, treeOf } from './span-tree.ts';

/** No one reads a trace with more records, and it must fit into memory. */
export const RECORDS_MAX = 200_000;
/** A tree of very many spans is built again only so often, and only so much of the time. */
const BUILD_MS_MIN = 100;
const BUILD_SHARE = 8;
/**
 * While a trace is read, the tree is built again when it is so much larger: all builds together are then a few times the
 * last one. Where little comes it is built at least so often.
 */
const BUILD_GROWTH = 1.5;
const BUILD_MS_MAX = 2_000;

export interface FeedStatus {
  /** Everything that was there has come; what comes now is new. */
  readonly isComplete: boolean;
  readonly records: number;
  readonly streams: number;
  /** There were more records than are kept. */
  readonly isFull: boolean;
  /** Streams that could not be read, and why. */
  readonly unread: readonly { readonly stream: string; readonly message: string }[];
  /** Undefined while the connection is there. */
  readonly lost: string | undefined;
  readonly error: WireError | undefined;
}

const START: FeedStatus = {
  isComplete: false,
  records: 0,
  streams: 0,
  isFull: false,
  unread: [],
  lost: undefined,
  error: undefined,
};

export class TraceFeed {
  readonly tree = signal<SpanTree>(treeOf([]));
  readonly status = signal<FeedStatus>(START);
  /** In each stream with records of the trace, the first of them. */
  readonly firsts = new Map<string, number>();
  readonly #nodes = new Map<string, SpanNode>();
  readonly #socket: ManySocket;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #buildMs = 0;
  #builtAt = 0;
  #builtNodes = 0;

  constructor(basin: string, traceId: string) {
    this.#socket = new ManySocket(
      { basin, select: { prefix: '' }, from: 'start', filter: `trace_id=${traceId}` },
      {
        opened: () => this.#say({ lost: undefined }),
        joined: (streams) => this.#say({ streams: this.status.peek().streams + streams.length }),
        batch: ({ stream, rows }) => {
          for (const row of rows) this.#add(nodeOf(stream, row));
          this.#say({ records: this.#nodes.size });
          this.#buildLater();
          if (this.#nodes.size >= RECORDS_MAX) this.#stopFull();
        },
        left: (stream, code, message) => {
          if (code === 'stream_deletion_pending' || code === 'stream_not_found') return;
          this.#say({
            unread: [...this.status.peek().unread.filter((one) => one.stream !== stream), { stream, message }],
          });
        },
        caughtUp: () => {
          this.#build();
          this.#say({ isComplete: true });
        },
        lost: (reason) => this.#say({ lost: reason }),
        failed: (error) => this.#say({ error }),
      },
    );
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #add(node: SpanNode | undefined): void {
    if (node === undefined || this.#nodes.size >= RECORDS_MAX) return;
    this.#nodes.set(node.key, node);
    if (!this.firsts.has(node.stream)) this.firsts.set(node.stream, node.seqNum);
  }

  #stopFull(): void {
    this.#socket.close();
    this.#build();
    this.#say({ isFull: true, isComplete: true });
  }

  #say(change: Partial<FeedStatus>): void {
    this.status.value = { ...this.status.peek(), ...change };
  }

  #buildLater(): void {
    const isSoon =
      !this.status.peek().isComplete &&
      this.#nodes.size < this.#builtNodes * BUILD_GROWTH &&
      performance.now() - this.#builtAt < BUILD_MS_MAX;
    if (isSoon) return;
    this.#timer ??= setTimeout(() => this.#build(), Math.max(BUILD_MS_MIN, this.#buildMs * BUILD_SHARE));
  }

  #build(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const began = performance.now();
    const tree = treeOf(this.#nodes.values());
    markCriticalPath(tree);
    this.tree.value = tree;
    this.#builtNodes = this.#nodes.size;
    this.#builtAt = performance.now();
    this.#buildMs = this.#builtAt - began;
  }
}

/** Keys of the records that a filter wants. */
export class MatchFeed {
  readonly matched = signal<ReadonlySet<string>>(new Set());
  readonly isComplete = signal(false);
  readonly error = signal<WireError | undefined>(undefined);
  readonly #socket: ManySocket;

  /** `firsts`: where the trace begins, in each of its streams. */
  constructor(basin: string, traceId: string, filter: string, firsts: ReadonlyMap<string, number>) {
    const select = { streams: [...firsts.keys()] };
    // Behind what was typed, so that the server's place of a mistake is that in the field.
    this.#socket = new ManySocket(
      { basin, select, from: new Map(firsts), filter: `${filter} trace_id=${traceId}` },
      {
        batch: ({ stream, rows }) => {
          const keys = rows.map(({ seqNum }) => addressText({ stream, seqNum }));
          this.matched.value = new Set([...this.matched.peek(), ...keys]);
        },
        caughtUp: () => {
          this.isComplete.value = true;
        },
        failed: (error) => {
          this.error.value = error;
        },
      },
    );
  }

  close(): void {
    this.#socket.close();
  }
}
