/** The OTLP receiver over HTTP: from a POST to durable records, and to every row of the table of answers. */

import { onlyBasin, type Principal } from '../../access/grant.ts';
import type { Basin } from '../../log/basins.ts';
import type { Log } from '../../log/log.ts';
import type { Stream } from '../../log/stream.ts';
import type { TailraceError } from '../../model/error.ts';
import { TailraceError as Failure } from '../../model/error.ts';
import { streamNameFault } from '../../model/names.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import { type IngestOptions, type IngestPort, type IngestResult, ingest } from '../../otlp/ingest.ts';
import { exportResponse, OTLP_CONTENT_TYPE, type OtlpEncoding } from '../../otlp/response.ts';
import { auditRefusal } from '../audit.ts';
import { type RequestBody, readBody } from '../body/read-body.ts';
import { Reservation } from '../body/reservation.ts';
import { authorizeAs, basinNamed, existingBasin, type HttpDeps, identifySender, senderOf } from '../context.ts';
import { encodingOf, refuseOtlp } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { reply } from '../reply.ts';
import type { Refuse, Route } from '../router.ts';
import { OTLP_STATUS } from '../status.ts';

const PREFIXES = ['', '/otlp'];

/** The routes of all signals, and of the one that is not there yet. */
export function otlpRoutes(deps: HttpDeps): readonly Route[] {
  const refuse: Refuse = (exchange, error) => refuseOtlp(exchange, error, deps.replyContext);
  const signals = PREFIXES.flatMap((prefix) =>
    SIGNALS.map((signal): Route => {
      const handle = (exchange: Exchange): Promise<void> => receive(exchange, signal, deps);
      const refuse: Refuse = (exchange, error) => {
        deps.metrics.otlpAnswered(signal, OTLP_STATUS[error.code]);
        refuseOtlp(exchange, error, deps.replyContext);
      };
      return { method: 'POST', path: `${prefix}/v1/${signal}`, action: 'append', protocol: 'otlp', handle, refuse };
    }),
  );
  const profiles = (): never => {
    throw new Failure('not_found', 'profiles are not supported yet: send logs, traces or metrics');
  };
  return [
    ...signals,
    { method: 'POST', path: '/v1development/profiles', action: 'append', protocol: 'otlp', handle: profiles, refuse },
  ];
}

async function receive(exchange: Exchange, signal: Signal, deps: HttpDeps): Promise<void> {
  if (deps.replyContext.closing()) throw new Failure('draining', 'the server is stopping: send again in a moment');
  const named = basinNamed(exchange);
  const sender = identifySender(exchange, deps, named);
  const principal = sender instanceof Promise ? await sender : sender;
  const basinName = named ?? onlyBasin(principal) ?? deps.defaultBasin;
  authorizeAs(exchange, deps, principal, { operation: 'append', basin: basinName });
  const basin = existingBasin(deps, basinName);
  const encoding = expectedEncoding(exchange.request.headers['content-type']);
  const body = await readBody(exchange, deps.reading);
  // A few bytes for each resource may become many by what the token sets on it.
  const heads = new Reservation(deps.reading.budget);
  const options: IngestOptions = {
    limits: deps.limits,
    tally: deps.metrics.jsonTally,
    reserve: (bytes) => heads.holdAtLeast(bytes),
    ...termsOf(principal, basinName, deps),
  };
  let result: IngestResult;
  try {
    deps.access.expectAlive(principal);
    result = await ingest(portOf(principal, deps.log), basin, { signal, encoding, body: body.bytes }, options);
  } catch (error) {
    body.release();
    throw error;
  } finally {
    heads.release();
  }
  answer(exchange, signal, encoding, result, body, deps);
}

/** What a token makes of the data: what it sets, and which streams it may go to. Root may do all and sets nothing. */
function termsOf(principal: Principal, basin: string, { access }: HttpDeps): Partial<IngestOptions> {
  if (principal.token === undefined) return {};
  const { resourceAttributes, stream } = principal.token;
  return {
    resourceAttributes,
    fixedStream: stream === undefined ? undefined : principal.shown(stream),
    takeSpans: (spans) => access.takeSpans(principal, spans),
    // Every stream that the data goes to needs leave of its own.
    mayAppend: (stream) => {
      const kept = principal.absolute(stream);
      return streamNameFault(kept) === undefined && principal.allows('append', basin, kept);
    },
  };
}

/** The log, with the names of streams as this caller says them. */
function portOf(principal: Principal, log: Log): IngestPort<Basin, Stream> {
  if (principal.token === undefined || principal.token.autoPrefix === '') return log;
  return {
    openStream: (basin, name, purpose) => log.openStream(basin, principal.absolute(name), purpose),
    append: (appends) => log.append(appends),
  };
}

function answer(
  exchange: Exchange,
  signal: Signal,
  encoding: OtlpEncoding,
  result: IngestResult,
  body: RequestBody,
  deps: HttpDeps,
): void {
  const content = exportResponse(signal, encoding, result);
  reply(exchange, { status: 200, contentType: OTLP_CONTENT_TYPE[encoding], body: content }, deps.replyContext);
  body.release();
  deps.metrics.otlpTaken(signal, result);
  if (result.reasons.length > 0) warnOfRejections(exchange, signal, result, deps);
}

/** A partial success is a drop that most exporters keep to themselves: the server says it too (users.md 2). */
function warnOfRejections(exchange: Exchange, signal: Signal, result: IngestResult, deps: HttpDeps): void {
  for (const { kind, reason, count, stream } of result.reasons) {
    const fields = {
      correlationId: exchange.correlationId,
      signal,
      count,
      ...(stream === undefined ? {} : { stream }),
    };
    deps.warnings.warn(senderOf(exchange), `${signal} ${reason}`, fields, `rejected ${signal}: ${reason}`);
    if (kind === 'not_allowed') auditRefusal(exchange, deps, new Failure('permission_denied', reason), stream);
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
  if (contentType === undefined) return new Failure('bad_request', `the Content-Type is missing: ${wanted}`);
  if (/^\s*application\/x-www-form-urlencoded/i.test(contentType)) {
    const curl = `with curl: -H 'Content-Type: application/json'`;
    return new Failure(
      'bad_request',
      `the Content-Type is that of a web form, which curl sends by itself: ${wanted} (${curl})`,
    );
  }
  const given = JSON.stringify(contentType.slice(0, 100));
  return new Failure('bad_request', `the Content-Type ${given} is not OTLP: ${wanted}`);
}
