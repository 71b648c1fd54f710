/** What records that were read go through: straight to the printer, or with those around them, which are fetched. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isTemporary } from '../src/client/failures.ts';
import type { BatchFrame, ClientView } from '../src/client/frames.ts';
import { TailraceError } from '../src/model/error.ts';
import type { MessageRow } from '../src/model/message-row.ts';
import { type ContextGroup, ContextGroups } from './context-groups.ts';
import type { ServerConnection } from './flags/connection.ts';
import type { ContextSize } from './flags/filters.ts';
import type { StreamUri } from './flags/names.ts';
import type { Output, Reporter } from './print/console.ts';
import type { Printer } from './print/printer.ts';

export interface RecordSink {
  /** What to ask the server for. */
  readonly view: ClientView;
  /** Prints records, in order for each stream. */
  take(frame: BatchFrame<ClientView>, uri: StreamUri): Promise<void>;
  /** Nothing else is wanted before this sequence number. */
  pass(next: number, uri: StreamUri): Promise<void>;
}

/** A read of one stream or of several, with everything that is open for it. */
export interface RecordReading {
  readonly connection: ServerConnection;
  readonly output: Output;
  readonly printer: Printer;
  readonly sink: RecordSink;
  readonly reporter: Reporter;
  readonly encryptionKey: string | undefined;
  readonly filter: string | undefined;
  readonly context: ContextSize | undefined;
  /** Ends the read. */
  readonly signal: AbortSignal;
  /** Whether the signal came from Ctrl-C, and not from a pager that was left. */
  isInterrupted(): boolean;
}

const PAGE_RECORDS = 1_000;
const AGAIN_MS = 250;

/** @throws TailraceError `config` for context in a view whose records have no place in the order of the stream */
export function createRecordSink(reading: Omit<RecordReading, 'sink'>): RecordSink {
  const { output, printer, context } = reading;
  if (context === undefined) {
    return {
      view: printer.view,
      take: (frame, uri) => output.write(printer.print(frame, { uri })),
      pass: () => Promise.resolve(),
    };
  }
  if (printer.view !== 'message' && printer.view !== 'text') {
    throw new TailraceError('config', `-C, -B and -A show text, wide, logfmt and json, not --view ${printer.view}`);
  }
  const groups = new ContextGroups(context);
  const show = async (some: readonly ContextGroup[], rows: readonly MessageRow[]): Promise<void> => {
    for (const group of some) await printGroup(reading, group, rows);
  };
  return {
    view: 'message',
    take: async (frame, uri) => {
      const rows = 'rows' in frame ? frame.rows : [];
      await show(groups.take(uri, rows, frame.next.seqNum), rows);
    },
    pass: async (next, uri) => show(groups.take(uri, [], next), []),
  };
}

async function printGroup(
  reading: Omit<RecordReading, 'sink'>,
  { parts, isApart }: ContextGroup,
  rows: readonly MessageRow[],
): Promise<void> {
  const { output, printer } = reading;
  if (isApart && printer.isForEyes) await output.write(`${output.colors.dim('--')}\n`);
  for (const { uri, from, to, isContext } of parts) {
    for (let at = from; at < to; ) {
      const known = isContext || printer.view === 'text' ? undefined : rows.filter(({ seqNum }) => seqNum === at);
      const page = known === undefined ? await fetchPage(reading, uri, at, to) : { rows: known, next: to };
      if (page === undefined || reading.signal.aborted) break;
      const next = { seqNum: page.next, timestamp: 0 };
      const content = 'rows' in page ? { rows: page.rows } : { lines: page.lines };
      await output.write(printer.print({ type: 'batch', ...content, next }, { uri, isContext }));
      at = page.next;
    }
  }
}

/** Records as the printer wants them; undefined when there are none any more. */
async function fetchPage(
  { connection, printer, encryptionKey, signal }: Omit<RecordReading, 'sink'>,
  { basin, stream }: StreamUri,
  from: number,
  to: number,
): Promise<{ next: number; rows: readonly MessageRow[] } | { next: number; lines: readonly string[] } | undefined> {
  const { client } = connection;
  const count = Math.min(PAGE_RECORDS, to - from);
  const options = { basin, encryptionKey, signal, seqNum: from, count };
  if (printer.view !== 'text') {
    const { content, next = from } = await untilAnswered(() => client.readRows(stream, options), signal);
    // What was trimmed away meanwhile is left out, and what follows it may lie behind the end.
    return next <= from ? undefined : { next, rows: content.filter(({ seqNum }) => seqNum < to) };
  }
  const { content, next = from } = await untilAnswered(() => client.readLines(stream, options), signal);
  const beyond = Math.max(0, next - to);
  return next <= from ? undefined : { next, lines: content.slice(0, Math.max(0, content.length - beyond)) };
}

/** A read goes on by itself when the server was away, and so does what it fetches. */
async function untilAnswered<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof TailraceError) || !isTemporary(error) || signal.aborted) throw error;
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => {});
  }
}
