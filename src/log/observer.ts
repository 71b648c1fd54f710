/** What happens in the log, for those who count. Calls are on hot paths: they add to numbers and come back. */

import type { Signal } from '../model/record.ts';
import type { Stream } from './stream.ts';

/** Who reads: the doors, and programs that hold the log themselves. */
export const READER_PROTOCOLS = ['unary', 'sse', 's2s', 'websocket', 'library'] as const;
export type ReaderProtocol = (typeof READER_PROTOCOLS)[number];

export interface LogObserver {
  /** One append to one stream became durable: so many records and metered bytes. */
  appended(stream: Stream, kind: 's2' | Signal, records: number, meteredBytes: number): void;
  /** From the acceptance of an append to the moment when a transaction takes it along. */
  permitted(latencyMs: number): void;
  /** From the acceptance of an append to its answer. */
  acked(latencyMs: number): void;
  /** A transaction became durable, so long after it was handed to the engine. */
  committed(latencyMs: number, entries: number, bytes: number): void;
  /** A durable change of what a stream stores: by so many metered bytes, to so many. */
  stored(stream: Stream, change: number, total: number): void;
  /** A read was allowed to begin. */
  readBegan(stream: Stream, protocol: ReaderProtocol): void;
  /** A reader got records of so many metered bytes. */
  read(stream: Stream, records: number, meteredBytes: number): void;
  /** A call of S2's operations (S2 API §7.2) was allowed; appends and reads are told by the log itself. */
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

/** Tells all of them, in this order. */
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
    operation: (operation, basin) => {
      first.operation(operation, basin);
      second.operation(operation, basin);
    },
  };
}
