/** Who sends OTLP data to the server, and who is refused: src/observe/README.md, Who sends. */

import { call, segment } from './call.ts';
import type { SignalName } from './rows.ts';

/** One address, User-Agent, token, basin and service. Times are RFC 3339. */
export interface SenderEntry {
  readonly address: string;
  readonly user_agent: string | null;
  readonly service_names: readonly string[];
  readonly sdk: { readonly name: string; readonly language: string; readonly version: string } | null;
  /** The id; null for one who showed no valid token. */
  readonly token: string | null;
  readonly basin: string | null;
  /** Some of them. */
  readonly streams: readonly string[];
  readonly protocols: readonly string[];
  readonly encodings: readonly string[];
  /** Log records, spans and data points. */
  readonly accepted: number;
  readonly rejected: number;
  /** Requests of which nothing was stored. */
  readonly refused: number;
  readonly signals: Readonly<Partial<Record<SignalName, SenderSignal>>>;
  readonly rejections: readonly SenderRejection[];
  readonly repairs?: readonly SenderRepair[];
  readonly refusals: readonly SenderRefused[];
  readonly clock_skew_ms: number | null;
  /** How long requests took until they were answered; null without one that was stored. */
  readonly ack_ms?: { readonly p50: number; readonly p99: number } | null;
  readonly first_seen: string;
  readonly last_seen: string;
}

export interface SenderSignal {
  readonly requests: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly last_seen: string;
}

export interface SenderRejection {
  readonly reason: string;
  /** With what to do; null for what the caller may not see. */
  readonly message: string | null;
  readonly signal: SignalName | null;
  readonly count: number;
  readonly last_seen: string;
}

export interface SenderRepair {
  readonly kind: string;
  readonly message: string;
  readonly signal: SignalName | null;
  readonly count: number;
  readonly last_seen: string;
}

export interface SenderRefused {
  readonly status: number;
  readonly code: string;
  readonly message: string | null;
  readonly path: string;
  readonly signal: SignalName | null;
  readonly count: number;
  readonly last_seen: string;
}

export interface SendersPage {
  /** Since when the server remembers: its start. */
  readonly since: string;
  /** The time of the server. */
  readonly now: string;
  /** Those that sent last come first. */
  readonly senders: readonly SenderEntry[];
  readonly has_more: boolean;
}

const LIMIT = 1_000;

/** Without a basin those of all basins, and those that send to none: that needs `account-metrics`, else `basin-metrics`. */
export function listSenders(basin: string | undefined, signal?: AbortSignal): Promise<SendersPage> {
  const path = basin === undefined ? '/v1/senders' : `/v1/senders/${segment(basin)}`;
  return call<SendersPage>(path, { query: { limit: LIMIT }, ...(signal === undefined ? {} : { signal }) });
}
