/** The public API for programs that embed Tailrace or call a server. */

import type { ServerOptions } from './options.ts';
import { createServer as composeServer } from './server.ts';
import type { StoreParts } from './store-parts.ts';
import type { TailraceServer } from './tailrace-server.ts';

/**
 * A server in your own process: opens the data directory and builds the servers. Nothing listens yet.
 * @throws TailraceError `config`, `data_dir_in_use`, `format_too_new`, `corrupt`, `storage`, `storage_full`; for a node of
 *   a cluster also `unavailable`
 */
export async function createServer(options: ServerOptions = {}, parts: StoreParts = {}): Promise<TailraceServer> {
  if (options.cluster === undefined) return composeServer(options, parts);
  return (await import('./node/cluster-node.ts')).createClusterNode(options, parts);
}

// A client for a server in another process.
export type { AggregateColumns, AggregateRequestOptions } from './client/aggregate.ts';
export type {
  AppendConditions,
  AppendHeader,
  AppendRecord,
  BinaryRecord,
} from './client/append-input.ts';
export {
  type Client,
  type ClientOptions,
  type ConfirmedClock,
  createClient,
  type OtlpContentType,
} from './client/client.ts';
export type {
  ClusterJson,
  ClusterMoveJson,
  ClusterNodeJson,
  ClusterNodePartitionJson,
  ClusterPartitionJson,
  ClusterPlaceJson,
  ClusterRequestOptions,
} from './client/cluster.ts';
export type { BasinConfigJson, OidcJson, StreamConfigJson } from './client/config-json.ts';
export type { Reconnecting } from './client/connections.ts';
export type {
  BasinEntry,
  ControlCalls,
  CreateRequestOptions,
  ListRequestOptions,
  ListStreamsOptions,
  ProvisionResponse,
  StreamEntry,
} from './client/control.ts';
export type {
  BatchContent,
  BatchFrame,
  ClientView,
  ControlFrame,
  JoinedStream,
  ManyControlFrame,
} from './client/frames.ts';
export type { ManyFrame, ManyReaderOptions, StreamPoint } from './client/many-reader.ts';
export type { OtlpResponse } from './client/post-otlp.ts';
export type { BackCalls, ReadAroundOptions, ReadBackOptions, RecordPage } from './client/read-back.ts';
export type { PageCalls, ReadPageOptions, ViewPage } from './client/read-page.ts';
export type { ReaderOptions, ReadFrame } from './client/reader.ts';
export { type AppendRequestOptions, fenceRecord, type RecordCalls, trimRecord } from './client/records.ts';
export type { RequestOptions } from './client/request.ts';
export type { ScrapedSample } from './client/scrape.ts';
export type {
  SenderJson,
  SenderRefusalJson,
  SenderRejectionJson,
  SenderRepairJson,
  SenderSignalJson,
  SendersJson,
  SendersRequestOptions,
} from './client/senders.ts';
export type { ReaderJson, ReadersCalls, ReadersRequestOptions, StreamReaders } from './client/stream-readers.ts';
export type {
  GroupJson,
  LimitsJson,
  LoginJson,
  ResourceSetJson,
  ScopeJson,
  SigningKeyJson,
  TokenCalls,
  TokenInfoJson,
  TokenJson,
  WhoamiBasins,
  WhoamiJson,
} from './client/tokens.ts';
export type { MetricsRequestOptions, UsageMetric } from './client/usage-metrics.ts';
// The store alone.
export { openTailrace } from './library.ts';
// Work on a data directory that no server uses.
export {
  backupOf,
  type Compacted,
  type CompactReport,
  compact,
  type Fault,
  type OnProgress,
  resetRootToken,
  restore,
  type StoreReport,
  saveBackup,
  verify,
} from './maintenance.ts';
export type { AbortSignalLike, MinimalAbortSignal } from './model/abort-signal.ts';
// What all of them throw and return.
export type { AggregateNumber, AggregateResult, AggregateRow } from './model/aggregate.ts';
export type { Clock } from './model/clock.ts';
export type { ClusterMovePhase, NodeRole } from './model/cluster-state.ts';
export { type ErrorCode, type ErrorDetail, TailraceError } from './model/error.ts';
export type { AttributeValue, AttributeValues, MessageRow } from './model/message-row.ts';
export type { AppendAck, Position } from './model/position.ts';
export type { ReadStart } from './model/read-range.ts';
export type { Header, Signal, StreamRecord } from './model/record.ts';
export type { StreamSelection } from './model/selection.ts';
export type { StreamFiguresJson } from './model/stream-figures.ts';
export type { UsageInterval, UsagePoint } from './model/usage.ts';
export type { LogFields, Logger } from './observe/logger.ts';
export type { ServerOptions } from './options.ts';
export type { IngestResult } from './otlp/ingest-result.ts';
export type { RejectionKind, RejectionReason } from './otlp/rejections.ts';
export type { ToleratedKind, ToleratedReason } from './otlp/tolerated.ts';
export type { StoreParts } from './store-parts.ts';
export type {
  AggregateCallOptions,
  AroundOptions,
  BackOptions,
  FollowManyOptions,
  MemberRecord,
  OtlpOptions,
  ReadOptions,
  StoreOptions,
  StreamsOptions,
  Tailrace,
} from './tailrace.ts';
export type { DescribedRootToken, ServerAddress, ServerDescription, TailraceServer } from './tailrace-server.ts';
