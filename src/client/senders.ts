/** Who sends OTLP data to the server, and who is refused. */

import { type Checks, checkOptions, expectWholeNumber, optional } from '../model/arguments.ts';
import type { Signal } from '../model/record.ts';
import { callApi, objectIn, segment } from './calls.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';

/** One that sends: an address with a User-Agent, a token, a basin and a service. Times are RFC 3339. */
export interface SenderJson {
  readonly address: string;
  readonly user_agent: string | null;
  /** One; or some of those whose data comes in common requests. */
  readonly service_names: readonly string[];
  readonly sdk: { readonly name: string; readonly language: string; readonly version: string } | null;
  /** The id; null for one who showed no valid token. */
  readonly token: string | null;
  readonly basin: string | null;
  /** Some of those that it sends to. */
  readonly streams: readonly string[];
  readonly protocols: readonly string[];
  readonly encodings: readonly string[];
  /** Log records, spans and data points that were stored, and those that were rejected in part of a request. */
  readonly accepted: number;
  readonly rejected: number;
  /** Requests of which nothing was stored. */
  readonly refused: number;
  readonly signals: Readonly<Partial<Record<Signal, SenderSignalJson>>>;
  readonly rejections: readonly SenderRejectionJson[];
  /** Absent from a server of an older version. */
  readonly repairs?: readonly SenderRepairJson[];
  readonly refusals: readonly SenderRefusalJson[];
  /** How far its newest times are ahead of the server's; less than 0 when they are behind, or the data waited. */
  readonly clock_skew_ms: number | null;
  /**
   * How long its last requests took until what they brought was on disk and they were answered: half of them, and 99 of
   * 100, within so many milliseconds. Null before one of which something was stored; absent from a server of an older
   * version.
   */
  readonly ack_ms?: { readonly p50: number; readonly p99: number } | null;
  readonly first_seen: string;
  readonly last_seen: string;
}

export interface SenderSignalJson {
  readonly requests: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly last_seen: string;
}

export interface SenderRejectionJson {
  readonly reason: string;
  /** With what to do; null when the caller may not see all streams. */
  readonly message: string | null;
  readonly signal: Signal | null;
  readonly count: number;
  readonly last_seen: string;
}

/** What was repaired in data that was stored, or read although OTLP does not allow it. */
export interface SenderRepairJson {
  readonly kind: string;
  /** With what to do. */
  readonly message: string;
  readonly signal: Signal | null;
  readonly count: number;
  readonly last_seen: string;
}

export interface SenderRefusalJson {
  readonly status: number;
  readonly code: string;
  readonly message: string | null;
  readonly path: string;
  readonly signal: Signal | null;
  readonly count: number;
  readonly last_seen: string;
}

export interface SendersJson {
  /** Since when the server remembers: its start. */
  readonly since: string;
  /** The time of the server. */
  readonly now: string;
  /** Those that sent last come first. */
  readonly senders: readonly SenderJson[];
  readonly has_more: boolean;
}

export interface SendersRequestOptions {
  /** Only those that send to this basin; without it those of all basins that the caller may know. */
  readonly basin?: string | undefined;
  /** At most so many. */
  readonly limit?: number | undefined;
  readonly signal?: RequestOptions['signal'];
}

const CHECKS: Checks<SendersRequestOptions> = { ...REQUEST_CHECKS, limit: optional(expectWholeNumber) };

/** @throws TailraceError `permission_denied`; `not_found` from a server of an older version */
export async function fetchSenders(target: ServerTarget, options: SendersRequestOptions = {}): Promise<SendersJson> {
  checkOptions(options, 'options', CHECKS);
  const { basin, limit, signal } = options;
  const path = `/v1/senders${basin === undefined ? '' : `/${segment(basin, 'the name of a basin')}`}`;
  const page = limit === undefined ? {} : { query: new URLSearchParams({ limit: String(limit) }) };
  const { json } = await callApi(target, { method: 'GET', path, ...page, signal });
  const { since, now, senders, has_more: hasMore } = objectIn(json, `GET ${path}`);
  const rows = Array.isArray(senders) ? (senders as SenderJson[]) : [];
  return { since: String(since), now: String(now), senders: rows, has_more: hasMore === true };
}
