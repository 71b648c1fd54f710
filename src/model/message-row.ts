/**
 * The row of one record in the view `message`, as clients and programs get it. Columns for which a record has nothing are
 * absent, or undefined in the library. src/socket/README.md says what they hold.
 */

import type { Signal } from './record.ts';

/** A value of OTLP as JSON: integers above 2^53 - 1 are strings, bytes base64, NaN and infinities strings. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue | undefined };

export type AttributeValues = Readonly<Record<string, AttributeValue | undefined>>;

/** Times are RFC 3339 with nanoseconds, ids lower-case hex. */
export interface MessageRow {
  readonly seqNum: number;
  /** Of a span, its start. */
  readonly timestamp: string;
  /** Null for a record that is not OTLP. */
  readonly signal: Signal | null;
  readonly serviceName?: string | undefined;
  readonly resource?: AttributeValues | undefined;
  readonly scope?: AttributeValues | undefined;
  /** The name of an event, a span or a metric. */
  readonly type?: string | undefined;
  /** Attributes that no other column shows whole. */
  readonly metadata?: AttributeValues | undefined;
  /** Of a log record; of a record that is not OTLP, its text, or base64. */
  readonly body?: AttributeValue | undefined;

  /** `debug`, `info`, `warn`, `error` or `fatal`, or else what the sender says, in lower case. */
  readonly level?: string | undefined;
  readonly severityText?: string | undefined;
  readonly observedTimestamp?: string | undefined;
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;

  readonly parentSpanId?: string | undefined;
  /** Of a span `internal`, `server`, `client`, `producer` or `consumer`; of a metric `gauge`, `sum`, `histogram` and so on. */
  readonly kind?: string | undefined;
  readonly traceState?: string | undefined;
  readonly endTimestamp?: string | undefined;
  readonly durationMs?: number | undefined;
  readonly status?: { readonly code: 'unset' | 'ok' | 'error'; readonly message?: string | undefined } | undefined;
  readonly events?: readonly AttributeValues[] | undefined;
  readonly links?: readonly AttributeValues[] | undefined;

  readonly unit?: string | undefined;
  readonly description?: string | undefined;
  readonly temporality?: string | undefined;
  readonly monotonic?: boolean | undefined;
  readonly dataPoints?: readonly AttributeValues[] | undefined;

  /** Calls of language models. */
  readonly spanType?: string | undefined;
  readonly llmSystem?: string | undefined;
  readonly model?: string | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly cacheReadTokens?: number | undefined;
  readonly cacheCreateTokens?: number | undefined;
  readonly costMicrocents?: number | undefined;
  readonly input?: AttributeValue | undefined;
  readonly output?: AttributeValue | undefined;

  /** Of a record that is not OTLP. */
  readonly headers?: readonly (readonly [name: string, value: string])[] | undefined;
  readonly encoding?: 'base64' | undefined;
}
