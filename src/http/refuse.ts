/** Error answers of the two families of doors: `google.rpc.Status` for OTLP, `{code, message}` for S2. */

import { TailraceError } from '../model/error.ts';
import { OTLP_CONTENT_TYPE, OTLP_GRPC_CODE, type OtlpEncoding, statusResponse } from '../otlp/response.ts';
import type { Exchange } from './exchange.ts';
import { type ReplyRoom, reply } from './reply.ts';
import { OTLP_STATUS, retryAfterSeconds, S2_STATUS } from './status.ts';

/** Protobuf when the request said so, else JSON (otlp.md, Encodings). */
export function refuseOtlp(exchange: Exchange, error: TailraceError, room: ReplyRoom): void {
  const encoding = encodingOf(exchange.request.headers['content-type']) ?? 'json';
  const status = OTLP_STATUS[error.code];
  reply(
    exchange,
    {
      status,
      contentType: OTLP_CONTENT_TYPE[encoding],
      body: statusResponse(encoding, OTLP_GRPC_CODE[error.code], messageFor(exchange, error)),
      headers: extraHeaders(error, status),
    },
    room,
  );
}

/** Always JSON (S2 API §2). */
export function refuseS2(exchange: Exchange, error: TailraceError, room: ReplyRoom): void {
  const [status, code] = S2_STATUS[error.code];
  const { tail } = error.detail;
  const body =
    error.code === 'range_not_satisfiable' && tail !== undefined
      ? { tail: { seq_num: tail.seqNum, timestamp: tail.timestamp } }
      : { code, message: messageFor(exchange, error) };
  const answer = { status, contentType: 'application/json', body: JSON.stringify(body) };
  reply(exchange, { ...answer, headers: extraHeaders(error, status) }, room);
}

/** Anything thrown, as an error of ours: what we did not throw ourselves is a fault of ours. */
export function asTailraceError(thrown: unknown): TailraceError {
  if (thrown instanceof TailraceError) return thrown;
  return new TailraceError('internal', 'a fault of the server', { cause: thrown });
}

/** The encoding that a Content-Type names; parameters and letter case do not count. */
export function encodingOf(contentType: string | undefined): OtlpEncoding | undefined {
  if (contentType === 'application/x-protobuf') return 'protobuf';
  if (contentType === 'application/json') return 'json';
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-protobuf') return 'protobuf';
  return type === 'application/json' ? 'json' : undefined;
}

/** What went wrong inside of us is nobody's business outside: the id leads to the log line. */
function messageFor(exchange: Exchange, error: TailraceError): string {
  if (error.code !== 'internal' && error.code !== 'fatal') return error.message;
  return `a fault of the server; its log says more under correlation id ${exchange.correlationId}`;
}

function extraHeaders(error: TailraceError, status: number): string[] {
  if (status === 401) return ['WWW-Authenticate', 'Bearer'];
  if (status === 405) return ['Allow', (error.detail.allow ?? []).join(', ')];
  if (status === 415) return ['Accept-Encoding', 'gzip'];
  if (status === 429 || status === 503) return ['Retry-After', String(retryAfterSeconds(error))];
  return [];
}
