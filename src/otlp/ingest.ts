/**
 * The entry point of every OTLP request: the bytes of a request in, durable records out. HTTP, gRPC and the library
 * call it.
 */

import { beginWork, goOnWithWork } from '../encoding/turns.ts';
import { TailraceError } from '../model/error.ts';
import { TURN_STREAM_BYTES, YIELD_BYTES } from '../model/limits.ts';
import { limitOf } from '../model/otlp-policy.ts';
import { COMMON_REJECTIONS } from './common-rejections.ts';
import { draftStream, recordBytesMaxOf, type StreamDrafts } from './draft-stream.ts';
import { noteEmptiness } from './empty-result.ts';
import { type IngestResult, ingestResult } from './ingest-result.ts';
import { countOf, rowsCount } from './item-counts.ts';
import type { JsonTally } from './json/transcode.ts';
import { type AppliedRules, applyContentRules } from './policy/apply-content-rules.ts';
import { contentRules } from './policy/rewriter.ts';
import type { IngestBasin, IngestOptions, IngestPort, IngestRequest, IngestStream, OwnOptions } from './ports.ts';
import { readRequest } from './read-request.ts';
import { Rejections } from './rejections.ts';
import { type AnswerToKeep, addDraftedIds, addTraceIds, keptResult, storeOnce } from './repeats.ts';
import { ServiceStreams } from './routing/service-streams.ts';
import { RESOURCE_BYTES, type Routing, sortResources } from './routing/sort-resources.ts';
import { cell, type ScannedRequest } from './scan/columns.ts';
import { RequestScan, type ScanLimits } from './scan/scan.ts';
import { readSource } from './source.ts';
import { Stamper, stampsOf } from './stamp.ts';
import { Tolerated } from './tolerated.ts';

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
 * the streams; what `rates` and `expectInTime` throw; what the port throws, except `stream_not_found`. Then nothing of the request is
 * stored, except that after `storage` all of it may be.
 */
export function ingest<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  request: IngestRequest,
  options: IngestOptions,
): Promise<IngestResult> {
  if (limitOf(basin.config.otlp, 'streams_max') === undefined)
    return storeUnlessRepeated(port, basin, request, options);
  const maker = { isOver: false };
  return storeUnlessRepeated(port, basin, request, { ...options, maker }).finally(() => {
    maker.isOver = true;
  });
}

function storeUnlessRepeated<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  request: IngestRequest,
  options: OwnOptions,
): Promise<IngestResult> {
  const seconds = basin.config.otlp?.dedupeSeconds ?? 0;
  if (seconds === 0 || port.once === undefined) return store(port, basin, request, options);
  const once = (digest: Uint8Array, act: () => Promise<Uint8Array>) => port.once?.(basin, digest, act) ?? act();
  const result = storeOnce({ ...request, sender: options.sender ?? '' }, once, (digest) =>
    store(port, basin, request, options, { digest, seconds }),
  );
  const { traceIds } = options;
  return traceIds === undefined ? result : result.then((kept) => recalled(kept, request, options.limits, traceIds));
}

/** A repeat names the same traces as the first answer. */
async function recalled(result: IngestResult, request: IngestRequest, limits: ScanLimits, traceIds: Set<string>) {
  if (result.isRepeat !== true) return result;
  for (const id of result.traceIds ?? []) traceIds.add(id);
  if (result.traceIds !== undefined) return result;
  const scan = new RequestScan();
  await readRequest(scan, request, limits, { enumNames: 0, faults: [] });
  await addTraceIds(traceIds, scan.found.body);
  return result;
}

async function store<B extends IngestBasin, S extends IngestStream>(
  port: IngestPort<B, S>,
  basin: B,
  request: IngestRequest,
  options: OwnOptions,
  window?: Omit<AnswerToKeep, 'answer'>,
): Promise<IngestResult> {
  const { signal } = request;
  const recordBytesMax = recordBytesMaxOf(basin);
  options.rates?.expectOpen({ spans: signal === 'traces' });
  const beginning = beginWork(Math.min(request.body.length, YIELD_BYTES));
  if (beginning !== undefined) await beginning;
  const rejections = new Rejections();
  const tolerated = new Tolerated();
  const tally: JsonTally = { enumNames: 0, faults: [] };
  const scan = idle.pop() ?? new RequestScan();
  const scanned = scan.found;
  let total = 0;
  let applied: AppliedRules | undefined;
  const appends: StreamDrafts<S>[] = [];
  try {
    const { requestRecordsMax } = options.limits;
    const limits = { requestRecordsMax, recordBytesMax };
    const reading = readRequest(scan, request, limits, tally);
    if (reading !== undefined) await reading;
    noteTally(request, scanned, tally, options.tally, tolerated);
    total = countOf(scanned, 0, scanned.itemCount);
    const rules = contentRules(basin.config.otlp);
    if (rules !== undefined) applied = await applyContentRules(scan, rules, { ...options, limits }, rejections);
    const stamps = stampsOf(options.resourceAttributes);
    const encrypted = { bytes: 0 };
    let heads = 0;
    const reserve = (stamped = heads): void => {
      heads = stamped;
      options.reserve?.((applied?.bytes ?? 0) + heads + encrypted.bytes);
    };
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
    const drafting = { port, basin, scanned, options, rejections, drafts: appends, encrypted, reserve };
    let work = 0;
    for (const [name, rows] of streams) {
      if (work >= YIELD_BYTES) {
        await goOnWithWork(YIELD_BYTES);
        work = 0;
      }
      work += TURN_STREAM_BYTES + RESOURCE_BYTES * rows.length;
      const opening = draftStream(drafting, name, rows);
      if (opening !== undefined) await opening;
    }
    noteRepairs(scanned, streams, tolerated);
    if (options.traceIds !== undefined && rejections.count === 0) await addTraceIds(options.traceIds, scanned.body);
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
  let kept = result;
  if (signal === 'traces' && rejections.count > 0 && (options.traceIds ?? window) !== undefined) {
    const ids = options.traceIds ?? new Set();
    await addDraftedIds(ids, filled);
    kept = { ...result, traceIds: [...ids] };
  }
  if (filled.length > 0) {
    options.expectInTime?.();
    await port.append(filled, window === undefined ? undefined : { ...window, answer: keptResult(kept) });
  }
  return kept;
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
  const required = otlp?.requiredAttributes ?? NONE;
  const recordBytesMax = recordBytesMaxOf(basin);
  return { fixed, fallback, services, required, recordBytesMax, stamper, row: 0, stamped: 0, known: [] };
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
