/** One client for the command line, for tests and for those who embed it: HTTP calls and a reader that resumes. */

import { TailraceError } from '../model/error.ts';
import type { Position } from '../model/position.ts';
import type { Signal } from '../model/record.ts';
import { getJson, identityHeaders, normalizeEndpoint, type Target } from './calls.ts';
import type { ClientView } from './frames.ts';
import { type ReadFrame, type ReadOptions, readStream } from './reader.ts';
import { type OtlpAnswer, otlpRefusal, postOtlp } from './send.ts';

export interface ClientOptions {
  /** Base URL of the server, such as `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** Access token; without one only a server with `--no-auth` answers. */
  readonly token?: string | undefined;
  /** The basin for every call that names none. Reading and sending do without: the server chooses its default. */
  readonly basin?: string | undefined;
}

export interface BasinEntry {
  readonly name: string;
  readonly createdAt: string | undefined;
}

export interface StreamEntry {
  readonly name: string;
  readonly createdAt: string | undefined;
  readonly deletedAt: string | undefined;
}

interface CallOptions {
  readonly basin?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Calls reject with TailraceError: `unavailable` when nobody answers, else what the server refused. */
export interface Client {
  readonly endpoint: string;
  /** Every basin that the token may see. */
  listBasins(options?: CallOptions & { prefix?: string }): AsyncGenerator<BasinEntry>;
  /** Every stream whose name starts with the prefix, in order; pages are fetched as they are needed. */
  listStreams(options?: CallOptions & { prefix?: string }): AsyncGenerator<StreamEntry>;
  /** The durable tail: the next sequence number and the last timestamp. */
  checkTail(stream: string, options?: CallOptions): Promise<Position>;
  /** Replays and follows; see `readStream`. */
  read<V extends ClientView>(stream: string, options: ReadOptions<V>): AsyncGenerator<ReadFrame<V>, void, void>;
  /**
   * Posts the bytes of one Export…ServiceRequest, once. Resolves when the server has taken it, if only in part:
   * look at `rejected` and `message`.
   */
  sendOtlp(signal: Signal, body: Uint8Array, contentType: OtlpContentType, options?: CallOptions): Promise<OtlpAnswer>;
}

type OtlpContentType = 'application/x-protobuf' | 'application/json';

const PAGE_ENTRIES = 1_000;

/**
 * Makes a client. Nothing is opened before the first call, and there is nothing to close.
 * @throws TailraceError `config` when the endpoint is not an http or https URL.
 */
export function createClient(options: ClientOptions): Client {
  const target: Target = { endpoint: normalizeEndpoint(options.endpoint), token: options.token };
  const basinOf = (call: CallOptions | undefined) => call?.basin ?? options.basin;
  return {
    endpoint: target.endpoint,
    async *listBasins(call) {
      for await (const entry of pages(target, '/v1/basins', 'basins', call?.prefix, call)) {
        yield { name: String(entry.name), createdAt: stringOrNone(entry.created_at) };
      }
    },
    async *listStreams(call) {
      const options = { basin: basinOf(call), signal: call?.signal };
      for await (const entry of pages(target, '/v1/streams', 'streams', call?.prefix, options)) {
        yield {
          name: String(entry.name),
          createdAt: stringOrNone(entry.created_at),
          deletedAt: stringOrNone(entry.deleted_at),
        };
      }
    },
    checkTail: (stream, call) => checkTail(target, stream, { basin: basinOf(call), signal: call?.signal }),
    read: (stream, read) => readStream(target, stream, { ...read, basin: basinOf(read) }),
    async sendOtlp(signal, body, contentType, call) {
      const url = `${target.endpoint}/v1/${signal}`;
      const headers = identityHeaders(target, basinOf(call));
      const answer = await postOtlp({ url, body, contentType, headers, signal: call?.signal });
      const refusal = otlpRefusal(answer, `POST ${url}`);
      if (refusal !== undefined) throw refusal;
      return answer;
    },
  };
}

async function checkTail(target: Target, stream: string, options: CallOptions): Promise<Position> {
  const json = await getJson(target, `/v1/streams/${encodeURIComponent(stream)}/records/tail`, options);
  const tail = json.tail as { seq_num?: unknown; timestamp?: unknown } | undefined;
  if (typeof tail?.seq_num !== 'number' || typeof tail.timestamp !== 'number') {
    throw new TailraceError('internal', 'the answer to a tail check holds no tail');
  }
  return { seqNum: tail.seq_num, timestamp: tail.timestamp };
}

/** Walks a list of S2's (§3.2): `start_after` is the last name of the page before. */
async function* pages(
  target: Target,
  path: string,
  key: string,
  prefix: string | undefined,
  options: CallOptions | undefined,
): AsyncGenerator<Record<string, unknown>> {
  let startAfter = '';
  for (;;) {
    const query = new URLSearchParams({ prefix: prefix ?? '', start_after: startAfter, limit: String(PAGE_ENTRIES) });
    const json = await getJson(target, `${path}?${query}`, options);
    const entries = (Array.isArray(json[key]) ? json[key] : []) as Record<string, unknown>[];
    yield* entries;
    const last = entries.at(-1);
    if (json.has_more !== true || last === undefined) return;
    startAfter = String(last.name);
  }
}

function stringOrNone(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
