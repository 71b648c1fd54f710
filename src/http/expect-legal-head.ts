/** What is checked of the head of every request, whatever its route. */

import { TailraceError } from '../model/error.ts';
import { REQUEST_HEADERS_MAX } from '../model/limits.ts';
import type { Exchange } from './exchange.ts';

/** @throws TailraceError `bad_request`, `bad_header` */
export function expectLegalHead({ request, transport }: Pick<Exchange, 'request' | 'transport'>): void {
  // RFC 9112, section 3.2. An older version of HTTP has none.
  if (transport.version === 1 && request.headers.host === undefined && transport.response.req.httpVersion === '1.1') {
    throw new TailraceError('bad_header', 'the Host header is missing: HTTP/1.1 needs one');
  }
  if (request.rawHeaders.length > 2 * REQUEST_HEADERS_MAX) {
    throw new TailraceError('bad_request', `a request has at most ${REQUEST_HEADERS_MAX} headers`);
  }
}
