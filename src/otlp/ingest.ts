/**
 * The entry point of every OTLP request: the bytes of a request in, durable records out. HTTP, gRPC and the library
 * call it.
 */

import { beginWork, goOnWithWork, inTurns } from '../encoding/turns.ts';
import { TailraceError } from '../model/error.ts';
import { SENDER_NAMES_MAX, TURN_STREAM_BYTES, YIELD_BYTES } from '../model/limits.ts';
import { limitOf, type OtlpPolicy } from '../model/otlp-policy.ts';
import type { OtlpSource } from '../model/otlp-source.ts';
import type { Signal } from '../model/record.ts';
import type { StreamCipher, TimestampingMode } from '../model/stream-config.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import { COMMON_REJECTIONS } from './common-rejections.ts';
import { draftBlocks } from './draft-blocks.ts';
import { noteEmptiness } from './empty-result.ts';
import { type IngestResult, ingestResult } from './ingest-result.ts';
import { countOf, rowsCount } from './item-counts.ts';
import type { JsonTally } from './json/transcode.ts';
import { visitFields } from './message-edit.ts';
import { type AppliedRules, applyContentRules } from './policy/apply-content-rules.ts';
import { basinFull } from './policy/policy-rejections.ts';
import { contentRules } from './policy/rewriter.ts';
import { readRequest } from './read-request.ts';
import { Rejections } from './rejections.ts';
import { type AnswerToKeep, keptResult, storeOnce } from './repeats.ts';
import type { OtlpEncoding } from './response.ts';
import { ServiceStreams } from './routing/service-streams.ts';
import { RESOURCE_BYTES, type Routing, sortResources } from './routing/sort-resources.ts';
import { cell, type ScannedRequest } from './scan/columns.ts';
import { RequestScan, type ScanLimits } from './scan/scan.ts';
import { readSource } from './source.ts';
import { Stamper, stampsOf } from './stamp.ts';
import { Tolerated } from './tolerated.ts';

/** What ingest needs to know of a basin. The log's basins fit. */
export interface IngestBasin {
  readonly name: string;
  readonly config: { readonly otlpDefaultStream: string; readonly otlp?: OtlpPolicy };
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
  /** Whether a stream exists; needed only for service routing. Returned without a promise when it is in memory. */
  hasStream?(basin: B, name: string): boolean | Promise<boolean>;
  /** Whether a stream exists, or may be made where a basin has at most so many; needed only where it bounds them. */
  mayHold?(basin: B, name: string, most: number): boolean | Promise<boolean>;
  /** Appends all of it in one transaction, or nothing, with the answer to be kept; resolves when it is durable. */
  append(
    appends: readonly { readonly stream: S; readonly drafts: readonly BlockDraft[] }[],
    kept?: AnswerToKeep,
  ): Promise<unknown>;
  /** What `act` returns, or the answer that was kept under the digest; needed only for basins with a window. */
  once?(basin: B, digest: Uint8Array, act: () => Promise<Uint8Array>): Promise<Uint8Array>;
}

/** Limits of how much data may come: those of `access/` fit. */
export interface IngestRatesPort {
  /** Called first: whether a request has a chance now. */
  expectOpen(counts: { readonly spans: boolean }): void;
  /** Called once with what is about to be stored, which it takes as a whole or not at all. */
  take(use: {
    readonly bytes: number;
    readonly spans: number;
    streams(): Iterable<readonly [stream: string, bytes: number]>;
  }): void;
}

export interface IngestRequest {
  readonly signal: Signal;
  readonly encoding: OtlpEncoding;
  /**
   * Decompressed. It is ours until the promise of `ingest` has settled: no other code may change it, and strings in it
   * that are not UTF-8 are repaired in place. Then it may be reused.
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
  /** Who sends: repeats are those of the same sender. */
  readonly sender?: string;
  /** How much data may come; what it throws refuses the request. */
  readonly rates?: IngestRatesPort | undefined;
  /** Receives the ids of the traces that were stored, in lower-case hex; for requests of traces only. */
  readonly traceIds?: Set<string> | undefined;
  /** Counts what JSON requests held that OTLP does not allow and we tolerate. */
  readonly tally?: JsonTally;
  /** Receives what the request says of its sender, also when it is refused after that is known. */
  readonly source?: OtlpSource;
}

const ITEM_REJECTIONS = {
  too_large: COMMON_REJECTIONS.tooLarge,
  too_deep: COMMON_REJECTIONS.tooDeep,
  no_time: COMMON_REJECTIONS.noTime,
};

/** From TracesData down to the id of a span (OTLP, trace.proto). */
const TRACE_ID_PATH = [0x0a, 0x12, 0x12, 0x0a];

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
 * the streams; what `rates` throws; what the port throws, except `stream_not_found`. Then nothing of the request is
 * stored, except that after `storage` all of it may be.
 */
export function ingest<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  request: IngestRequest,
  options: IngestOptions,
): Promise<IngestResult> {
  const seconds = basin.config.otlp?.dedupeSeconds ?? 0;
  if (seconds === 0 || port.once === undefined) return store(port, basin, request, options);
  const once = (digest: Uint8Array, act: () => Promise<Uint8Array>) => port.once?.(basin, digest, act) ?? act();
  return storeOnce({ ...request, sender: options.sender ?? '' }, once, (digest) =>
    store(port, basin, request, options, { digest, seconds }),
  );
}

async function store<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  request: IngestRequest,
  options: IngestOptions,
  window?: Omit<AnswerToKeep, 'answer'>,
): Promise<IngestResult> {
  const { signal } = request;
  options.rates?.expectOpen({ spans: signal === 'traces' });
  const beginning = beginWork(Math.min(request.body.length, YIELD_BYTES));
  if (beginning !== undefined) await beginning;
  const rejections = new Rejections();
  const tolerated = new Tolerated();
  const tally: JsonTally = { enumNames: 0 };
  const scan = idle.pop() ?? new RequestScan();
  const scanned = scan.found;
  let total = 0;
  let applied: AppliedRules | undefined;
  const appends: { stream: S; drafts: readonly BlockDraft[] }[] = [];
  try {
    const reading = readRequest(scan, request, options.limits, tally);
    if (reading !== undefined) await reading;
    noteTally(request, scanned, tally, options.tally, tolerated);
    total = countOf(scanned, 0, scanned.itemCount);
    const rules = contentRules(basin.config.otlp);
    if (rules !== undefined) applied = await applyContentRules(scan, rules, options, rejections);
    const stamps = stampsOf(options.resourceAttributes);
    const reserve = (bytes: number): void => options.reserve?.((applied?.bytes ?? 0) + bytes);
    const stamper = stamps === undefined ? undefined : new Stamper(stamps, scanned.resourceCount, reserve);
    if (options.source !== undefined) readSource(scanned, options.source);
    scanned.changedHeads = stamper;
    const routing = routingOf(port, basin, options, stamper);
    const streams = new Map<string, number[]>();
    while (routing.row < scanned.resourceCount) {
      sortResources(scanned, routing, streams, rejections);
      if (routing.services?.pending !== undefined) await routing.services.pending;
      else if (routing.row < scanned.resourceCount) await goOnWithWork(YIELD_BYTES);
    }
    checkAllowed(scanned, streams, options, rejections);
    options.rates?.take({
      bytes: request.body.length,
      spans: signal === 'traces' ? total - rejections.count : 0,
      streams: () => streamBytes(scanned, streams),
    });
    const streamsMax = limitOf(basin.config.otlp, 'streams_max');
    let work = 0;
    for (const [name, rows] of streams) {
      if (work >= YIELD_BYTES) {
        await goOnWithWork(YIELD_BYTES);
        work = 0;
      }
      work += TURN_STREAM_BYTES + RESOURCE_BYTES * rows.length;
      if (streamsMax !== undefined && (await port.mayHold?.(basin, name, streamsMax)) === false) {
        rejections.add(basinFull(streamsMax), rowsCount(scanned, rows), name);
        continue;
      }
      const opening = open(port, basin, name);
      const stream = opening instanceof Promise ? await opening : opening;
      if (stream === undefined) rejections.add(COMMON_REJECTIONS.noStream, rowsCount(scanned, rows), name);
      else if (stream.cipher !== undefined) rejections.add(COMMON_REJECTIONS.encrypted, rowsCount(scanned, rows), name);
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
  const records = filled.reduce((sum, { drafts }) => drafts.reduce((count, draft) => count + draft.count, sum), 0);
  const result = ingestResult(signal, total, records, rejections, tolerated, applied);
  if (filled.length > 0) {
    await port.append(filled, window === undefined ? undefined : { ...window, answer: keptResult(result) });
  }
  if (options.traceIds !== undefined) await addTraceIds(options.traceIds, filled);
  return result;
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
  tolerated.count('integers', tally.doublesForIntegers ?? 0);
  tolerated.count('integer_halves', tally.integerHalves ?? 0);
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

const NONE: readonly string[] = [];

function routingOf<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  { fixedStream: fixed, mayAppend }: IngestOptions,
  stamper: Stamper | undefined,
): Routing {
  const { otlpDefaultStream: fallback, otlp } = basin.config;
  const hasStream = (name: string) => port.hasStream?.(basin, name) ?? false;
  const services = otlp?.serviceRouting === true ? new ServiceStreams({ hasStream, mayAppend }) : undefined;
  return { fixed, fallback, services, required: otlp?.requiredAttributes ?? NONE, stamper, row: 0, stamped: 0 };
}

/** How many bytes of the request go to each stream. */
function* streamBytes(
  scanned: ScannedRequest,
  streams: ReadonlyMap<string, readonly number[]>,
): Iterable<readonly [stream: string, bytes: number]> {
  for (const [name, rows] of streams) {
    yield [name, rows.reduce((sum, row) => sum + cell(scanned.resourceEnd, row) - cell(scanned.resourceField, row), 0)];
  }
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
    rejections.add(COMMON_REJECTIONS.notAllowed, rowsCount(scanned, streams.get(name) ?? []), name);
    streams.delete(name);
  }
}

async function addTraceIds(ids: Set<string>, appends: readonly { readonly drafts: readonly BlockDraft[] }[]) {
  for (const { payload } of appends.flatMap(({ drafts }) => drafts)) {
    const message = Buffer.concat(payload);
    const add = (start: number, end: number): void => {
      if (end > start) ids.add(message.toString('hex', start, end));
    };
    await inTurns(visitFields(message, TRACE_ID_PATH, add));
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
