/** What ingest asks of the log, of basins, streams and rates, and what it is asked. */

import type { OtlpPolicy } from '../model/otlp-policy.ts';
import type { OtlpSource } from '../model/otlp-source.ts';
import type { Signal } from '../model/record.ts';
import type { StreamCipher, TimestampingMode } from '../model/stream-config.ts';
import type { BlockDraft } from '../storage/block/seal.ts';
import type { JsonTally } from './json/transcode.ts';
import type { AnswerToKeep } from './repeats.ts';
import type { OtlpEncoding } from './response.ts';
import type { ScanLimits } from './scan/scan.ts';

/** What ingest needs to know of a basin. The log's basins fit. */
export interface IngestBasin {
  readonly name: string;
  readonly config: { readonly otlpDefaultStream: string; readonly otlp?: OtlpPolicy };
}

/** What ingest needs to know of a stream. The log's streams fit. */
export interface IngestStream {
  readonly config: { readonly timestampingMode: TimestampingMode };
  /** What its records are encrypted with: it takes OTLP data only with a key. */
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
  /**
   * Whether a stream exists, or may be made where a basin has at most so many; needed only where it bounds them. The same
   * `maker` in all calls of a request, which is over when what was made is durable.
   */
  mayHold?(basin: B, name: string, most: number, maker: { readonly isOver: boolean }): boolean | Promise<boolean>;
  /** Appends all of it in one transaction, or nothing, with the answer to be kept; resolves when it is durable. */
  append(
    appends: readonly {
      readonly stream: S;
      readonly drafts: readonly BlockDraft[];
      readonly encryptionKey?: Uint8Array | undefined;
    }[],
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
  readonly mayAppend?: ((stream: string) => boolean) | undefined;
  /**
   * The stream of resources without `s2.stream`, used instead of the basin's template: a valid name, not a template.
   */
  readonly fixedStream?: string | undefined;
  /** What goes to streams with a cipher is encrypted with: as it was sent, decoded; empty when that was no base64. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** Set on every resource; replaces what the sender wrote under those keys. Must not change. */
  readonly resourceAttributes?: ReadonlyMap<string, string> | undefined;
  /** Called with the memory in bytes that is taken beside the body and its blocks, each time it grows; may throw. */
  readonly reserve?: (bytes: number) => void;
  /** Who sends: repeats are those of the same sender. */
  readonly sender?: string;
  /** How much data may come; what it throws refuses the request. */
  readonly rates?: IngestRatesPort | undefined;
  /** Called last before the data is given to the log; what it throws refuses the request. */
  readonly expectInTime?: (() => void) | undefined;
  /** Receives the ids of the traces that were stored, in lower-case hex; for requests of traces only. */
  readonly traceIds?: Set<string> | undefined;
  /** Counts what JSON requests held that OTLP does not allow and we tolerate. */
  readonly tally?: JsonTally;
  /** Receives what the request says of its sender, also when it is refused after that is known. */
  readonly source?: OtlpSource;
}

/** What a request has of its own while it is under way. */
export interface OwnOptions extends IngestOptions {
  /** Given to `mayHold`. */
  readonly maker?: { readonly isOver: boolean };
}
