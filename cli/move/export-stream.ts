/** Reads a stream up to its tail as it is now, and writes it as lines. */

import type { Client } from '../../src/client/client.ts';
import type { BatchFrame } from '../../src/client/frames.ts';
import type { ReadFrame } from '../../src/client/reader.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { StreamRecord } from '../../src/model/record.ts';
import { formatStreamUri, type StreamUri } from '../flags/names.ts';
import type { Reporter } from '../print/console.ts';
import { safeJson } from '../print/format.ts';
import type { Progress } from '../print/progress.ts';
import type { ExportSink } from './export-file.ts';
import type { ExportFormat } from './file-name.ts';

export interface ExportRun {
  readonly client: Client;
  readonly uri: StreamUri;
  readonly format: ExportFormat;
  /** How far to read. */
  readonly tail: number;
  /** Goes on there; undefined for the start. */
  readonly next: number | undefined;
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly filter: string | undefined;
  readonly encryptionKey: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly reporter: Reporter;
  /** Called with the id of the stream, before anything is written. @throws to end the export */
  onStream(streamId: string): void;
}

/** What was exported of a stream. */
export interface Exported {
  readonly records: number;
  /** Records that OTLP has no form for. */
  readonly leftOut: number;
  /** The sequence number with which a later run goes on. */
  readonly next: number;
}

/** @throws TailraceError what the read threw; what was written before it is in the sink */
export async function exportStream(run: ExportRun, sink: ExportSink): Promise<Exported> {
  const { tail, progress } = run;
  const done = { records: 0, leftOut: 0, next: run.next ?? 0 };
  if (run.next !== undefined && run.next >= tail) return { ...done, next: run.next };
  const first = run.next ?? 0;
  try {
    for await (const frame of framesOf(run)) {
      if (frame.type === 'hello') run.onStream(frame.streamId);
      else if (frame.type === 'gap') tellGap(run, frame);
      else if (frame.type === 'skipped') done.leftOut += frame.count;
      else if (frame.type === 'reconnecting')
        run.reporter.note(`connection lost, trying again: ${frame.cause.message}`);
      else if (frame.type === 'batch') {
        const written = 'records' in frame ? frame.records.length : itemsIn(frame.requests);
        done.records += written;
        if ('requests' in frame) done.leftOut += frame.count - written;
        await sink.write(linesOf(frame));
      }
      if (frame.type === 'gap') done.next = frame.to;
      else if ('next' in frame) done.next = frame.next.seqNum;
      await sink.reached(done.next);
      progress.at(done.next - first, tail - first);
      if (done.next >= tail) break;
    }
  } catch (error) {
    // Nothing is there since then, or before then.
    if (!(error instanceof TailraceError) || error.code !== 'range_not_satisfiable') throw error;
  }
  return done;
}

function framesOf(run: ExportRun): AsyncGenerator<ReadFrame<'raw' | 'otlp-json'>, void, void> {
  const { uri, tail, since, until, filter, encryptionKey, signal } = run;
  const isFirst = run.next === undefined;
  const options = {
    start: isFirst && since !== undefined ? { timestamp: since } : { seqNum: run.next ?? 0 },
    clamp: true,
    until,
    waitSeconds: 0,
    // Without a filter no record after the tail of the beginning comes along.
    count: filter === undefined && since === undefined && until === undefined ? tail - (run.next ?? 0) : undefined,
    filter,
    basin: uri.basin,
    encryptionKey,
    signal,
  };
  return run.client.read<'raw' | 'otlp-json'>(uri.stream, {
    ...options,
    view: run.format === 's2' ? 'raw' : 'otlp-json',
  });
}

function tellGap({ uri, reporter, next }: ExportRun, { from, to }: { readonly from: number; readonly to: number }) {
  // What was trimmed before the first export is not missed.
  if (next === undefined) return;
  reporter.warn(`records ${from} to ${to - 1} of ${formatStreamUri(uri)} are gone: they were trimmed or expired`);
}

function linesOf(frame: BatchFrame<'raw' | 'otlp-json'>): string {
  if ('records' in frame) return frame.records.map((record) => `${safeJson(recordJson(record))}\n`).join('');
  return frame.requests.map((request) => `${safeJson(request)}\n`).join('');
}

/** How many records requests hold: each log record, span and metric is one. */
function itemsIn(value: unknown, depth = 0): number {
  if (depth === ITEM_DEPTH) return 1;
  if (Array.isArray(value)) return value.reduce((sum: number, entry) => sum + itemsIn(entry, depth), 0);
  if (typeof value !== 'object' || value === null) return 0;
  const lists = Object.entries(value).filter(([key, list]) => LISTS.has(key) && Array.isArray(list));
  return lists.reduce(
    (sum, [, list]) => sum + (list as unknown[]).reduce((all: number, entry) => all + itemsIn(entry, depth + 1), 0),
    0,
  );
}

/** Requests hold lists of resources, these of scopes, these of items. */
const ITEM_DEPTH = 3;
const LISTS = new Set(
  ['resourceLogs', 'resourceSpans', 'resourceMetrics', 'scopeLogs', 'scopeSpans', 'scopeMetrics'].concat(
    ...['logRecords', 'spans', 'metrics'],
  ),
);

/** The shape in which S2's command line prints and reads `json-base64`. */
function recordJson({ seqNum, timestamp, headers, body }: StreamRecord): unknown {
  const text = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  const pairs = headers.map(([name, value]) => [text(name), text(value)]);
  return { seq_num: seqNum, timestamp, headers: pairs, body: text(body) };
}
