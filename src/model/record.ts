/** A record: what a reader gets for each sequence number. */

/** The OTLP signals that we accept, as its URL paths spell them. */
export const SIGNALS = ['logs', 'traces', 'metrics'] as const;
export type Signal = (typeof SIGNALS)[number];

/** A header of a record. Name and value are bytes; order and repetitions are kept. */
export type Header = readonly [name: Uint8Array, value: Uint8Array];

/** A record as S2 defines it. `body` and headers may be views of a larger buffer: copy them to keep them. */
export interface StreamRecord {
  readonly seqNum: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
}

/**
 * A record before it has a position. Its bytes may be views of a request body: they must not change until the append
 * has settled.
 */
export interface RecordInput {
  readonly body: Uint8Array;
  readonly headers: readonly Header[];
  /** Milliseconds, from the client; a safe integer. Undefined: the server sets it. */
  readonly timestamp: number | undefined;
}

const OTEL_SIGNAL = Buffer.from('otel.signal');
const CONTENT_TYPE = Buffer.from('content-type');
const PROTOBUF = Buffer.from('application/x-protobuf');
/** The header of an OTLP record whose strings are cut because it is larger than S2 allows: how many bytes they lost. */
export const TRUNCATED_BYTES: Uint8Array = Buffer.from('otel.truncated_bytes');

/** The headers that every OTLP record has. Shared: they are never changed. */
export const OTLP_HEADERS: Readonly<Record<Signal, readonly Header[]>> = {
  logs: otlpHeaders('logs'),
  traces: otlpHeaders('traces'),
  metrics: otlpHeaders('metrics'),
};

/** Metered bytes of a record (S2): 8 + 2 per header + names, values and body. */
export function meteredBytes(headers: readonly Header[], bodyBytes: number): number {
  let total = 8 + 2 * headers.length + bodyBytes;
  for (const header of headers) total += header[0].length + header[1].length;
  return total;
}

function otlpHeaders(signal: Signal): readonly Header[] {
  return [
    [OTEL_SIGNAL, Buffer.from(signal)],
    [CONTENT_TYPE, PROTOBUF],
  ];
}
