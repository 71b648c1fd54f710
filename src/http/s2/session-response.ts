/** How the responses of s2s sessions begin, and how they end when something went wrong. */

import type { TailraceError } from '../../model/error.ts';
import { terminalFrame } from '../../s2/frame.ts';
import { auditRefusal } from '../audit.ts';
import type { RecordDeps } from '../context.ts';
import { s2ErrorBody, s2Status } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { StreamResponse } from '../stream-response.ts';

export const S2S_CONTENT_TYPE = 's2s/proto';

/** Nothing between us and the client may keep what a live response sends. */
export const LIVE_HEADERS = ['Cache-Control', 'no-cache, no-transform', 'X-Accel-Buffering', 'no'];

/** Sends the headers of a session that begins. */
export function openSessionResponse(exchange: Exchange, deps: RecordDeps): StreamResponse {
  return StreamResponse.open(
    exchange,
    { status: 200, contentType: S2S_CONTENT_TYPE, headers: LIVE_HEADERS },
    deps.replyContext,
  );
}

/** The last frame to the client of a session. What is a fault of ours is written down. */
export function terminalOf(error: TailraceError, exchange: Exchange, deps: RecordDeps): Buffer {
  const { correlationId, path } = exchange;
  auditRefusal(exchange, deps, error);
  if (error.code === 'internal' || error.code === 'fatal' || error.code === 'corrupt') {
    deps.logger.error({ correlationId, path, code: error.code, err: error }, 'an s2s session failed');
  }
  return terminalFrame(s2Status(error), s2ErrorBody(error, correlationId));
}
