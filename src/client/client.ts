/** The client of the command line, of tests and of programs that use Tailrace: HTTP calls and a reader that resumes. */

import type { AggregateResult } from '../model/aggregate.ts';
import {
  bytesIn,
  type Checks,
  checkOptions,
  checkSettings,
  expectSignalName,
  expectText,
  oneOf,
  optional,
} from '../model/arguments.ts';
import { TailraceError } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import type { StreamSelection } from '../model/selection.ts';
import { type AggregateRequestOptions, fetchAggregate } from './aggregate.ts';
import { callApi, expectHeaderText, identityHeaders, normalizeEndpoint, objectIn } from './calls.ts';
import { type ClusterJson, type ClusterRequestOptions, drainNode, fetchCluster, moveBasin } from './cluster.ts';
import { type ControlCalls, controlCalls } from './control.ts';
import { fetchStream } from './fetch-stream.ts';
import type { ClientView } from './frames.ts';
import { type ManyFrame, type ManyReaderOptions, readManyStreams } from './many-reader.ts';
import { type OtlpResponse, otlpRefusal, postOtlp } from './post-otlp.ts';
import { type BackCalls, backCalls } from './read-back.ts';
import { type PageCalls, pageCalls } from './read-page.ts';
import { type ReaderOptions, type ReadFrame, readStream } from './reader.ts';
import { type RecordCalls, recordCalls } from './records.ts';
import { REQUEST_CHECKS, type RequestOptions, type ServerTarget } from './request.ts';
import { fetchScrape, type ScrapedSample } from './scrape.ts';
import { fetchSenders, type SendersJson, type SendersRequestOptions } from './senders.ts';
import { type ReadersCalls, readersCalls } from './stream-readers.ts';
import { type TokenCalls, tokenCalls } from './tokens.ts';
import { fetchMetrics, type MetricsRequestOptions, type UsageMetric } from './usage-metrics.ts';

export interface ClientOptions {
  /** Base URL of the server, such as `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** Access token; without one, only a server with `--no-auth` accepts calls. */
  readonly token?: string | undefined;
  /** The basin of calls that name none. Reading and sending need none: the server has a default basin. */
  readonly basin?: string | undefined;
}

/** Calls reject with TailraceError: `unavailable` when the server does not respond, else why it refused. */
export interface Client extends BackCalls, ControlCalls, PageCalls, ReadersCalls, RecordCalls, TokenCalls {
  readonly endpoint: string;
  /** Reads and follows a stream; see `readStream`. */
  read<V extends ClientView>(stream: string, options: ReaderOptions<V>): AsyncGenerator<ReadFrame<V>, void, void>;
  /** Reads and follows many streams over one connection; see `readManyStreams`. */
  readMany<V extends ClientView>(
    selection: StreamSelection,
    options: ManyReaderOptions<V>,
  ): AsyncGenerator<ManyFrame<V>, void, void>;
  /**
   * Posts one Export…ServiceRequest, once; a text is sent as UTF-8. Also resolves when the server has taken only a part of it: look
   * at `rejected` and `message`.
   */
  sendOtlp(
    signal: Signal,
    body: Uint8Array | string,
    contentType: OtlpContentType,
    options?: RequestOptions,
  ): Promise<OtlpResponse>;
  /**
   * Counts records, and sums a column of them, by group and bucket of time; yields what there is so far, and at last the
   * whole, which is `complete`. See src/readers/aggregate/README.md.
   */
  aggregate(stream: string, options?: AggregateRequestOptions): AsyncGenerator<AggregateResult>;
  /** Usage of the account, of a basin or of a stream. The client's own basin is not used here. */
  metrics(options: MetricsRequestOptions): Promise<readonly UsageMetric[]>;
  /** What the server counts of itself, as Prometheus scrapes it: for the operation account-metrics. */
  scrape(options?: Pick<RequestOptions, 'signal'>): Promise<readonly ScrapedSample[]>;
  /** Who sends OTLP data and who is refused, since the server started. The client's own basin is not used here. */
  senders(options?: SendersRequestOptions): Promise<SendersJson>;
  /**
   * The bytes of a backup of the whole store as it is now, while the server runs, to be read once. It is complete when the
   * generator ends; leaving the loop ends the download. Needs the root token.
   * @throws TailraceError `permission_denied`, `rate_limited` while another backup is under way, `storage_full`,
   *   `unavailable` when the connection is lost, `aborted` by the signal
   */
  backup(options?: RequestOptions): AsyncGenerator<Uint8Array>;
  /** The cluster that the server is a node of: nodes, partitions, and what is wrong. For the operation account-metrics. */
  cluster(options?: ClusterRequestOptions): Promise<ClusterJson>;
  /**
   * Has the node with this URL lead no more, or with `false` again. Needs the root token.
   * @throws TailraceError `not_found` where there is no such node, `invalid` where no other one could lead
   */
  drainNode(url: string, drain: boolean, options?: Pick<RequestOptions, 'signal'>): Promise<void>;
  /**
   * Begins to move a basin to another partition of the cluster. It stays in use, but for some seconds at the end; `cluster`
   * shows how far it is. Needs the root token.
   * @throws TailraceError `basin_not_found`; `invalid` for the default basin, for a partition that there is not or that it
   *   is in, and while it moves elsewhere; `unavailable`
   */
  moveBasin(basin: string, partition: number, options?: Pick<RequestOptions, 'signal'>): Promise<void>;
  /** Tells the server that the clock of its machine is right, so that records expire again. Needs the root token. */
  confirmClock(options?: RequestOptions): Promise<ConfirmedClock>;
}

export interface ConfirmedClock {
  /** The time of the clock, RFC 3339. */
  readonly clock: string;
  /** Whether expiry had stopped because of the clock. */
  readonly wasPaused: boolean;
}

export type OtlpContentType = 'application/x-protobuf' | 'application/json';

const CLIENT_CHECKS: Checks<ClientOptions> = {
  endpoint: expectText,
  token: optional(expectText),
  basin: optional(expectText),
};
const expectContentType = oneOf(['application/x-protobuf', 'application/json'] satisfies OtlpContentType[]);

/**
 * Makes a client. Nothing is opened before the first call, and there is nothing to close.
 * @throws TailraceError `config` when the endpoint is not an http or https URL, or a token is none.
 */
export function createClient(options: ClientOptions): Client {
  checkSettings(options, 'options', CLIENT_CHECKS, ['endpoint']);
  const target: ServerTarget = { endpoint: normalizeEndpoint(options.endpoint), token: tokenIn(options.token) };
  const basinOf = (call: RequestOptions | undefined) => call?.basin ?? options.basin;
  return {
    endpoint: target.endpoint,
    ...controlCalls(target, basinOf),
    ...recordCalls(target, basinOf),
    ...backCalls(target, basinOf),
    ...pageCalls(target, basinOf),
    ...readersCalls(target, basinOf),
    ...tokenCalls(target),
    read: (stream, read) => readStream(target, stream, { ...read, basin: basinOf(read) }),
    readMany: (selection, read) => readManyStreams(target, selection, { ...read, basin: basinOf(read) }),
    async sendOtlp(signal, given, contentType, call) {
      expectSignalName(signal, 'signal');
      const body = bytesIn(given, 'body');
      expectContentType(contentType, 'contentType');
      checkOptions(call, 'options', REQUEST_CHECKS);
      const url = `${target.endpoint}/v1/${signal}`;
      const headers = identityHeaders(target, basinOf(call));
      const answer = await postOtlp({ url, body, contentType, headers, signal: call?.signal });
      const refusal = otlpRefusal(answer, `POST ${url}`);
      if (refusal !== undefined) throw refusal;
      return answer;
    },
    aggregate: (stream, call) => fetchAggregate(target, stream, { ...call, basin: basinOf(call) }),
    metrics: (call) => fetchMetrics(target, call),
    scrape: (call) => fetchScrape(target, call),
    senders: (call) => fetchSenders(target, call),
    cluster: (call) => fetchCluster(target, call),
    drainNode: (url, drain, call) => drainNode(target, { node: url, drain }, call),
    moveBasin: (basin, partition, call) => moveBasin(target, { basin, partition }, call),
    backup: (call) => {
      const headers = identityHeaders(target, undefined);
      return fetchStream(target, { path: '/v1/backup', headers, what: 'the backup', signal: call?.signal });
    },
    async confirmClock(call) {
      const path = '/v1/clock/confirm';
      const { json } = await callApi(target, { signal: call?.signal, method: 'POST', path });
      const { clock, was_paused: wasPaused } = objectIn(json, `POST ${path}`);
      return { clock: String(clock), wasPaused: wasPaused === true };
    },
  };
}

/** Without the line break that a file ends with. @throws TailraceError `config` */
function tokenIn(token: string | undefined): string | undefined {
  const trimmed = token?.trim();
  if (trimmed === undefined) return undefined;
  try {
    expectHeaderText(trimmed, 'the token');
  } catch (cause) {
    throw new TailraceError('config', 'the token holds a line break or another character that no token has', { cause });
  }
  return trimmed;
}
