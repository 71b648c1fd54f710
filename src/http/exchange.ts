/** One request and its answer, with what every handler needs of it, and the id that ties its log lines together. */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The caller's own id when it sent a sane one, else ours. On every answer and in every log line. */
  readonly correlationId: string;
  /** As it stands in the request line: still percent-encoded, slashes as they are. */
  readonly path: string;
  /** Behind the question mark, without it. */
  readonly query: string;
  /** The client holds its body back until it hears 100 Continue. Turned off once it was told. */
  awaitsContinue: boolean;
}

/** A request before the router has seen it. */
export function openExchange(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): Exchange {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  return {
    request,
    response,
    correlationId: correlationId(request.headers['x-correlation-id']),
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? '' : url.slice(mark + 1),
    awaitsContinue,
  };
}

/** A sane id of the caller's, or a new one: a counter behind a prefix that differs with each start. */
export function correlationId(given: string | string[] | undefined): string {
  if (typeof given === 'string' && SANE.test(given)) return given;
  count = (count + 1) % Number.MAX_SAFE_INTEGER;
  return PREFIX + count;
}

const SANE = /^[A-Za-z0-9._-]{1,64}$/;
const PREFIX = `${randomBytes(6).toString('hex')}-`;
let count = 0;

/** Whether the request line and headers announce a body. */
export function announcesBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return (length !== undefined && length !== '0') || request.headers['transfer-encoding'] !== undefined;
}

/** The length that was announced; undefined when the body comes in chunks. */
export function announcedLength(request: IncomingMessage): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined;
  return Number(request.headers['content-length'] ?? 0);
}
