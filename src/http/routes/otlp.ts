/** The OTLP receiver: from a request over HTTP, or a call of gRPC, to durable records and a response. */

import { authorizeSender, type SenderDeps } from '../../access/authorize-sender.ts';
import { TailraceError } from '../../model/error.ts';
import { BODY_RESERVED_STEP_BYTES, type OtlpLimits } from '../../model/limits.ts';
import { unknownSource } from '../../model/otlp-source.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import type { Metrics } from '../../observe/metrics.ts';
import type { Warnings } from '../../observe/warnings.ts';
import type { ingest } from '../../otlp/ingest.ts';
import type { IngestResult } from '../../otlp/ingest-result.ts';
import { exportResponse, OTLP_CONTENT_TYPE, type OtlpEncoding } from '../../otlp/response.ts';
import { auditRefusal } from '../audit.ts';
import { type BodyReading, type RequestBody, readBody } from '../body/read-body.ts';
import { reservationFor } from '../body/reservation.ts';
import { type AuditDeps, senderOf } from '../context.ts';
import { encodingOf, refuseOtlp } from '../errors.ts';
import { connectionOf, type Exchange } from '../exchange.ts';
import { type ReplyContext, type ReplyDeps, reply } from '../reply.ts';
import type { RouteGroup } from '../router.ts';
import { noteRefused, noteTaken, type SenderNoteDeps } from '../senders.ts';
import { OTLP_STATUS } from '../status.ts';

/** How requests and responses of OTLP look on the wire. */
export interface OtlpForm {
  /** @throws TailraceError `bad_request` that says what to send */
  encodingOf(exchange: Exchange): OtlpEncoding;
  readBody(exchange: Exchange, reading: BodyReading): Promise<RequestBody>;
  /** Sends the response of a request of which something was stored. */
  reply(exchange: Exchange, encoding: OtlpEncoding, content: Uint8Array, context: ReplyContext): void;
}

export interface OtlpDeps extends SenderDeps, SenderNoteDeps, ReplyDeps, AuditDeps {
  readonly reading: BodyReading;
  readonly limits: OtlpLimits;
  readonly metrics: Pick<Metrics, 'otlpTaken' | 'otlpAnswered' | 'jsonTally'>;
  readonly warnings: Pick<Warnings, 'warn'>;
}

const PREFIXES = ['', '/otlp'];

type Ingest = typeof ingest;

let loaded: Ingest | undefined;

/** The scanner with its tables takes long to load, and a port that opens later is a longer restart. */
export async function loadIngest(): Promise<Ingest> {
  loaded ??= (await import('../../otlp/ingest.ts')).ingest;
  return loaded;
}

const HTTP: OtlpForm = {
  encodingOf: ({ request }) => expectedEncoding(request.headers['content-type']),
  readBody,
  reply: (exchange, encoding, body, context) =>
    reply(exchange, { status: 200, contentType: OTLP_CONTENT_TYPE[encoding], body }, context),
};

/** A group for each signal, which counts what it refuses, and one for the signal that is not supported yet. */
export function otlpRoutes(deps: OtlpDeps): readonly RouteGroup[] {
  return [...SIGNALS.map((signal) => signalRoutes(signal, deps)), profileRoutes(deps)];
}

function signalRoutes(signal: Signal, deps: OtlpDeps): RouteGroup {
  const handle = (exchange: Exchange): Promise<void> => receiveOtlp(exchange, signal, HTTP, deps);
  return {
    protocol: 'otlp',
    refuse: (exchange, error) => {
      deps.metrics.otlpAnswered(signal, OTLP_STATUS[error.code]);
      noteRefused(exchange, signal, error, deps);
      refuseOtlp(exchange, error, deps.replyContext);
    },
    routes: PREFIXES.map((prefix) => ({
      method: 'POST',
      path: `${prefix}/v1/${signal}`,
      action: 'append',
      handle,
    })),
  };
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

/**
 * Stores a request and replies. The sender is authorized before anything of the body is read.
 * @throws TailraceError for a request that is refused: then nothing was sent yet
 */
export async function receiveOtlp(exchange: Exchange, signal: Signal, form: OtlpForm, deps: OtlpDeps): Promise<void> {
  const { request, query, auditContext: context } = exchange;
  const sender = { headers: request.headers, query, connection: connectionOf(exchange), context };
  const pending = authorizeSender(sender, deps);
  const { principal, basin, log, terms } = pending instanceof Promise ? await pending : pending;
  exchange.hiddenPrefix = principal.token?.autoPrefix ?? '';
  const encoding = form.encodingOf(exchange);
  const body = await form.readBody(exchange, deps.reading);
  // Blocks until they are durable, what JSON is turned into, and what the token sets on each resource.
  const working = reservationFor(exchange, deps.reading);
  const made = madeOf(body.bytes.length, encoding);
  const reserve = (bytes: number): void => working.holdAtLeast(made + bytes);
  const source = unknownSource();
  exchange.source = source;
  const options = { limits: deps.limits, tally: deps.metrics.jsonTally, source, reserve, ...terms };
  let result: IngestResult;
  try {
    const take = loaded ?? (await loadIngest());
    deps.access.expectAlive(principal);
    reserve(0);
    result = await take(log, basin, { signal, encoding, body: body.bytes }, options);
  } catch (error) {
    body.release();
    throw error;
  } finally {
    working.release();
  }
  form.reply(exchange, encoding, exportResponse(signal, encoding, result), deps.replyContext);
  body.release();
  deps.metrics.otlpTaken(signal, result);
  noteTaken(exchange, signal, result, deps);
  if (result.reasons.length > 0) warnOfRejections(exchange, signal, result, deps);
}

/** What is made of a body until it is durable. Small bodies are taken by then, and count in steps that are larger. */
function madeOf(bytes: number, encoding: OtlpEncoding): number {
  if (bytes <= BODY_RESERVED_STEP_BYTES) return 0;
  return bytes * (encoding === 'json' ? 2 : 1);
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
  const given = JSON.stringify(contentType.slice(0, 100));
  return new TailraceError('bad_request', `the Content-Type ${given} is not OTLP: ${wanted}`);
}
