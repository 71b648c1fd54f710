/** OTLP over HTTP: the paths of each signal, and what requests and responses look like there. */

import type { IncomingHttpHeaders } from 'node:http';
import { TailraceError } from '../../model/error.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { OTLP_CONTENT_TYPE, type OtlpEncoding } from '../../otlp/response.ts';
import { readBody } from '../body/read-body.ts';
import { encodingOf, refuseOtlp } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { type ExportContent, type OtlpDeps, type OtlpForm, receiveOtlp } from '../receive-otlp.ts';
import { reply } from '../reply.ts';
import type { Route, RouteGroup } from '../router.ts';
import { noteRefused } from '../senders.ts';
import { OTLP_STATUS } from '../status.ts';

const PREFIXES = ['', '/otlp', '/api/v1/otlp'];
/** Langfuse's path, for logs and traces, where the token may come as the password of the scheme Basic. */
const LANGFUSE = '/api/public/otel';
/** Answers in JSON with the ids of the traces that are stored and the number of their spans, too. */
const TRACES_WITH_IDS = '/v1/traces/otlp';

const HTTP: OtlpForm = {
  headersOf: ({ request }) => request.headers,
  encodingOf: ({ request }) => expectedEncoding(request.headers['content-type']),
  readBody,
  reply: (exchange, { encoding, bytes }, context) =>
    reply(exchange, { status: 200, contentType: OTLP_CONTENT_TYPE[encoding], body: bytes }, context),
};

const HTTP_WITH_BASIC: OtlpForm = { ...HTTP, headersOf: ({ request }) => withBearer(request.headers) };

/** A group for each signal, which counts what it refuses, and one for the signal that is not supported yet. */
export function otlpRoutes(deps: OtlpDeps): readonly RouteGroup[] {
  return [...SIGNALS.map((signal) => signalRoutes(signal, deps)), profileRoutes(deps)];
}

function signalRoutes(signal: Signal, deps: OtlpDeps): RouteGroup {
  const route = (path: string, form: OtlpForm): Route => ({
    method: 'POST',
    path,
    action: 'append',
    handle: (exchange) => receiveOtlp(exchange, signal, form, deps),
  });
  const routes = PREFIXES.map((prefix) => route(`${prefix}/v1/${signal}`, HTTP));
  if (signal !== 'metrics') routes.push(route(`${LANGFUSE}/v1/${signal}`, HTTP_WITH_BASIC));
  if (signal === 'traces') {
    const handle = async (exchange: Exchange): Promise<void> =>
      receiveOtlp(exchange, signal, await withTraceIds(HTTP), deps);
    routes.push({ method: 'POST', path: TRACES_WITH_IDS, action: 'append', handle });
  }
  return {
    protocol: 'otlp',
    refuse: (exchange, error) => {
      deps.metrics.otlpAnswered(signal, OTLP_STATUS[error.code]);
      noteRefused(exchange, signal, error, deps);
      refuseOtlp(exchange, error, deps.replyContext);
    },
    routes,
  };
}

/** A form for one request: its response in JSON has `traceIds`, in lower-case hex, and `spanCount` too. */
async function withTraceIds(form: OtlpForm): Promise<OtlpForm> {
  // Loaded here, because it takes long, and few senders ask for it.
  const { decodeScopes } = await import('../../otlp/views/decode.ts');
  const ids = new Set<string>();
  return {
    ...form,
    stored: (payload) => {
      for (const { items } of decodeScopes('traces', Buffer.concat(payload))) {
        for (const { traceId } of items) if (traceId.length > 0) ids.add(Buffer.from(traceId).toString('hex'));
      }
    },
    reply: (exchange, content, context) => form.reply(exchange, withIds(content, ids), context),
  };
}

function withIds(content: ExportContent, ids: ReadonlySet<string>): ExportContent {
  if (content.encoding === 'protobuf') return content;
  const fields = JSON.parse(Buffer.from(content.bytes).toString()) as object;
  const all = { ...fields, traceIds: [...ids], spanCount: content.result.accepted };
  return { ...content, bytes: Buffer.from(JSON.stringify(all)) };
}

function profileRoutes(deps: OtlpDeps): RouteGroup {
  const handle = (): never => {
    throw new TailraceError('not_found', 'profiles are not supported yet: send logs, traces or metrics');
  };
  return {
    protocol: 'otlp',
    refuse: (exchange, error) => {
      noteRefused(exchange, undefined, error, deps);
      refuseOtlp(exchange, error, deps.replyContext);
    },
    routes: [{ method: 'POST', path: '/v1development/profiles', action: 'append', handle }],
  };
}

/** The password of the scheme Basic as a Bearer token (RFC 7617). Anything else stays as it is. */
function withBearer(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const [, encoded] = /^basic +([A-Za-z0-9+/_=-]+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (encoded === undefined) return headers;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return { ...headers, authorization: `Bearer ${pair.slice(pair.indexOf(':') + 1)}` };
}

/** @throws TailraceError `bad_request` that says what to send */
function expectedEncoding(contentType: string | undefined): OtlpEncoding {
  const encoding = encodingOf(contentType);
  if (encoding !== undefined) return encoding;
  throw wrongContentType(contentType);
}

function wrongContentType(contentType: string | undefined): TailraceError {
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
    return new TailraceError(
      'bad_request',
      'gRPC is not on this port but on 4317: send it there, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf for this one',
    );
  }
  const given = JSON.stringify(contentType.slice(0, 100));
  return new TailraceError('bad_request', `the Content-Type ${given} is not OTLP: ${wanted}`);
}
