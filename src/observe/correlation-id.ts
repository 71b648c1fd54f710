/** The id that connects a response with its log lines, in every protocol. */

import { randomBytes } from 'node:crypto';
import { holdsSecret } from './redact.ts';

/**
 * The caller's id when it is safe to log, else a new one: a counter after a prefix that differs with each start. An id
 * that holds a secret is not safe, because the id is in every log line.
 */
export function correlationId(given: string | string[] | undefined): string {
  if (typeof given === 'string' && SAFE.test(given) && !holdsSecret(given)) return given;
  count = (count + 1) % Number.MAX_SAFE_INTEGER;
  return PREFIX + count;
}

const SAFE = /^[A-Za-z0-9._-]{1,64}$/;
const PREFIX = `${randomBytes(6).toString('hex')}-`;
let count = 0;
