/** Error responses: `google.rpc.Status` for OTLP, `{code, message}` for S2 and for routes of our own. */

import type { TailraceError } from '../model/error.ts';
import { OTLP_CONTENT_TYPE, OTLP_GRPC_CODE, type OtlpEncoding, statusResponse } from '../otlp/response.ts';
import type { Exchange } from './exchange.ts';
import { type ReplyContext, reply } from './reply.ts';
import { OTLP_STATUS, retryAfterSeconds, S2_STATUS } from './status.ts';

/**
 * In the encoding of the request (OTLP specification, OTLP/HTTP Response); JSON when its Content-Type is none of
 * OTLP's.
 */
export function refuseOtlp(exchange: Exchange, error: TailraceError, context: ReplyContext): void {
  const encoding = encodingOf(exchange.request.headers['content-type']) ?? 'json';
  const status = OTLP_STATUS[error.code];
  reply(
    exchange,
    {
      status,
      contentType: OTLP_CONTENT_TYPE[encoding],
      body: statusResponse(encoding, OTLP_GRPC_CODE[error.code], shownMessage(exchange, error)),
      headers: extraHeaders(error, status),
    },
    context,
  );
}

/** Always JSON, whatever the request was. */
export function refuseS2(exchange: Exchange, error: TailraceError, context: ReplyContext): void {
  const status = s2Status(error);
  const body = s2ErrorBody(error, exchange.correlationId, exchange.hiddenPrefix);
  reply(exchange, { status, contentType: 'application/json', body, headers: extraHeaders(error, status) }, context);
}

/** The status of an error for S2 clients: of a response, and in the terminal frame of a session. */
export function s2Status(error: TailraceError): number {
  return S2_STATUS[error.code][0];
}

/**
 * What an S2 client is told of an error, as JSON text: in a response, a terminal frame or an SSE `error` event. S2 has
 * no code and message for mismatches (412) and reads beyond the tail (416), only the facts. `hiddenPrefix` is what the
 * caller's token puts before stream names: no message shows it.
 */
export function s2ErrorBody(error: TailraceError, correlationId: string, hiddenPrefix = ''): string {
  const { seqNum, fencingToken, tail, field } = error.detail;
  if (error.code === 'seq_num_mismatch' && seqNum !== undefined) return JSON.stringify({ seq_num_mismatch: seqNum });
  if (error.code === 'fencing_token_mismatch' && fencingToken !== undefined) {
    return JSON.stringify({ fencing_token_mismatch: fencingToken });
  }
  if (error.code === 'range_not_satisfiable' && tail !== undefined) {
    return JSON.stringify({ tail: { seq_num: tail.seqNum, timestamp: tail.timestamp } });
  }
  return JSON.stringify({
    code: S2_STATUS[error.code][1],
    message: withoutPrefix(messageFor(error, correlationId), hiddenPrefix),
    ...(field === undefined ? {} : { field }),
  });
}

/** What the one who sent a request is told of an error. */
export function shownMessage(
  { correlationId, hiddenPrefix }: Pick<Exchange, 'correlationId' | 'hiddenPrefix'>,
  error: TailraceError,
): string {
  return withoutPrefix(messageFor(error, correlationId), hiddenPrefix);
}

/** The encoding that a Content-Type names; parameters and letter case do not count. */
export function encodingOf(contentType: string | undefined): OtlpEncoding | undefined {
  if (contentType === 'application/x-protobuf') return 'protobuf';
  if (contentType === 'application/json') return 'json';
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-protobuf') return 'protobuf';
  return type === 'application/json' ? 'json' : undefined;
}

/** Messages quote names: those of streams lose what the caller's token puts before them. */
function withoutPrefix(message: string, prefix: string): string {
  return prefix === '' ? message : message.replaceAll(`\`${prefix}`, '`').replaceAll(`"${prefix}`, '"');
}

/** Of a fault of ours no retry helps, and a client learns nothing of what failed inside: the id leads to the log line. */
function messageFor(error: TailraceError, correlationId: string): string {
  if (OTLP_STATUS[error.code] !== 500) return error.message;
  const what = error.code === 'internal' || error.code === 'fatal' ? 'a fault of the server' : error.message;
  return `${what}; the log of the server says more under correlation id ${correlationId}`;
}

function extraHeaders(error: TailraceError, status: number): string[] {
  if (status === 401) return ['WWW-Authenticate', 'Bearer'];
  if (status === 405) return ['Allow', (error.detail.allow ?? []).join(', ')];
  if (status === 415) return ['Accept-Encoding', 'gzip'];
  if (status === 429 || status === 502 || status === 503) return ['Retry-After', String(retryAfterSeconds(error))];
  return [];
}
