/** One client for the command line, for tests and for those who embed it: HTTP calls and a reader that resumes. */

import type { Signal } from '../model/record.ts';
import { downloadBackup } from './backup.ts';
import { type CallOptions, callApi, identityHeaders, normalizeEndpoint, objectIn, type Target } from './calls.ts';
import { type ControlCalls, controlCalls } from './control.ts';
import type { ClientView } from './frames.ts';
import { fetchMetrics, type Metric, type MetricsOptions } from './metrics.ts';
import { type ReaderOptions, type ReadFrame, readStream } from './reader.ts';
import { type RecordCalls, recordCalls } from './records.ts';
import { type OtlpResponse, otlpRefusal, postOtlp } from './send.ts';
import { type TokenCalls, tokenCalls } from './tokens.ts';

export interface ClientOptions {
  /** Base URL of the server, such as `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** Access token; without one only a server with `--no-auth` answers. */
  readonly token?: string | undefined;
  /** The basin for every call that names none. Reading and sending do without: the server chooses its default. */
  readonly basin?: string | undefined;
}

/** Calls reject with TailraceError: `unavailable` when nobody answers, else what the server refused. */
export interface Client extends ControlCalls, RecordCalls, TokenCalls {
  readonly endpoint: string;
  /** Replays and follows; see `readStream`. */
  read<V extends ClientView>(stream: string, options: ReaderOptions<V>): AsyncGenerator<ReadFrame<V>, void, void>;
  /**
   * Posts the bytes of one Export…ServiceRequest, once. Resolves when the server has taken it, if only in part:
   * look at `rejected` and `message`.
   */
  sendOtlp(
    signal: Signal,
    body: Uint8Array,
    contentType: OtlpContentType,
    options?: CallOptions,
  ): Promise<OtlpResponse>;
  /** Usage of the account, of a basin or of a stream. The basin of the client does not count here. */
  metrics(options: MetricsOptions): Promise<readonly Metric[]>;
  /** A backup of the whole store as it is now, while it serves; see `downloadBackup`. For the root token. */
  backup(options?: CallOptions): AsyncGenerator<Uint8Array>;
  /** Says that the clock of the server's machine is right: records expire by it again. For the root token. */
  confirmClock(options?: CallOptions): Promise<ConfirmedClock>;
}

export interface ConfirmedClock {
  /** What the clock says, RFC 3339. */
  readonly clock: string;
  /** Whether expiry had stopped because of it. */
  readonly wasPaused: boolean;
}

type OtlpContentType = 'application/x-protobuf' | 'application/json';

/**
 * Makes a client. Nothing is opened before the first call, and there is nothing to close.
 * @throws TailraceError `config` when the endpoint is not an http or https URL.
 */
export function createClient(options: ClientOptions): Client {
  const target: Target = { endpoint: normalizeEndpoint(options.endpoint), token: options.token };
  const basinOf = (call: CallOptions | undefined) => call?.basin ?? options.basin;
  return {
    endpoint: target.endpoint,
    ...controlCalls(target, basinOf),
    ...recordCalls(target, basinOf),
    ...tokenCalls(target),
    read: (stream, read) => readStream(target, stream, { ...read, basin: basinOf(read) }),
    async sendOtlp(signal, body, contentType, call) {
      const url = `${target.endpoint}/v1/${signal}`;
      const headers = identityHeaders(target, basinOf(call));
      const answer = await postOtlp({ url, body, contentType, headers, signal: call?.signal });
      const refusal = otlpRefusal(answer, `POST ${url}`);
      if (refusal !== undefined) throw refusal;
      return answer;
    },
    metrics: (call) => fetchMetrics(target, call),
    backup: (call) => downloadBackup(target, call),
    async confirmClock(call) {
      const path = '/v1/clock/confirm';
      const { json } = await callApi(target, { signal: call?.signal, method: 'POST', path });
      const { clock, was_paused: wasPaused } = objectIn(json, `POST ${path}`);
      return { clock: String(clock), wasPaused: wasPaused === true };
    },
  };
}
