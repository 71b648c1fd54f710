/** Where the parts of an item are that filters ask for: tags of OTLP 1.11 (opentelemetry-proto), with their wire types. */

import type { Signal } from '../../model/record.ts';

/** Fields of an item that are there once, by tag; 0 where a signal has no such field. */
export interface ItemLayout {
  readonly name: number;
  readonly traceId: number;
  readonly spanId: number;
  readonly parentSpanId: number;
  /** Logs: an AnyValue. */
  readonly body: number;
  readonly severityNumber: number;
  readonly severityText: number;
  /** Spans: fixed64, in nanoseconds. */
  readonly start: number;
  readonly end: number;
  readonly status: number;
  /** Texts besides the name and the body. */
  readonly texts: readonly number[];
  /** Attributes of the item itself. */
  readonly attributes: number;
  /** Messages within the item that have attributes and texts of their own. */
  readonly parts: readonly PartLayout[];
}

/** A repeated message within an item, below the tags of `path`. */
export interface PartLayout {
  readonly path: readonly number[];
  readonly attributes: number;
  readonly texts: readonly number[];
  /** Whether its attributes count as those of the item: so it is with data points. */
  readonly isItem: boolean;
}

const NONE = {
  traceId: 0,
  spanId: 0,
  parentSpanId: 0,
  body: 0,
  severityNumber: 0,
  severityText: 0,
  start: 0,
  end: 0,
  status: 0,
};

export const ITEM_LAYOUTS: Readonly<Record<Signal, ItemLayout>> = {
  logs: {
    ...NONE,
    name: 0x62,
    traceId: 0x4a,
    spanId: 0x52,
    body: 0x2a,
    severityNumber: 0x10,
    severityText: 0x1a,
    texts: [0x1a],
    attributes: 0x32,
    parts: [],
  },
  traces: {
    ...NONE,
    name: 0x2a,
    traceId: 0x0a,
    spanId: 0x12,
    parentSpanId: 0x22,
    start: 0x39,
    end: 0x41,
    status: 0x7a,
    texts: [],
    attributes: 0x4a,
    parts: [
      { path: [0x5a], attributes: 0x1a, texts: [0x12], isItem: false },
      { path: [0x6a], attributes: 0x22, texts: [], isItem: false },
      // The status, for its message.
      { path: [0x7a], attributes: 0, texts: [0x12], isItem: false },
    ],
  },
  metrics: {
    ...NONE,
    name: 0x0a,
    texts: [0x12, 0x1a],
    attributes: 0,
    parts: [
      // Gauge, Sum, Histogram, ExponentialHistogram, Summary.
      { path: [0x2a, 0x0a], attributes: 0x3a, texts: [], isItem: true },
      { path: [0x3a, 0x0a], attributes: 0x3a, texts: [], isItem: true },
      { path: [0x4a, 0x0a], attributes: 0x4a, texts: [], isItem: true },
      { path: [0x52, 0x0a], attributes: 0x0a, texts: [], isItem: true },
      { path: [0x5a, 0x0a], attributes: 0x3a, texts: [], isItem: true },
    ],
  },
};
