/** Events of the log, for counters. The calls are on hot paths: they must only add to numbers and return. */

import type { Signal } from '../model/record.ts';
import type { Basin } from './basins.ts';
import type { Stream } from './stream.ts';

/** Who reads: a protocol of the server, or a program that embeds the log. */
export const READER_PROTOCOLS = ['unary', 'sse', 's2s', 'websocket', 'library'] as const;
export type ReaderProtocol = (typeof READER_PROTOCOLS)[number];

export interface LogObserver {
  /** One append to one stream became durable, with this many records and metered bytes. */
  appended(stream: Stream, kind: 's2' | Signal, records: number, meteredBytes: number): void;
  /** The time from accepting an append until a transaction includes it. */
  permitted(latencyMs: number): void;
  /** The time from accepting an append until its acknowledgement. */
  acked(latencyMs: number): void;
  /** A transaction became durable, this long after it was passed to the engine. */
  committed(latencyMs: number, entries: number, bytes: number): void;
  /** The stored metered bytes of a stream changed durably: by `change`, to `total`. */
  stored(stream: Stream, change: number, total: number): void;
  /** A read began. */
  readBegan(stream: Stream, protocol: ReaderProtocol): void;
  /** A reader got records with this many metered bytes. */
  read(stream: Stream, records: number, meteredBytes: number): void;
  /** A basin came from another partition, with this many metered bytes stored. */
  basinCame?(basin: Basin, meteredBytes: number): void;
  /** A basin went to another partition: what is counted of it counts there. */
  basinLeft?(basin: Basin): void;
  /** An operation of S2 was allowed. Appends and reads are reported by the log itself. */
  operation(operation: string, basin?: string): void;
}

export const NO_OBSERVER: LogObserver = {
  appended: () => {},
  permitted: () => {},
  acked: () => {},
  committed: () => {},
  stored: () => {},
  readBegan: () => {},
  read: () => {},
  operation: () => {},
};

/** Calls both, in this order. */
export function observers(first: LogObserver, second: LogObserver): LogObserver {
  return {
    appended: (stream, kind, records, meteredBytes) => {
      first.appended(stream, kind, records, meteredBytes);
      second.appended(stream, kind, records, meteredBytes);
    },
    permitted: (latencyMs) => {
      first.permitted(latencyMs);
      second.permitted(latencyMs);
    },
    acked: (latencyMs) => {
      first.acked(latencyMs);
      second.acked(latencyMs);
    },
    committed: (latencyMs, entries, bytes) => {
      first.committed(latencyMs, entries, bytes);
      second.committed(latencyMs, entries, bytes);
    },
    stored: (stream, change, total) => {
      first.stored(stream, change, total);
      second.stored(stream, change, total);
    },
    readBegan: (stream, protocol) => {
      first.readBegan(stream, protocol);
      second.readBegan(stream, protocol);
    },
    read: (stream, records, meteredBytes) => {
      first.read(stream, records, meteredBytes);
      second.read(stream, records, meteredBytes);
    },
    basinCame: (basin, meteredBytes) => {
      first.basinCame?.(basin, meteredBytes);
      second.basinCame?.(basin, meteredBytes);
    },
    basinLeft: (basin) => {
      first.basinLeft?.(basin);
      second.basinLeft?.(basin);
    },
    operation: (operation, basin) => {
      first.operation(operation, basin);
      second.operation(operation, basin);
    },
  };
}
