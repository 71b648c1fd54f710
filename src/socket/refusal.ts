/** Answers to upgrade requests that are refused: plain HTTP, since no WebSocket is there to say it. */

import type { Duplex } from 'node:stream';
import type { ErrorCode, TailraceError } from '../model/error.ts';

/** Everything that is not here is told after the upgrade, by an `error` frame and a close code. */
const STATUSES: Partial<Record<ErrorCode, readonly [status: number, phrase: string]>> = {
  authn: [401, 'Unauthorized'],
  permission_denied: [403, 'Forbidden'],
  not_found: [404, 'Not Found'],
  bad_request: [400, 'Bad Request'],
  draining: [503, 'Service Unavailable'],
};

/** Answers and closes the connection. */
export function refuseUpgrade(correlationId: string, socket: Duplex, error: TailraceError): void {
  const [status, phrase] = STATUSES[error.code] ?? [500, 'Internal Server Error'];
  const body = JSON.stringify({ code: error.code, message: error.message });
  const head = [
    `HTTP/1.1 ${status} ${phrase}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-Id: ${correlationId}`,
    'Connection: close',
  ];
  if (status === 401) head.push('WWW-Authenticate: Bearer');
  if (status === 503) head.push('Retry-After: 1');
  socket.once('finish', () => socket.destroy());
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
