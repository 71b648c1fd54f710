/** Calls of gRPC: with gRPC's own client, and by hand for what no client sends. */

import type { IncomingHttpHeaders } from 'node:http2';
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';
import type { Signal } from '../../src/model/record.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import type { Http2Connection } from './http2-call.ts';
import type { TestServer } from './server.ts';

export const EXPORT = {
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
} as const satisfies Record<Signal, string>;
export const HEALTH = { check: '/grpc.health.v1.Health/Check', watch: '/grpc.health.v1.Health/Watch' } as const;
export const SERVING = Buffer.of(8, 1);
export const NOT_SERVING = Buffer.of(8, 2);
export const SERVICE_UNKNOWN = Buffer.of(8, 3);

const MESSAGES: Readonly<Record<Signal, string>> = {
  logs: 'opentelemetry.proto.logs.v1.LogsData',
  traces: 'opentelemetry.proto.trace.v1.TracesData',
  metrics: 'opentelemetry.proto.metrics.v1.MetricsData',
};
const GZIP = 2;
const root = protobuf.Root.fromJSON(SCHEMA);
const duration = new protobuf.Type('Duration').add(new protobuf.Field('seconds', 1, 'int64'));
const retryInfo = new protobuf.Type('RetryInfo').add(new protobuf.Field('retryDelay', 1, 'Duration')).add(duration);

/** How a call ended. */
export interface Ended {
  readonly code: number;
  readonly details: string;
  readonly message: Buffer | undefined;
  /** Seconds of RetryInfo, when there is one. */
  readonly retryAfter: number | undefined;
  readonly metadata: Metadata;
}

/** A connection of gRPC's own client; call `close`. */
export class GrpcClient {
  readonly #client: Client;
  readonly #token: string;

  constructor(
    { grpcUrl, token }: Pick<TestServer, 'grpcUrl' | 'token'>,
    options: { readonly gzip?: boolean; readonly credentials?: ChannelCredentials } = {},
  ) {
    this.#token = token;
    this.#client = new Client(hostOf(grpcUrl), options.credentials ?? credentials.createInsecure(), {
      ...(options.gzip === true ? { 'grpc.default_compression_algorithm': GZIP } : {}),
      'grpc.max_send_message_length': -1,
    });
  }

  /** Metadata replaces the token where it has another one; an empty value leaves a name out. */
  call(path: string, message: Uint8Array, metadata: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return new Promise((resolve) => {
      let initial = new Metadata();
      const call = this.#client.makeUnaryRequest(
        path,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes: Buffer) => bytes,
        message,
        this.#metadata(metadata),
        {},
        (error: ServiceError | null, answer?: Buffer) => resolve(ended(error, answer, initial)),
      );
      call.on('metadata', (given) => {
        initial = given;
      });
    });
  }

  /** Messages as they come, until the call ends. */
  stream(path: string, message: Uint8Array) {
    const call = this.#client.makeServerStreamRequest(
      path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Buffer) => bytes,
      message,
      this.#metadata({}),
      {},
    );
    call.on('error', () => {});
    return call;
  }

  close(): void {
    this.#client.close();
  }

  #metadata(given: Readonly<Record<string, string>>): Metadata {
    const all = { authorization: `Bearer ${this.#token}`, ...given };
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(all)) if (value !== '') metadata.set(name, value);
    return metadata;
  }
}

/** What a call that is made by hand got: its headers with its trailers, and the body. */
export interface RawEnded {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function hostOf(url: string | undefined): string {
  return new URL(url ?? '').host;
}

const CALL_HEADERS = { 'content-type': 'application/grpc', te: 'trailers' } as const;

/** Sends headers only; the caller does the rest. */
export function openCall(connection: Http2Connection, path: string, headers: Readonly<Record<string, string>> = {}) {
  const stream = connection.open({ path, headers: { ...CALL_HEADERS, ...headers } });
  let found: IncomingHttpHeaders = {};
  const parts: Buffer[] = [];
  stream.on('response', (given) => {
    found = { ...found, ...given };
  });
  stream.on('trailers', (given) => {
    found = { ...found, ...given };
  });
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.on('error', () => {});
  const end = new Promise<RawEnded>((resolve) =>
    stream.once('close', () => resolve({ headers: found, body: Buffer.concat(parts) })),
  );
  return { stream, end };
}

/** A message with its prefix. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A request in protobuf, from its JSON. */
export function encodeOtlp(signal: Signal, json: unknown): Buffer {
  const type = root.lookupType(MESSAGES[signal]);
  return Buffer.from(type.encode(type.fromObject(json as Record<string, unknown>)).finish());
}

/** Seconds of the RetryInfo in a Status. */
export function retryAfterIn(details: Uint8Array): number {
  const type = root.lookupType('google.rpc.Status');
  const status = type.toObject(type.decode(details)) as {
    readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
  };
  const [detail] = status.details;
  if (detail?.typeUrl !== 'type.googleapis.com/google.rpc.RetryInfo') throw new Error('the detail is no RetryInfo');
  const info = retryInfo.toObject(retryInfo.decode(detail.value), { longs: Number }) as {
    readonly retryDelay: { readonly seconds: number };
  };
  return info.retryDelay.seconds;
}

function ended(error: ServiceError | null, message: Buffer | undefined, initial: Metadata): Ended {
  const details = error?.metadata.get('grpc-status-details-bin')[0];
  return {
    code: error?.code ?? 0,
    details: error?.details ?? '',
    message,
    retryAfter: details === undefined ? undefined : retryAfterIn(details as Buffer),
    metadata: error?.metadata ?? initial,
  };
}
