/**
 * The entry point of every OTLP request: the bytes of a request in, durable records out. HTTP, gRPC and the library
 * call it.
 */

import { beginWork, goOnWithWork } from '../encoding/turns.ts';
import { TailraceError } from '../model/error.ts';
import {
  NESTING_MAX,
  RECORD_METERED_BYTES_MAX,
  REQUEST_STREAMS_MAX,
  SENDER_NAMES_MAX,
  TURN_STREAM_BYTES,
  YIELD_BYTES,
} from '../model/limits.ts';
import type { OtlpSource } from '../model/otlp-source.ts';
import type { Signal } from '../model/record.ts';
import type { StreamCipher, TimestampingMode } from '../model/stream-config.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import { draftBlocks } from './draft-blocks.ts';
import { piecesBytes } from './emit-block.ts';
import { noteEmptiness } from './empty-result.ts';
import { type IngestResult, ingestResult } from './ingest-result.ts';
import type { JsonTally } from './json/transcode.ts';
import { readRequest } from './read-request.ts';
import { type Rejection, Rejections } from './rejections.ts';
import type { OtlpEncoding } from './response.ts';
import { type RoutePolicy, routeResource } from './routing/route.ts';
import { cell, type ScannedRequest } from './scan/columns.ts';
import { RequestScan, type ScanLimits } from './scan/scan.ts';
import { readSource } from './source.ts';
import { Stamper, stampsOf } from './stamp.ts';
import { Tolerated } from './tolerated.ts';

/** What ingest needs to know of a basin. The log's basins fit. */
export interface IngestBasin {
  readonly name: string;
  readonly config: { readonly otlpDefaultStream: string };
}

/** What ingest needs to know of a stream. The log's streams fit. */
export interface IngestStream {
  readonly config: { readonly timestampingMode: TimestampingMode };
  /** An encrypted stream takes no OTLP data: each append needs the key, and OTLP cannot send one. */
  readonly cipher?: StreamCipher | undefined;
}

/** What ingest calls of the log. The log itself fits. */
export interface IngestPort<B extends IngestBasin, S extends IngestStream> {
  /**
   * The stream, which is made first when the basin makes streams on append. Returned without a promise when it is open.
   * @throws TailraceError `stream_not_found`
   */
  openStream(basin: B, name: string, purpose: 'append'): S | Promise<S>;
  /** Appends all of it in one transaction, or nothing; resolves when it is durable. */
  append(appends: readonly { readonly stream: S; readonly drafts: readonly BlockDraft[] }[]): Promise<unknown>;
}

export interface IngestRequest {
  readonly signal: Signal;
  readonly encoding: OtlpEncoding;
  /**
   * Decompressed. It is ours until the promise of `ingest` has settled: nobody else may change it, and strings in it that
   * are not UTF-8 are repaired in place. Then it may be reused.
   */
  readonly body: Uint8Array;
}

export interface IngestOptions {
  readonly limits: ScanLimits;
  /** Whether the caller may append to a stream; without this function every stream is allowed. */
  readonly mayAppend?: (stream: string) => boolean;
  /**
   * The stream of resources without `s2.stream`, used instead of the basin's template: a valid name, not a template.
   */
  readonly fixedStream?: string | undefined;
  /** Set on every resource; replaces what the sender wrote under those keys. Must not change. */
  readonly resourceAttributes?: ReadonlyMap<string, string>;
  /** Called with the total memory in bytes that `resourceAttributes` take, each time it grows; may throw. */
  readonly reserve?: (bytes: number) => void;
  /** Called with the number of spans that are about to be stored; what it throws refuses the request. */
  readonly takeSpans?: (spans: number) => void;
  /** Called with what is durable now, as payloads of blocks: each is a message of the signal. */
  readonly stored?: (payload: readonly Uint8Array[]) => void;
  /** Counts what JSON requests held that OTLP does not allow and we tolerate. */
  readonly tally?: JsonTally;
  /** Receives what the request says of its sender, also when it is refused after that is known. */
  readonly source?: OtlpSource;
}

const NO_STREAM: Rejection = {
  kind: 'no_stream',
  text: 'the stream does not exist and the basin does not make streams on append: create it, or set create_stream_on_append',
};
const NOT_ALLOWED: Rejection = {
  kind: 'not_allowed',
  text: 'the token may not append to the stream: use a token whose scope names it',
};
const TOO_LARGE: Rejection = {
  kind: 'too_large',
  text: `a record has at most ${RECORD_METERED_BYTES_MAX} metered bytes, its resource and scope included: send smaller items`,
};
const TOO_DEEP: Rejection = {
  kind: 'too_deep',
  text: `messages are nested more than ${NESTING_MAX} levels deep, which protobuf decoders refuse: flatten the attributes or the body, or send them as JSON text`,
};
const NO_TIME: Rejection = {
  kind: 'no_time',
  text: 'the stream takes only items with a time (timestamping mode client-require): set it in the sender',
};
const ITEM_REJECTIONS = { too_large: TOO_LARGE, too_deep: TOO_DEEP, no_time: NO_TIME };
const ENCRYPTED: Rejection = {
  kind: 'encrypted',
  text: 'the stream is encrypted with keys that its clients send, which OTLP cannot do: route to a stream of another basin',
};

const TOO_MANY_STREAMS: Rejection = {
  kind: 'too_many_streams',
  text: `one request writes to at most ${REQUEST_STREAMS_MAX} streams, these are beyond: send them in other requests, or route by an attribute with fewer values`,
};

/** What routing a resource costs besides the bytes of its head. */
const RESOURCE_BYTES = 64;

/** Scans for the next requests: they keep the memory of their columns. */
const idle: RequestScan[] = [];
const IDLE_MAX = 4;

/**
 * Stores a request. Resolves when everything that was accepted is durable, in one transaction for all streams. A
 * resource or item that can never be stored is rejected in the result, and the rest is committed (OTLP specification,
 * Partial Success). An empty request is accepted without a commit. When all streams are open there is no `await` before
 * the append, unless the turn of the event loop is used up; so requests of up to `YIELD_BYTES` take effect in the order of
 * the calls. Larger ones let others run in between.
 *
 * @throws TailraceError `bad_proto`, `bad_json`, `too_large`; `permission_denied` when the caller may append to none of
 * the streams; what `takeSpans` throws; what the port throws, except `stream_not_found`. Then nothing of the request is
 * stored, except that after `storage` all of it may be.
 */
export async function ingest<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  request: IngestRequest,
  options: IngestOptions,
): Promise<IngestResult> {
  const { signal } = request;
  const beginning = beginWork(Math.min(request.body.length, YIELD_BYTES));
  if (beginning !== undefined) await beginning;
  const rejections = new Rejections();
  const tolerated = new Tolerated();
  const tally: JsonTally = { enumNames: 0 };
  const scan = idle.pop() ?? new RequestScan();
  const scanned = scan.found;
  let total = 0;
  const appends: { stream: S; drafts: readonly BlockDraft[] }[] = [];
  try {
    const reading = readRequest(scan, request, options.limits, tally);
    if (reading !== undefined) await reading;
    noteTally(request, scanned, tally, options.tally, tolerated);
    total = countOf(scanned, 0, scanned.itemCount);
    const stamps = stampsOf(options.resourceAttributes);
    const stamper = stamps === undefined ? undefined : new Stamper(stamps, scanned.resourceCount, options.reserve);
    if (options.source !== undefined) readSource(scanned, options.source);
    scanned.changedHeads = stamper;
    const routing = { fixed: options.fixedStream, fallback: basin.config.otlpDefaultStream, stamper };
    const streams = new Map<string, number[]>();
    for (let row = 0; row < scanned.resourceCount; ) {
      row = route(scanned, row, routing, streams, rejections);
      if (row < scanned.resourceCount) await goOnWithWork(YIELD_BYTES);
    }
    checkAllowed(scanned, streams, options, rejections);
    if (signal === 'traces') options.takeSpans?.(total - rejections.count);
    let work = 0;
    for (const [name, rows] of streams) {
      if (work >= YIELD_BYTES) {
        await goOnWithWork(YIELD_BYTES);
        work = 0;
      }
      work += TURN_STREAM_BYTES + RESOURCE_BYTES * rows.length;
      const opening = open(port, basin, name);
      const stream = opening instanceof Promise ? await opening : opening;
      if (stream === undefined) rejections.add(NO_STREAM, rowsCount(scanned, rows), name);
      else if (stream.cipher !== undefined) rejections.add(ENCRYPTED, rowsCount(scanned, rows), name);
      else {
        noteStream(options.source, name);
        appends.push({ stream, drafts: draft(scanned, rows, name, stream, rejections) });
      }
    }
    noteRepairs(scanned, streams, tolerated);
  } finally {
    // The drafts refer to the body, but not to the columns, so the scan can be reused.
    scan.end();
    if (idle.length < IDLE_MAX) idle.push(scan);
  }
  const filled = appends.filter((append) => append.drafts.length > 0);
  // Positions are assigned in one go: many streams get a turn of their own.
  if (filled.length * TURN_STREAM_BYTES > YIELD_BYTES) await goOnWithWork(filled.length * TURN_STREAM_BYTES);
  if (filled.length > 0) await port.append(filled);
  const { stored } = options;
  if (stored !== undefined) for (const { drafts } of filled) for (const { payload } of drafts) stored(payload);
  const records = filled.reduce((sum, { drafts }) => drafts.reduce((count, draft) => count + draft.count, sum), 0);
  return ingestResult(signal, total, records, rejections, tolerated);
}

/** What the sender and the counters are told before it is known where items go. */
function noteTally(
  { signal, encoding, body }: IngestRequest,
  { itemCount }: ScannedRequest,
  tally: JsonTally,
  total: JsonTally | undefined,
  tolerated: Tolerated,
): void {
  if (itemCount === 0 || tally.oldKeys !== undefined) {
    const isEmpty = encoding === 'json' ? tally.isEmpty === true : body.length === 0;
    noteEmptiness(signal, itemCount, isEmpty, tally, tolerated);
  }
  if (encoding === 'protobuf') return;
  if (total !== undefined) total.enumNames += tally.enumNames;
  tolerated.count('snake_case', tally.snakeCaseKeys ?? 0);
  tolerated.count('byte_lists', tally.byteLists ?? 0);
}

/** Says in which streams strings and ids were repaired. */
function noteRepairs(
  { repairedStrings, oddIds }: ScannedRequest,
  streams: ReadonlyMap<string, readonly number[]>,
  tolerated: Tolerated,
): void {
  if (repairedStrings.size + oddIds.size === 0) return;
  const streamOf = new Map<number, string>();
  for (const [name, rows] of streams) for (const row of rows) streamOf.set(row, name);
  for (const [row, count] of repairedStrings) tolerated.repaired('strings', count, streamOf.get(row));
  for (const [row, count] of oddIds) tolerated.repaired('ids', count, streamOf.get(row));
}

/** What decides where resources go, and what is done to them first. */
interface Routing extends RoutePolicy {
  readonly stamper: Stamper | undefined;
}

/** Sorts resources from `first` on to their streams, in the order of the request; returns the row to go on with. */
function route(
  scanned: ScannedRequest,
  first: number,
  routing: Routing,
  streams: Map<string, number[]>,
  rejections: Rejections,
): number {
  let walked = 0;
  let row = first;
  for (; row < scanned.resourceCount && walked < YIELD_BYTES; row++) {
    const head = piecesBytes(scanned.resourcePieces, scanned.resourcePiecesFrom, row);
    walked += head + RESOURCE_BYTES;
    // No record with such a head fits, so nothing more has to look at this resource.
    if (head > RECORD_METERED_BYTES_MAX) {
      rejections.add(TOO_LARGE, rowsCount(scanned, [row]));
      continue;
    }
    if (scanned.tooDeepResources.has(row)) {
      rejections.add(TOO_DEEP, rowsCount(scanned, [row]));
      continue;
    }
    if (routing.stamper !== undefined) walked += routing.stamper.stamp(scanned, row, head);
    const found = routeResource(scanned, row, routing);
    if ('rejected' in found) {
      rejections.add({ kind: 'unroutable', text: found.rejected }, rowsCount(scanned, [row]));
    } else {
      const rows = streams.get(found.stream);
      if (rows !== undefined) rows.push(row);
      else if (streams.size < REQUEST_STREAMS_MAX) streams.set(found.stream, [row]);
      else rejections.add(TOO_MANY_STREAMS, rowsCount(scanned, [row]), found.stream);
    }
  }
  return row;
}

/**
 * Takes out the streams that the caller may not append to.
 * @throws TailraceError `permission_denied` when none is left
 */
function checkAllowed(
  scanned: ScannedRequest,
  streams: Map<string, number[]>,
  { mayAppend }: IngestOptions,
  rejections: Rejections,
): void {
  if (mayAppend === undefined) return;
  const denied = [...streams.keys()].filter((name) => !mayAppend(name));
  if (denied.length > 0 && denied.length === streams.size) {
    throw new TailraceError('permission_denied', `the token may not append to stream ${JSON.stringify(denied[0])}`);
  }
  for (const name of denied) {
    rejections.add(NOT_ALLOWED, rowsCount(scanned, streams.get(name) ?? []), name);
    streams.delete(name);
  }
}

function noteStream(source: OtlpSource | undefined, name: string): void {
  if (source !== undefined && source.streams.length < SENDER_NAMES_MAX) source.streams.push(name);
}

/** The stream, or undefined when it does not exist and is not made: that is rejected, other errors fail the request. */
function open<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  name: string,
): S | undefined | Promise<S | undefined> {
  try {
    const opening = port.openStream(basin, name, 'append');
    return opening instanceof Promise ? opening.catch(missing) : opening;
  } catch (error) {
    return missing(error);
  }
}

function missing(error: unknown): undefined {
  if (error instanceof TailraceError && error.code === 'stream_not_found') return undefined;
  throw error;
}

function draft(
  scanned: ScannedRequest,
  rows: readonly number[],
  name: string,
  stream: IngestStream,
  rejections: Rejections,
): readonly BlockDraft[] {
  return draftBlocks(scanned, rows, {
    timeRequired: stream.config.timestampingMode === 'client-require',
    reject: (why, item) => {
      rejections.add(ITEM_REJECTIONS[why], countOf(scanned, item, item + 1), name);
    },
  });
}

/** How many items [from, to) are in the units of OTLP: for metrics their data points, else the items themselves. */
function countOf(scanned: ScannedRequest, from: number, to: number): number {
  if (scanned.signal !== 'metrics') return to - from;
  let points = 0;
  for (let item = from; item < to; item++) points += cell(scanned.itemPoints, item);
  return points;
}

function rowsCount(scanned: ScannedRequest, rows: readonly number[]): number {
  return rows.reduce((sum, row) => {
    const from = cell(scanned.scopeItemsFrom, cell(scanned.resourceScopesFrom, row));
    const to = cell(scanned.scopeItemsFrom, cell(scanned.resourceScopesFrom, row + 1));
    return sum + countOf(scanned, from, to);
  }, 0);
}
