/**
 * Requests that no route takes. A POST is most likely an exporter with a wrong endpoint: it gets the right one, in an
 * error of OTLP's form.
 */

import { TailraceError } from '../../model/error.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { refuseOtlp, refuseS2 } from '../errors.ts';
import { type Exchange, hostOf, schemeOf } from '../exchange.ts';
import { isCall, refuseCall } from '../grpc/reply.ts';
import type { ReplyDeps } from '../reply.ts';
import type { RouteGroup } from '../router.ts';
import { noteRefused, type SenderNoteDeps } from '../senders.ts';
import { grpcElsewhere, NO_PROFILES, type OtlpRouteDeps } from './otlp.ts';

const PATHS = SIGNALS.map((signal) => `/v1/${signal}`).join(', ');

/** Where S2 clients post, and no exporter does. */
const S2_POSTS = /^\/v1\/(streams|basins|access-tokens)(\/|$)/;

/** The group of requests without a route: how they are refused. */
export function unrouted(deps: ReplyDeps & SenderNoteDeps): RouteGroup {
  return {
    protocol: 'http',
    refuse: (exchange, error) => {
      if (!isExporter(exchange)) {
        refuseS2(exchange, error, deps.replyContext);
        return;
      }
      noteRefused(exchange, signalIn(exchange.path), error, deps);
      // The libraries below exporters show the status of gRPC and nothing of the body.
      if (isCall(exchange)) refuseCall(exchange, error, deps.replyContext);
      else refuseOtlp(exchange, error, deps.replyContext);
    },
    routes: [],
  };
}

/** Whether a request looks like that of an exporter. */
export function isExporter(exchange: Exchange): boolean {
  return exchange.request.method === 'POST' && !S2_POSTS.test(exchange.path);
}

/** The error for a path that no route has. */
export function wrongPath(exchange: Exchange, deps: Pick<OtlpRouteDeps, 'grpcPort'>): TailraceError {
  return new TailraceError('not_found', isExporter(exchange) ? advice(exchange, deps) : 'no such path');
}

function advice(exchange: Exchange, deps: Pick<OtlpRouteDeps, 'grpcPort'>): string {
  const host = hostOf(exchange) ?? '127.0.0.1:4318';
  if (isGrpc(exchange)) return grpcElsewhere(deps);
  if (exchange.path.endsWith('/profiles')) return NO_PROFILES;
  const signal = signalIn(exchange.path);
  const base = `${schemeOf(exchange)}://${host}`;
  const endpoint = `as OTEL_EXPORTER_OTLP_ENDPOINT set ${base} without a path`;
  if (signal === undefined) return `no such path: OTLP goes to ${base} followed by ${PATHS}; ${endpoint}`;
  return `no such path: ${signal} go to ${base}/v1/${signal}; ${endpoint}, or the whole URL in the variable of the signal`;
}

/** A call of OTLP/gRPC, by its path or its content type. */
function isGrpc({ path, request }: Exchange): boolean {
  return (
    path.startsWith('/opentelemetry.proto.') || /^\s*application\/grpc/i.test(request.headers['content-type'] ?? '')
  );
}

/** `/v1/v1/logs`, `/logs`, `/v1/logs/`, `/v1/trace`: the last word that sounds like a signal. */
function signalIn(path: string): Signal | undefined {
  const words = path.toLowerCase().split('/').reverse();
  for (const word of words) {
    const signal = SIGNALS.find((candidate) => candidate === word || candidate === `${word}s`);
    if (signal !== undefined) return signal;
  }
  return undefined;
}
