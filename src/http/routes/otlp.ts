/** The OTLP receiver over HTTP: from a POST to durable records and a response. */

import type { IncomingHttpHeaders } from 'node:http';
import { authorizeSender, type SenderDeps } from '../../access/authorize-sender.ts';
import { TailraceError } from '../../model/error.ts';
import type { OtlpLimits } from '../../model/limits.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { Warnings } from '../../observe/warnings.ts';
import { ingest } from '../../otlp/ingest.ts';
import type { IngestResult } from '../../otlp/ingest-result.ts';
import { exportResponse, OTLP_CONTENT_TYPE, type OtlpEncoding } from '../../otlp/response.ts';
import { decodeScopes } from '../../otlp/views/decode.ts';
import { auditRefusal } from '../audit.ts';
import { type BodyReading, type RequestBody, readBody } from '../body/read-body.ts';
import { Reservation } from '../body/reservation.ts';
import { type AuditDeps, senderOf } from '../context.ts';
import { encodingOf, refuseOtlp } from '../errors.ts';
import { connectionOf, type Exchange } from '../exchange.ts';
import { type ReplyDeps, reply } from '../reply.ts';
import type { RouteGroup } from '../router.ts';
import { OTLP_STATUS } from '../status.ts';

export interface OtlpDeps extends SenderDeps, ReplyDeps, AuditDeps {
  readonly reading: BodyReading;
  readonly limits: OtlpLimits;
  readonly metrics: Pick<Metrics, 'otlpTaken' | 'otlpAnswered' | 'jsonTally'>;
  readonly warnings: Pick<Warnings, 'warn'>;
}

const PREFIXES = ['', '/otlp', '/api/v1/otlp'];
/** Langfuse's path, for logs and traces, where the token may come as the password of the scheme Basic. */
const LANGFUSE = '/api/public/otel';

/** Answers in JSON with the ids of the traces that are stored and the number of their spans, too. */
const TRACES_WITH_IDS = '/v1/traces/otlp';

/** A group for each signal, which counts what it refuses, and one for the signal that is not supported yet. */
export function otlpRoutes(deps: OtlpDeps): readonly RouteGroup[] {
  return [...SIGNALS.map((signal) => signalRoutes(signal, deps)), profileRoutes(deps)];
}

function signalRoutes(signal: Signal, deps: OtlpDeps): RouteGroup {
  const handle = (exchange: Exchange): Promise<void> => receive(exchange, signal, deps);
  const prefixes = signal === 'metrics' ? PREFIXES : [...PREFIXES, LANGFUSE];
  return {
    protocol: 'otlp',
    refuse: (exchange, error) => {
      deps.metrics.otlpAnswered(signal, OTLP_STATUS[error.code]);
      refuseOtlp(exchange, error, deps.replyContext);
    },
    routes: [
      ...prefixes.map(
        (prefix) => ({ method: 'POST', path: `${prefix}/v1/${signal}`, action: 'append', handle }) as const,
      ),
      ...(signal === 'traces' ? [{ method: 'POST', path: TRACES_WITH_IDS, action: 'append', handle } as const] : []),
    ],
  };
}

function profileRoutes({ replyContext }: OtlpDeps): RouteGroup {
  const handle = (): never => {
    throw new TailraceError('not_found', 'profiles are not supported yet: send logs, traces or metrics');
  };
  return {
    protocol: 'otlp',
    refuse: (exchange, error) => refuseOtlp(exchange, error, replyContext),
    routes: [{ method: 'POST', path: '/v1development/profiles', action: 'append', handle }],
  };
}

async function receive(exchange: Exchange, signal: Signal, deps: OtlpDeps): Promise<void> {
  const { request, query, auditContext: context } = exchange;
  const headers = exchange.path.startsWith(LANGFUSE) ? withBearer(request.headers) : request.headers;
  const sender = { headers, query, connection: connectionOf(exchange), context };
  const pending = authorizeSender(sender, deps);
  const { principal, basin, log, terms } = pending instanceof Promise ? await pending : pending;
  exchange.hiddenPrefix = principal.token?.autoPrefix ?? '';
  const encoding = expectedEncoding(request.headers['content-type']);
  const body = await readBody(exchange, deps.reading);
  // A few bytes for each resource may become many by what the token sets on it.
  const heads = new Reservation(deps.reading.budget);
  const reserve = (bytes: number): void => heads.holdAtLeast(bytes);
  const ids = exchange.path === TRACES_WITH_IDS ? new Set<string>() : undefined;
  const stored = ids === undefined ? {} : { stored: (payload: readonly Uint8Array[]) => addTraceIds(ids, payload) };
  const options = { limits: deps.limits, tally: deps.metrics.jsonTally, reserve, ...terms, ...stored };
  let result: IngestResult;
  try {
    deps.access.expectAlive(principal);
    result = await ingest(log, basin, { signal, encoding, body: body.bytes }, options);
  } catch (error) {
    body.release();
    throw error;
  } finally {
    heads.release();
  }
  replyWith(exchange, signal, encoding, result, body, deps, ids);
}

/** The ids of the traces in a message, in lower-case hex. */
function addTraceIds(ids: Set<string>, payload: readonly Uint8Array[]): void {
  for (const { items } of decodeScopes('traces', Buffer.concat(payload))) {
    for (const { traceId } of items) if (traceId.length > 0) ids.add(Buffer.from(traceId).toString('hex'));
  }
}

/** The password of the scheme Basic as a Bearer token (RFC 7617). Anything else stays as it is. */
function withBearer(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const [, encoded] = /^basic +([A-Za-z0-9+/_=-]+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (encoded === undefined) return headers;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return { ...headers, authorization: `Bearer ${pair.slice(pair.indexOf(':') + 1)}` };
}

function replyWith(
  exchange: Exchange,
  signal: Signal,
  encoding: OtlpEncoding,
  result: IngestResult,
  body: RequestBody,
  deps: OtlpDeps,
  ids?: ReadonlySet<string>,
): void {
  const response = exportResponse(signal, encoding, result);
  const content = ids === undefined || encoding === 'protobuf' ? response : withTraceIds(response, ids, result);
  reply(exchange, { status: 200, contentType: OTLP_CONTENT_TYPE[encoding], body: content }, deps.replyContext);
  body.release();
  deps.metrics.otlpTaken(signal, result);
  if (result.reasons.length > 0) warnOfRejections(exchange, signal, result, deps);
  if (result.repairs.length > 0) warnOfRepairs(exchange, signal, result, deps);
}

function withTraceIds(response: Uint8Array, ids: ReadonlySet<string>, { accepted }: IngestResult): Buffer {
  const fields = JSON.parse(Buffer.from(response).toString()) as object;
  return Buffer.from(JSON.stringify({ ...fields, traceIds: [...ids], spanCount: accepted }));
}

/** Most exporters do not report a partial success, so the server warns of it too. */
function warnOfRejections(exchange: Exchange, signal: Signal, result: IngestResult, deps: OtlpDeps): void {
  for (const { kind, reason, count, stream } of result.reasons) {
    const fields = {
      correlationId: exchange.correlationId,
      signal,
      count,
      ...(stream === undefined ? {} : { stream }),
    };
    deps.warnings.warn(senderOf(exchange), `${signal} ${reason}`, fields, `rejected ${signal}: ${reason}`);
    if (kind === 'not_allowed') auditRefusal(exchange, deps, new TailraceError('permission_denied', reason), stream);
  }
}

/** The one who looks at the terminal often is not the one who can change the sender: so it says which stream it is. */
function warnOfRepairs(exchange: Exchange, signal: Signal, result: IngestResult, deps: OtlpDeps): void {
  for (const { kind, reason, count, stream } of result.repairs) {
    const { correlationId } = exchange;
    const fields = { correlationId, signal, count, ...(stream === undefined ? {} : { stream }) };
    deps.warnings.warn(
      senderOf(exchange),
      `${signal} ${kind} ${stream ?? ''}`,
      fields,
      `accepted ${signal}: ${reason}`,
    );
  }
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
