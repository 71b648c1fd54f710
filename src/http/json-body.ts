/** Bodies of the control plane: JSON, small, and said to be JSON (S2 API §2: whatever is wrong with it is `bad_json`). */

import { TailraceError } from '../model/error.ts';
import { CONTROL_BODY_BYTES_MAX } from '../model/limits.ts';
import { readBody } from './body.ts';
import type { HttpDeps } from './door.ts';
import type { Exchange } from './exchange.ts';
import { reply } from './reply.ts';
import { firstMediaType, wireFormOf } from './s2-door.ts';

/**
 * The value in the body. `optional`: no body at all is null, also without a content type.
 * @throws TailraceError `bad_json`
 */
export async function readJson(exchange: Exchange, deps: HttpDeps, optional = false): Promise<unknown> {
  const limits = { wireBytesMax: CONTROL_BODY_BYTES_MAX, bodyBytesMax: CONTROL_BODY_BYTES_MAX };
  const body = await readBody(exchange, { ...deps.reading, ...limits });
  try {
    if (optional && body.bytes.length === 0) return null;
    if (wireFormOf(firstMediaType(exchange.request.headers['content-type'])) !== 'json') {
      throw new TailraceError('bad_json', 'the body must be JSON: send it with Content-Type application/json');
    }
    return parse(body.bytes);
  } finally {
    body.release();
  }
}

/** Answers with a JSON value. `headers`: names and values in turn. */
export function answerJson(
  exchange: Exchange,
  status: number,
  value: unknown,
  deps: HttpDeps,
  headers: readonly string[] = [],
): void {
  reply(exchange, { status, contentType: 'application/json', body: JSON.stringify(value), headers }, deps.room);
}

function parse(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return JSON.parse(text);
  } catch (cause) {
    throw new TailraceError('bad_json', 'the body is not valid JSON', { cause });
  }
}
