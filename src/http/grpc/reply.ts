/** Responses of gRPC calls: one message and the status behind it, or the status alone (gRPC over HTTP2, Responses). */

import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TailraceError } from '../../model/error.ts';
import { GRPC_MESSAGE_BYTES_MAX } from '../../model/limits.ts';
import { OTLP_GRPC_CODE, retryStatus, UNAVAILABLE } from '../../otlp/response.ts';
import { discardRest, endQuietly, isBodyPending } from '../body/discard.ts';
import { refuseOtlp, shownMessage } from '../errors.ts';
import { type Exchange, isOpen } from '../exchange.ts';
import type { ReplyContext } from '../reply.ts';
import { sendBody } from '../send-body.ts';
import { retryAfterSeconds } from '../status.ts';
import { ACCEPTED_ENCODINGS, framed } from './message.ts';

/** What a message for people depends on besides the error. */
type Named = Pick<Exchange, 'correlationId' | 'hiddenPrefix'>;

const OK = { 'grpc-status': '0' };
const CONTENT_TYPE = /^application\/grpc($|[+;])/i;

/** Whether a request is a call of gRPC; anything else gets an answer of HTTP. */
export function isCall({ request, transport }: Exchange): boolean {
  return transport.version === 2 && CONTENT_TYPE.test(request.headers['content-type'] ?? '');
}

/** Sends the one message of a call that went well. */
export function replyMessage(exchange: Exchange, message: Uint8Array, { answers }: ReplyContext): void {
  const stream = openResponse(exchange);
  if (stream === undefined) return;
  endResponse(stream, OK);
  sendBody(exchange, stream, framed(message), answers);
}

/** Begins a response of any number of messages; undefined when the client is gone. Call `endResponse` before it ends. */
export function openResponse({ transport, correlationId }: Exchange): ServerHttp2Stream | undefined {
  if (transport.version === 1 || !isOpen(transport.stream)) return undefined;
  transport.stream.respond(headersOf(correlationId), { waitForTrailers: true });
  return transport.stream;
}

/** Says what stands behind the last message. */
export function endResponse(stream: ServerHttp2Stream, trailers: OutgoingHttpHeaders): void {
  // Node's own listener, of a response object that nothing uses here, would send trailers first.
  stream.removeAllListeners('wantTrailers').once('wantTrailers', () => {
    if (isOpen(stream)) stream.sendTrailers(trailers);
  });
}

/** Refuses a call before a message was sent; a request that is no call of gRPC gets an answer of HTTP. */
export function refuseCall(exchange: Exchange, error: TailraceError, context: ReplyContext): void {
  const { transport, correlationId } = exchange;
  if (transport.version === 1 || !isCall(exchange)) {
    refuseOtlp(exchange, error, context);
    return;
  }
  const { stream } = transport;
  if (!isOpen(stream)) return;
  stream.respond({ ...headersOf(correlationId), ...statusOf(exchange, error) }, { endStream: true });
  if (isBodyPending(exchange)) discardRest(exchange, context.watch, () => endQuietly(stream));
}

/** The status of a call that failed. */
export function statusOf(exchange: Named, error: TailraceError): OutgoingHttpHeaders {
  const code = OTLP_GRPC_CODE[error.code];
  const { text, encoded } = headerText(shownMessage(exchange, error));
  const status = { 'grpc-status': String(code), 'grpc-message': encoded };
  if (code !== UNAVAILABLE) return status;
  const details = Buffer.from(retryStatus(code, text, retryAfterSeconds(error)));
  return { ...status, 'grpc-status-details-bin': details.toString('base64').replace(/=+$/, '') };
}

function headersOf(correlationId: string): OutgoingHttpHeaders {
  return {
    ':status': 200,
    'content-type': 'application/grpc',
    'grpc-accept-encoding': ACCEPTED_ENCODINGS,
    'x-correlation-id': correlationId,
  };
}

/** As much of a message as headers may hold, plain and percent-encoded (gRPC over HTTP2, Status-Message). */
function headerText(message: string): { text: string; encoded: string } {
  let encoded = '';
  let text = '';
  for (const character of message) {
    const next = percentEncoded(character);
    if (encoded.length + next.length > GRPC_MESSAGE_BYTES_MAX) break;
    encoded += next;
    text += character;
  }
  return { text, encoded };
}

const PRINTABLE = /^[ -$&-~]$/;

function percentEncoded(character: string): string {
  if (PRINTABLE.test(character)) return character;
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
