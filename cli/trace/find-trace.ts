/** Finds the records of traces by the beginning of their id, in all streams that are asked for, from their start to their tail. */

import type { Client } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import { globMatcher, type StreamSelection } from '../../src/model/selection.ts';
import type { FoundRow } from './trace-tree.ts';

export interface TraceSearch {
  /** Hex digits, in lower case. */
  readonly prefix: string;
  readonly basin: string | undefined;
  readonly selection: StreamSelection;
  /** Records that came at this time or later, and before that one; in ms. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly encryptionKey: string | undefined;
  readonly signal: AbortSignal;
}

export interface TraceFinds {
  readonly found: readonly FoundRow[];
  /** The streams that were searched. */
  readonly streams: number;
  readonly basin: string | undefined;
  /** Those that could not be read, and why. */
  readonly unread: readonly { readonly stream: string; readonly error: TailraceError }[];
  /** Whether there were more records than are kept. */
  readonly hasMore: boolean;
}

/** No one reads a trace with more records, and it must fit into memory. */
export const FOUND_MAX = 200_000;
const RECONNECT_MS = 10_000;
/** Streams that are read at once, where each has a start of its own. */
const AT_ONCE = 4;

/** What is said of a stream of which nothing came in the time that was asked for, or that was deleted meanwhile. */
const NOTHING: ReadonlySet<string> = new Set(['range_not_satisfiable', 'stream_not_found', 'stream_deletion_pending']);
const UNREADABLE: ReadonlySet<string> = new Set(['bad_header', 'decryption_failed', 'permission_denied']);

/** @throws TailraceError `basin_not_found`, `permission_denied`, `unavailable` … */
export async function findTrace(client: Client, search: TraceSearch): Promise<TraceFinds> {
  return search.since === undefined && search.until === undefined
    ? findInAll(client, search)
    : findInTime(client, search);
}

/** One read of all streams, which ends when it has come to their tails. */
async function findInAll(client: Client, search: TraceSearch): Promise<TraceFinds> {
  const { basin, selection, encryptionKey, signal } = search;
  const filter = `trace_id=${search.prefix}`;
  const options = { view: 'message', from: 'start', filter, basin, encryptionKey, signal } as const;
  const kept = new Kept();
  const unread: { stream: string; error: TailraceError }[] = [];
  let [streams, saidBasin] = [0, basin];
  for await (const frame of client.readMany(selection, { ...options, reconnectForMs: RECONNECT_MS })) {
    if (frame.type === 'hello') saidBasin = frame.basin ?? saidBasin;
    if (frame.type === 'left' && UNREADABLE.has(frame.error.code)) unread.push(frame);
    if (frame.type === 'batch' && 'rows' in frame) kept.add(frame.stream, frame.rows);
    if (frame.type === 'caught_up') streams = frame.streams;
    if (frame.type === 'caught_up' || kept.isFull) break;
  }
  signal.throwIfAborted();
  return { found: kept.rows, streams: streams + unread.length, basin: saidBasin, unread, hasMore: kept.isFull };
}

/** Each stream by itself, from the time on: so what is older is not looked at. */
async function findInTime(client: Client, search: TraceSearch): Promise<TraceFinds> {
  const basin = search.basin ?? (await client.whoami()).basin;
  const names = await streamsIn(client, basin, search);
  const waiting = [...names];
  const kept = new Kept();
  const unread: { stream: string; error: TailraceError }[] = [];
  const work = async () => {
    for (let stream = waiting.shift(); stream !== undefined && !kept.isFull; stream = waiting.shift()) {
      try {
        await findInOne(client, stream, { ...search, basin }, kept);
      } catch (error) {
        if (!(error instanceof TailraceError)) throw error;
        if (UNREADABLE.has(error.code)) unread.push({ stream, error });
        else if (!NOTHING.has(error.code)) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  search.signal.throwIfAborted();
  return { found: kept.rows, streams: names.length, basin, unread, hasMore: kept.isFull };
}

async function findInOne(client: Client, stream: string, search: TraceSearch, kept: Kept): Promise<void> {
  const { since = 0, until, basin, encryptionKey, signal, prefix } = search;
  const range = { start: { timestamp: since }, clamp: true, until, waitSeconds: 0, reconnectForMs: RECONNECT_MS };
  const wanted = { view: 'message', filter: `trace_id=${prefix}`, basin, encryptionKey, signal } as const;
  for await (const frame of client.read(stream, { ...range, ...wanted })) {
    if (frame.type === 'batch' && 'rows' in frame) kept.add(stream, frame.rows);
    if (kept.isFull) return;
  }
}

/** The names of the streams that are asked for and got records at that time, as far as the server says so. */
async function streamsIn(
  client: Client,
  basin: string | undefined,
  { selection, since = 0, until = Number.POSITIVE_INFINITY, signal }: TraceSearch,
): Promise<readonly string[]> {
  if ('streams' in selection) return selection.streams;
  const prefix = 'prefix' in selection ? selection.prefix : selection.glob.replace(/\*.*$/s, '');
  const matches = 'prefix' in selection ? () => true : globMatcher(selection.glob);
  const names: string[] = [];
  for await (const { name, figures, deletedAt } of client.listStreams({ basin, prefix, figures: true, signal })) {
    const last = figures?.last_timestamp ?? Number.POSITIVE_INFINITY;
    const first = figures?.first_timestamp ?? 0;
    if (deletedAt !== undefined || figures?.records === 0 || last < since || first >= until) continue;
    if (matches(name)) names.push(name);
  }
  return names;
}

/** The records that were found, up to the limit. */
class Kept {
  readonly rows: FoundRow[] = [];

  get isFull(): boolean {
    return this.rows.length >= FOUND_MAX;
  }

  add(stream: string, rows: readonly MessageRow[]): void {
    for (const row of rows) if (!this.isFull) this.rows.push({ stream, row });
  }
}
