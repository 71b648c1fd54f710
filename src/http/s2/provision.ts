/** What create and ensure calls share: the request token, and how their outcome is told. */

import type { Provision } from '../../log/control-plane.ts';
import { TailraceError } from '../../model/error.ts';
import { REQUEST_TOKEN_BYTES_MAX } from '../../model/limits.ts';
import type { Exchange } from '../exchange.ts';

/** The S2-Request-Token header. @throws TailraceError `bad_header` */
export function requestToken(exchange: Exchange): string | undefined {
  const token = exchange.request.headers['s2-request-token'];
  if (token === undefined) return undefined;
  if (typeof token === 'string' && Buffer.byteLength(token, 'latin1') <= REQUEST_TOKEN_BYTES_MAX) return token;
  throw new TailraceError('bad_header', `s2-request-token must be at most ${REQUEST_TOKEN_BYTES_MAX} bytes long`);
}

/** The header that tells what happened: clients take the outcome from it. */
export function provisionHeaders(outcome: Provision): readonly string[] {
  return ['S2-Provision-Result', outcome];
}
