/**
 * The first half of ingest: a body of either encoding becomes a scanned protobuf request, in which what may be repaired
 * is repaired.
 */

import { goOnWithWork, inTurns } from '../encoding/turns.ts';
import { TailraceError } from '../model/error.ts';
import {
  JSON_TOKEN_BYTES_MAX,
  RECORD_METERED_BYTES_MAX,
  REPAIRED_ITEM_BYTES_MAX,
  YIELD_BYTES,
} from '../model/limits.ts';
import type { Signal } from '../model/record.ts';
import { otherFormat } from './body-hints.ts';
import { type JsonTally, transcodeInTurns, transcodeJson } from './json/transcode.ts';
import { expectNoOther, expectOwnItems } from './other-signal.ts';
import { repairIds } from './repair-ids.ts';
import type { OtlpEncoding } from './response.ts';
import type { RequestScan, ScanLimits } from './scan/scan.ts';

/** What is read. Strings of a protobuf body are repaired in place. */
export interface Readable {
  readonly signal: Signal;
  readonly encoding: OtlpEncoding;
  readonly body: Uint8Array;
}

/**
 * Reads the request into `scan.found`. Returns undefined when it is done at once, as with all bodies of up to
 * `YIELD_BYTES`; larger ones are read in pieces, between which others run.
 * @throws TailraceError `bad_proto`, `bad_json`, `too_large`
 */
export function readRequest(
  scan: RequestScan,
  request: Readable,
  limits: ScanLimits,
  tally: JsonTally,
): Promise<void> | undefined {
  const reading =
    request.encoding === 'json' ? readJson(scan, request, limits, tally) : readProtobuf(scan, request, limits);
  if (reading !== undefined) return reading.then(() => withGoodContent(scan, request, limits));
  return withGoodContent(scan, request, limits);
}

function withGoodContent(scan: RequestScan, request: Readable, limits: ScanLimits): Promise<void> | undefined {
  if (scan.found.longStrings.length === 0) return withGoodIds(scan, request, limits);
  return inTurns(scan.found.repairLongStrings()).then(() => withGoodIds(scan, request, limits));
}

/** Rewrites a request in which ids are malformed, and scans it again. What was found before is kept for the warnings. */
function withGoodIds(scan: RequestScan, { signal, encoding }: Readable, limits: ScanLimits): Promise<void> | undefined {
  if (scan.found.oddIds.size === 0) return undefined;
  return rewrite(scan, signal, encoding === 'json', limits);
}

async function rewrite(scan: RequestScan, signal: Signal, isJson: boolean, limits: ScanLimits): Promise<void> {
  const { found } = scan;
  const strings = [...found.repairedStrings];
  const ids = [...found.oddIds];
  const body = await inTurns(repairIds(signal, found.body, isJson, itemBytesMax(REPAIRED_ITEM_BYTES_MAX, limits)));
  scan.begin(signal, body, limits);
  if (!scan.step()) await scanRest(scan);
  found.restore(strings, ids);
}

function readJson(
  scan: RequestScan,
  request: Readable,
  limits: ScanLimits,
  tally: JsonTally,
): Promise<void> | undefined {
  const body = transcode(request, tally, jsonStringBytesMax(limits));
  return body instanceof Promise
    ? body.then((bytes) => scanJson(scan, request.signal, bytes, limits, tally))
    : scanJson(scan, request.signal, body, limits, tally);
}

/** In JSON the keys tell the signals apart. */
function scanJson(
  scan: RequestScan,
  signal: Signal,
  body: Uint8Array,
  limits: ScanLimits,
  { faults = [] }: JsonTally,
): Promise<void> | undefined {
  scan.found.faults = faults.map(({ text, place }) => ({ kind: 'bad_value', text, place }));
  scan.begin(signal, body, limits);
  return scan.step() ? undefined : scanRest(scan);
}

/** What is refused, or would have to be repaired, may be meant for another path: nothing is changed before that is known. */
function readProtobuf(scan: RequestScan, { signal, body }: Readable, limits: ScanLimits): Promise<void> | undefined {
  try {
    scan.begin(signal, body, limits, expectNoOther);
    if (!scan.step()) return protobufRest(scan, signal, body);
  } catch (error) {
    throw explained(error, signal, body);
  }
  expectOwnItems(scan.found);
  return undefined;
}

async function protobufRest(scan: RequestScan, signal: Signal, body: Uint8Array): Promise<void> {
  try {
    await scanRest(scan);
  } catch (error) {
    throw explained(error, signal, body);
  }
  expectOwnItems(scan.found);
}

/** What to tell the sender of a body that cannot be read: what it is instead, where that can be seen. */
function explained(error: unknown, signal: Signal, body: Uint8Array): unknown {
  if (!(error instanceof TailraceError) || error.code !== 'bad_proto') return error;
  expectNoOther(signal, body);
  return otherFormat(body) ?? error;
}

async function scanRest(scan: RequestScan): Promise<void> {
  do await goOnWithWork(YIELD_BYTES);
  while (!scan.step());
}

/** A large body is transcoded in pieces, between which others run. */
function transcode(
  { signal, body }: Readable,
  tally: JsonTally,
  stringBytesMax: number,
): Uint8Array | Promise<Uint8Array> {
  if (body.length <= YIELD_BYTES) return transcodeJson(signal, body, tally);
  return transcodeInTurns(signal, body, tally, { stringBytesMax });
}

/** Bytes of an item that is looked at: a limit for records of S2's size grows with those that the basin stores. */
export function itemBytesMax(usual: number, { recordBytesMax = RECORD_METERED_BYTES_MAX }: ScanLimits): number {
  return usual * (recordBytesMax / RECORD_METERED_BYTES_MAX);
}

/** A string of the largest record is longer in JSON: in base64 by a third, with escapes more. */
function jsonStringBytesMax({ recordBytesMax = 0 }: ScanLimits): number {
  return Math.max(JSON_TOKEN_BYTES_MAX, Math.ceil(1.5 * recordBytesMax));
}
