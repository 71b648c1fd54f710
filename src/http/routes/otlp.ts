/** OTLP over HTTP: the paths of each signal, and what requests and responses look like there. */

import type { IncomingHttpHeaders } from 'node:http';
import { TailraceError } from '../../model/error.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { OTLP_CONTENT_TYPE, type OtlpEncoding } from '../../otlp/response.ts';
import { readBody } from '../body/read-body.ts';
import { encodingOf, refuseOtlp } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { type OtlpDeps, type OtlpForm, receiveOtlp } from '../receive-otlp.ts';
import { reply } from '../reply.ts';
import type { Route, RouteGroup } from '../router.ts';
import { IN_BASIN } from '../s2/call.ts';
import { noteRefused } from '../senders.ts';
import { OTLP_STATUS } from '../status.ts';

const PREFIXES = ['', '/otlp', '/api/v1/otlp'];
/** Langfuse's path, for logs and traces, where the token may come as the password of the scheme Basic. */
const LANGFUSE = '/api/public/otel';
/** Answers in JSON with the ids of the traces that are stored and the number of their spans, too. */
const TRACES_WITH_IDS = '/v1/traces/otlp';
export const NO_PROFILES = 'profiles are not supported yet: send logs, traces or metrics';

export interface OtlpRouteDeps extends OtlpDeps {
  /** The port of gRPC, for calls that took the wrong one; undefined when it is off or not open yet. */
  readonly grpcPort: () => number | undefined;
}

/** A group for each signal, which counts what it refuses, and one for the signal that is not supported yet. */
export function otlpRoutes(deps: OtlpRouteDeps): readonly RouteGroup[] {
  return [...SIGNALS.map((signal) => signalRoutes(signal, deps)), profileRoutes(deps)];
}

/** What a call of gRPC is told on the port of HTTP. */
export function grpcElsewhere({ grpcPort }: Pick<OtlpRouteDeps, 'grpcPort'>): string {
  const port = grpcPort();
  const there = port === undefined ? 'and its own is off (--grpc-port)' : `but on ${port}: send it there, or`;
  return `gRPC is not on this port ${there} set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf for this one`;
}

function signalRoutes(signal: Signal, deps: OtlpRouteDeps): RouteGroup {
  const http = httpForm(deps);
  const route = (path: string, form: OtlpForm): Route => ({
    method: 'POST',
    path,
    call: `send-${signal}`,
    query: IN_BASIN,
    action: 'append',
    handle: (exchange) => receiveOtlp(exchange, signal, form, deps),
  });
  const routes = PREFIXES.map((prefix) => route(`${prefix}/v1/${signal}`, http));
  if (signal !== 'metrics') {
    const withBasic = { ...http, headersOf: ({ request }: Exchange) => withBearer(request.headers) };
    routes.push(route(`${LANGFUSE}/v1/${signal}`, withBasic));
  }
  if (signal === 'traces') {
    const handle = (exchange: Exchange): Promise<void> => receiveOtlp(exchange, signal, withTraceIds(http), deps);
    const call = 'send-traces-with-ids';
    routes.push({ method: 'POST', path: TRACES_WITH_IDS, call, query: IN_BASIN, action: 'append', handle });
  }
  return {
    protocol: 'otlp',
    takesUnknown: true,
    refuse: (exchange, error) => {
      if (!exchange.isOwnTelemetry) deps.metrics.otlpAnswered(signal, OTLP_STATUS[error.code]);
      noteRefused(exchange, signal, error, deps);
      refuseOtlp(exchange, error, deps.replyContext);
    },
    routes,
  };
}

function httpForm(deps: OtlpRouteDeps): OtlpForm {
  return {
    headersOf: ({ request }) => request.headers,
    encodingOf: ({ request }) => expectedEncoding(request.headers['content-type'], deps),
    readBody,
    reply: (exchange, { encoding, bytes }, context) =>
      reply(exchange, { status: 200, contentType: OTLP_CONTENT_TYPE[encoding], body: bytes }, context),
  };
}

/** A form for one request: its response in JSON has `traceIds`, in lower-case hex, and `spanCount` too. */
function withTraceIds(form: OtlpForm): OtlpForm {
  const traceIds = new Set<string>();
  return {
    ...form,
    traceIds,
    reply: (exchange, content, context) => {
      if (content.encoding === 'protobuf') return form.reply(exchange, content, context);
      const fields = JSON.parse(Buffer.from(content.bytes).toString()) as object;
      const all = { ...fields, traceIds: [...traceIds], spanCount: content.result.accepted };
      form.reply(exchange, { ...content, bytes: Buffer.from(JSON.stringify(all)) }, context);
    },
  };
}

function profileRoutes(deps: OtlpDeps): RouteGroup {
  const handle = (): never => {
    throw new TailraceError('not_found', NO_PROFILES);
  };
  return {
    protocol: 'otlp',
    takesUnknown: true,
    refuse: (exchange, error) => {
      noteRefused(exchange, undefined, error, deps);
      refuseOtlp(exchange, error, deps.replyContext);
    },
    routes: [{ method: 'POST', path: '/v1development/profiles', call: 'send-profiles', action: 'append', handle }],
  };
}

/** The password of the scheme Basic as a Bearer token (RFC 7617). Anything else stays as it is. */
export function withBearer(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const [, encoded] = /^basic +([A-Za-z0-9+/_=-]+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (encoded === undefined) return headers;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return { ...headers, authorization: `Bearer ${pair.slice(pair.indexOf(':') + 1)}` };
}

/** @throws TailraceError `bad_request` that says what to send */
function expectedEncoding(contentType: string | undefined, deps: OtlpRouteDeps): OtlpEncoding {
  const encoding = encodingOf(contentType);
  if (encoding !== undefined) return encoding;
  throw wrongContentType(contentType, deps);
}

function wrongContentType(contentType: string | undefined, deps: OtlpRouteDeps): TailraceError {
  const wanted = 'send Content-Type application/x-protobuf or application/json';
  if (contentType === undefined) return new TailraceError('bad_request', `the Content-Type is missing: ${wanted}`);
  if (/^\s*application\/x-www-form-urlencoded/i.test(contentType)) {
    const curl = `with curl: -H 'Content-Type: application/json'`;
    return new TailraceError(
      'bad_request',
      `the Content-Type is that of a web form, which curl sends by itself: ${wanted} (${curl})`,
    );
  }
  if (/^\s*application\/grpc/i.test(contentType)) {
    return new TailraceError('bad_request', grpcElsewhere(deps));
  }
  const given = JSON.stringify(contentType.slice(0, 100));
  return new TailraceError('bad_request', `the Content-Type ${given} is not OTLP: ${wanted}`);
}
