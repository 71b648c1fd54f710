/** The id that ties an answer to its log lines, over every door. */

import { randomBytes } from 'node:crypto';
import { holdsSecret } from './redact.ts';

/**
 * A sane id of the caller's, or a new one: a counter behind a prefix that differs with each start. A secret is no sane
 * id: this one is in every log line.
 */
export function correlationId(given: string | string[] | undefined): string {
  if (typeof given === 'string' && SANE.test(given) && !holdsSecret(given)) return given;
  count = (count + 1) % Number.MAX_SAFE_INTEGER;
  return PREFIX + count;
}

const SANE = /^[A-Za-z0-9._-]{1,64}$/;
const PREFIX = `${randomBytes(6).toString('hex')}-`;
let count = 0;
