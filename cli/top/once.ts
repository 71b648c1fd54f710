/** `top` where there is no terminal: one look as text, or as JSON. */

import type { TopServer, TopSnapshot, TopSort } from './snapshot.ts';
import { sortedSenders, sortedStreams } from './snapshot.ts';
import { wholeSenders, wholeStreams } from './table.ts';
import { serverParts } from './view.ts';

export interface OnceOptions {
  readonly sort: TopSort;
  /** Rows of each table. */
  readonly limit: number;
}

/** Lines: the server, its streams, and who sends. */
export function onceLines(snapshot: TopSnapshot, { sort, limit }: OnceOptions): readonly string[] {
  const { nowMs, server } = snapshot;
  const streams = sortedStreams(snapshot.streams, sort, '');
  const senders = sortedSenders(snapshot.senders, sort, '');
  return [
    serverParts(server, nowMs).join('  '),
    '',
    ...wholeStreams(streams.slice(0, limit), nowMs),
    ...(senders.length === 0 ? [] : ['', ...wholeSenders(senders.slice(0, limit), nowMs)]),
  ];
}

/** What was not shown: there are more, or the token may not see it. */
export function onceNotes(snapshot: TopSnapshot, { limit }: OnceOptions): readonly string[] {
  const { streams, senders, hasMoreStreams, hidden } = snapshot;
  const more = (count: number, what: string) => (count > limit ? [`${count - limit} more ${what}: -n shows more`] : []);
  return [
    ...more(streams.length, 'streams'),
    ...more(senders.length, 'senders'),
    ...(hasMoreStreams ? [`only ${streams.length} streams were looked at: name a basin and a prefix`] : []),
    ...hidden.map((what) => `the token may not see: ${what}`),
  ];
}

/** Everything, with null for what is not known. */
export function onceJson(snapshot: TopSnapshot, { sort, limit }: OnceOptions): unknown {
  const { nowMs, server, hidden, hasMoreStreams } = snapshot;
  return {
    now: new Date(nowMs).toISOString(),
    server: serverJson(server),
    streams: sortedStreams(snapshot.streams, sort, '')
      .slice(0, limit)
      .map(({ basin, stream, ...rest }) => ({
        ...{ basin, stream, next_seq_num: rest.nextSeqNum },
        records_per_second: rest.recordsPerSecond ?? null,
        metered_bytes_per_second: rest.bytesPerSecond ?? null,
        errors_last_minute: rest.errors ?? null,
        ...(rest.hasMoreErrors ? { has_more_errors: true } : {}),
        last_timestamp: rest.lastMs ?? null,
        readers: rest.readers ?? null,
        lag_records: rest.lag ?? null,
      })),
    has_more_streams: hasMoreStreams || snapshot.streams.length > limit,
    senders: sortedSenders(snapshot.senders, sort, '')
      .slice(0, limit)
      .map(({ basin = null, streams, service, sdk, address, accepted, rejected, refused, reason = null, lastMs }) => ({
        ...{ service, sdk, address, basin, streams, accepted, rejected, refused, reason },
        last_seen: new Date(lastMs).toISOString(),
      })),
    not_allowed: hidden,
  };
}

function serverJson(server: TopServer): unknown {
  return {
    endpoint: server.endpoint,
    version: server.version ?? null,
    started: server.startedMs === undefined ? null : new Date(server.startedMs).toISOString(),
    store_bytes: server.storeBytes ?? null,
    readers: server.readers ?? null,
    memory_bytes: server.memoryBytes ?? null,
    memory_limit_bytes: server.memoryLimitBytes ?? null,
    ack_p50_ms: server.ackP50Ms ?? null,
    ack_p99_ms: server.ackP99Ms ?? null,
  };
}
