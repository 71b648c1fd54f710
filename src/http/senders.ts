/** Notes who sends OTLP data over HTTP, and what became of each request: see `observe/senders.ts`. */

import { senderIdentity } from '../access/authorize-sender.ts';
import type { TailraceError } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import type { RefusedData, TakenData } from '../observe/sender.ts';
import type { Senders } from '../observe/senders.ts';
import { encodingOf } from './errors.ts';
import { connectionOf, type Exchange, senderOf } from './exchange.ts';

export interface SenderNoteDeps {
  readonly senders: Pick<Senders, 'note'>;
}

/** Also when it came to a port that does not take it. */
const GRPC = /^application\/grpc($|[+;])/i;

/** Call it once for each request of an exporter, with what was stored of it. */
export function noteTaken(exchange: Exchange, signal: Signal, taken: TakenData, deps: SenderNoteDeps): void {
  note(exchange, signal, taken, deps);
}

/**
 * Call it once for each request that is refused where exporters send to. Only those that send something are noted, and
 * the question of a browser whether a page may, when it may not. `signal`: undefined when the path does not say it.
 */
export function noteRefused(
  exchange: Exchange,
  signal: Signal | undefined,
  { code, message }: TailraceError,
  deps: SenderNoteDeps,
): void {
  const { method } = exchange.request;
  const isSending = method === 'POST' || (method === 'OPTIONS' && code === 'permission_denied');
  if (isSending) note(exchange, signal, { code, message, path: exchange.path }, deps);
}

function note(
  exchange: Exchange,
  signal: Signal | undefined,
  outcome: TakenData | RefusedData,
  { senders }: SenderNoteDeps,
): void {
  const { headers } = exchange.request;
  const contentType = headers['content-type'];
  const isGrpc = contentType !== undefined && GRPC.test(contentType);
  const { token, basin } = senderIdentity(exchange.auditContext);
  senders.note({
    address: senderOf(exchange),
    connection: connectionOf(exchange),
    userAgent: headers['user-agent'],
    protocol: isGrpc ? 'grpc' : 'http',
    signal,
    encoding: isGrpc ? 'protobuf' : encodingOf(contentType),
    token,
    basin,
    source: exchange.source,
    beganAt: exchange.openedAt,
    outcome,
  });
}
