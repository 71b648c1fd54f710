/** Notes who sends OTLP data over HTTP, and what became of each request: see `observe/senders.ts`. */

import { senderIdentity } from '../access/authorize-sender.ts';
import type { TailraceError } from '../model/error.ts';
import type { Signal } from '../model/record.ts';
import type { RefusedData, Senders, TakenData } from '../observe/senders.ts';
import { senderOf } from './context.ts';
import { encodingOf } from './errors.ts';
import { connectionOf, type Exchange } from './exchange.ts';

export interface SenderNoteDeps {
  readonly senders: Pick<Senders, 'note'>;
}

/** Call it once for each request of an exporter, with what was stored of it. */
export function noteTaken(exchange: Exchange, signal: Signal, taken: TakenData, deps: SenderNoteDeps): void {
  note(exchange, signal, taken, deps);
}

/** Call it once for each request of an exporter that is refused. `signal`: undefined when the path does not say it. */
export function noteRefused(
  exchange: Exchange,
  signal: Signal | undefined,
  { code, message }: TailraceError,
  deps: SenderNoteDeps,
): void {
  note(exchange, signal, { code, message, path: exchange.path }, deps);
}

function note(
  exchange: Exchange,
  signal: Signal | undefined,
  outcome: TakenData | RefusedData,
  { senders }: SenderNoteDeps,
): void {
  const { headers } = exchange.request;
  const { token, basin } = senderIdentity(exchange.auditContext);
  senders.note({
    address: senderOf(exchange),
    connection: connectionOf(exchange),
    userAgent: headers['user-agent'],
    protocol: 'http',
    signal,
    encoding: encodingOf(headers['content-type']),
    token,
    basin,
    source: exchange.source,
    outcome,
  });
}
