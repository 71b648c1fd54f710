/**
 * What a list of streams does not tell: errors of the last minute and who reads. Each takes calls of its own, so only a
 * few streams are looked at in a look, and what is known of the others stays as it is.
 */

import type { Client } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { isDenied } from '../senders-seen.ts';
import type { TopStream } from './snapshot.ts';

/** Streams of one look. */
const STREAMS_MAX = 8;
/** Records of a stream that one look counts errors in; of more, those after them are counted later or not at all. */
const RECORDS_MAX = 20_000;
const MINUTE_MS = 60_000;
/** Error logs, and spans that failed: a filter has no "or". */
const ERRORS = ['level>=error', 'status=error'] as const;

/** What is known of a stream beside its figures. */
export type StreamDetails = Pick<TopStream, 'errors' | 'hasMoreErrors' | 'readers' | 'lag'>;

/** What a look begins with: the streams as they were listed. */
export type WatchedStream = Pick<TopStream, 'uri' | 'basin' | 'stream' | 'nextSeqNum'>;

interface KnownDetails {
  /** Errors are counted up to here. */
  next: number | undefined;
  found: readonly { readonly atMs: number; readonly count: number }[];
  /** When records were passed over. */
  passedAtMs: number | undefined;
  readers: number | undefined;
  lag: number | undefined;
  lookedAtMs: number;
}

const UNKNOWN: StreamDetails = { errors: undefined, hasMoreErrors: false, readers: undefined, lag: undefined };

export class StreamDetailsLooker {
  readonly hidden = new Set<'errors' | 'readers'>();
  readonly #client: Client;
  readonly #signal: AbortSignal;
  #known = new Map<string, KnownDetails>();

  constructor(client: Client, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Looks at some of them: first at those that are shown, and first at those that were not looked at for longest. */
  async look(streams: readonly WatchedStream[], shown: ReadonlySet<string>, nowMs: number, hasReaders: boolean) {
    const rank = ({ uri }: WatchedStream): number => (shown.has(uri) ? 0 : nowMs) + this.#lookedAt(uri);
    const wanted = streams
      .filter((stream) => this.#hasNews(stream) || (hasReaders && shown.has(stream.uri)))
      .sort((a, b) => rank(a) - rank(b))
      .slice(0, STREAMS_MAX);
    await Promise.all(wanted.map((stream) => this.#lookAt(stream, nowMs, hasReaders)));
    const known = streams.flatMap(({ uri }) => {
      const details = this.#known.get(uri);
      return details === undefined ? [] : [[uri, details] as const];
    });
    this.#known = new Map(known);
  }

  of(uri: string, nowMs: number): StreamDetails {
    const known = this.#known.get(uri);
    if (known === undefined) return UNKNOWN;
    const { found, passedAtMs, readers, lag } = known;
    const recent = found.filter(({ atMs }) => nowMs - atMs < MINUTE_MS);
    const errors = this.hidden.has('errors') ? undefined : recent.reduce((sum, { count }) => sum + count, 0);
    const hasMoreErrors = passedAtMs !== undefined && nowMs - passedAtMs < MINUTE_MS;
    return { errors, hasMoreErrors, readers, lag };
  }

  #lookedAt(uri: string): number {
    return this.#known.get(uri)?.lookedAtMs ?? 0;
  }

  #hasNews({ uri, nextSeqNum }: WatchedStream): boolean {
    const known = this.#known.get(uri);
    return known === undefined ? nextSeqNum > 0 : known.next !== nextSeqNum && !this.hidden.has('errors');
  }

  async #lookAt(stream: WatchedStream, nowMs: number, hasReaders: boolean): Promise<void> {
    const known = this.#known.get(stream.uri) ?? {
      ...{ next: undefined, found: [], passedAtMs: undefined, lookedAtMs: nowMs },
      ...{ readers: undefined, lag: undefined },
    };
    known.lookedAtMs = nowMs;
    this.#known.set(stream.uri, known);
    await this.#allowed('errors', () => this.#countErrors(stream, known, nowMs));
    if (!hasReaders) [known.readers, known.lag] = [0, 0];
    else await this.#allowed('readers', () => this.#countReaders(stream, known));
  }

  async #countErrors({ basin, stream, nextSeqNum }: WatchedStream, known: KnownDetails, nowMs: number): Promise<void> {
    let { next } = known;
    if (next === nextSeqNum) return;
    // One that was deleted and made again begins anew.
    if (next !== undefined && next > nextSeqNum) next = undefined;
    if (next !== undefined && nextSeqNum - next > RECORDS_MAX) {
      next = nextSeqNum - RECORDS_MAX;
      known.passedAtMs = nowMs;
    }
    const start = next === undefined ? { timestamp: Math.max(0, nowMs - MINUTE_MS) } : { seqNum: next };
    const options = { basin, start, clamp: true, count: RECORDS_MAX, signal: this.#signal };
    const results = await Promise.all(ERRORS.map((filter) => this.#count(stream, { ...options, filter })));
    known.next = Math.min(...results.map(({ end }) => end));
    const count = results.reduce((sum, result) => sum + result.count, 0);
    known.found = [...known.found.filter(({ atMs }) => nowMs - atMs < MINUTE_MS), { atMs: nowMs, count }];
  }

  async #count(stream: string, options: Parameters<Client['aggregate']>[1]): Promise<{ count: number; end: number }> {
    let counted = { count: 0, end: 0 };
    for await (const { rows, next_seq_num: end } of this.#client.aggregate(stream, options)) {
      counted = { count: rows.reduce((sum, row) => sum + row.count, 0), end };
    }
    return counted;
  }

  async #countReaders({ basin, stream }: WatchedStream, known: KnownDetails): Promise<void> {
    const { readers } = await this.#client.readers(stream, { basin, signal: this.#signal });
    known.readers = readers.length;
    known.lag = Math.max(0, ...readers.map((reader) => reader.lag_records));
  }

  /** What the token may not see is not asked for again; a stream that is gone or encrypted has no details. */
  async #allowed(what: 'errors' | 'readers', look: () => Promise<void>): Promise<void> {
    if (this.hidden.has(what)) return;
    try {
      await look();
    } catch (error) {
      if (isDenied(error)) this.hidden.add(what);
      else if (!(error instanceof TailraceError) || error.code === 'unavailable' || error.code === 'aborted')
        throw error;
    }
  }
}
