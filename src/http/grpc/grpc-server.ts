/**
 * The server of the gRPC port, with the collector services of OTLP and the health service. A call is a request of HTTP/2,
 * so this is a server as that of the HTTP port, with its connections, limits, authorization and order of stopping; only
 * the form of requests and responses differs.
 */

import type { Duplex } from 'node:stream';
import type { Clock } from '../../model/clock.ts';
import { type ErrorCode, TailraceError } from '../../model/error.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { type Exchange, hostOf, schemeOf } from '../exchange.ts';
import { holdAnswer } from '../held-answer.ts';
import { type OtlpDeps, type OtlpForm, receiveOtlp } from '../receive-otlp.ts';
import type { PortRoutes, RouteGroup } from '../router.ts';
import { noteRefused } from '../senders.ts';
import { HttpServer, type HttpServerDeps } from '../server.ts';
import { OTLP_STATUS } from '../status.ts';
import { Health, type HealthDeps } from './health.ts';
import { readMessage } from './message.ts';
import { isCall, refuseCall, replyMessage } from './reply.ts';

interface ServiceDeps extends OtlpDeps {
  readonly health: Health;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** The port of OTLP/HTTP, for senders that took the wrong one; undefined until it is open. */
  readonly httpPort: () => number | undefined;
}

/** The services by signal. */
const SERVICES: Readonly<Record<Signal, string>> = {
  logs: 'opentelemetry.proto.collector.logs.v1.LogsService',
  traces: 'opentelemetry.proto.collector.trace.v1.TraceService',
  metrics: 'opentelemetry.proto.collector.metrics.v1.MetricsService',
};

/** Milliseconds of each unit of `grpc-timeout`. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

const PROFILES = /^\/opentelemetry\.proto\.collector\.profiles\./;

type Shared = Omit<HttpServerDeps, 'origins' | 'readers' | 'routes' | 'portAdvice' | 'upgrade'>;

type GrpcServerDeps = Shared & Omit<ServiceDeps, 'replyContext' | 'health' | 'clock'> & Omit<HealthDeps, 'services'>;

/** @throws TailraceError `config` when the TLS files cannot be used */
export function createGrpcServer(deps: GrpcServerDeps): HttpServer {
  const health = new Health({ ...deps, services: Object.values(SERVICES) });
  return new HttpServer({
    ...deps,
    readers: health,
    routes: (replyContext) => grpcPortRoutes({ ...deps, health, replyContext }),
    portAdvice:
      'choose another with --grpc-port (TAILRACE_GRPC_PORT), or turn OTLP/gRPC off with --grpc-port 0 if nothing sends it',
    upgrade: (_request, socket) => refuseUpgrade(socket),
  });
}

/** A WebSocket reader that took the wrong port. */
function refuseUpgrade(socket: Duplex): void {
  socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

function grpcPortRoutes(deps: ServiceDeps): PortRoutes {
  const { replyContext, health } = deps;
  return {
    groups: [...SIGNALS.map((signal) => serviceGroup(signal, deps)), health.group(replyContext)],
    unrouted: {
      protocol: 'grpc',
      refuse: (exchange, error) => {
        noteRefused(exchange, undefined, error, deps);
        refuseCall(exchange, error, replyContext);
      },
      routes: [],
    },
    wrongPath: (exchange) => wrongPath(exchange, deps),
  };
}

function serviceGroup(signal: Signal, deps: ServiceDeps): RouteGroup {
  const form: OtlpForm = {
    headersOf: ({ request }) => request.headers,
    encodingOf: (exchange) => {
      if (!isCall(exchange)) throw notGrpc('unsupported_encoding', exchange, deps);
      return 'protobuf';
    },
    readBody: readMessage,
    reply: (exchange, { bytes }, context) => {
      holdAnswer(exchange, 200, bytes.length, context.memory);
      replyMessage(exchange, bytes, context);
    },
  };
  return {
    protocol: 'grpc',
    takesUnknown: true,
    refuse: (exchange, error) => {
      if (!exchange.isOwnTelemetry) deps.metrics.otlpAnswered(signal, OTLP_STATUS[error.code]);
      noteRefused(exchange, signal, error, deps);
      refuseCall(exchange, error, deps.replyContext);
    },
    routes: [
      {
        method: 'POST',
        path: `/${SERVICES[signal]}/Export`,
        call: 'grpc',
        action: 'append',
        handle: (exchange) => receiveOtlp(exchange, signal, { ...form, ...deadlineOf(exchange, deps.clock) }, deps),
      },
    ],
  };
}

function wrongPath(exchange: Exchange, deps: ServiceDeps): TailraceError {
  if (!isCall(exchange)) return notGrpc('not_found', exchange, deps);
  const what = PROFILES.test(exchange.path) ? 'profiles are not supported yet' : 'there is no such method';
  return new TailraceError('method_not_allowed', `${what}: send logs, traces or metrics to Export of OTLP`);
}

/** Most likely an exporter that speaks HTTP and was given the port of gRPC. */
function notGrpc(code: ErrorCode, exchange: Exchange, { httpPort }: ServiceDeps): TailraceError {
  const host = (hostOf(exchange) ?? '127.0.0.1').replace(/:\d*$/, '');
  const endpoint = `OTEL_EXPORTER_OTLP_ENDPOINT=${schemeOf(exchange)}://${host}:${httpPort() ?? 4318}`;
  return new TailraceError(
    code,
    `this port speaks gRPC only: set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or send OTLP over HTTP with ${endpoint}`,
  );
}

/**
 * How long the client of a call waits: it says so in `grpc-timeout` (gRPC over HTTP2, Requests). What was not given to the
 * store by then is not stored, since the client sends it again. To be called when the headers have come.
 */
function deadlineOf({ request }: Exchange, clock: Pick<Clock, 'monotonicMs'>): { expectInTime?: () => void } {
  const header = request.headers['grpc-timeout'];
  if (header === undefined) return {};
  const [, value, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(String(header)) ?? [];
  const timeoutMs = Number(value) * (UNITS[unit] ?? Number.NaN);
  const untilMs = clock.monotonicMs() + timeoutMs;
  return {
    expectInTime: () => {
      if (Number.isNaN(timeoutMs)) throw malformed(String(header));
      if (clock.monotonicMs() >= untilMs) throw tooLate(String(header));
    },
  };
}

function malformed(header: string): TailraceError {
  const given = JSON.stringify(header.slice(0, 64));
  return new TailraceError(
    'bad_header',
    `grpc-timeout is up to eight digits and one of H, M, S, m, u, n, not ${given}`,
  );
}

function tooLate(header: string): TailraceError {
  const sentence = `the time of the call was over (grpc-timeout ${header}) before its data was stored: send it again`;
  return new TailraceError('deadline_exceeded', sentence);
}
