/** Headers on their way through a node: all but those that are about one connection (RFC 9110, section 7.6.1). */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { SENDER_HEADERS } from '../../access/node-trust.ts';
import { TailraceError } from '../../model/error.ts';
import { REQUEST_HEADER_BYTES_MAX } from '../../model/limits.ts';
import type { Exchange } from '../exchange.ts';

const OF_CONNECTION: ReadonlySet<string> = new Set([
  ...['connection', 'http2-settings', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade'],
]);
/** What HTTP/2 counts for each header besides its characters (RFC 9113, section 6.5.2). */
const HEADER_BYTES = 32;
/** What a client of HTTP/1.0 addresses, which may not say it; HTTP/2 needs a name. */
const NO_HOST = 'localhost';

/**
 * The headers of a request as HTTP/2 sends them on, with some of our own.
 * @throws TailraceError `not_found`, `bad_header`
 */
export function passedRequestHeaders(exchange: Exchange, own: Readonly<Record<string, string>>): OutgoingHttpHeaders {
  const { request, correlationId } = exchange;
  const { host } = request.headers;
  const passed: OutgoingHttpHeaders = {
    ':method': request.method ?? 'GET',
    ':path': pathOf(exchange),
    ':authority': host === undefined || host === '' ? NO_HOST : host,
  };
  const named = connectionHeaders(request.headers);
  let bytes = 0;
  for (const [name, value] of Object.entries(request.headers)) {
    bytes += name.length + String(value).length + HEADER_BYTES;
    if (name.startsWith(':') || name === 'host' || SENDER_HEADERS.has(name) || named.has(name)) continue;
    passed[name] = value;
  }
  if (bytes > REQUEST_HEADER_BYTES_MAX) throw new TailraceError('bad_header', 'the headers are too large');
  // gRPC sends it, and means both connections.
  if (request.headers.te === 'trailers') passed.te = 'trailers';
  passed['x-correlation-id'] = correlationId;
  return Object.assign(passed, own);
}

/** The head of an upgrade, which goes on as HTTP/1.1. */
export function passedUpgradeHead(
  {
    method = 'GET',
    url = '/',
    rawHeaders,
    headers,
  }: Pick<Exchange['request'], 'method' | 'url' | 'rawHeaders' | 'headers'>,
  own: Readonly<Record<string, string>>,
): string {
  const named = connectionHeaders(headers);
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const key = name.toLowerCase();
    if (!SENDER_HEADERS.has(key) && !named.has(key)) lines.push(`${name}: ${rawHeaders[at + 1]}`);
  }
  lines.push('Connection: Upgrade', 'Upgrade: websocket');
  for (const [name, value] of Object.entries(own)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The headers of a response, without the pseudo-header. */
export function passedResponseHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const passed: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) if (!name.startsWith(':')) passed[name] = value;
  return passed;
}

/** Those that are about the connection, also because it says so. */
function connectionHeaders({ connection = '' }: IncomingHttpHeaders): ReadonlySet<string> {
  if (connection === '' || /^(close|keep-alive|upgrade)$/i.test(connection)) return OF_CONNECTION;
  const named = connection.split(',').map((name) => name.trim().toLowerCase());
  return new Set([...OF_CONNECTION, ...named]);
}

/** @throws TailraceError `not_found` for what is no path */
function pathOf({ request, path, query }: Exchange): string {
  const { url = '/' } = request;
  if (url.startsWith('/') || url === '*') return url;
  // A client that talks to a proxy names the whole URL.
  if (!path.startsWith('/')) throw new TailraceError('not_found', 'no such path');
  return query === '' ? path : `${path}?${query}`;
}
