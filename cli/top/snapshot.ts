/** What `top` shows at one moment: the server, its streams and who sends. What is unknown is undefined. */

import { agoText } from '../print/sender.ts';

export interface TopServer {
  readonly endpoint: string;
  readonly version: string | undefined;
  readonly startedMs: number | undefined;
  readonly storeBytes: number | undefined;
  readonly recordsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly readers: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly memoryLimitBytes: number | undefined;
  readonly ackP50Ms: number | undefined;
  readonly ackP99Ms: number | undefined;
}

export interface TopStream {
  readonly uri: string;
  readonly basin: string;
  readonly stream: string;
  readonly nextSeqNum: number;
  readonly recordsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** Error logs and failed spans of the last minute. */
  readonly errors: number | undefined;
  /** Whether more came than is looked at, so that there may be more errors. */
  readonly hasMoreErrors: boolean;
  readonly lastMs: number | undefined;
  readonly readers: number | undefined;
  /** Records that the slowest reader has not been given yet. */
  readonly lag: number | undefined;
}

export interface TopSender {
  readonly key: string;
  readonly basin: string | undefined;
  readonly streams: readonly string[];
  readonly service: string;
  readonly sdk: string;
  readonly address: string;
  readonly recordsPerSecond: number | undefined;
  readonly accepted: number;
  readonly rejected: number;
  readonly refused: number;
  /** Why something of it was rejected or refused last. */
  readonly reason: string | undefined;
  readonly lastMs: number;
}

export interface TopSnapshot {
  /** The time of the server. */
  readonly nowMs: number;
  readonly server: TopServer;
  readonly streams: readonly TopStream[];
  readonly senders: readonly TopSender[];
  /** Whether there are more streams than are looked at. */
  readonly hasMoreStreams: boolean;
  /** What the token may not see. */
  readonly hidden: readonly string[];
}

export const SORTS = ['rate', 'bytes', 'errors', 'name'] as const;
export type TopSort = (typeof SORTS)[number];

/** Those that match, the busiest first; by their names where they are equal. */
export function sortedStreams(streams: readonly TopStream[], sort: TopSort, filter: string): readonly TopStream[] {
  const value = ({ recordsPerSecond, bytesPerSecond, errors }: TopStream): number =>
    ({ rate: recordsPerSecond, bytes: bytesPerSecond, errors, name: 0 })[sort] ?? -1;
  return streams.filter(({ uri }) => matches(uri, filter)).sort((a, b) => value(b) - value(a) || compare(a.uri, b.uri));
}

/** Of senders, bytes are not known: they are sorted by their rate then. */
export function sortedSenders(senders: readonly TopSender[], sort: TopSort, filter: string): readonly TopSender[] {
  const value = ({ recordsPerSecond, rejected, refused }: TopSender): number =>
    (sort === 'errors' ? rejected + refused : sort === 'name' ? 0 : recordsPerSecond) ?? -1;
  return senders
    .filter(({ service, address, sdk }) => matches(`${service} ${address} ${sdk}`, filter))
    .sort((a, b) => value(b) - value(a) || compare(a.service, b.service) || compare(a.key, b.key));
}

/** `2 s ago`, or a dash. */
export function lastText(lastMs: number | undefined, nowMs: number): string {
  return lastMs === undefined ? '-' : agoText(new Date(lastMs).toISOString(), nowMs);
}

function matches(text: string, filter: string): boolean {
  return text.toLowerCase().includes(filter.toLowerCase());
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
