/** Rows of `view.json`, as src/socket/README.md says under Rows. Columns for which a record has nothing are absent. */

export type SignalName = 'logs' | 'traces' | 'metrics';

/** A value as JSON: 64-bit integers beyond 2^53 - 1 are strings, bytes base64. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type Attributes = Readonly<Record<string, Json>>;

/** One record. */
export interface Row {
  readonly seqNum: number;
  /** RFC 3339 with nanoseconds; of a span its start. */
  readonly timestamp: string;
  /** Null for records that are not OTLP. */
  readonly signal: SignalName | null;
  readonly serviceName?: string;
  readonly resource?: Attributes;
  readonly scope?: Attributes;
  /** Event name, span name or metric name. */
  readonly type?: string;
  readonly metadata?: Attributes;
  readonly body?: Json;
  /** `debug`, `info`, `warn`, `error` or `fatal`, else what the sender says in lower case. */
  readonly level?: string;
  readonly severityText?: string;
  readonly observedTimestamp?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly parentSpanId?: string;
  readonly kind?: string;
  readonly traceState?: string;
  readonly endTimestamp?: string;
  readonly durationMs?: number;
  readonly status?: { readonly code: 'unset' | 'ok' | 'error'; readonly message?: string };
  readonly events?: readonly Attributes[];
  readonly links?: readonly Attributes[];
  readonly unit?: string;
  readonly description?: string;
  readonly temporality?: string;
  readonly monotonic?: boolean;
  readonly dataPoints?: readonly Attributes[];
  readonly spanType?: string;
  readonly llmSystem?: string;
  readonly model?: string;
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cacheReadTokens?: number;
  readonly cacheCreateTokens?: number;
  readonly costMicrocents?: number;
  readonly input?: Json;
  readonly output?: Json;
  readonly headers?: readonly (readonly [string, string])[];
  readonly encoding?: 'base64';
}

/** A record's place: its stream and sequence number, written `shop #4211`. */
export interface RowAddress {
  readonly stream: string;
  readonly seqNum: number;
}

/** `shop:4211` in a URL; a stream's name may hold colons. */
export function addressText({ stream, seqNum }: RowAddress): string {
  return `${stream}:${seqNum}`;
}

/** Undefined for what is no address. */
export function parseAddress(text: string | undefined): RowAddress | undefined {
  const at = text?.lastIndexOf(':') ?? -1;
  if (text === undefined || at <= 0) return undefined;
  const digits = text.slice(at + 1);
  return /^\d{1,16}$/.test(digits) ? { stream: text.slice(0, at), seqNum: Number(digits) } : undefined;
}
