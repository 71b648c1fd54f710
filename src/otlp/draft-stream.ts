/** What of a request goes to which stream: opens the streams, and makes the blocks of their records. */

import { inTurns } from '../encoding/turns.ts';
import { TailraceError } from '../model/error.ts';
import { RECORD_METERED_BYTES_MAX, SENDER_NAMES_MAX } from '../model/limits.ts';
import { limitOf } from '../model/otlp-policy.ts';
import type { OtlpSource } from '../model/otlp-source.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import { COMMON_REJECTIONS, keyRejection, tooLarge } from './common-rejections.ts';
import { cutRecords, mayHoldLarge, type RecordCuts } from './cut/cut-records.ts';
import { draftBlocks } from './draft-blocks.ts';
import { countOf, rowsCount } from './item-counts.ts';
import { basinFull } from './policy/policy-rejections.ts';
import type { IngestBasin, IngestPort, IngestStream, OwnOptions } from './ports.ts';
import type { Rejection, Rejections } from './rejections.ts';
import type { ScannedRequest } from './scan/columns.ts';

/** What goes to one stream. */
export interface StreamDrafts<S> {
  readonly stream: S;
  readonly drafts: readonly BlockDraft[];
  /** For a stream with a cipher. */
  readonly encryptionKey?: Uint8Array | undefined;
}

const ITEM_REJECTIONS = {
  uncuttable: COMMON_REJECTIONS.uncuttable,
  bad: COMMON_REJECTIONS.tooDeep,
  no_time: COMMON_REJECTIONS.noTime,
  too_much: COMMON_REJECTIONS.tooMuch,
};

/** Stands for a request that makes no streams where these are bounded. */
const OVER = { isOver: true };

/** One request, and what is made of it. */
export interface Drafting<B extends IngestBasin, S extends IngestStream> {
  readonly port: IngestPort<B, S>;
  readonly basin: B;
  readonly scanned: ScannedRequest;
  readonly options: OwnOptions;
  readonly rejections: Rejections;
  readonly drafts: StreamDrafts<S>[];
  /** Metered bytes for streams with a cipher. */
  readonly encrypted: { bytes: number };
  /** Called when these grow; may throw. */
  readonly reserve: () => void;
}

/**
 * Drafts the resources (by row) that go to one stream; what cannot be stored there is rejected. Returns no promise when the
 * stream is open, streams are not bounded, and nothing is to be cut: then requests take effect in the order of the calls.
 * @throws what the port throws, except `stream_not_found`
 */
export function draftStream<B extends IngestBasin, S extends IngestStream>(
  drafting: Drafting<B, S>,
  name: string,
  rows: readonly number[],
): void | Promise<void> {
  const { port, basin, scanned } = drafting;
  const streamsMax = limitOf(basin.config.otlp, 'streams_max');
  const isLarge = recordBytesMaxOf(basin) > RECORD_METERED_BYTES_MAX && mayHoldLarge(scanned);
  if (streamsMax !== undefined || isLarge) return draftWithin(drafting, name, rows, { streamsMax, isLarge });
  const opening = open(port, basin, name);
  if (opening instanceof Promise) return opening.then((stream) => place(drafting, name, rows, stream));
  place(drafting, name, rows, opening);
}

async function draftWithin<B extends IngestBasin, S extends IngestStream>(
  drafting: Drafting<B, S>,
  name: string,
  rows: readonly number[],
  { streamsMax, isLarge }: { readonly streamsMax: number | undefined; readonly isLarge: boolean },
): Promise<void> {
  const { port, basin, scanned, options, rejections } = drafting;
  const maker = options.maker ?? OVER;
  if (streamsMax !== undefined && (await port.mayHold?.(basin, name, streamsMax, maker)) === false) {
    rejections.add(basinFull(streamsMax), rowsCount(scanned, rows), name);
    return;
  }
  const stream = await open(port, basin, name);
  const takes = isLarge && stream !== undefined && stream.cipher === undefined;
  place(
    drafting,
    name,
    rows,
    stream,
    takes ? await inTurns(cutRecords(scanned, rows, recordBytesMaxOf(basin))) : undefined,
  );
}

function place<B extends IngestBasin, S extends IngestStream>(
  drafting: Drafting<B, S>,
  name: string,
  rows: readonly number[],
  stream: S | undefined,
  cuts?: RecordCuts,
): void {
  const { scanned, options, rejections, drafts } = drafting;
  const rejection = stream === undefined ? COMMON_REJECTIONS.noStream : refusalOf(stream, options);
  if (stream === undefined || rejection !== undefined) {
    if (rejection !== undefined) rejections.add(rejection, rowsCount(scanned, rows), name);
    return;
  }
  noteStream(options.source, name);
  drafts.push({
    stream,
    drafts: draft(drafting, rows, name, stream, cuts),
    encryptionKey: stream.cipher === undefined ? undefined : options.encryptionKey,
  });
  if (stream.cipher !== undefined) drafting.reserve();
}

function refusalOf({ cipher }: IngestStream, { encryptionKey }: OwnOptions): Rejection | undefined {
  return cipher === undefined ? undefined : keyRejection(cipher, encryptionKey);
}

/** The largest record that the basin takes, in metered bytes. */
export function recordBytesMaxOf({ config }: IngestBasin): number {
  return config.otlp?.largeItemsMax ?? RECORD_METERED_BYTES_MAX;
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

function draft<B extends IngestBasin, S extends IngestStream>(
  { basin, scanned, rejections, encrypted }: Drafting<B, S>,
  rows: readonly number[],
  name: string,
  stream: IngestStream,
  cuts: RecordCuts | undefined,
): readonly BlockDraft[] {
  const recordBytesMax = stream.cipher === undefined ? recordBytesMaxOf(basin) : RECORD_METERED_BYTES_MAX;
  return draftBlocks(scanned, rows, {
    recordBytesMax,
    cuts,
    encrypted: stream.cipher === undefined ? undefined : encrypted,
    timeRequired: stream.config.timestampingMode === 'client-require',
    reject: (why, item, bad) => {
      const rejection = why === 'too_large' ? tooLarge(recordBytesMax) : ITEM_REJECTIONS[why];
      rejections.add(bad ?? rejection, countOf(scanned, item, item + 1), name);
    },
  });
}
